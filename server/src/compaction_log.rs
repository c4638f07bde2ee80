//! One line in the log for each compaction, when its physical work is done: in etcd's words, which scripts look for.

use crate::metrics::TaskMetrics;
use detcd_engine::effects::CompactionStep;
use detcd_engine::time::Time;

/// The compactions that have begun and not finished, with when they began.
#[derive(Debug, Default)]
pub(crate) struct CompactionLog {
    begun: Vec<(i64, Time)>,
}

impl CompactionLog {
    pub(crate) fn note(&mut self, step: CompactionStep, now: Time, metrics: &TaskMetrics) {
        match step {
            CompactionStep::Begun(revision) => self.begun.push((revision, now)),
            CompactionStep::Finished(revision) => {
                let place = self.begun.iter().position(|(begun, _)| *begun == revision);
                let place = place.expect("the engine says first that a compaction begins");
                let (_, since) = self.begun.swap_remove(place);
                let took_ms = now.ms_since(since);
                metrics.compacted(took_ms);
                let took = format!("{took_ms}ms");
                tracing::info!(compact_revision = revision, took, "finished scheduled compaction");
            }
        }
    }
}
