//! The way to the other members over gRPC: for each of them one stream of frames and, on a connection of its own,
//! the pieces of snapshots, so that a heartbeat never waits behind a snapshot.

use super::pb::peer_client::PeerClient;
use super::pb::peer_server::Peer;
use super::pb::{Done, Frame, InspectRequest, InspectResponse, SnapshotAck, SnapshotChunk};
use super::streams::Streams;
use super::{Inspection, PeerInbox, Transport};
use crate::clock::{BoxFuture, Clock};
use crate::metrics::PeerMetrics;
use detcd_engine::frame::{self, FrameError};
use detcd_engine::ids::MemberId;
use detcd_engine::peer_message::PeerMessage;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

/// Messages to one member that wait to be written; more are dropped.
const QUEUE_MESSAGES: usize = 4096;
/// Frames handed to the connection and not yet taken by it.
const FRAMES_IN_FLIGHT: usize = 64;
/// Between two attempts to connect to a member: at first, and at most.
const BACKOFF_MS: (u64, u64) = (50, 1000);
/// Of one attempt.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One frame: the largest entry that a command of `--max-request-bytes` can make, many times over.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

const STREAM_SUPERSEDED: &str = "a newer stream has taken the place of this one";

/// How a peer URL is connected to: with TLS or without is the caller's to decide.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Connects; `None` where that fails.
    fn dial(&self, url: &str) -> BoxFuture<'static, Option<Channel>>;
    /// A channel that connects when it is first used, and again after a failure; `None` where the URL is none.
    fn dial_lazily(&self, url: &str) -> Option<Channel>;
}

/// TCP without TLS.
#[derive(Clone, Copy, Debug)]
pub struct DialPlain;

impl Dial for DialPlain {
    fn dial(&self, url: &str) -> BoxFuture<'static, Option<Channel>> {
        let endpoint = endpoint(url);
        Box::pin(async move { endpoint?.connect().await.ok() })
    }

    fn dial_lazily(&self, url: &str) -> Option<Channel> {
        Some(endpoint(url)?.connect_lazy())
    }
}

/// tonic channels to the peer URLs.
#[derive(Debug)]
pub struct GrpcTransport {
    clock: Arc<dyn Clock>,
    dialer: Arc<dyn Dial>,
    metrics: Arc<PeerMetrics>,
    peers: Mutex<BTreeMap<MemberId, Outgoing>>,
}

#[derive(Debug)]
struct Outgoing {
    queue: mpsc::Sender<PeerMessage>,
    label: String,
    task: JoinHandle<()>,
    /// Connects when first used, and again after a failure.
    bulk: Option<PeerClient<Channel>>,
}

impl GrpcTransport {
    /// Without peers, until it is attached.
    pub fn new(clock: Arc<dyn Clock>, dialer: Arc<dyn Dial>, metrics: Arc<PeerMetrics>) -> GrpcTransport {
        GrpcTransport { clock, dialer, metrics, peers: Mutex::default() }
    }

    fn peers(&self) -> std::sync::MutexGuard<'_, BTreeMap<MemberId, Outgoing>> {
        self.peers.lock().expect("no panic while it is held")
    }
}

impl Transport for GrpcTransport {
    fn attach(&self, inbox: PeerInbox, peers: Vec<(MemberId, Vec<String>)>) {
        let mut outgoing = self.peers();
        self.metrics.is(inbox.me);
        for (member, urls) in peers {
            let (queue, messages) = mpsc::channel(QUEUE_MESSAGES);
            let bulk = urls.first().and_then(|url| self.dialer.dial_lazily(url)).map(PeerClient::new);
            let (clock, dialer) = (Arc::clone(&self.clock), Arc::clone(&self.dialer));
            let (inbox, metrics, label) = (inbox.clone(), Arc::clone(&self.metrics), member.to_string());
            self.metrics.knows(inbox.me, member);
            let stream =
                PeerStream { member, label: label.clone(), urls, inbox, clock, dialer, metrics, messages };
            outgoing.insert(member, Outgoing { queue, label, task: tokio::spawn(stream.run()), bulk });
        }
    }

    fn send(&self, message: PeerMessage) {
        self.metrics.sending(&message);
        if let Some(peer) = self.peers().get(&message.to)
            && peer.queue.try_send(message).is_err()
        {
            // Full, or the member is being detached: lost, as any message may be.
            self.metrics.not_sent(&peer.label);
        }
    }

    fn send_chunk(&self, to: MemberId, chunk: SnapshotChunk) -> BoxFuture<'static, Option<SnapshotAck>> {
        let client = self.peers().get(&to).and_then(|peer| peer.bulk.clone());
        Box::pin(async move {
            let answer = client?.snapshot(Request::new(chunk)).await;
            Some(answer.ok()?.into_inner())
        })
    }

    fn detach(&self) {
        for (_, peer) in std::mem::take(&mut *self.peers()) {
            peer.task.abort();
        }
    }
}

