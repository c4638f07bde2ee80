//! What is checked once a run is over.

use super::Run;
use crate::check::reference_history::ReferenceHistory;
use crate::check::{Promise, compaction, fencing, leases, real_time, serialization, watches};
use crate::history::{KeyValue, key_value};
use crate::workload::keys::everything;
use detcd_engine::request::{RangeRequest, Request, Response};
use detcd_proptests::reference::KeyRange;

/// Of the revisions that are still readable, so many are read back at each member.
const SAMPLES: i64 = 8;

impl Run {
    /// Whether every promise was kept.
    pub(super) async fn verdict(&self) -> Result<(), String> {
        let reference = ReferenceHistory::new(self.event_log.revisions())?;
        for member in self.cluster.living() {
            self.reads_back(member, &reference).await?;
        }
        let operations = self.history.operations();
        let places = serialization::check(&operations, &reference)?;
        real_time::check(&operations, &places.unknown)?;
        compaction::check(&operations)?;
        watches::check(&self.history.streams(), &operations, &reference)?;
        leases::check(&operations, &reference, &places, self.cluster.agreement().clocks())?;
        fencing::check(&self.history.claims(), &reference)
    }

    /// Compares a member's store with the event log, at its newest revision and at some before.
    async fn reads_back(&self, member: usize, reference: &ReferenceHistory) -> Result<(), String> {
        let handle = self.cluster.handle(member).expect("it has settled");
        let status = handle.status();
        let (first, last) = (status.compacted_revision.max(1), status.revision);
        let step = usize::try_from((last - first) / SAMPLES + 1).expect("positive");
        let revisions = (first..=last).rev().step_by(step);
        for revision in revisions.filter(|revision| *revision > 1) {
            let mut range = RangeRequest::of(everything());
            (range.revision, range.serializable) = (revision, true);
            let answer = handle.request(Request::Range(range), false).await.map(|reply| reply.response);
            let Ok(Response::Range(found)) = answer else {
                return Err(Promise::Answers.broken(format!("for revision {revision} it said {answer:?}")));
            };
            let found: Vec<KeyValue> = found.kvs.iter().map(key_value).collect();
            let everything = KeyRange::all();
            let recorded: Vec<&KeyValue> = reference.at(&everything, revision).collect();
            if !found.iter().eq(recorded.iter().copied()) {
                let how =
                    format!("at revision {revision} member {member} has {found:?} and reported {recorded:?}");
                return Err(Promise::SameHistory.broken(how));
            }
        }
        Ok(())
    }
}
