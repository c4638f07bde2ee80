//! The member: the only control flow from input to effects.

use crate::config::Config;
use crate::effects::Effects;
use crate::ids::MemberId;
use crate::input::Input;
use crate::raft::{RecoveredLog, SnapshotMeta};
use crate::request::Alarm;
use crate::state::State;
use crate::time::Time;

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
}

/// Where a member stands: a plain copy, for `Maintenance.Status`, logs and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
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
    /// The state hash at `applied`: equal on all members at equal `applied`.
    pub state_hash: u128,
}

impl Engine {
    /// A member as its disk left it. `seed` feeds election timeouts and lease ids; two members of one cluster
    /// must not be given the same.
    pub fn recover(config: Config, recovered: Recovered, seed: u64, now: Time) -> Engine {
        let _ = (recovered, seed, now);
        Engine { config }
    }

    /// Something happened. `now` never goes back.
    pub fn step(&mut self, now: Time, input: Input) {
        let _ = (now, input, &self.config);
    }

    /// What is to be done about it.
    pub fn take_effects(&mut self) -> Effects {
        Effects::default()
    }

    /// Where the member stands.
    pub fn status(&self) -> Status {
        Status::default()
    }
}
