//! What a member is told once, when it starts. Units are in the names.

use crate::ids::{ClusterId, Incarnation, MemberId};

/// A member's identity, limits and intervals.
///
/// Nothing here may influence `apply`: members run with different flags and must stay equal. Whatever depends on
/// it is fixed by the receiving member before it proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who this member is.
    pub member: MemberId,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The incarnation of its data directory.
    pub incarnation: Incarnation,
    /// How often this member has started, this start included. Part of every request's and command's id.
    pub boot: u32,
    /// `--name`, published through the log.
    pub name: String,
    /// `--advertise-client-urls`, published through the log.
    pub client_urls: Vec<String>,
    /// `--heartbeat-interval`. One raft tick.
    pub heartbeat_interval_ms: u64,
    /// `--election-timeout`. The least; each member adds up to as much again by chance.
    pub election_timeout_ms: u64,
    /// How long a proposal or a linearizable read may take before the client is told so. etcd: 5 s and two
    /// election timeouts.
    pub request_timeout_ms: u64,
    /// `--max-request-bytes`: the largest command.
    pub request_bytes_max: usize,
    /// `--snapshot-count`: commands between two snapshots, at least.
    pub snapshot_commands_min: u64,
    /// `--quota-backend-bytes`: the state's size at which NOSPACE is raised.
    pub quota_bytes: u64,
    /// Log kept in memory for followers that lag; one further behind gets a snapshot.
    pub log_bytes_max: usize,
    /// One entry carries at most so many bytes of commands, one large command excepted.
    pub entry_bytes_max: usize,
    /// One entry carries at most so many commands.
    pub entry_commands_max: usize,
    /// Writes handed to the disk and not yet persisted before new commands wait to share an entry.
    pub persists_in_flight_max: usize,
    /// Commands that wait to be proposed or applied before new ones are refused.
    pub pending_requests_max: usize,
    /// `--watch-progress-notify-interval`.
    pub watch_progress_interval_ms: u64,
    /// Changes looked at in one slice of a compaction's physical work. Requests that came meanwhile wait for it:
    /// at 5 us a change, 100 are half a millisecond.
    pub compaction_slice_keys: usize,
    /// `--auto-compaction-mode` and `-retention`.
    pub auto_compaction: AutoCompaction,
    /// Fill `Effects::applied`. For checkers: a hash costs microseconds for each entry.
    pub reports_hashes: bool,
}

/// `--auto-compaction-mode` with `--auto-compaction-retention`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCompaction {
    /// Retention 0.
    Off,
    /// Keep what is younger than this.
    PeriodMs(u64),
    /// Keep this many revisions; looked at every five minutes.
    Revisions(i64),
}

impl Config {
    /// etcd's defaults for one member.
    pub fn new(member: MemberId, cluster: ClusterId) -> Config {
        Config {
            member,
            cluster,
            incarnation: Incarnation(1),
            boot: 1,
            name: "default".to_owned(),
            client_urls: Vec::new(),
            heartbeat_interval_ms: 100,
            election_timeout_ms: 1000,
            request_timeout_ms: 7000,
            request_bytes_max: 1_572_864,
            snapshot_commands_min: 10_000,
            quota_bytes: 2 * 1024 * 1024 * 1024,
            log_bytes_max: 16 * 1024 * 1024,
            entry_bytes_max: 1024 * 1024,
            entry_commands_max: 4096,
            persists_in_flight_max: 2,
            pending_requests_max: 100_000,
            watch_progress_interval_ms: 10 * 60 * 1000,
            compaction_slice_keys: 100,
            auto_compaction: AutoCompaction::Off,
            reports_hashes: false,
        }
    }

    /// The least TTL of a lease: one and a half election timeouts, in whole seconds, rounded up (etcd's lessor).
    pub fn lease_ttl_secs_min(&self) -> i64 {
        (self.election_timeout_ms * 3).div_ceil(2 * 1000).cast_signed()
    }

    /// Heartbeats in an election timeout.
    pub fn election_ticks(&self) -> usize {
        usize::try_from(self.election_timeout_ms / self.heartbeat_interval_ms).expect("a few ticks")
    }
}
