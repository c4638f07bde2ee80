//! Service Lease.

use super::{CallMetadata, Service};
use crate::handle::WatchStream;
use crate::pb;
use crate::wire::error::status;
use crate::wire::lease;
use detcd_engine::request::{LeaseId, LeaseKeepAlive, LeaseLeases, LeaseRevoke, Reply, RequestError};
use detcd_engine::watch::WatchResponse;
use futures_util::{StreamExt, stream};
use std::pin::Pin;
use std::sync::Arc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

/// Renewals of one stream that are with the engine at once. Clients send those of all their leases in one burst, tens
/// of thousands; so many share a turn of the main loop and a read-index round, and one stream's share of the queue of
/// requests stays small.
const IN_FLIGHT_MAX: usize = 256;

#[tonic::async_trait]
impl pb::lease_server::Lease for Service {
    type LeaseKeepAliveStream =
        Pin<Box<dyn Stream<Item = Result<pb::LeaseKeepAliveResponse, Status>> + Send>>;

    async fn lease_grant(
        &self,
        request: Request<pb::LeaseGrantRequest>,
    ) -> Result<Response<pb::LeaseGrantResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let grant = lease::grant_request(request.into_inner());
        let Reply { revision, term, response } = self.call(metadata, grant).await?;
        Ok(Response::new(lease::grant_response(self.header(revision, term), response)))
    }

    async fn lease_revoke(
        &self,
        request: Request<pb::LeaseRevokeRequest>,
    ) -> Result<Response<pb::LeaseRevokeResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let id = LeaseId(request.into_inner().id);
        let Reply { revision, term, response: () } = self.call(metadata, LeaseRevoke(id)).await?;
        Ok(Response::new(pb::LeaseRevokeResponse { header: self.header(revision, term) }))
    }

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<pb::LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let (service, renewing) = (Arc::new(self.clone()), metadata.clone());
        let renewed = request.into_inner().map(move |asked| {
            let service = Arc::clone(&service);
            let metadata = renewing.clone();
            async move { keep_alive(&service, metadata, LeaseId(asked?.id)).await }
        });
        let open = KeepAlives {
            member_watch: self.member.open_watch(metadata.require_leader),
            answers: Box::pin(renewed.buffered(IN_FLIGHT_MAX)),
            ended: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(open, |mut open| async move {
            let item = open.next().await?;
            open.ended = item.is_err();
            Some((item, open))
        }))))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<pb::LeaseTimeToLiveRequest>,
    ) -> Result<Response<pb::LeaseTimeToLiveResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let asked = lease::time_to_live_request(request.into_inner());
        let Reply { revision, term, response } = self.call(metadata, asked).await?;
        Ok(Response::new(lease::time_to_live_response(self.header(revision, term), response)))
    }

    async fn lease_leases(
        &self,
        request: Request<pb::LeaseLeasesRequest>,
    ) -> Result<Response<pb::LeaseLeasesResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let Reply { revision, term, response } = self.call(metadata, LeaseLeases).await?;
        Ok(Response::new(lease::leases_response(self.header(revision, term), response)))
    }
}

/// One stream of keepalives, answered in the order they come.
struct KeepAlives {
    /// A watch stream without watches: the member ends it when it stops and, for a caller that asked for that, when
    /// there has been no leader for too long; which is when a keepalive stream ends too.
    member_watch: WatchStream,
    /// An answer to each renewal, then what ended the client's side. Dropped, it gives up those in flight.
    answers: Pin<Box<dyn Stream<Item = Result<pb::LeaseKeepAliveResponse, Status>> + Send>>,
    ended: bool,
}

impl KeepAlives {
    /// The next response; `None` once the client has no more to ask. An error is the last.
    async fn next(&mut self) -> Option<Result<pb::LeaseKeepAliveResponse, Status>> {
        if self.ended {
            return None;
        }
        tokio::select! {
            biased;
            answer = self.answers.next() => answer,
            refusal = ended_by_member(&mut self.member_watch) => Some(Err(status(refusal))),
        }
    }
}

/// The header tells the revision before the lease's time started again: a client must not be told of a revision
/// in which its lease, renewed after all, was already gone.
async fn keep_alive(
    service: &Service,
    metadata: CallMetadata,
    id: LeaseId,
) -> Result<pb::LeaseKeepAliveResponse, Status> {
    let before = service.member.status();
    let reply = service.call(metadata, LeaseKeepAlive(id)).await?;
    let header = service.header(before.revision, before.term);
    Ok(pb::LeaseKeepAliveResponse { header, id: id.0, ttl: reply.response })
}

/// Returns when the member gives the stream up.
async fn ended_by_member(watch: &mut WatchStream) -> RequestError {
    loop {
        match watch.recv().await {
            Some(WatchResponse::NoLeader) => return RequestError::NoLeader,
            Some(_) => {}
            None => return RequestError::Stopped,
        }
    }
}
