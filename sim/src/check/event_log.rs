//! The event log: all revisions, as a watcher at every member receives them.
//!
//! One watcher on each member reads everything from revision 1 on, and resumes when the member has restarted. All of
//! them must receive the same events. Nothing is compacted before one of them has seen it (clients that compact check
//! that first), so the event log has no gaps, and every checker may rely on it.

use super::promise::Promise;
use crate::client_transport::ClientTransport;
use crate::phase::Phase;
use crate::watch_response::{WatchEvent, WatchResponse};
use crate::workload::keys::everything;
use detcd_engine::watch::{WatchCreate, WatchInput};
use madsim::time::{sleep, timeout};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a reader waits before it calls a member again that is down, or checks whether the run has ended.
const LOOK: Duration = Duration::from_millis(20);

/// One revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// What it changed, in order.
    pub events: Vec<WatchEvent>,
    /// When it was first received, in simulated time.
    pub seen: Duration,
}

/// All revisions. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct EventLog(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    revisions: BTreeMap<i64, Revision>,
    /// How far there are no gaps; revision 1 is the empty store.
    head: i64,
    last_delete: Option<i64>,
    /// The highest revision that a client requested a compaction to.
    compacted: i64,
    /// The last revision that the reader at each member received.
    read_to: BTreeMap<usize, i64>,
}

impl EventLog {
    /// The newest revision up to which everything is known.
    pub fn head(&self) -> i64 {
        self.lock().head.max(1)
    }

    /// The highest revision that a client requested a compaction to; 0 for none.
    pub fn compacted(&self) -> i64 {
        self.lock().compacted
    }

    /// A client is about to request a compaction to this revision.
    ///
    /// # Panics
    /// What lies below it has not been received: a compaction would leave a gap.
    pub fn may_be_compacted(&self, revision: i64) {
        let mut inner = self.lock();
        let head = inner.head.max(1);
        assert!(
            revision <= head + 1,
            "a workload would compact to {revision}, but only {head} has been received"
        );
        inner.compacted = inner.compacted.max(revision);
    }

    /// The newest revision that deleted something.
    pub fn last_delete(&self) -> Option<i64> {
        self.lock().last_delete
    }

    /// The last revision that was received from a member.
    pub fn read_to(&self, member: usize) -> i64 {
        self.lock().read_to.get(&member).copied().unwrap_or(0)
    }

    /// All revisions, from 2 on.
    pub fn revisions(&self) -> BTreeMap<i64, Revision> {
        self.lock().revisions.clone()
    }

    /// A revision was received from a member.
    ///
    /// # Panics
    /// Another member reported it differently.
    pub fn record(&self, member: usize, revision: i64, events: Vec<WatchEvent>) {
        let mut inner = self.lock();
        inner.read_to.insert(member, revision);
        if let Some(before) = inner.revisions.get(&revision) {
            let is_same = is_same(&before.events, &events);
            let how = format!("{revision} is {:?} and at member {member} {events:?}", before.events);
            drop(inner);
            assert!(is_same, "{}", Promise::SameHistory.broken(how));
            return;
        }
        if events.iter().any(|event| event.is_delete) {
            inner.last_delete = inner.last_delete.max(Some(revision));
        }
        inner.revisions.insert(revision, Revision { events, seen: crate::clock::simulated_now() });
        let mut head = inner.head.max(1);
        while inner.revisions.contains_key(&(head + 1)) {
            head += 1;
        }
        inner.head = head;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic while it is held")
    }
}

/// The key before an event may be reported by one member and left out by another that compacted in between.
fn is_same(one: &[WatchEvent], other: &[WatchEvent]) -> bool {
    let same = |one: &WatchEvent, other: &WatchEvent| {
        let prevs_differ = one.prev.is_some() && other.prev.is_some() && one.prev != other.prev;
        one.is_delete == other.is_delete && one.kv == other.kv && !prevs_differ
    };
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
}

/// Reads all events of a member, until the run ends.
pub async fn read(transport: Arc<dyn ClientTransport>, member: usize, event_log: EventLog, phase: Phase) {
    let mut next = 1;
    while !phase.has_ended() {
        let Some(mut feed) = transport.watch(member, false).await else {
            sleep(LOOK).await;
            continue;
        };
        feed.send(WatchInput::Create(WatchCreate {
            id: None,
            range: everything(),
            start_revision: next,
            progress_notify: false,
            no_put: false,
            no_delete: false,
            prev_kv: true,
            fragment: false,
        }));
        while !phase.has_ended() {
            match timeout(LOOK * 10, feed.next()).await {
                Err(_) => {}
                Ok(Some(WatchResponse::Events { events, .. })) => next = record(member, &event_log, events),
                Ok(Some(WatchResponse::Compacted { compact_revision, .. })) => {
                    next = compact_revision;
                    break;
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
            }
        }
    }
}

/// The first revision not received yet.
fn record(member: usize, event_log: &EventLog, events: Vec<WatchEvent>) -> i64 {
    let mut revisions: BTreeMap<i64, Vec<WatchEvent>> = BTreeMap::new();
    for event in events {
        revisions.entry(event.kv.mod_revision).or_default().push(event);
    }
    let next = revisions.keys().next_back().expect("a response has events") + 1;
    for (revision, events) in revisions {
        event_log.record(member, revision, events);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixtures::{event, fresh};

    #[test]
    fn members_that_report_different_histories_are_found() {
        let event_log = EventLog::default();
        event_log.record(0, 3, vec![event(fresh("l", "b", 3))]);
        assert_eq!(event_log.head(), 1, "revision 2 is not known yet");
        event_log.record(1, 2, vec![event(fresh("k", "a", 2))]);
        assert_eq!(event_log.head(), 3);
        let other = || event_log.record(2, 2, vec![event(fresh("k", "b", 2))]);
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(other)).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert_eq!(Promise::of(text), Some(Promise::SameHistory), "{text}");
    }
}
