//! Everything that can happen to a member. Closed: what is not here cannot happen.

use crate::ids::{MemberId, PersistId, RequestId, StreamId};
use crate::peer_message::PeerMessage;
use crate::request::{Caller, Request, RequestError};
use crate::snapshot::ReceivedSnapshot;
use crate::watch::{WatchCreate, WatchInput};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client's request. Exactly one answer leaves in `Effects::replies` or `Effects::reads`, unless it is
    /// abandoned first.
    Request {
        /// Made by the shell: this member, this boot, a counter that only goes up.
        id: RequestId,
        /// The client asked not to wait for a leader (`hasleader` metadata).
        require_leader: bool,
        /// On whose behalf.
        caller: Caller,
        /// What it asks.
        request: Request,
    },
    /// The client stopped waiting. Its command, if proposed, still applies.
    Abandon(RequestId),
    /// A message of another member, decoded and checked by `frame`.
    Peer(PeerMessage),
    /// Messages to this member do not get through.
    PeerUnreachable(MemberId),
    /// A snapshot sent to a member has arrived whole, or will not.
    SnapshotSent {
        /// The member it was for.
        to: MemberId,
        /// It arrived.
        delivered: bool,
    },
    /// A snapshot of the leader's has arrived whole and was decoded. `Effects::received` says what becomes of it.
    SnapshotReceived(ReceivedSnapshot),
    /// The checkpoint at this index is on stable storage.
    CheckpointWritten {
        /// Of the last command in it.
        index: u64,
    },
    /// The checkpoint was given up (a newer snapshot was installed meanwhile, say). Another may be asked for.
    CheckpointAbandoned,
    /// This write, and all before it, are on stable storage.
    Persisted(PersistId),
    /// A watch stream was opened, changed, drained or closed. A watcher created so is nobody's: see `WatchAs`.
    Watch(StreamId, WatchInput),
    /// A watch stream asks for a watcher, on behalf of this caller, or with a proof that is not good.
    WatchAs(StreamId, Result<Caller, RequestError>, WatchCreate),
    /// The operator or a signal asks this member to hand leadership on, if it leads, before it stops.
    TransferLeadership,
    /// `Effects::wake_at` has come. Carries nothing: `now` says it.
    Wake,
}
