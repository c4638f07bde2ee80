//! What of a member's configuration a run varies. Small limits make rare paths common: a log of 256 bytes, a segment of
//! one batch, a snapshot after every command.
//!
//! Not varied: automatic compaction. Nothing may be compacted that the event log has not seen (`check::event_log`);
//! clients compact instead (`workload::compactions`).

use crate::random::Stream;
use detcd_engine::config::Config;
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    /// As in the configuration.
    pub request_bytes_max: usize,
    /// As in the configuration.
    pub pending_requests_max: usize,
    /// As in the configuration.
    pub watch_progress_interval_ms: u64,
    /// As in the configuration.
    pub quota_bytes: u64,
    /// Of the write-ahead log.
    pub wal_segment_bytes: u64,
}

impl Knobs {
    pub(super) fn draw(stream: &mut Stream) -> Knobs {
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
            // Above the largest command of any workload.
            request_bytes_max: stream.pick(&[32 * 1024, 1_572_864]),
            pending_requests_max: stream.pick(&[4, 100, 100_000]),
            watch_progress_interval_ms: stream.pick(&[100, 1000, 600_000]),
            // Above all of a run's data; where space is scarce, another is drawn beside.
            quota_bytes: stream.pick(&[256 * 1024 * 1024, 2 * 1024 * 1024 * 1024]),
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
            request_bytes_max: self.request_bytes_max,
            pending_requests_max: self.pending_requests_max,
            watch_progress_interval_ms: self.watch_progress_interval_ms,
            quota_bytes: self.quota_bytes,
            reports_hashes: true,
            ..config
        }
    }

    /// These, but for what all members have to agree on to elect a leader.
    pub(super) fn with_elections_of(self, common: &Knobs) -> Knobs {
        let Knobs { heartbeat_interval_ms, election_ticks, request_timeout_ms, .. } = *common;
        Knobs { heartbeat_interval_ms, election_ticks, request_timeout_ms, ..self }
    }

    /// Longer than any election takes that is not disturbed.
    pub fn election_timeout(&self) -> Duration {
        Duration::from_millis(self.heartbeat_interval_ms * self.election_ticks)
    }
}
