//! Messages between members: sent without waiting, dropped where a queue is full (raft sends again), accepted only
//! when `detcd_engine::frame` decodes them. Snapshots travel apart, see `snapshot`.

pub mod grpc;
pub mod pb;
pub mod snapshot;
mod streams;

use crate::clock::{BoxFuture, Clock};
use crate::line_limit::LineLimit;
use crate::metrics::PeerMetrics;
use bytes::Bytes;
use detcd_engine::frame::{self, FrameError};
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::input::Input;
use detcd_engine::peer_message::PeerMessage;
use detcd_engine::time::Time;
use pb::{SnapshotAck, SnapshotChunk};
use snapshot::receiver::{Receiver, give_up_when_idle};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Of messages that wait for the main loop, all members' together. A member that sends as fast as it can has 4 MiB of
/// appends on their way; what does not fit is dropped, as where the main loop is behind.
pub(crate) const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of pieces of snapshots that wait for their turn: a leader sends one of 64 KiB or of one large value at a time.
pub(crate) const WAITING_PIECES_BYTES_MAX: usize = 64 * 1024 * 1024;

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
    /// The other members: nobody else has a reason to send messages here.
    pub(crate) others: Arc<[MemberId]>,
    pub(crate) messages: mpsc::Sender<Delivered>,
    pub(crate) waiting_bytes: Arc<Semaphore>,
    pub(crate) waiting_piece_bytes: Arc<Semaphore>,
    pub(crate) inputs: mpsc::UnboundedSender<Input>,
    pub(crate) inspections: mpsc::Sender<oneshot::Sender<Inspection>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) receiver: Arc<tokio::sync::Mutex<Receiver>>,
    pub(crate) refusals: Arc<LineLimit>,
    pub(crate) metrics: Arc<PeerMetrics>,
}

/// A message that waits for the main loop, and its room among those that wait.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) message: PeerMessage,
    _room: OwnedSemaphorePermit,
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

impl PeerInbox {
    /// This member's cluster: the sender of frames.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The other members.
    pub(crate) fn others(&self) -> Arc<[MemberId]> {
        Arc::clone(&self.others)
    }

    /// A frame arrived; answers who sent it. Where the main loop is behind, it is dropped.
    ///
    /// # Errors
    /// It is not for this member, or damaged: the connection is to be closed.
    pub fn deliver(&self, bytes: Bytes) -> Result<MemberId, FrameError> {
        let length = bytes.len();
        let message = self.decode(bytes)?;
        let from = message.from;
        if self.others.contains(&from) {
            self.metrics.received(&message, length);
        }
        if let Some(_room) = room(&self.waiting_bytes, length) {
            // Full: raft sends again what is lost, and an unbounded queue would only make messages older.
            drop(self.messages.try_send(Delivered { message, _room }));
        }
        Ok(from)
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

    /// A piece of a snapshot arrived. Once begun it is taken to its end, whether or not its sender waits.
    pub async fn deliver_chunk(&self, chunk: SnapshotChunk) -> SnapshotAck {
        let refusal = SnapshotAck { offset: 0, refused: true };
        let Ok(message) = self.decode(chunk.announcement.clone()) else {
            return refusal;
        };
        let Some(room) = room(&self.waiting_piece_bytes, chunk.piece.len()) else {
            return refusal;
        };
        let (receiver, clock) = (Arc::clone(&self.receiver), Arc::clone(&self.clock));
        let taking = tokio::spawn(async move {
            let mut held = receiver.lock().await;
            let before = held.arriving();
            let ack = held.take(message, chunk).await;
            let begun = held.arriving().filter(|number| Some(*number) != before);
            drop((held, room));
            if let Some(number) = begun {
                tokio::spawn(give_up_when_idle(Arc::downgrade(&receiver), clock, number));
            }
            ack
        });
        // It ends early only with the whole process.
        taking.await.unwrap_or(refusal)
    }

    /// The member's term, applied index and state hash; `None` when it stops.
    pub async fn inspect(&self) -> Option<Inspection> {
        let (asker, answer) = oneshot::channel();
        self.inspections.send(asker).await.ok()?;
        answer.await.ok()
    }

    fn decode(&self, bytes: Bytes) -> Result<PeerMessage, FrameError> {
        frame::decode(bytes, self.cluster, self.me).inspect_err(|reason| self.log_refusal(reason))
    }

    fn log_refusal(&self, reason: &FrameError) {
        log_refusal(&self.refusals, self.clock.now(), &reason.to_string());
    }
}

/// Room for so many bytes, if there is; one that could never fit is let in alone.
fn room(bytes: &Arc<Semaphore>, length: usize) -> Option<OwnedSemaphorePermit> {
    let wanted = u32::try_from(length.clamp(1, WAITING_BYTES_MAX)).expect("the bound fits");
    Arc::clone(bytes).try_acquire_many_owned(wanted).ok()
}

/// Logs why a message was refused, one line a second at most.
pub(crate) fn log_refusal(lines: &LineLimit, now: Time, reason: &str) {
    if let Some(left_out) = lines.due(now) {
        tracing::warn!(reason, left_out, "refused a message of a peer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_by_its_bytes() {
        let bytes = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
        let most = WAITING_BYTES_MAX;
        let first = room(&bytes, most / 2 + 1);
        assert!(first.is_some() && room(&bytes, most / 2).is_none() && room(&bytes, 1000).is_some());
        drop(first);
        assert!(room(&bytes, 10 * most).is_some(), "one larger than all room is let in alone");
    }
}
