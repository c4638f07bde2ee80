//! Drives raft-rs: messages, ticks and persisted writes in; messages, records and committed entries out.
//!
//! raft-rs 0.7.0 knows the algorithm and leaves a list of duties to its caller (docs/raft-rs-hazards.md); they are
//! fulfilled here. One [`Driver`] owns one `RawNode` over the in-memory `LogStore`. The engine calls any number of
//! methods and then [`Driver::take_output`] once, which runs raft's `Ready` loop dry:
//!
//! ```text
//!   tick, step, propose, install ──► RawNode ──ready()──► Output.send        leader's appends: at once (thesis 10.2.1)
//!   read_index, transfer_leader         ▲                 Output.persist     records, then votes and acknowledgements
//!                                       │                 Output.committed   committed and persisted here: apply
//!   persisted(id) ── on_persist_ready ──┘                 Output.reads       indices that a quorum confirmed
//! ```
//!
//! What leaves when:
//! - A leader whose term is persisted sends at once, side by side with its own write. Everybody else's messages are
//!   votes or acknowledgements and leave in `then_send`, behind every record handed out before them.
//! - A commit index alone is not worth an fsync (raft §5.1 does not ask for it): it waits for the next record. After
//!   a crash it may therefore be behind the applied state; `recover` raises it (raft-rs panics on that).
//!
//! Here is what goes in; `output` is what comes out, `queries` what can be asked, `recover` how it begins.
//!
//! Deliberately absent: raft-rs's forwarding of proposals and reads (they duplicate and get lost: the engine has
//! requests of its own), `request_snapshot`, lease reads, changes of membership.

mod output;
mod pinned;
mod queries;
mod recover;

pub use output::{Output, PersistRequest};

use self::output::InFlight;
use self::pinned::Pinned;
use super::convert::message_into_raft;
use super::log::LogStore;
use super::validate::{StepRefused, check_here, check_shape, check_snapshot};
use super::{HardState, RaftMessage, RaftMessageKind, SnapshotMeta};
use crate::ids::{MemberId, PersistId};
use crate::random::Random;
use crate::time::Time;
use bytes::Bytes;
use raft::eraftpb::{Entry, Message, MessageType};
use raft::{RawNode, SnapshotStatus};
use std::collections::{BTreeSet, VecDeque};

/// A read that waits for a quorum's confirmation. Never used twice by one boot of a member: raft-rs matches heartbeat
/// answers with reads by it, and a late answer to an old read must not confirm a new one (etcd-io/raft #397).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadTicket(pub u64);

/// Where a member stands in an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Follows a leader, or waits for one. Learners are followers for ever.
    Follower,
    /// Asks whether an election could be won (thesis 9.6).
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

/// One member's raft.
pub struct Driver {
    raw: RawNode<LogStore>,
    me: MemberId,
    boot: u32,
    random: Random,
    heartbeat_interval_ms: u64,
    election_ticks: usize,
    log_bytes_max: usize,
    pinned: Pinned,
    next_tick_at: Time,
    /// In order of id.
    in_flight: VecDeque<InFlight>,
    last_persist: PersistId,
    /// The term that is persisted here. A leader of a newer one must not send anything yet.
    persisted_term: u64,
    /// A hard state that only moved its commit: goes with the next record.
    waiting_hard_state: Option<HardState>,
    /// The last one handed to the disk.
    last_hard_state: HardState,
    /// The last entry delivered in `committed`, or the snapshot installed.
    delivered: u64,
    /// What the engine applied; raft hears of it as far as it is persisted.
    applied: u64,
    last_read: ReadTicket,
    reads: BTreeSet<ReadTicket>,
    reads_dropped: Vec<ReadTicket>,
    /// Under which (term, role) `reads` were asked.
    reads_under: (u64, Role),
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("me", &self.me)
            .field("role", &self.role())
            .field("term", &self.term())
            .field("committed", &self.committed())
            .field("persisted", &self.persisted_index())
            .field("last_index", &self.last_index())
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// When `tick` wants to be called next.
    pub fn next_tick_at(&self) -> Time {
        self.next_tick_at
    }

