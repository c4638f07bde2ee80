//! How long the disk takes, told apart by what the file is for.

use super::{Bounds, MILLISECONDS, Names};
use prometheus::{Histogram, IntGauge};
use std::path::Path;
use std::time::Duration;

/// Of the real disk's files.
#[derive(Debug)]
pub struct DiskMetrics {
    wal_fsync: Histogram,
    wal_fsync_fine: Histogram,
    wal_write: Histogram,
    /// A gauge, as etcd has it.
    wal_write_bytes: IntGauge,
    checkpoint_fsync: Histogram,
    received_fsync: Histogram,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A segment of the log.
    Wal,
    /// A snapshot that this member took.
    Checkpoint,
    /// A snapshot that a leader sent.
    Received,
    /// Anything else.
    Other,
}

impl FileKind {
    /// By where the file lies, and by the name under which it is made.
    pub fn of(path: &Path) -> FileKind {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match path.parent().and_then(Path::file_name).and_then(|dir| dir.to_str()) {
            Some("wal") => FileKind::Wal,
            Some("snap") if name.starts_with("checkpoint") => FileKind::Checkpoint,
            Some("snap") => FileKind::Received,
            _ => FileKind::Other,
        }
    }
}

impl DiskMetrics {
    pub(super) fn new(names: Names<'_>) -> DiskMetrics {
        DiskMetrics {
            wal_fsync: names.histogram(
                "etcd_disk_wal_fsync_duration_seconds",
                "How long syncs of the log took.",
                MILLISECONDS,
            ),
            wal_fsync_fine: names.histogram(
                "detcd_wal_fsync_duration_seconds",
                "How long syncs of the log took, in bounds that tell fast disks apart.",
                Bounds::doubling(0.000_02, 18),
            ),
            wal_write: names.histogram(
                "etcd_disk_wal_write_duration_seconds",
                "How long writes to the log took, without their syncs.",
                MILLISECONDS,
            ),
            wal_write_bytes: names.gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log."),
            checkpoint_fsync: names.histogram(
                "etcd_snap_fsync_duration_seconds",
                "How long syncs took of snapshots that this member wrote of its own state.",
                MILLISECONDS,
            ),
            received_fsync: names.histogram(
                "etcd_snap_db_fsync_duration_seconds",
                "How long syncs took of snapshots that a leader sent.",
                MILLISECONDS,
            ),
        }
    }

    /// So many bytes were written to a file.
    pub fn wrote(&self, kind: FileKind, bytes: usize, took: Duration) {
        if kind == FileKind::Wal {
            self.wal_write.observe(took.as_secs_f64());
            self.wal_write_bytes.add(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// A file was synced.
    pub fn synced(&self, kind: FileKind, took: Duration) {
        let secs = took.as_secs_f64();
        match kind {
            FileKind::Wal => {
                self.wal_fsync.observe(secs);
                self.wal_fsync_fine.observe(secs);
            }
            FileKind::Checkpoint => self.checkpoint_fsync.observe(secs),
            FileKind::Received => self.received_fsync.observe(secs),
            FileKind::Other => {}
        }
    }
}
