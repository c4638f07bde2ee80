//! The baseline: the value of every setting that a shrunk case has unless its failure needs another. Speed is measured
//! with it, too.
//!
//! Every field is named, so that a new one does not compile before its baseline is given here.

use crate::case::{Case, FORMAT};
use crate::disk::DiskProfile;
use crate::network::{Delay, DeliveryProfile, NetworkProfile, Order, Shape};
use crate::plan::{Liveness, Plan, Rates};
use crate::random::Seed;
use crate::served::Tier;
use crate::swarm::{Knobs, Swarm};
use crate::workload::{Load, Role};
use detcd_engine::config::Config;
use detcd_engine::ids::{ClusterId, MemberId};
use std::collections::BTreeMap;

/// Members of a usual cluster.
const MEMBERS: usize = 3;
/// Less than the server's: a segment is preallocated, and a simulated disk is in memory.
const WAL_SEGMENT_BYTES: u64 = 1024 * 1024;

impl Case {
    /// Three members that nothing disturbs for so long, and about ten operations a second.
    pub fn standard(seed: u64, ends_ms: u64) -> Case {
        let plan = Plan { faults: Vec::new(), ends_ms, liveness: Liveness::default() };
        let swarm = Swarm {
            seed: Seed(seed),
            members: MEMBERS,
            knobs: baseline_knobs(),
            uneven: Vec::new(),
            clocks: Vec::new(),
            busy_turn_us: 0,
            network: baseline_network(),
            disk: baseline_disk(),
            load: baseline_load(),
            rates: Rates::default(),
            plan,
            tier: Tier::Members,
        };
        Case { format: FORMAT, story: String::new(), broke: None, bug: None, calls_max: None, swarm }
    }
}

impl Swarm {
    /// Sets every setting to its baseline. Members, clients, the plan, the tier and its cuts stay.
    pub(crate) fn reset_to_baseline(&mut self) {
        let clients = std::mem::take(&mut self.load.clients);
        (self.knobs, self.network, self.disk) = (baseline_knobs(), baseline_network(), baseline_disk());
        self.load = Load { clients, ..baseline_load() };
        (self.uneven, self.clocks, self.rates) = (Vec::new(), Vec::new(), Rates::default());
        self.busy_turn_us = 0;
        self.tier.reset_to_baseline();
    }
}

/// A member's own defaults.
fn baseline_knobs() -> Knobs {
    let config = Config::new(MemberId(1), ClusterId(1));
    Knobs {
        heartbeat_interval_ms: config.heartbeat_interval_ms,
        election_ticks: config.election_timeout_ms / config.heartbeat_interval_ms,
        request_timeout_ms: config.request_timeout_ms,
        snapshot_commands_min: config.snapshot_commands_min,
        log_bytes_max: config.log_bytes_max,
        entry_bytes_max: config.entry_bytes_max,
        entry_commands_max: config.entry_commands_max,
        persists_in_flight_max: config.persists_in_flight_max,
        compaction_slice_keys: config.compaction_slice_keys,
        request_bytes_max: config.request_bytes_max,
        pending_requests_max: config.pending_requests_max,
        watch_progress_interval_ms: config.watch_progress_interval_ms,
        quota_bytes: config.quota_bytes,
        wal_segment_bytes: WAL_SEGMENT_BYTES,
    }
}

fn baseline_network() -> NetworkProfile {
    let delay = Delay { median_us: 300, shape: Shape::Exponential };
    let usual =
        DeliveryProfile { delay, drops_per_million: 0, duplicates_per_million: 0, duplicate_delay: delay };
    NetworkProfile {
        usual,
        kinds: BTreeMap::new(),
        slow_links: Vec::new(),
        order: Order::Free,
        bytes_per_ms: 0,
        queue_bytes: 1_048_576,
        corrupts_per_million: 0,
        cross_wires_per_million: 0,
        foreign_per_million: 0,
        reported_losses_per_million: 0,
        half_open_per_million: 0,
        half_open_ms_max: 0,
    }
}

fn baseline_disk() -> DiskProfile {
    DiskProfile { sync_us: 500, slow_syncs_per_million: 0, snapshot_write_us: 0, restart_ms: 100 }
}

fn baseline_load() -> Load {
    Load {
        clients: vec![Role::Registers, Role::Registers],
        keys: 4,
        skew: 0,
        // Two clients ask about ten times a second.
        think_ms: 50,
        reads_per_million: 300_000,
        deletes_per_million: 50_000,
        swaps_per_million: 100_000,
        serializable_per_million: 0,
        value_bytes_max: 16,
        patience_ms: 8000,
        lost_answers_per_million: 0,
        retries_per_million: 0,
        require_leader_per_million: 0,
        lease_ttl_secs: 2,
        slow_watch_ms: 0,
        frees_space: false,
    }
}
