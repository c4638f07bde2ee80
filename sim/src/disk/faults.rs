//! Disk faults while the power is on: errors, no room, slowness.
//!
//! After a failed sync the bytes that were to be synced read back as before and are never written: the kernel has
//! marked them clean. A later sync that succeeds proves nothing. A failed write may have written some sectors.

use super::{DiskProfile, LONGEST_SYNC, Machine, State};
use crate::clock::simulated_now;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A kind of disk operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// To list, open, measure or read.
    Read,
    /// To create, write, rename or remove.
    Write,
    /// To make durable.
    Sync,
}

#[derive(Debug, Default)]
pub(super) struct DiskFaults {
    /// The next operation of a kind, after so many more of it, fails.
    fails: Vec<(OperationKind, u64)>,
    full_until: Duration,
    /// Syncs of the log take so long, until then.
    slow_syncs: (Duration, Duration),
    /// Whatever is done to a snapshot takes so long, until then.
    slow_snapshots: (Duration, Duration),
    /// What failed in this boot, when and where.
    failed: Vec<(Duration, PathBuf)>,
}

impl DiskFaults {
    pub(super) fn begin_boot(&mut self) {
        self.failed.clear();
    }

    pub(super) fn ends(&mut self) {
        let failed = std::mem::take(&mut self.failed);
        *self = DiskFaults { failed, ..DiskFaults::default() };
    }
}

impl Machine {
    /// After so many more of this kind, an operation fails with an input/output error.
    pub fn fail(&self, kind: OperationKind, after: u64) {
        self.lock().faults.fails.push((kind, after));
    }

    /// There is no room until then.
    pub fn fill(&self, until: Duration) {
        let faults = &mut self.lock().faults;
        faults.full_until = faults.full_until.max(until);
    }

    /// Syncs of the log take this long, until then.
    pub fn slow_syncs(&self, takes: Duration, until: Duration) {
        self.lock().faults.slow_syncs = (takes, until);
    }

    /// Everything done to a snapshot takes this long, until then.
    pub fn slow_snapshots(&self, takes: Duration, until: Duration) {
        self.lock().faults.slow_snapshots = (takes, until);
    }

    /// Whether the present boot received an error.
    pub fn has_failed(&self) -> bool {
        !self.lock().faults.failed.is_empty()
    }

    /// When the present boot received an error after which a member must end: of the log, or of its own snapshot.
    pub fn must_end_since(&self) -> Option<Duration> {
        let state = self.lock();
        let is_own = |path: &Path| is_log(path) || path.ends_with("checkpoint.snap.tmp");
        state.faults.failed.iter().find(|(_, path)| is_own(path)).map(|(at, _)| *at)
    }
}

impl State {
    /// The error that an operation gets, if it fails.
    pub(super) fn fails(&mut self, kind: OperationKind, needs_room: bool, path: &Path) -> Option<io::Error> {
        let is_full = needs_room && simulated_now() < self.faults.full_until;
        let place = self.faults.fails.iter_mut().position(|(fails, after)| {
            let is_due = *fails == kind && *after == 0;
            if *fails == kind && *after > 0 {
                *after -= 1;
            }
            is_due
        });
        let error = match (place, is_full) {
            (Some(place), _) => {
                self.faults.fails.remove(place);
                io::Error::other("simulated input/output error")
            }
            (None, true) => io::ErrorKind::StorageFull.into(),
            (None, false) => return None,
        };
        self.trace.event(&self.name, format_args!("disk fails: {error}"), &[]);
        self.faults.failed.push((simulated_now(), path.to_owned()));
        Some(error)
    }

    /// How long an operation other than a sync takes.
    pub(super) fn takes(&mut self, kind: OperationKind, path: &Path) -> Duration {
        if !is_snapshot(path) {
            return Duration::ZERO;
        }
        let (slow, until) = self.faults.slow_snapshots;
        if simulated_now() < until {
            return slow;
        }
        let usual = Duration::from_micros(self.profile.snapshot_write_us);
        if kind == OperationKind::Write && !usual.is_zero() {
            self.stream.delay(usual)
        } else {
            Duration::ZERO
        }
    }

    pub(super) fn sync_takes(&mut self, path: &Path) -> Duration {
        let DiskFaults { slow_syncs, slow_snapshots, .. } = &self.faults;
        let (slow, until) = if is_snapshot(path) { *slow_snapshots } else { *slow_syncs };
        if simulated_now() < until {
            return slow;
        }
        let DiskProfile { sync_us, slow_syncs_per_million, .. } = self.profile;
        let sync = Duration::from_micros(sync_us);
        if sync.is_zero() {
            return sync;
        }
        let usual = self.stream.delay(sync);
        if self.stream.happens(slow_syncs_per_million) {
            let slow = usual * u32::try_from(self.stream.within(10..100)).expect("below 100");
            return slow.min(LONGEST_SYNC);
        }
        usual
    }
}

pub(super) fn is_log(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "wal")
}

pub(super) fn is_snapshot(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "snap")
}