    /// Time has passed. At most one tick a call, however late it comes: a member that was paused must not believe
    /// that it heard nobody for many timeouts (docs/raft-rs-hazards.md#ticks-after-a-pause).
    pub fn tick(&mut self, now: Time) {
        if now < self.next_tick_at {
            return;
        }
        let interval = self.heartbeat_interval_ms;
        self.next_tick_at = match now.ms_since(self.next_tick_at) >= interval {
            true => now.plus_ms(interval),
            false => self.next_tick_at.plus_ms(interval),
        };
        if !self.can_campaign() {
            return;
        }
        // raft-rs draws from the operating system whenever it resets the elapsed time. Its number is replaced by
        // one of ours before it is looked at: docs/raft-rs-hazards.md#election-timeouts.
        if self.raw.raft.election_elapsed == 0 {
            let spread = self.random.below(self.election_ticks as u64);
            let timeout = self.election_ticks + usize::try_from(spread).expect("below a usize");
            self.raw.raft.set_randomized_election_timeout(timeout);
        }
        self.raw.tick();
        self.note_role();
    }

    /// Proposes one entry. False where this member does not lead, hands leadership on, or has too much uncommitted
    /// already: try again later, or elsewhere. Raft must not forward it: docs/raft-rs-hazards.md#forwarded-proposals.
    pub fn propose(&mut self, data: Bytes) -> bool {
        if !self.is_leader() {
            return false;
        }
        let entry = Entry { data, ..Entry::default() };
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.me.0;
        message.set_entries(vec![entry].into());
        self.raw.raft.step(message).is_ok()
    }

    /// A message of another member. Refused, never fatal, where raft-rs could not take it.
    pub fn step(&mut self, from: MemberId, message: RaftMessage) -> Result<(), StepRefused> {
        let kind = message.kind;
        if kind == RaftMessageKind::Snapshot {
            let problem = "a snapshot's state travels with it".to_owned();
            return Err(StepRefused::Malformed { kind, from, problem });
        }
        self.step_checked(from, message)
    }

    /// Whether the state that this message announces may be taken up. Only the leader of the present term sends one,
    /// and only to a member that has answered it: so this member knows who that is.
    pub fn admits_snapshot(&self, from: MemberId, message: &RaftMessage) -> Result<(), StepRefused> {
        let kind = message.kind;
        let malformed = |problem: String| StepRefused::Malformed { kind, from, problem };
        check_shape(self.me, from, message)?;
        let Some(meta) = &message.snapshot else {
            return Err(malformed("no snapshot".to_owned()));
        };
        check_snapshot(self.me, message.term, meta).map_err(malformed)?;
        let (leader, own_term, term) = (self.leader(), self.term(), message.term);
        match (leader, own_term) == (Some(from), term) {
            true => Ok(()),
            false => Err(StepRefused::NotTheLeader { from, term, leader, own_term }),
        }
    }

    /// A snapshot message whose state has arrived whole. If raft takes it, the next output says `installed`;
    /// otherwise the state here is newer and stays.
    pub fn install(&mut self, from: MemberId, message: RaftMessage) -> Result<(), StepRefused> {
        let kind = message.kind;
        let malformed = |problem: String| StepRefused::Malformed { kind, from, problem };
        let Some(meta) = &message.snapshot else {
            return Err(malformed("no snapshot".to_owned()));
        };
        check_snapshot(self.me, message.term, meta).map_err(malformed)?;
        self.step_checked(from, message)
    }

    fn step_checked(&mut self, from: MemberId, mut message: RaftMessage) -> Result<(), StepRefused> {
        let kind = message.kind;
        check_shape(self.me, from, &message)?;
        check_here(&self.raw.raft, from, &mut message)?;
        let could_win = match kind {
            // A vote can be answered before the engine hears that the write it waited for is persisted; raft-rs
            // asserts that a new leader's log is.
            RaftMessageKind::VoteResponse => self.role() != Role::Candidate || self.is_log_persisted(),
            RaftMessageKind::TimeoutNow => self.can_campaign(),
            _ => true,
        };
        if !could_win {
            return Err(StepRefused::Unsettled { kind, from });
        }
        let result = self.raw.step(message_into_raft(from, self.me, message));
        self.note_role();
        self.truncate_what_was_pinned();
        result.map_err(|_| StepRefused::NotAMember { kind, from })
    }

