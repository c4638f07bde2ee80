//! From a window of changes to responses: which watcher sees which changes, each set of changes found once.
//!
//! Two watchers that see the same changes of a window, both with the previous values or both without, share one
//! batch; the shell encodes it once. A batch is cut into responses between revisions, so that none becomes much
//! larger than a fragment; a single revision is cut only for watchers that take fragments.

use super::range_map::Slot;
use super::response::{Event, EventBatch, RESPONSE_BYTES};
use crate::mvcc::{RecordRef, Store};
use std::collections::BTreeMap;

/// One response: events `first..end` of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) first: usize,
    pub(super) end: usize,
    /// Of its first event.
    pub(super) revision: i64,
    /// The same revision goes on in the next part.
    pub(super) fragment: bool,
    /// The same revision began in the part before: once begun, it must be sent whole.
    pub(super) continues: bool,
}

/// A batch of the window and where it is cut.
#[derive(Debug)]
struct Cut {
    batch: usize,
    whole: Vec<Part>,
    /// For watchers that take fragments.
    fragmented: Vec<Part>,
}

/// The batches made of one window so far, by what is in them.
#[derive(Debug)]
pub(super) struct FanOut<'a> {
    window: &'a [RecordRef],
    store: &'a Store,
    fragment_bytes: usize,
    /// By whether previous values are in it; then by positions in the window.
    cuts: [BTreeMap<Vec<u32>, Cut>; 2],
}

impl<'a> FanOut<'a> {
    pub(super) fn new(window: &'a [RecordRef], store: &'a Store, fragment_bytes: usize) -> FanOut<'a> {
        FanOut { window, store, fragment_bytes, cuts: [BTreeMap::new(), BTreeMap::new()] }
    }

    /// The batch of the changes at these positions, made and appended to `batches` if this is the first to ask,
    /// and its parts.
    pub(super) fn batch(
        &mut self,
        positions: &[u32],
        prev_kv: bool,
        fragment: bool,
        batches: &mut Vec<EventBatch>,
    ) -> (usize, &[Part]) {
        if !self.cuts[usize::from(prev_kv)].contains_key(positions) {
            let events = positions.iter().map(|at| self.event(*at, prev_kv)).collect();
            let batch = EventBatch { events };
            let whole = cut(&batch.events, self.fragment_bytes, false);
            let fragmented = cut(&batch.events, self.fragment_bytes, true);
            batches.push(batch);
            let made = Cut { batch: batches.len() - 1, whole, fragmented };
            self.cuts[usize::from(prev_kv)].insert(positions.to_vec(), made);
        }
        let found = &self.cuts[usize::from(prev_kv)][positions];
        (found.batch, if fragment { &found.fragmented } else { &found.whole })
    }

    /// The change at a position, and the key as the revision before left it. A creation has none before it, even
    /// where its own revision deleted the key first.
    fn event(&self, position: u32, prev_kv: bool) -> Event {
        let record = RecordRef::clone(&self.window[position as usize]);
        let before = record.mod_revision() - 1;
        let is_creation = record.create_revision() == record.mod_revision();
        let is_known = prev_kv && !is_creation && before >= self.store.compacted_revision();
        let prev = if is_known { self.store.get_at(record.key(), before) } else { None };
        Event { record, prev }
    }
}

/// Cuts events into responses: between revisions where the next would not fit, and inside one only if `fragment`.
fn cut(events: &[Event], fragment_bytes: usize, fragment: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut first = 0;
    let mut bytes = RESPONSE_BYTES;
    let mut continues = false;
    let revision = |at: usize| events[at].record.mod_revision();
    let mut at = 0;
    while at < events.len() {
        let run = events[at..].iter().take_while(|event| event.record.mod_revision() == revision(at)).count();
        let run_bytes: usize = events[at..at + run].iter().map(Event::size_bytes).sum();
        if at > first && bytes + run_bytes > fragment_bytes {
            parts.push(Part { first, end: at, revision: revision(first), fragment: false, continues });
            (first, bytes, continues) = (at, RESPONSE_BYTES, false);
        }
        for (next, event) in (at..).zip(&events[at..at + run]) {
            let event_bytes = event.size_bytes();
            if fragment && next > first && bytes + event_bytes > fragment_bytes {
                parts.push(Part { first, end: next, revision: revision(first), fragment: true, continues });
                (first, bytes, continues) = (next, RESPONSE_BYTES, true);
            }
            bytes += event_bytes;
        }
        at += run;
    }
    parts.push(Part { first, end: events.len(), revision: revision(first), fragment: false, continues });
    check_parts(&parts, events, fragment);
    parts
}

/// I7: the parts are all of the events, in order, and end where a revision does, but for fragments that were asked for.
fn check_parts(parts: &[Part], events: &[Event], fragment: bool) {
    let mut first = 0;
    for part in parts {
        assert!(part.first == first && part.end > first, "{part:?} where one from {first} on was to come");
        let revision = |at: usize| events.get(at).map(|event| event.record.mod_revision());
        let is_torn = revision(part.end) == revision(part.end - 1);
        assert!(
            is_torn == part.fragment && (fragment || !is_torn),
            "{part:?} ends within revision {}",
            part.revision
        );
        first = part.end;
    }
    assert_eq!(first, events.len(), "the parts are all of the events");
}

/// Who sees which position of a window, from pairs in any order: one run per watcher, positions ascending. The
/// watcher with the oldest change is first: where a stream has no room for all, they take turns.
pub(super) fn by_watcher(mut pairs: Vec<(Slot, u32)>) -> Vec<(Slot, Vec<u32>)> {
    pairs.sort_unstable();
    let mut runs: Vec<(Slot, Vec<u32>)> = pairs
        .chunk_by(|one, other| one.0 == other.0)
        .map(|run| (run[0].0, run.iter().map(|(_, at)| *at).collect()))
        .collect();
    runs.sort_by_key(|(_, positions)| positions[0]);
    runs
}
