//! Streams that a client keeps open: of a watch, of keepalives.

use super::super::WatchFeed;
use super::messages::{encoded_and_decoded, with_metadata};
use super::replies::{self, Headers};
use super::{errors, requests};
use crate::served::Window;
use crate::watch_response::WatchResponse;
use detcd_engine::request::{LeaseId, RequestError};
use detcd_engine::watch::WatchInput;
use futures_util::{Stream, stream};
use server_sim::clock::BoxFuture;
use server_sim::pb;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// A watch stream.
pub(super) struct Feed {
    asks: UnboundedSender<pb::WatchRequest>,
    answers: Streaming<pb::WatchResponse>,
    headers: Headers,
    /// A response that was read makes room for another.
    room: Arc<Semaphore>,
    has_ended: bool,
}

impl Feed {
    /// Opens one.
    ///
    /// # Errors
    /// What the call ended with.
    pub(super) async fn open(
        channel: Channel,
        headers: Headers,
        require_leader: bool,
        window: usize,
    ) -> Result<Feed, Status> {
        let (asks, following) = unbounded_channel();
        let room = Arc::new(Semaphore::new(window));
        let mut request = with_metadata(messages(following), require_leader);
        request.extensions_mut().insert(Window(Arc::clone(&room)));
        let answers = pb::watch_client::WatchClient::new(channel).watch(request).await?.into_inner();
        Ok(Feed { asks, answers, headers, room, has_ended: false })
    }
}

impl WatchFeed for Feed {
    fn send(&mut self, ask: WatchInput) {
        // A stream that has ended says so by `next`.
        drop(self.asks.send(encoded_and_decoded(requests::watch(ask))));
    }

    fn next(&mut self) -> BoxFuture<'_, Option<WatchResponse>> {
        Box::pin(async move {
            if self.has_ended {
                return None;
            }
            match self.answers.message().await {
                Ok(Some(answer)) => {
                    self.room.add_permits(1);
                    Some(replies::watch_response(self.headers, encoded_and_decoded(answer)))
                }
                ended => {
                    self.has_ended = true;
                    let error = ended.err().and_then(|status| errors::refusal(&status));
                    (error == Some(RequestError::NoLeader)).then_some(WatchResponse::NoLeader)
                }
            }
        })
    }
}

/// A stream of keepalives, one at a time.
pub(super) struct KeepAlives {
    asks: UnboundedSender<pb::LeaseKeepAliveRequest>,
    answers: Streaming<pb::LeaseKeepAliveResponse>,
}

impl KeepAlives {
    /// Opens one.
    ///
    /// # Errors
    /// What the call ended with.
    pub(super) async fn open(channel: Channel, require_leader: bool) -> Result<KeepAlives, Status> {
        let (asks, following) = unbounded_channel();
        let request = with_metadata(messages(following), require_leader);
        let answers =
            pb::lease_client::LeaseClient::new(channel).lease_keep_alive(request).await?.into_inner();
        Ok(KeepAlives { asks, answers })
    }

    /// One keepalive and its answer.
    ///
    /// # Errors
    /// What the stream ended with.
    pub(super) async fn ask(&mut self, id: LeaseId) -> Result<pb::LeaseKeepAliveResponse, Status> {
        // A stream that has ended says so where it is read.
        let _ = self.asks.send(encoded_and_decoded(pb::LeaseKeepAliveRequest { id: id.0 }));
        answer(&mut self.answers, id).await
    }

    /// The only keepalive: nothing more is asked, and the stream ends with the answer.
    ///
    /// # Errors
    /// What the stream ended with.
    pub(super) async fn ask_once(self, id: LeaseId) -> Result<pb::LeaseKeepAliveResponse, Status> {
        let KeepAlives { asks, mut answers } = self;
        let _ = asks.send(encoded_and_decoded(pb::LeaseKeepAliveRequest { id: id.0 }));
        drop(asks);
        let answer = answer(&mut answers, id).await?;
        let more = answers.message().await;
        assert!(
            !matches!(more, Ok(Some(_))),
            "promise broken: a keepalive is answered once, but then came {more:?}"
        );
        Ok(answer)
    }
}

async fn answer(
    answers: &mut Streaming<pb::LeaseKeepAliveResponse>,
    id: LeaseId,
) -> Result<pb::LeaseKeepAliveResponse, Status> {
    let answer = answers.message().await?;
    let answer = answer.ok_or_else(|| Status::unknown("the stream ended without an answer"))?;
    assert!(
        answer.id == id.0,
        "promise broken: keepalives are answered in order, but that of {id:?} with {answer:?}"
    );
    Ok(encoded_and_decoded(answer))
}

/// What is sent on a stream, until it is half-closed by dropping the other end.
fn messages<M: Send + 'static>(following: UnboundedReceiver<M>) -> impl Stream<Item = M> + Send + 'static {
    stream::unfold(following, |mut following| async move {
        let message = following.recv().await?;
        Some((message, following))
    })
}
