//! The hub against the plainest model: every watcher's stream is its filter over the whole history.
//!
//! Nothing of the hub is looked into. What a watcher may be told follows from what was asked, what was written and
//! compacted, and what it was sent before, in the order of the responses.

use crate::ids::{LeaseId, StreamId, WatchId};
use crate::key_range::KeyRange;
use crate::mvcc::{RecordRef, Store};
use crate::time::Time;
use crate::watch::WatchEffects;
use crate::watch::range_map::next_random;
use crate::watch::{Event, EventRange, Hub, WatchResponse};
use crate::watch::{WatchCreate, WatchInput};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// A watcher as its client sees it.
struct Seen {
    create: WatchCreate,
    /// Nothing below is for it.
    from: i64,
    /// Positions of its events so far.
    events: Vec<(i64, u32)>,
    /// The last fragment said that there is more of its revision.
    is_torn: bool,
    is_over: bool,
}

impl Seen {
    /// What of the history up to a revision is for it.
    fn wanted(&self, history: &[RecordRef], up_to: i64) -> Vec<(i64, u32)> {
        let create = &self.create;
        let is_wanted = |record: &&RecordRef| {
            let is_filtered = if record.is_tombstone() { create.no_delete } else { create.no_put };
            let revisions = self.from..=up_to;
            revisions.contains(&record.mod_revision()) && create.range.contains(record.key()) && !is_filtered
        };
        history.iter().filter(is_wanted).map(RecordRef::position).collect()
    }

    /// The first revision it has not been sent whole, where there is one.
    fn next_wanted(&self, history: &[RecordRef]) -> Option<i64> {
        self.wanted(history, i64::MAX).get(self.events.len()).map(|(main, _)| *main)
    }
}

/// What the clients of all streams know, and what they are owed.
#[derive(Default)]
struct Clients {
    seen: BTreeMap<(StreamId, WatchId), Seen>,
    undrained: BTreeMap<StreamId, usize>,
    asked: BTreeMap<StreamId, VecDeque<WatchCreate>>,
    compacted: usize,
    progress_of_all: usize,
    fragments: usize,
}

fn key(n: u64) -> Bytes {
    Bytes::from(format!("k{}", n % 6))
}

fn random_create(random: &mut u64, revision: i64) -> WatchCreate {
    let start = key(next_random(random));
    let range = match next_random(random) % 4 {
        0 => KeyRange::One(start),
        1 => KeyRange::From(start),
        _ => KeyRange::Span { start, end: Bytes::from_static(b"k5") },
    };
    let back = (next_random(random) % 30) as i64;
    let start_revision = if back < 10 { 0 } else { (revision - back + 15).max(1) };
    let (id, progress_notify) = (None, next_random(random).is_multiple_of(2));
    let fragment = next_random(random).is_multiple_of(3);
    let (no_put, no_delete) = (next_random(random).is_multiple_of(5), next_random(random).is_multiple_of(5));
    let prev_kv = next_random(random).is_multiple_of(2);
    WatchCreate { id, range, start_revision, progress_notify, no_put, no_delete, prev_kv, fragment }
}

const STREAMS: u64 = 3;

/// Ordered, unique, reliable, atomic, bookmarkable: checked on every output of one random run.
fn run(seed: u64) -> Clients {
    let mut random = seed;
    let (mut store, mut hub) = (Store::new(), Hub::new(400, 1_000, seed));
    let mut history: Vec<RecordRef> = Vec::new();
    let mut clients = Clients::default();
    (0..STREAMS).for_each(|stream| hub.open(StreamId(stream), false));
    for step in 0..600u64 {
        let now = Time::from_ms(step * 50);
        let stream = StreamId(next_random(&mut random) % STREAMS);
        match next_random(&mut random) % 20 {
            0 | 1 if step < 560 => {
                let create = random_create(&mut random, store.revision());
                if !create.range.is_empty() {
                    clients.asked.entry(stream).or_default().push_back(create.clone());
                    hub.handle(now, stream, WatchInput::Create(create), &store);
                }
            }
            2 => {
                let id = WatchId((next_random(&mut random) % 8) as i64);
                hub.handle(now, stream, WatchInput::Cancel(id), &store);
            }
            3 if step % 4 == 0 => {
                let _ = store.compact(store.revision() - (next_random(&mut random) % 9) as i64);
                store.compact_slice(5);
            }
            4 => hub.handle(now, stream, WatchInput::Progress, &store),
            5..=8 => clients.drain(stream, now, &mut hub, &store),
            _ => write(&mut random, &mut store, &mut hub, &mut history),
        }
        // Sometimes several of these go into one window.
        if !next_random(&mut random).is_multiple_of(3) {
            clients.take(now, &mut hub, &store, &history);
        }
    }
    // With room for all, everything arrives.
    let now = Time::from_ms(600 * 50);
    clients.take(now, &mut hub, &store, &history);
    let mut rounds = 0;
    while clients.undrained.values().any(|bytes| *bytes > 0) {
        (0..STREAMS).for_each(|stream| clients.drain(StreamId(stream), now, &mut hub, &store));
        clients.take(now, &mut hub, &store, &history);
        rounds += 1;
        assert!(rounds < 5_000, "seed {seed}: never caught up");
    }
    for ((stream, id), seen) in &clients.seen {
        let want = seen.wanted(&history, i64::MAX);
        if seen.is_over {
            assert!(want.starts_with(&seen.events), "seed {seed}: {id:?} of {stream:?} skipped an event");
        } else {
            assert_eq!(seen.events, want, "seed {seed}: {id:?} of {stream:?} {:?}", seen.create);
        }
    }
    clients
}

