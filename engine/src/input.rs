//! Everything that can happen to a member. Closed: what is not here cannot happen.

use crate::ids::{MemberId, PersistId, RequestId, StreamId, WatchId};
use crate::key_range::KeyRange;
use crate::raft::{PeerMessage, ReceivedSnapshot};
use crate::request::Request;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A client's request. Exactly one answer leaves in `Effects::replies` or `Effects::reads`, unless it is
    /// abandoned first.
    Request {
        /// Made by the shell: this member, this boot, a counter that only goes up.
        id: RequestId,
        /// The client asked not to wait for a leader (`hasleader` metadata).
        require_leader: bool,
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
    /// A watch stream was opened, changed, drained or closed.
    Watch(StreamId, WatchInput),
    /// The operator or a signal asks this member to hand leadership on, if it leads, before it stops.
    TransferLeadership,
    /// `Effects::wake_at` has come. Carries nothing: `now` says it.
    Wake,
}

/// What a watch stream can ask. A stream exists from `Open` to `Close`.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchInput {
    /// A new stream.
    Open {
        /// End the stream when there has been no leader for three election timeouts.
        require_leader: bool,
    },
    /// A new watcher on it.
    Create(WatchCreate),
    /// End a watcher; an unknown id is ignored, as in etcd.
    Cancel(WatchId),
    /// Say how far all watchers of the stream have come. Answered only when all are synced, as in etcd.
    Progress,
    /// The client took in this many bytes of responses: there is room for more.
    Drained {
        /// As counted by `WatchOutput::size_bytes`.
        bytes: usize,
    },
    /// The stream is gone.
    Close,
}

/// etcd's `WatchCreateRequest`, its range parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchCreate {
    /// Chosen by the client; `None` lets the stream pick the next free one.
    pub id: Option<WatchId>,
    /// The keys.
    pub range: KeyRange,
    /// First revision wanted; 0 for the next change. Negative is refused.
    pub start_revision: i64,
    /// Send progress notifications when nothing happens.
    pub progress_notify: bool,
    /// Leave puts out.
    pub no_put: bool,
    /// Leave deletes out.
    pub no_delete: bool,
    /// Send the key as it was before.
    pub prev_kv: bool,
    /// The client can take one revision's events in several responses.
    pub fragment: bool,
}
