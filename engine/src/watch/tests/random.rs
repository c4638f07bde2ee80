//! The hub against the plainest model: every watcher's stream is its filter over the whole history.

use crate::effects::WatchEffects;
use crate::ids::{LeaseId, StreamId, WatchId};
use crate::input::{WatchCreate, WatchInput};
use crate::key_range::KeyRange;
use crate::mvcc::{RecordRef, Store};
use crate::time::Time;
use crate::watch::range_map::next_random;
use crate::watch::{Hub, WatchOutput};
use bytes::Bytes;
use std::collections::BTreeMap;

type Sent = BTreeMap<(StreamId, WatchId), (WatchCreate, i64, Vec<(i64, u32)>, bool)>;

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
    let (id, progress_notify, fragment) = (None, next_random(random).is_multiple_of(2), false);
    let (no_put, no_delete) = (next_random(random).is_multiple_of(5), next_random(random).is_multiple_of(5));
    let prev_kv = next_random(random).is_multiple_of(2);
    WatchCreate { id, range, start_revision, progress_notify, no_put, no_delete, prev_kv, fragment }
}

/// Ordered, unique, reliable, atomic, bookmarkable: checked on every output of one random run.
fn run(seed: u64) {
    let mut random = seed;
    let (mut store, mut hub) = (Store::new(), Hub::new(400, 1_000, seed));
    let mut history: Vec<RecordRef> = Vec::new();
    let (mut sent, mut undrained) = (Sent::new(), BTreeMap::<StreamId, usize>::new());
    let mut asked: BTreeMap<StreamId, std::collections::VecDeque<WatchCreate>> = BTreeMap::new();
    for stream in 0..3 {
        hub.open(StreamId(stream), false);
    }
    for step in 0..600u64 {
        let now = Time::from_ms(step * 50);
        let stream = StreamId(next_random(&mut random) % 3);
        match next_random(&mut random) % 20 {
            0 | 1 if step < 560 => {
                let create = random_create(&mut random, store.revision());
                if !create.range.is_empty() {
                    asked.entry(stream).or_default().push_back(create.clone());
                    hub.handle(now, stream, WatchInput::Create(create), &store);
                }
            }
            2 => {
                let id = WatchId((next_random(&mut random) % 8) as i64);
                hub.handle(now, stream, WatchInput::Cancel(id), &store);
            }
            3 if step % 4 == 0 => {
                let _ = store.compact(store.revision() - (next_random(&mut random) % 9) as i64);
            }
            4 => hub.handle(now, stream, WatchInput::Progress, &store),
            5..=8 => {
                let bytes = undrained.insert(stream, 0).unwrap_or(0);
                hub.handle(now, stream, WatchInput::Drained { bytes }, &store);
            }
            _ => {
                let mut write = store.write();
                let (one, other) = (next_random(&mut random), next_random(&mut random));
                write.put(&key(one), b"value", LeaseId(0));
                if key(one) != key(other) {
                    write.delete_range(&KeyRange::One(key(other)));
                }
                let changes = write.finish();
                history.extend(changes.iter().cloned());
                hub.publish(&changes, &store);
            }
        }
        let mut out = WatchEffects::default();
        let has_more = hub.pump(now, &store, &mut out);
        check(&out, &history, &mut sent, &mut undrained, &mut asked);
        assert!(!has_more || step < 599, "seed {seed}: never caught up");
    }
    // With room for all, everything arrives.
    for _ in 0..200 {
        for stream in 0..3 {
            let bytes = undrained.insert(StreamId(stream), 0).unwrap_or(0);
            hub.handle(Time::ZERO, StreamId(stream), WatchInput::Drained { bytes }, &store);
        }
        let mut out = WatchEffects::default();
        hub.pump(Time::ZERO, &store, &mut out);
        check(&out, &history, &mut sent, &mut undrained, &mut asked);
    }
    for ((stream, id), (create, from, got, is_over)) in &sent {
        let want = wanted(&history, create, *from);
        if *is_over {
            assert!(want.starts_with(got), "seed {seed}: watcher {id:?} of {stream:?} skipped an event");
        } else {
            assert_eq!(got, &want, "seed {seed}: watcher {id:?} of {stream:?} {create:?}");
        }
    }
}

fn wanted(history: &[RecordRef], create: &WatchCreate, from: i64) -> Vec<(i64, u32)> {
    let is_wanted = |record: &&RecordRef| {
        let is_filtered = if record.is_tombstone() { create.no_delete } else { create.no_put };
        record.mod_revision() >= from && create.range.contains(record.key()) && !is_filtered
    };
    history.iter().filter(is_wanted).map(RecordRef::position).collect()
}

fn check(
    out: &WatchEffects,
    history: &[RecordRef],
    sent: &mut Sent,
    undrained: &mut BTreeMap<StreamId, usize>,
    asked: &mut BTreeMap<StreamId, std::collections::VecDeque<WatchCreate>>,
) {
    for (stream, output) in &out.outputs {
        *undrained.entry(*stream).or_default() += output.size_bytes(&out.batches);
        match output {
            WatchOutput::Created { id, revision } => {
                let create = asked.get_mut(stream).unwrap().pop_front().unwrap();
                let from = if create.start_revision == 0 { revision + 1 } else { create.start_revision };
                assert!(sent.insert((*stream, *id), (create, from, Vec::new(), false)).is_none());
            }
            WatchOutput::Events { id, revision, batch, first, end, fragment } => {
                let (create, from, got, is_over) = sent.get_mut(&(*stream, *id)).unwrap();
                assert!(!*is_over && !fragment);
                let events = &out.batches[*batch].events[*first..*end];
                assert!(events.iter().all(|event| event.record.mod_revision() <= *revision));
                assert!(create.prev_kv || events.iter().all(|event| event.prev.is_none()));
                got.extend(events.iter().map(|event| event.record.position()));
                // Atomic and reliable: after each response, whole revisions and no gap.
                let last = got.last().unwrap().0;
                let mut want = wanted(history, create, *from);
                want.retain(|(main, _)| *main <= last);
                assert_eq!(got, &want);
            }
            WatchOutput::Progress { id, revision } => {
                for ((_, _), (create, from, got, _)) in sent
                    .iter()
                    .filter(|((of, one), watcher)| of == stream && (id.0 == -1 || one == id) && !watcher.3)
                {
                    assert!(create.start_revision <= *revision);
                    let mut want = wanted(history, create, *from);
                    want.retain(|(main, _)| main <= revision);
                    assert_eq!(got, &want, "progress at {revision} before its events");
                }
            }
            WatchOutput::Canceled { id, .. } | WatchOutput::Compacted { id, .. } => {
                sent.get_mut(&(*stream, *id)).unwrap().3 = true;
            }
            WatchOutput::Rejected { .. } | WatchOutput::NoLeader => panic!("{output:?}"),
        }
    }
}

#[test]
fn hub_agrees_with_a_filter_of_the_whole_history() {
    (0..60).for_each(run);
}
