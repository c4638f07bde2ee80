//! Consensus: what is asked of `raft` (tikv/raft-rs 0.7.0), and what it asks of us.

mod convert;
pub mod driver;
pub(crate) mod fields;
mod log;
#[cfg(test)]
mod tests;
mod validate;

pub use driver::{Driver, Output, PersistRequest, ReadTicket, Role};
pub use validate::StepRefused;

use crate::ids::MemberId;
use bytes::Bytes;

/// Raft's message, in types of our own: bytes from outside are never parsed by protobuf 2 (RUSTSEC-2024-0437).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RaftMessage {
    /// Which of raft's messages.
    pub kind: RaftMessageKind,
    /// The sender's term; 0 for a local message.
    pub term: u64,
    /// Term of the entry at `index`.
    pub log_term: u64,
    /// The entry before `entries`, or the one acknowledged or refused.
    pub index: u64,
    /// To append.
    pub entries: Vec<LogEntry>,
    /// Committed as the sender knows it.
    pub commit: u64,
    /// Term of the entry at `commit` (raft-rs, commit by vote).
    pub commit_term: u64,
    /// Refused.
    pub reject: bool,
    /// Where the sender's log may match.
    pub reject_hint: u64,
    /// The snapshot that a `Snapshot` message announces; its state travels apart, in chunks.
    pub snapshot: Option<SnapshotMeta>,
    /// Of heartbeats that confirm a read, of votes in a leadership transfer.
    pub context: Bytes,
    /// raft-rs: a follower asks for a snapshot at least this new.
    pub request_snapshot: u64,
    /// raft-rs: the sender's election priority.
    pub priority: i64,
}

/// The messages of raft that travel between members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named in the raft paper and in raft-rs")]
pub enum RaftMessageKind {
    #[default]
    Append,
    AppendResponse,
    Vote,
    VoteResponse,
    PreVote,
    PreVoteResponse,
    Heartbeat,
    HeartbeatResponse,
    Snapshot,
    TimeoutNow,
}

impl RaftMessageKind {
    /// Asks for a vote or gives one, or would.
    pub fn is_of_an_election(self) -> bool {
        use RaftMessageKind::{PreVote, PreVoteResponse, Vote, VoteResponse};
        matches!(self, Vote | VoteResponse | PreVote | PreVoteResponse)
    }
}

impl RaftMessageKind {
    /// Each once.
    pub const ALL: [RaftMessageKind; 10] = [
        RaftMessageKind::Append,
        RaftMessageKind::AppendResponse,
        RaftMessageKind::Vote,
        RaftMessageKind::VoteResponse,
        RaftMessageKind::PreVote,
        RaftMessageKind::PreVoteResponse,
        RaftMessageKind::Heartbeat,
        RaftMessageKind::HeartbeatResponse,
        RaftMessageKind::Snapshot,
        RaftMessageKind::TimeoutNow,
    ];
}

/// One position of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Of the leader that proposed it.
    pub term: u64,
    /// Its position.
    pub index: u64,
    /// What it carries.
    pub kind: EntryKind,
    /// Commands as `command::EntryBuilder` puts them together; empty for a new leader's first entry.
    pub data: Bytes,
}

/// What a log entry carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryKind {
    /// Commands.
    #[default]
    Commands,
    /// A change of membership, as raft-rs encodes it.
    Membership,
}

/// What raft must never forget (raft §5.1), and may (commit).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// Current term.
    pub term: u64,
    /// Whom this member voted for in it; `MemberId(0)` for nobody.
    pub vote: MemberId,
    /// Known to be committed.
    pub commit: u64,
}

/// Where a snapshot stands in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The last entry in it.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// Who votes, ascending.
    pub voters: Vec<MemberId>,
    /// Who only listens, ascending.
    pub learners: Vec<MemberId>,
}

/// One record of the write-ahead log. What must be durable together is one record: a torn one is as if never
/// written.
#[derive(Clone, Debug, PartialEq)]
pub enum LogRecord {
    /// Entries and the hard state that goes with them. An entry at an index that is already there replaces it and
    /// all after it.
    Append {
        /// Where it changed.
        hard_state: Option<HardState>,
        /// May be empty.
        entries: Vec<LogEntry>,
    },
    /// The leader's snapshot replaced everything before; its file is durable already.
    Installed {
        /// The hard state that goes with it; its commit is not below `meta.index`.
        hard_state: HardState,
        /// Which snapshot.
        meta: SnapshotMeta,
    },
}

/// The log after the newest snapshot, as a data directory held it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveredLog {
    /// Term, vote and commit.
    pub hard_state: HardState,
    /// Contiguous, the first one right after the snapshot.
    pub entries: Vec<LogEntry>,
}
