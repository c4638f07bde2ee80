//! The member: the only control flow from input to effects.
//!
//! `step` takes one thing in and decides what it means; `take_effects` runs what time has made due, hands what has
//! gathered to raft, applies what is committed, and says what the shell is to do. Everything between two calls of
//! `take_effects` shares one log entry, one read-index round and one write to disk: group commit is nothing but this.
//!
//! ```text
//!   Request ──► requests ──┬─ command ─► proposals ─► raft ─ committed ─► applying ─► replies, watches
//!   Peer ─────► peers ─────┤                                                 │
//!   Wake ─────► timers ────┴─ read ────► reads ──────► raft ─ confirmed ─────┴─► Effects::reads
//! ```
//!
//! Three kinds of state, and no fourth: replicated (`state`, changed by `applying` alone), leader-local (`deadlines`,
//! `auto_compaction`), member-local (all else).

mod applying;
mod auto_compaction;
mod checkpoints;
mod leases;
mod peers;
mod pending;
mod proposals;
mod reads;
mod requests;
#[cfg(test)]
mod tests;
mod timers;

use crate::config::Config;
use crate::effects::{Effects, Persist};
use crate::ids::{MemberId, RequestId};
use crate::input::Input;
use crate::lease::Deadlines;
use crate::raft::{
    Driver, OutgoingSnapshot, PeerBody, PeerMessage, RaftMessage, ReceivedSnapshot, RecoveredLog,
    SnapshotMeta,
};
use crate::random::Random;
use crate::request::{Alarm, Reply, RequestError, Response};
use crate::state::State;
use crate::time::Time;
use crate::watch::{DRAINED_BYTES_DUE, Hub};
use auto_compaction::AutoCompactor;
use checkpoints::Checkpoints;
use leases::WaitingForClear;
use pending::Pending;
use proposals::Proposals;
use reads::Reads;

/// Events of one revision beyond this are split over several responses for clients that can take it: the largest
/// request and what etcd allows on top for its frame.
const FRAGMENT_OVERHEAD_BYTES: usize = 512 * 1024;
const _: () =
    assert!(DRAINED_BYTES_DUE < FRAGMENT_OVERHEAD_BYTES, "a stream that ran full would wait for ever");

/// What a data directory held when the member started.
#[derive(Debug)]
pub struct Recovered {
    /// The newest snapshot's state (the first state of the cluster, for a new member).
    pub state: State,
    /// Where that snapshot stands in the log.
    pub meta: SnapshotMeta,
    /// The log after it.
    pub log: RecoveredLog,
}

/// One deterministic member.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    now: Time,
    random: Random,
    raft: Driver,
    /// Voters and learners. Fixed: this release has no membership changes yet.
    membership: SnapshotMeta,
    state: State,
    deadlines: Deadlines,
    auto_compaction: AutoCompactor,
    watches: Hub,
    pending: Pending,
    proposals: Proposals,
    reads: Reads,
    waiting_for_clear: WaitingForClear,
    checkpoints: Checkpoints,
    /// Requests that wait until a compaction's physical work is done.
    physical_compactions: Vec<RequestId>,
    /// Handed to raft, which has not said yet whether it takes them: one at most.
    received: Vec<ReceivedSnapshot>,
    /// Leadership is being handed on until then.
    transfer_until: Option<Time>,
    leadership: Leadership,
    /// What was done lately and is not done again before then.
    quiet_until: Quiet,
    effects: Effects,
}

/// What was last seen of who leads, to notice changes.
#[derive(Debug, Default)]
struct Leadership {
    term: u64,
    leader: Option<MemberId>,
    is_leader: bool,
    /// An entry of its own term was applied: all that earlier leaders committed is too.
    is_settled: bool,
    lost_at: Option<Time>,
}

#[derive(Debug, Default)]
struct Quiet {
    /// Own attributes were proposed.
    attributes: Time,
    /// NOSPACE was raised.
    alarm: Time,
    /// It was looked for forwards that got lost.
    forwards: Time,
}