fn write(random: &mut u64, store: &mut Store, hub: &mut Hub, history: &mut Vec<RecordRef>) {
    let mut write = store.write();
    let (one, other) = (next_random(random), next_random(random));
    let value = b"v".repeat((next_random(random) % 300) as usize);
    write.put(&key(one), &value, LeaseId(0));
    if key(one) != key(other) {
        write.delete_range(&KeyRange::One(key(other)));
    }
    let changes = write.finish();
    history.extend(changes.iter().cloned());
    hub.publish(&changes, store);
}

impl Clients {
    fn drain(&mut self, stream: StreamId, now: Time, hub: &mut Hub, store: &Store) {
        let bytes = self.undrained.insert(stream, 0).unwrap_or(0);
        hub.handle(now, stream, WatchInput::Drained { bytes }, store);
    }

    fn take(&mut self, now: Time, hub: &mut Hub, store: &Store, history: &[RecordRef]) {
        let mut out = WatchEffects::default();
        hub.pump(now, store, &mut out);
        for (stream, response) in &out.responses {
            *self.undrained.entry(*stream).or_default() += response.size_bytes(&out.batches);
            self.check(*stream, response, &out, store, history);
        }
    }

    fn check(
        &mut self,
        stream: StreamId,
        response: &WatchResponse<EventRange>,
        out: &WatchEffects,
        store: &Store,
        history: &[RecordRef],
    ) {
        match response {
            WatchResponse::Created { id, revision } => {
                let create = self.asked.get_mut(&stream).unwrap().pop_front().unwrap();
                let from = if create.start_revision == 0 { revision + 1 } else { create.start_revision };
                let seen = Seen { create, from, events: Vec::new(), is_torn: false, is_over: false };
                assert!(self.seen.insert((stream, *id), seen).is_none(), "id {id:?} was used before");
            }
            WatchResponse::Events { id, revision, events, fragment } => {
                let seen = self.seen.get_mut(&(stream, *id)).unwrap();
                let events = events.of(&out.batches);
                assert!(!seen.is_over && !events.is_empty() && (seen.create.fragment || !fragment));
                assert!(events.iter().all(|event| event.record.mod_revision() <= *revision));
                events.iter().for_each(|event| check_previous(seen.create.prev_kv, event, history));
                seen.events.extend(events.iter().map(|event| event.record.position()));
                seen.is_torn = *fragment;
                self.fragments += usize::from(*fragment);
                // Atomic and reliable: after each response, whole revisions and no gap.
                let want = seen.wanted(history, seen.events.last().unwrap().0);
                assert!(want.starts_with(&seen.events), "{:?} is not a prefix of {want:?}", seen.events);
                assert_eq!(
                    *fragment,
                    want.len() > seen.events.len(),
                    "a fragment says whether there is more"
                );
            }
            WatchResponse::Progress { id, revision } => {
                let concerned =
                    |of: &StreamId, one: &WatchId| *of == stream && (*id == WatchId(-1) || one == id);
                let mut live =
                    self.seen.iter().filter(|((of, one), seen)| concerned(of, one) && !seen.is_over);
                assert!(live.clone().next().is_some(), "progress for nobody");
                assert!(live.all(|(_, seen)| {
                    seen.create.start_revision <= *revision
                        && !seen.is_torn
                        && seen.events == seen.wanted(history, *revision)
                }));
                self.progress_of_all += usize::from(*id == WatchId(-1));
            }
            WatchResponse::Canceled { id, .. } => self.seen.get_mut(&(stream, *id)).unwrap().is_over = true,
            WatchResponse::Compacted { id, compact_revision } => {
                let seen = self.seen.get_mut(&(stream, *id)).unwrap();
                assert!(!seen.is_over && !seen.is_torn);
                seen.is_over = true;
                self.compacted += 1;
                assert_eq!(*compact_revision, store.compacted_revision());
                // Justified: it asked for, or was still owed, something that is compacted away.
                let next = seen.next_wanted(history);
                let is_lost = |revision: i64| revision < *compact_revision;
                assert!(
                    is_lost(seen.from) && (seen.events.is_empty() || next.is_some_and(is_lost)),
                    "{next:?}"
                );
            }
            WatchResponse::Rejected { .. } | WatchResponse::NoLeader => panic!("{response:?}"),
        }
    }
}

/// The previous value is the state at the revision before, or absent where that was compacted away; nothing else.
fn check_previous(is_asked: bool, event: &Event, history: &[RecordRef]) {
    let Some(prev) = &event.prev else { return };
    let before = history
        .iter()
        .rev()
        .skip_while(|record| record.mod_revision() >= event.record.mod_revision())
        .find(|record| record.key() == event.record.key());
    assert!(is_asked && before == Some(prev) && !prev.is_tombstone(), "{event:?}, before it {before:?}");
}

#[test]
fn hub_agrees_with_a_filter_of_the_whole_history() {
    let (mut compacted, mut progress_of_all, mut fragments) = (0, 0, 0);
    for clients in (0..60).map(run) {
        compacted += clients.compacted;
        progress_of_all += clients.progress_of_all;
        fragments += clients.fragments;
    }
    // The runs come into the corners they are there for.
    assert!(
        compacted > 50 && progress_of_all > 50 && fragments > 50,
        "{compacted} {progress_of_all} {fragments}"
    );
}