    /// Asks a quorum whether this member still leads. `None` where it does not, or cannot know what is committed
    /// yet. The answer comes in `Output::reads` or `Output::reads_dropped`; without a quorum, not before this
    /// member steps down for want of one (check-quorum, one to two election timeouts).
    pub fn read_index(&mut self) -> Option<ReadTicket> {
        if !self.can_read() {
            return None;
        }
        self.last_read = ReadTicket(self.last_read.0 + 1);
        // Boot and counter make a context that no heartbeat answer in flight can carry:
        // docs/raft-rs-hazards.md#read-contexts.
        let mut context = self.boot.to_be_bytes().to_vec();
        context.extend_from_slice(&self.last_read.0.to_be_bytes());
        self.raw.read_index(context);
        // I15
        let is_new = self.reads.insert(self.last_read);
        assert!(is_new, "{:?} is used a second time", self.last_read);
        Some(self.last_read)
    }

    /// This persist and all before it are durable.
    pub fn persisted(&mut self, id: PersistId) {
        assert!(
            id <= self.last_persist,
            "{id:?} was never handed out, the last one was {:?}",
            self.last_persist
        );
        let mut ready = None;
        while let Some(write) = self.in_flight.pop_front_if(|write| write.id <= id) {
            ready = Some(write.ready);
            self.persisted_term = self.persisted_term.max(write.term);
        }
        if let Some(ready) = ready {
            self.raw.on_persist_ready(ready);
            self.tell_applied();
        }
    }

    /// The state has applied up to here.
    pub fn applied(&mut self, index: u64) {
        // I3
        assert!(
            self.applied <= index && index <= self.delivered,
            "applied {index} after {}, delivered up to {}",
            self.applied,
            self.delivered
        );
        self.applied = index;
        self.tell_applied();
    }

    /// What a follower that lags behind the log would be sent: the latest applied state.
    pub fn set_snapshot(&mut self, meta: SnapshotMeta) {
        assert!(meta.index <= self.applied, "a snapshot at {} beyond applied {}", meta.index, self.applied);
        self.raw.mut_store().set_snapshot(meta);
        self.truncate();
    }

    /// Messages to this member do not get through.
    pub fn report_unreachable(&mut self, to: MemberId) {
        if self.is_leader() {
            self.raw.report_unreachable(to.0);
        }
    }

    /// A snapshot sent to a member has arrived whole, or will not. Raft sends that member nothing until it hears.
    pub fn report_snapshot(&mut self, to: MemberId, delivered: bool) {
        if self.is_leader() {
            let status = if delivered { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
            self.raw.report_snapshot(to.0, status);
            if !delivered {
                self.pinned.give_up(to);
            }
        }
    }

    /// Hands leadership on, if this member leads.
    pub fn transfer_leader(&mut self, to: MemberId) {
        if self.is_leader() {
            self.raw.transfer_leader(to.0);
        }
    }

    /// Every write of the log that was handed out is persisted.
    fn is_log_persisted(&self) -> bool {
        self.last_index() == self.persisted_index() && !self.in_flight.iter().any(|write| write.has_log)
    }

    /// Whether raft-rs can begin an election right now. A follower whose installed snapshot is not persisted yet has
    /// no entries between `applied` and the log, which `hup` reads. A lone voter wins at once and must have its log
    /// persisted: docs/raft-rs-hazards.md#elections-while-the-log-is-not-settled.
    fn can_campaign(&self) -> bool {
        let raft = &self.raw.raft;
        let is_contiguous = raft.raft_log.applied >= self.raw.store().first() - 1;
        self.is_leader() || (is_contiguous && (!raft.prs().is_singleton() || self.is_log_persisted()))
    }

    /// Reads asked under another role or term are lost: raft-rs drops them in silence, and an answer that still came
    /// would confirm a leader that has been deposed.
    fn note_role(&mut self) {
        let under = (self.term(), self.role());
        if under != self.reads_under {
            self.reads_under = under;
            self.reads_dropped.extend(std::mem::take(&mut self.reads));
        }
    }

    /// An installed snapshot is beyond what raft-rs counts as persisted, for a while:
    /// docs/raft-rs-hazards.md#applied-beyond-persisted.
    fn tell_applied(&mut self) {
        let log = &self.raw.raft.raft_log;
        let index = self.applied.min(log.committed).min(log.persisted);
        if index > log.applied {
            self.raw.advance_apply_to(index);
            self.truncate();
        }
    }
}
