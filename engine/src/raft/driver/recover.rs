//! Raft as a data directory left it.

use super::pinned::Pinned;
use super::{Driver, ReadTicket, Role};
use crate::config::Config;
use crate::ids::{MemberId, PersistId};
use crate::raft::convert::entry_into_raft;
use crate::raft::log::LogStore;
use crate::raft::{HardState, RecoveredLog, SnapshotMeta};
use crate::random::Random;
use crate::time::Time;
use raft::RawNode;
use raft::eraftpb::Entry;
use std::collections::{BTreeSet, VecDeque};

impl Driver {
    /// Raft as the data directory left it. `applied` is the index of the state in memory, `meta.index` or later.
    ///
    /// Panics on a log that `wal::LogReplay::finish` would have refused.
    pub fn recover(
        config: &Config,
        meta: &SnapshotMeta,
        applied: u64,
        log: RecoveredLog,
        seed: u64,
        now: Time,
    ) -> Driver {
        let RecoveredLog { hard_state: found, entries } = log;
        let last_index = meta.index + entries.len() as u64;
        assert!(
            meta.index <= applied && applied <= last_index && found.commit <= last_index,
            "applied {applied} and commit {} outside of a log of {} to {last_index}",
            found.commit,
            meta.index
        );
        // A commit behind the applied state, or behind the snapshot, panics in `RawNode::new`. Applied means
        // committed, so it is raised: docs/raft-rs-hazards.md#commit-behind-applied. So is a term behind the
        // snapshot's: no vote was given in it, or it would be here. Term 0 cannot answer a pre-vote:
        // docs/raft-rs-hazards.md#term-zero.
        let mut hard_state = HardState { commit: found.commit.max(applied), ..found };
        if hard_state.term < meta.term.max(1) {
            hard_state = HardState { term: meta.term.max(1), vote: MemberId(0), ..hard_state };
        }
        let entries: Vec<Entry> = entries.into_iter().map(entry_into_raft).collect();
        let store = LogStore::new(hard_state, meta.clone(), entries);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&raft_config(config, applied), store, &logger)
            .expect("the configuration was checked when flags were parsed, and the store does not fail");
        let mut driver = Driver {
            raw,
            me: config.member,
            boot: config.boot,
            random: Random::new(seed),
            heartbeat_interval_ms: config.heartbeat_interval_ms,
            election_ticks: config.election_ticks(),
            log_bytes_max: config.log_bytes_max,
            pinned: Pinned::default(),
            next_tick_at: now.plus_ms(config.heartbeat_interval_ms),
            in_flight: VecDeque::new(),
            last_persist: PersistId(0),
            persisted_term: found.term,
            waiting_hard_state: (hard_state != found).then_some(hard_state),
            last_hard_state: found,
            delivered: applied,
            applied,
            last_read: ReadTicket(0),
            reads: BTreeSet::new(),
            reads_dropped: Vec::new(),
            reads_under: (0, Role::Follower),
        };
        driver.reads_under = (driver.term(), driver.role());
        if meta.voters == [config.member] {
            // Nobody to wait for.
            driver.raw.campaign().expect("a voter with a settled log can campaign");
        }
        driver
    }
}

fn raft_config(config: &Config, applied: u64) -> raft::Config {
    raft::Config {
        id: config.member.0,
        election_tick: config.election_ticks(),
        heartbeat_tick: 1,
        applied,
        // The default is one entry a message: docs/raft-rs-hazards.md#defaults.
        max_size_per_msg: config.entry_bytes_max as u64,
        max_inflight_msgs: 256,
        check_quorum: true,
        pre_vote: true,
        // What is neither committed nor refused is bounded like the log itself.
        max_uncommitted_size: config.log_bytes_max.max(config.entry_bytes_max) as u64,
        ..raft::Config::default()
    }
}