fn endpoint(url: &str) -> Option<Endpoint> {
    let found = Endpoint::from_shared(url.to_owned()).ok()?;
    Some(found.connect_timeout(CONNECT_TIMEOUT))
}

/// The stream of frames to one member, opened again as often as it breaks.
struct PeerStream {
    member: MemberId,
    /// As metrics name it.
    label: String,
    urls: Vec<String>,
    inbox: PeerInbox,
    clock: Arc<dyn Clock>,
    dialer: Arc<dyn Dial>,
    metrics: Arc<PeerMetrics>,
    messages: mpsc::Receiver<PeerMessage>,
}

impl PeerStream {
    async fn run(mut self) {
        let mut backoff_ms = BACKOFF_MS.0;
        let mut attempt = 0;
        while !self.messages.is_closed() {
            let url = self.urls.get(attempt % self.urls.len().max(1)).cloned().unwrap_or_default();
            attempt += 1;
            if self.stream_to(&url).await {
                backoff_ms = BACKOFF_MS.0;
            }
            self.inbox.unreachable(self.member);
            self.clock.sleep_until(self.clock.now().plus_ms(backoff_ms)).await;
            backoff_ms = (backoff_ms * 2).min(BACKOFF_MS.1);
            // Messages that waited meanwhile are stale: raft sends newer ones.
            while self.messages.try_recv().is_ok() {
                self.metrics.not_sent(&self.label);
            }
        }
    }

    /// Sends until the stream breaks; answers whether it was ever connected.
    async fn stream_to(&mut self, url: &str) -> bool {
        let Some(channel) = self.dialer.dial(url).await else { return false };
        let mut client = PeerClient::new(channel);
        let (frames, taken) = mpsc::channel(FRAMES_IN_FLIGHT);
        let call = client.messages(Request::new(ReceiverStream::new(taken)));
        let cluster = self.inbox.cluster();
        let (messages, metrics, label) = (&mut self.messages, &self.metrics, &self.label);
        metrics.connected(self.inbox.me, self.member);
        let forward = async move {
            while let Some(message) = messages.recv().await {
                let frame = frame::encode(&message, cluster);
                let bytes = frame.len();
                if frames.send(Frame { frame: frame.into() }).await.is_err() {
                    metrics.not_sent(label);
                    return;
                }
                metrics.sent(label, bytes);
            }
        };
        tokio::select! {
            biased;
            _ = call => {}
            () = forward => {}
        }
        self.metrics.disconnected(self.inbox.me, self.member);
        true
    }
}

/// The receiving side, a tonic service for the peer URLs. Whoever serves it allows messages of `FRAME_BYTES_MAX`.
#[derive(Clone, Debug)]
pub struct PeerService {
    inbox: PeerInbox,
    streams: Streams,
}

impl PeerService {
    /// Puts what arrives into this inbox.
    pub fn new(inbox: PeerInbox) -> PeerService {
        let streams = Streams::new(inbox.others());
        PeerService { inbox, streams }
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    async fn messages(&self, request: Request<Streaming<Frame>>) -> Result<Response<Done>, Status> {
        let mut frames = request.into_inner();
        let mut place = self.streams.enter();
        loop {
            // The other side has no reason to end this, and a server that stops waits for its calls.
            let frame = tokio::select! {
                biased;
                () = self.inbox.closed() => None,
                () = place.ended() => return Err(Status::resource_exhausted(STREAM_SUPERSEDED)),
                frame = frames.message() => match frame {
                    Ok(frame) => frame,
                    Err(status) => {
                        if let Some(from) = place.from() {
                            self.inbox.metrics.not_received(from);
                        }
                        return Err(status);
                    }
                },
            };
            let Some(Frame { frame }) = frame else { return Ok(Response::new(Done {})) };
            let refused = |reason: FrameError| Status::failed_precondition(reason.to_string());
            place.named(self.inbox.deliver(frame).map_err(refused)?);
        }
    }

    async fn snapshot(&self, request: Request<SnapshotChunk>) -> Result<Response<SnapshotAck>, Status> {
        Ok(Response::new(self.inbox.deliver_chunk(request.into_inner()).await))
    }

    async fn inspect(&self, _: Request<InspectRequest>) -> Result<Response<InspectResponse>, Status> {
        let stopped = || Status::unavailable("the member stops");
        let Inspection { term, applied, revision, state_hash } =
            self.inbox.inspect().await.ok_or_else(stopped)?;
        Ok(Response::new(InspectResponse {
            cluster: self.inbox.cluster().0,
            member: self.inbox.me.0,
            term,
            applied_index: applied.0,
            applied_term: applied.1,
            revision,
            state_hash: state_hash.to_le_bytes().to_vec().into(),
        }))
    }
}
