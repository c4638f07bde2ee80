//! Everything a member can ask of the world, and in which order.
//!
//! The fields of `Effects` are independent of each other: the shell may do them in any order and side by side. All
//! ordering is inside `Persist`, but for one thing: the file of a snapshot that is `SnapshotVerdict::Installed` has its
//! name, durably, before the records of `persist` are written. If any effect cannot be done (a write or an fsync fails,
//! say), the process ends and recovers from its disk; there is no half-done effect to report back.

use crate::ids::{MemberId, PersistId, RequestId};
use crate::mvcc::View;
use crate::peer_message::PeerMessage;
use crate::raft::LogRecord;
use crate::request::{RangeRequest, Reply, RequestError, Response, Txn};
use crate::snapshot::{Checkpoint, OutgoingSnapshot};
use crate::state::TokenChange;
use crate::time::Time;
use crate::txn::{self, Unfinished};
use crate::watch::WatchEffects;

/// What `Engine::take_effects` returns.
#[derive(Debug, Default)]
pub struct Effects {
    /// To other members, at once.
    pub send: Vec<PeerMessage>,
    /// To the disk, in order of id.
    pub persist: Option<Persist>,
    /// Answers to clients.
    pub replies: Vec<(RequestId, Result<Reply, RequestError>)>,
    /// Reads whose view is fixed: to be evaluated on any thread, at leisure, and then answered.
    pub reads: Vec<Read>,
    /// For watch streams, in order within each stream.
    pub watch: WatchEffects,
    /// Write a snapshot of the state aside, in the background, then answer `Input::CheckpointWritten`. At most
    /// one is asked for at a time.
    pub checkpoint: Option<Checkpoint>,
    /// Snapshots to stream to members that lag behind the log, in the background; each is answered by
    /// `Input::SnapshotSent`.
    pub send_snapshots: Vec<OutgoingSnapshot>,
    /// What became of the snapshots that arrived whole, in the order of their `Input::SnapshotReceived`.
    pub received: Vec<SnapshotVerdict>,
    /// Messages of other members that were not believed, with the reason: for the log, at the shell's pace.
    pub refused: Vec<(MemberId, String)>,
    /// This member can never catch up: the process ends.
    pub log_lost: Option<LogLost>,
    /// Compactions whose physical work begins or has ended, in order: for the log, which tells how long it took.
    pub compactions: Vec<CompactionStep>,
    /// Of simple tokens, in order: for whoever looks tokens up.
    pub tokens: Vec<TokenChange>,
    /// A leader's snapshot took the state's place: for the log.
    pub installed: Option<Installed>,
    /// Index and state hash after each entry applied and each snapshot installed, in order; empty unless
    /// `Config::reports_hashes`.
    pub applied: Vec<(u64, u128)>,
    /// Leadership was handed on, or there was nobody to hand it to: an asked-for stop may go ahead.
    pub transfer_finished: bool,
    /// Call `step(Wake)` no later than this.
    pub wake_at: Option<Time>,
}

/// The leader counts on an acknowledgement of this member's for entries that are not here (raft §5.3: what a follower has
/// acknowledged in a term it holds, durably). It sends nothing older again, so this member stays behind for ever; and
/// until it stops it votes without what it had promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this member acknowledged entries that its log does not hold: leader {leader} counts on entry {acknowledged}, the log \
     here ends at {last_index}: its directory is an older copy, or its disk lost the end of the log without a trace"
)]
pub struct LogLost {
    /// Who says so, again and again.
    pub leader: MemberId,
    /// The last entry that it counts on.
    pub acknowledged: u64,
    /// The last entry here.
    pub last_index: u64,
}

/// How far the physical work of a compaction is: a compaction takes effect at once and forgets slice by slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactionStep {
    /// The store is compacted to this revision.
    Begun(i64),
    /// What that forgets is gone.
    Finished(i64),
}

/// What took the place of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The last entry in the snapshot.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// The last entry in the state before.
    pub applied_before: u64,
}

/// What became of a snapshot that arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotVerdict {
    /// It takes the state's place, and `persist` of the same effects records that. Its file gets its name first: a
    /// record whose file is not there is a member that cannot start; a file without a record is passed over.
    Installed,
    /// What is here is as new. Its file is not wanted.
    NotNeeded,
    /// `refused` says why. Its file is not wanted.
    Refused,
}

/// Append these records, make them durable once, send `then_send`, then answer `Input::Persisted(id)`.
///
/// Persists are appended in order of `id`; several may share one fsync. `then_send` must not leave this member
/// before the records are durable (I4): these are the votes and acknowledgements that others will count (raft §5.1).
#[derive(Debug, PartialEq)]
pub struct Persist {
    /// Counts up by one.
    pub id: PersistId,
    /// Written as one batch: after a crash all of them are there, or a prefix.
    pub records: Vec<LogRecord>,
    /// To be sent once the records are durable.
    pub then_send: Vec<PeerMessage>,
}

/// One read, ready to be evaluated.
#[derive(Debug)]
pub struct Read {
    /// Whose.
    pub id: RequestId,
    /// The state it sees.
    pub view: View,
    /// What it reads.
    pub query: ReadQuery,
    /// Raft's term, for the response header.
    pub term: u64,
}

impl Read {
    /// Evaluates it, however long that takes.
    ///
    /// # Errors
    /// As etcd refuses it.
    pub fn evaluate(self) -> Result<Reply, RequestError> {
        let Read { view, query, term, .. } = self;
        let response = match query {
            ReadQuery::Range(range) => Response::Range(view.range(&range)?),
            ReadQuery::Txn(txn) => Response::Txn(txn::evaluate(&view, &txn)?),
            ReadQuery::Rest(rest) => Response::Txn(rest.finish(&view)),
        };
        Ok(Reply { revision: view.revision(), term, response })
    }
}

/// What can be read from a view.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadQuery {
    /// A Range.
    Range(RangeRequest),
    /// A transaction of nothing but ranges.
    Txn(Txn),
    /// The large ranges of a transaction that wrote; `Read::view` is the state as it left it.
    Rest(Unfinished),
}
