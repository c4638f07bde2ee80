//! Service Watch: one stream of the client's is one stream of the member's.
//!
//! No task and no channel stand between the member and the socket: the response stream *is* the loop that takes the
//! next of either side, so an event costs one wake-up. The client may close its half; its watches go on.

use super::Service;
use crate::encoded_events::EncodedEvents;
use crate::handle::WatchStream;
use crate::pb;
use crate::wire::error::status;
use crate::wire::watch;
use detcd_engine::request::RequestError;
use detcd_engine::watch::WatchResponse;
use futures_util::stream;
use std::pin::Pin;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming};

struct OpenStream {
    service: Service,
    member: WatchStream,
    client: Streaming<pb::WatchRequest>,
    client_half_closed: bool,
    ended: bool,
}

#[tonic::async_trait]
impl pb::watch_server::Watch for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<Streaming<pb::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        // Its token is looked up for each watcher; one that this member has not heard of yet is waited for here.
        let member = self.member.on_behalf_of(metadata.proof);
        member.heard_of_caller().await;
        let open = OpenStream {
            service: self.clone(),
            member: member.open_watch(metadata.require_leader),
            client: request.into_inner(),
            client_half_closed: false,
            ended: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(open, |mut open| async move {
            let item = open.next().await?;
            open.ended = item.is_err();
            Some((item, open))
        }))))
    }
}

impl OpenStream {
    /// The next response. An error is the last: it ends the stream.
    ///
    /// The client's requests are read first, so that it can cancel however many events come; but after each request one
    /// response that waits is sent. Responses are taken only as fast as the client reads them, so requests of a client
    /// that never reads are soon not read either, and its responses do not accumulate here.
    async fn next(&mut self) -> Option<Result<pb::WatchResponse, Status>> {
        if self.ended {
            return None;
        }
        loop {
            tokio::select! {
                biased;
                asked = self.client.message(), if !self.client_half_closed => match asked {
                    Ok(Some(request)) => {
                        if let Some(input) = watch::watch_request(request) {
                            self.member.send(input);
                        }
                        if let Some(response) = self.member.try_recv() {
                            return Some(self.on_wire(response));
                        }
                    }
                    Ok(None) => self.client_half_closed = true,
                    Err(error) => return Some(Err(canceled(error))),
                },
                told = self.member.recv() => {
                    let Some(response) = told else { return Some(Err(status(RequestError::Stopped))) };
                    return Some(self.on_wire(response));
                }
            }
        }
    }

    fn on_wire(&self, response: WatchResponse<EncodedEvents>) -> Result<pb::WatchResponse, Status> {
        let Service { member, headers, .. } = &self.service;
        watch::watch_response(*headers, member.status().term, response).map_err(status)
    }
}

/// etcd's words for a client that went away; other faults of the stream are passed on.
fn canceled(error: Status) -> Status {
    match error.code() {
        Code::Cancelled => Status::cancelled("etcdserver: watch canceled"),
        _ => error,
    }
}
