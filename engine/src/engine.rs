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
//! Three kinds of state, and no fourth: replicated (`state`, changed by `applying`, or replaced by a leader's
//! snapshot), leader-local (`deadlines`, `auto_compaction`), member-local (all else).

mod admission;
mod applying;
mod auth;
mod auto_compaction;
mod checkpoints;
mod leadership;
mod leases;
mod measurements;
mod peers;
mod pending;
mod proposals;
mod raft_output;
mod reads;
mod requests;
mod status;
#[cfg(test)]
mod tests;
mod timers;

use crate::config::Config;
use crate::effects::Effects;
use crate::ids::{MemberId, RequestId};
use crate::input::Input;
use crate::lease::Deadlines;
use crate::peer_message::{PeerBody, PeerMessage};
use crate::raft::{Driver, RecoveredLog, SnapshotMeta};
use crate::random::Random;
use crate::request::{Caller, Reply, RequestError, Response};
use crate::snapshot::ReceivedSnapshot;
use crate::state::State;
use crate::time::Time;
use crate::watch::{DRAINED_BYTES_DUE, Hub, WatchInput};
use auto_compaction::AutoCompactor;
use checkpoints::Checkpoints;
use leadership::Leadership;
use leases::WaitingForClear;
use pending::Pending;
use proposals::Proposals;
use reads::Reads;

pub use measurements::{Counters, LEASE_TTL_CLASSES, LeaseTtls, Measurements};
pub use status::Status;

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
    /// The last entry of the log as this member started: tokens of entries up to there are gone with the start.
    log_at_start: u64,
    /// Requests that wait until a compaction's physical work is done.
    physical_compactions: Vec<RequestId>,
    /// The revisions of compactions whose physical work is not done.
    compactions_in_flight: Vec<i64>,
    /// Handed to raft, which has not said yet whether it takes them; with their places in `Effects::received`.
    received: Vec<(usize, ReceivedSnapshot)>,
    /// Since when every heartbeat of the leader counts on entries that are not here.
    log_lost_since: Option<Time>,
    leadership: Leadership,
    /// What was done lately and is not done again before then.
    backoff: Backoff,
    counters: Counters,
    effects: Effects,
}

#[derive(Debug, Default)]
struct Backoff {
    /// Own attributes were proposed.
    attributes: Time,
    /// NOSPACE was raised.
    alarm: Time,
    /// It was looked for forwards that got lost.
    forwards: Time,
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
        let log_at_start = raft.last_index();
        let mut engine = Engine {
            now,
            raft,
            log_at_start,
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
            compactions_in_flight: Vec::new(),
            received: Vec::new(),
            log_lost_since: None,
            leadership: Leadership::default(),
            backoff: Backoff::default(),
            counters: Counters::default(),
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
        // I14
        assert!(now >= self.now, "time went back from {:?} to {now:?}", self.now);
        self.now = now;
        match input {
            Input::Request { id, require_leader, caller, request } => {
                self.on_request(id, require_leader, caller, request);
            }
            Input::Abandon(id) => self.proposals.cancel(self.pending.forget(id)),
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
            Input::Watch(stream, WatchInput::Create(create)) => {
                self.on_watch_create(stream, Ok(Caller::Anonymous), create);
            }
            Input::Watch(stream, input) => self.watches.handle(now, stream, input, &self.state.mvcc),
            Input::WatchAs(stream, caller, create) => self.on_watch_create(stream, caller, create),
            Input::TransferLeadership => self.transfer_leadership(),
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
        self.finish_transfer();
        let is_busy = is_compacting || has_watch_work || self.should_propose_more();
        self.effects.wake_at = Some(if is_busy { self.now } else { self.next_timer() });
        std::mem::take(&mut self.effects)
    }

    /// The replicated state: for checkers and for what operators are shown of it.
    pub fn state(&self) -> &State {
        &self.state
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
}
