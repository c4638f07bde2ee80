//! Everything that a run varies, drawn from its seed: the cluster, its knobs, the load, and which faults come how
//! often. Each concern draws from a stream of its own.

use crate::disk::DiskProfile;
use crate::network::NetworkProfile;
use crate::plan::{Plan, Rates};
use crate::random::Seed;
use crate::served::Tier;
use crate::workload::Load;
use detcd_engine::config::Config;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One run, but for the dice thrown while it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swarm {
    /// What it was drawn from.
    pub seed: Seed,
    /// Members: 1, 3 or 5.
    pub members: usize,
    /// The engine's limits and intervals, the same for all members; identities are filled in for each.
    pub knobs: Knobs,
    /// The network.
    pub network: NetworkProfile,
    /// The disks.
    pub disk: DiskProfile,
    /// What clients do.
    pub load: Load,
    /// How often what goes wrong: what the plan was drawn from.
    pub rates: Rates,
    /// What goes wrong, and when.
    pub plan: Plan,
    /// Whether members serve gRPC.
    #[serde(default)]
    pub tier: Tier,
}

/// What of a member's configuration a run varies. Units as in `detcd_engine::config::Config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knobs {
    /// One raft tick.
    pub heartbeat_interval_ms: u64,
    /// Heartbeats in an election timeout.
    pub election_ticks: u64,
    /// As in the configuration.
    pub request_timeout_ms: u64,
    /// As in the configuration.
    pub snapshot_commands_min: u64,
    /// As in the configuration.
    pub log_bytes_max: usize,
    /// As in the configuration.
    pub entry_bytes_max: usize,
    /// As in the configuration.
    pub entry_commands_max: usize,
    /// As in the configuration.
    pub persists_in_flight_max: usize,
    /// As in the configuration.
    pub compaction_slice_keys: usize,
    /// Of the write-ahead log.
    pub wal_segment_bytes: u64,
}

impl Swarm {
    /// The run of a seed.
    pub fn draw(seed: Seed) -> Swarm {
        let mut stream = seed.stream("swarm/members");
        let members = stream.pick(&[1, 3, 3, 3, 3, 5]);
        let rates = Rates::draw(seed);
        let (load, plan) = (Load::draw(seed), Plan::draw(seed, members, &rates));
        Swarm {
            seed,
            members,
            knobs: Knobs::draw(seed),
            network: NetworkProfile::draw(seed, members),
            disk: DiskProfile::draw(seed),
            tier: Tier::draw(seed, members, load.clients.len(), plan.ends_ms),
            load,
            plan,
            rates,
        }
    }
}

impl Knobs {
    fn draw(seed: Seed) -> Knobs {
        let mut stream = seed.stream("swarm/knobs");
        let heartbeat_interval_ms = stream.within(20..150);
        let election_ticks = stream.within(8..14);
        let request_timeout_ms = 1000 + 2 * heartbeat_interval_ms * election_ticks;
        Knobs {
            heartbeat_interval_ms,
            election_ticks,
            request_timeout_ms,
            snapshot_commands_min: stream.pick(&[1, 5, 20, 100, 10_000]),
            log_bytes_max: stream.pick(&[256, 1024, 16 * 1024, 16 * 1024 * 1024]),
            entry_bytes_max: stream.pick(&[1, 256, 1024 * 1024]),
            entry_commands_max: stream.pick(&[1, 3, 4096]),
            persists_in_flight_max: stream.pick(&[1, 2, 8]),
            compaction_slice_keys: stream.pick(&[1, 3, 1000]),
            wal_segment_bytes: stream.pick(&[1024, 4096, 64 * 1024, 1024 * 1024]),
        }
    }

    /// Onto a member's configuration.
    pub fn apply(&self, config: Config) -> Config {
        let Knobs { heartbeat_interval_ms, election_ticks, .. } = *self;
        Config {
            heartbeat_interval_ms,
            election_timeout_ms: heartbeat_interval_ms * election_ticks,
            request_timeout_ms: self.request_timeout_ms,
            snapshot_commands_min: self.snapshot_commands_min,
            log_bytes_max: self.log_bytes_max,
            entry_bytes_max: self.entry_bytes_max,
            entry_commands_max: self.entry_commands_max,
            persists_in_flight_max: self.persists_in_flight_max,
            compaction_slice_keys: self.compaction_slice_keys,
            reports_hashes: true,
            ..config
        }
    }

    /// Longer than any election takes that is not disturbed.
    pub fn election_timeout(&self) -> Duration {
        Duration::from_millis(self.heartbeat_interval_ms * self.election_ticks)
    }
}