/// Where a member stands: a plain copy, for `Maintenance.Status`, logs and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// It knows a leader, and the cluster knows its name and URLs: clients may be told that it serves.
    pub is_ready: bool,
    /// This member leads.
    pub is_leader: bool,
    /// The leader as this member knows it.
    pub leader: Option<MemberId>,
    /// Raft's term.
    pub term: u64,
    /// Last index of the log.
    pub last_index: u64,
    /// Committed, as this member knows it.
    pub committed: u64,
    /// Applied to the state.
    pub applied: u64,
    /// The store's main revision.
    pub revision: i64,
    /// The oldest readable revision.
    pub compacted_revision: i64,
    /// What the state occupies, history included, in bytes.
    pub state_bytes: u64,
    /// What of it the newest versions occupy, in bytes.
    pub live_bytes: u64,
    /// `--quota-backend-bytes`.
    pub quota_bytes: u64,
    /// Raised alarms.
    pub alarms: Vec<Alarm>,
    /// This member only listens.
    pub is_learner: bool,
}

impl Engine {
    /// A member as its disk left it. `seed` feeds election timeouts and lease ids; two members of one cluster
    /// must not be given the same.
    pub fn recover(config: Config, recovered: Recovered, seed: u64, now: Time) -> Engine {
        let Recovered { state, meta, log } = recovered;
        assert_eq!(state.applied().0, meta.index, "the state recovered is the snapshot's");
        let mut random = Random::new(seed);
        let raft = Driver::recover(&config, &meta, meta.index, log, random.next_u64(), now);
        let fragment_bytes = config.request_bytes_max + FRAGMENT_OVERHEAD_BYTES;
        let checkpoints = Checkpoints::new(meta.index, state.mvcc.state_bytes());
        let watches = Hub::new(fragment_bytes, config.watch_progress_interval_ms, random.next_u64());
        let mut engine = Engine {
            now,
            raft,
            state,
            deadlines: Deadlines::new(),
            auto_compaction: AutoCompactor::new(config.auto_compaction, now),
            watches,
            pending: Pending::default(),
            proposals: Proposals::new(),
            reads: Reads::new(config.boot),
            waiting_for_clear: WaitingForClear::default(),
            checkpoints,
            physical_compactions: Vec::new(),
            received: Vec::new(),
            transfer_until: None,
            leadership: Leadership::default(),
            quiet_until: Quiet::default(),
            effects: Effects::default(),
            membership: meta,
            random,
            config,
        };
        engine.report_hash();
        engine
    }

    /// Something happened. `now` never goes back.
    pub fn step(&mut self, now: Time, input: Input) {
        assert!(now >= self.now, "time went back from {:?} to {now:?}", self.now);
        self.now = now;
        match input {
            Input::Request { id, require_leader, request } => self.on_request(id, require_leader, request),
            Input::Abandon(id) => self.proposals.given_up(self.pending.forget(id)),
            Input::Peer(message) => self.on_peer(message),
            Input::PeerUnreachable(member) => self.raft.report_unreachable(member),
            Input::SnapshotSent { to, delivered } => self.raft.report_snapshot(to, delivered),
            Input::SnapshotReceived(received) => self.on_snapshot_received(received),
            Input::CheckpointWritten { index } => self.checkpoints.written(index),
            Input::CheckpointAbandoned => self.checkpoints.abandoned(),
            Input::Persisted(id) => {
                self.proposals.persisted(id);
                self.raft.persisted(id);
            }
            Input::Watch(stream, input) => self.watches.handle(now, stream, input, &self.state.mvcc),
            Input::TransferLeadership => self.transfer_until = Some(self.hand_leadership_on()),
            Input::Wake => {}
        }
    }

    /// What is to be done about it.
    pub fn take_effects(&mut self) -> Effects {
        self.run_timers();
        self.note_leadership();
        self.propose_or_forward();
        self.ask_for_read_index();
        self.take_raft_output();
        self.note_leadership();
        self.serve_confirmed_reads();
        let is_compacting = self.compact_a_slice();
        let has_watch_work = self.watches.pump(self.now, &self.state.mvcc, &mut self.effects.watch);
        self.ask_for_checkpoint();
        self.settle_transfer();
        let is_busy = is_compacting || has_watch_work || self.should_propose_more();
        self.effects.wake_at = Some(if is_busy { self.now } else { self.next_timer() });
        std::mem::take(&mut self.effects)
    }

