//! Messages between members: sent without waiting, dropped where a queue is full (raft sends again), believed only
//! when `detcd_engine::frame` says so. Snapshots travel apart, see `snapshot`.

pub mod grpc;
pub mod snapshot;

/// The messages of `proto/detcd/peer.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub mod pb {
    tonic::include_proto!("detcd.peer");
}

use crate::clock::{BoxFuture, Clock};
use bytes::Bytes;
use detcd_engine::frame::{self, FrameError};
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::input::Input;
use detcd_engine::raft::PeerMessage;
use detcd_engine::time::Time;
use pb::{SnapshotAck, SnapshotChunk};
use snapshot::Receiver;
use std::fmt;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

/// At most so many log lines about refused frames in a second's time.
const REFUSALS_LOGGED_EVERY_MS: u64 = 1000;

/// The way to the other members.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Begins: what arrives goes to `inbox`, and the other members are to be found at these peer URLs. Called once,
    /// before anything else.
    fn attach(&self, inbox: PeerInbox, peers: Vec<(MemberId, Vec<String>)>);
    /// Sends a message, soon or never. Does not wait.
    fn send(&self, message: PeerMessage);
    /// Hands a piece of a snapshot over and waits for the answer; `None` where none will come. The messages of
    /// `send` do not queue behind it.
    fn send_chunk(&self, to: MemberId, chunk: SnapshotChunk) -> BoxFuture<'static, Option<SnapshotAck>>;
    /// Ends all connections.
    fn detach(&self);
}

/// Where a transport puts what arrives. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PeerInbox {
    pub(crate) cluster: ClusterId,
    pub(crate) me: MemberId,
    pub(crate) messages: mpsc::Sender<PeerMessage>,
    pub(crate) inputs: mpsc::UnboundedSender<Input>,
    pub(crate) inspections: mpsc::Sender<oneshot::Sender<Inspection>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) receiver: Arc<tokio::sync::Mutex<Receiver>>,
    pub(crate) refusals: Arc<Mutex<Refusals>>,
}

/// What a member shows of its replicated state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Raft's current term.
    pub term: u64,
    /// Index and term of the last entry applied.
    pub applied: (u64, u64),
    /// The store's main revision.
    pub revision: i64,
    /// Of the state at `applied`: equal on all members that have applied as much.
    pub state_hash: u128,
}

/// Counts what was refused since the last log line said so.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    logged_at: Option<Time>,
    unlogged: u64,
}

impl PeerInbox {
    /// This member's cluster: the sender of frames.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// A frame arrived. Where the main loop is behind, it is dropped.
    ///
    /// # Errors
    /// It is not for this member, or damaged: the connection is to be closed.
    pub fn deliver(&self, bytes: Bytes) -> Result<(), FrameError> {
        let message = self.decode(bytes)?;
        // Full: raft takes a lost message in its stride, and a queue without bound would not help it.
        drop(self.messages.try_send(message));
        Ok(())
    }

    /// Returns when this member has stopped: nothing that arrives will be looked at any more.
    pub async fn closed(&self) {
        self.messages.closed().await;
    }

    /// A member cannot be reached.
    pub fn unreachable(&self, member: MemberId) {
        // Only a stopped member has no main loop.
        drop(self.inputs.send(Input::PeerUnreachable(member)));
    }

    /// A piece of a snapshot arrived.
    pub async fn deliver_chunk(&self, chunk: SnapshotChunk) -> SnapshotAck {
        let Ok(message) = self.decode(chunk.announcement.clone()) else {
            return SnapshotAck { offset: 0, refused: true };
        };
        self.receiver.lock().await.take(message, chunk, &self.inputs).await
    }

    /// Where this member stands; `None` when it stops.
    pub async fn inspect(&self) -> Option<Inspection> {
        let (asker, answer) = oneshot::channel();
        self.inspections.send(asker).await.ok()?;
        answer.await.ok()
    }

    fn decode(&self, bytes: Bytes) -> Result<PeerMessage, FrameError> {
        frame::decode(bytes, self.cluster, self.me).inspect_err(|reason| self.log_refusal(reason))
    }

    fn log_refusal(&self, reason: &FrameError) {
        let mut refusals = self.refusals.lock().expect("no panic while it is held");
        refusals.log(self.clock.now(), &reason.to_string());
    }
}

impl Refusals {
    /// Says why a message was not believed, unless a line said so within the last second.
    pub(crate) fn log(&mut self, now: Time, reason: &str) {
        if self.logged_at.is_some_and(|at| now.ms_since(at) < REFUSALS_LOGGED_EVERY_MS) {
            self.unlogged += 1;
            return;
        }
        tracing::warn!(reason, since_last_line = self.unlogged, "refused a message of a peer");
        *self = Refusals { logged_at: Some(now), unlogged: 0 };
    }
}
