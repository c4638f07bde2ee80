//! Service Maintenance.

use super::Service;
use super::backup::Backup;
use crate::clock::Stopwatch;
use crate::pb;
use crate::wire::error::status;
use crate::wire::maintenance;
use detcd_engine::etcd_file::{HashKv, KvHash};
use detcd_engine::mvcc::View;
use detcd_engine::request::{Reply, RequestError};
use futures_util::stream;
use std::pin::Pin;
use std::sync::Arc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// Keys or changes that a reader's thread looks at before it turns to others' reads: a few milliseconds.
const LOOKS_AT_ONCE: usize = 10_000;

impl Service {
    /// Computed by the readers, a piece at a time: other long reads go on in between, and nothing more is done for a client
    /// that left.
    async fn hash_of(&self, view: View, revision: i64) -> Result<KvHash, RequestError> {
        let began = Stopwatch::start();
        let mut hash = self.member.elsewhere(move || HashKv::begin(&view, revision)).await??;
        loop {
            let go_on = move || {
                let done = hash.go_on(LOOKS_AT_ONCE);
                (done, hash)
            };
            match self.member.elsewhere(go_on).await? {
                (Some(done), _) => {
                    self.member.metrics().requests.hashed(began.elapsed());
                    return Ok(done);
                }
                (None, rest) => hash = rest,
            }
        }
    }
}

#[tonic::async_trait]
impl pb::maintenance_server::Maintenance for Service {
    type SnapshotStream = Pin<Box<dyn Stream<Item = Result<pb::SnapshotResponse, Status>> + Send>>;

    async fn alarm(&self, request: Request<pb::AlarmRequest>) -> Result<Response<pb::AlarmResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let request = request.into_inner();
        let is_read = request.action == i32::from(pb::alarm_request::AlarmAction::Get);
        let Some(asked) = maintenance::alarm_request(request).map_err(status)? else {
            // An alarm that there is not: nothing is asked of the engine.
            if is_read {
                self.somebody(metadata).await?
            } else {
                self.administrator(metadata).await?
            }
            let now = self.member.status();
            let header = self.header(now.revision, now.term);
            return Ok(Response::new(maintenance::alarm_response(header, Vec::new())));
        };
        let Reply { revision, term, response } = self.call(metadata, asked).await?;
        Ok(Response::new(maintenance::alarm_response(self.header(revision, term), response)))
    }

    async fn status(
        &self,
        request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        self.somebody(metadata).await?;
        let now = self.member.status();
        let header = self.header(now.revision, now.term);
        Ok(Response::new(maintenance::status_response(header, now)))
    }

    async fn hash_kv(
        &self,
        request: Request<pb::HashKvRequest>,
    ) -> Result<Response<pb::HashKvResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        self.administrator(metadata).await?;
        let view = self.member.state().await.map_err(status)?.store().clone();
        let header = self.header(view.revision(), self.member.status().term);
        let hash = self.hash_of(view, request.into_inner().revision).await.map_err(status)?;
        Ok(Response::new(maintenance::hash_kv_response(header, hash)))
    }

    async fn snapshot(
        &self,
        request: Request<pb::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        self.administrator(metadata).await?;
        let backup = Backup::begin(self.member.clone()).await.map_err(status)?;
        let (began, requests) = (Stopwatch::start(), Arc::clone(&self.member.metrics().requests));
        Ok(Response::new(Box::pin(stream::unfold(Some(backup), move |backup| {
            let requests = Arc::clone(&requests);
            async move {
                let mut backup = backup?;
                match backup.next().await {
                    Ok(Some(message)) => Some((Ok(message), Some(backup))),
                    Ok(None) => {
                        requests.backed_up(began.elapsed());
                        None
                    }
                    Err(refusal) => Some((Err(status(refusal)), None)),
                }
            }
        }))))
    }

    async fn defragment(
        &self,
        request: Request<pb::DefragmentRequest>,
    ) -> Result<Response<pb::DefragmentResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        self.administrator(metadata).await?;
        let now = self.member.status();
        tracing::info!(
            bytes = now.state_bytes,
            bytes_being_given_back = now.forgotten_bytes,
            "asked to defragment: what compactions forget is given back without being asked for"
        );
        Ok(Response::new(pb::DefragmentResponse { header: None }))
    }
}