    /// Where the member stands.
    pub fn status(&self) -> Status {
        let me = self.state.members().get(&self.config.member);
        let leader = self.raft.leader();
        Status {
            is_ready: leader.is_some()
                && me.is_some_and(|me| me.incarnation == Some(self.config.incarnation)),
            is_leader: self.raft.is_leader(),
            leader,
            term: self.raft.term(),
            last_index: self.raft.last_index(),
            committed: self.raft.committed(),
            applied: self.state.applied().0,
            revision: self.state.mvcc.revision(),
            compacted_revision: self.state.mvcc.compacted_revision(),
            state_bytes: self.state.mvcc.state_bytes(),
            live_bytes: self.state.mvcc.live_bytes(),
            quota_bytes: self.config.quota_bytes,
            alarms: self.state.alarms.iter().copied().collect(),
            is_learner: me.is_some_and(|me| me.is_learner),
        }
    }

    /// The replicated state: for checkers and for what operators are shown of it.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Runs raft's output: what it sends, what it writes, what it has committed.
    fn take_raft_output(&mut self) {
        let output = self.raft.take_output();
        for (to, message) in output.send {
            let message = self.address(to, PeerBody::Raft(message));
            self.effects.send.push(message);
        }
        if let Some(persist) = output.persist {
            self.proposals.handed_to_disk(persist.id);
            let then_send =
                persist.then_send.into_iter().map(|(to, message)| self.address(to, PeerBody::Raft(message)));
            let then_send = then_send.collect();
            let before =
                self.effects.persist.replace(Persist { id: persist.id, records: persist.records, then_send });
            assert!(before.is_none(), "one persist for each take_effects");
        }
        self.settle_received(output.installed);
        for (to, message) in output.snapshots_to_send {
            self.send_snapshot(to, message);
        }
        self.apply_committed(output.committed);
        self.reads.dropped(&output.reads_dropped);
        for (ticket, index) in output.reads {
            self.on_read_confirmed(ticket, index);
        }
    }

    /// Streams the present state to a member that lags behind the log.
    fn send_snapshot(&mut self, to: MemberId, message: RaftMessage) {
        let meta = message.snapshot.clone().expect("raft announces the snapshot that it was given");
        assert_eq!(meta.index, self.state.applied().0, "raft announces the state as it is applied now");
        let message = self.address(to, PeerBody::Raft(message));
        self.effects.send_snapshots.push(OutgoingSnapshot { message, meta, state: self.state.view() });
    }

    /// Raft took the snapshot that was received, or it did not and the state here is newer.
    fn settle_received(&mut self, installed: Option<SnapshotMeta>) {
        let received = std::mem::take(&mut self.received);
        let Some(meta) = installed else {
            return;
        };
        let received = received
            .into_iter()
            .find(|received| received.state.applied() == (meta.index, meta.term))
            .expect("raft installs what it was handed");
        self.state = *received.state;
        self.membership = meta.clone();
        self.checkpoints.installed(meta.index, self.state.mvcc.state_bytes());
        self.watches.restored(&self.state.mvcc);
        self.answer_skipped();
        self.report_hash();
        self.raft.applied(meta.index);
        self.raft.set_snapshot(meta);
    }

    /// The state as it is now, for whoever compares members.
    fn report_hash(&mut self) {
        if self.config.reports_hashes {
            self.effects.applied.push((self.state.applied().0, self.state.hash()));
        }
    }

    /// A message of this member's to another.
    fn address(&self, to: MemberId, body: PeerBody) -> PeerMessage {
        PeerMessage {
            from: self.config.member,
            from_incarnation: self.config.incarnation,
            to,
            to_incarnation: self.state.members().get(&to).and_then(|member| member.incarnation),
            body,
        }
    }

    /// Answers a request, if its client still waits.
    fn reply(&mut self, id: RequestId, answer: Result<Response, RequestError>) {
        if self.pending.finish(id) {
            self.push_reply(id, answer);
        }
    }

    /// Answers a request that never waited.
    fn push_reply(&mut self, id: RequestId, answer: Result<Response, RequestError>) {
        let (revision, term) = (self.state.mvcc.revision(), self.raft.term());
        let answer = answer.map(|response| Reply { revision, term, response });
        self.effects.replies.push((id, answer));
    }

    fn is_alone(&self) -> bool {
        self.membership.voters == [self.config.member]
    }
}
