//! How the member's own tasks do: the main loop, the log, snapshots.

use super::{Bounds, MILLISECONDS, Names};
use crate::clock::Stopwatch;
use prometheus::{Histogram, IntCounter};
use std::sync::Mutex;
use std::time::Duration;

/// A turn of the main loop above this is slow: etcd's bound for applying one request.
const SLOW_TURN: Duration = Duration::from_millis(100);

/// Of the member's own tasks.
#[derive(Debug)]
pub struct TaskMetrics {
    turn: Histogram,
    turn_inputs: Histogram,
    slow_turns: IntCounter,
    log_batch: Histogram,
    log_round: Histogram,
    checkpoint: Histogram,
    /// In milliseconds, as etcd has it.
    compaction_ms: Histogram,
    last_compaction: Mutex<Option<Stopwatch>>,
}

impl TaskMetrics {
    pub(super) fn new(names: Names<'_>) -> TaskMetrics {
        let turn = names.histograms(
            "etcd_server_apply_duration_seconds",
            "How long turns of the main loop took, in each of which many commands may be applied.",
            &["version", "op", "success"],
            Bounds::doubling(0.0001, 20),
        );
        TaskMetrics {
            turn: turn.with_label_values(&["v3", "Turn", "true"]),
            turn_inputs: names.histogram(
                "detcd_main_loop_turn_inputs",
                "How many requests, messages and other inputs turns of the main loop had.",
                Bounds::doubling(1.0, 13),
            ),
            slow_turns: names.counter(
                "etcd_server_slow_apply_total",
                "Turns of the main loop that took more than 100 ms.",
            ),
            log_batch: names.histogram(
                "detcd_wal_batch_writes",
                "How many writes shared a sync of the log.",
                Bounds::doubling(1.0, 11),
            ),
            log_round: names.histogram(
                "etcd_disk_backend_commit_duration_seconds",
                "How long it took to make committed entries durable: a write and a sync of the log, with the way there.",
                MILLISECONDS,
            ),
            checkpoint: names.histogram(
                "etcd_debugging_snap_save_total_duration_seconds",
                "How long it took to write a snapshot of the state, aside from all else.",
                MILLISECONDS,
            ),
            compaction_ms: names.histogram(
                "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                "How long it took until the memory was given back of what a compaction forgot, slice by slice.",
                Bounds::doubling(100.0, 14),
            ),
            last_compaction: Mutex::default(),
        }
    }

    /// A turn of the main loop with so many inputs.
    pub(crate) fn turned(&self, inputs: usize, took: Duration) {
        self.turn.observe(took.as_secs_f64());
        self.turn_inputs.observe(inputs as f64);
        if took > SLOW_TURN {
            self.slow_turns.inc();
        }
    }

    /// So many writes are durable.
    pub(crate) fn persisted(&self, writes: usize, took: Duration) {
        self.log_batch.observe(writes as f64);
        self.log_round.observe(took.as_secs_f64());
    }

    /// What a compaction forgot is gone.
    pub(crate) fn compacted(&self, took_ms: u64) {
        self.compaction_ms.observe(took_ms as f64);
        *self.last_compaction.lock().expect("no panic while it is held") = Some(Stopwatch::start());
    }

    /// How long ago that was; `None` where it was not since the start.
    pub fn since_compaction(&self) -> Option<Duration> {
        let last = *self.last_compaction.lock().expect("no panic while it is held");
        last.map(Stopwatch::elapsed)
    }

    /// A snapshot of the state is written.
    pub(crate) fn checkpointed(&self, took: Duration) {
        self.checkpoint.observe(took.as_secs_f64());
    }
}
