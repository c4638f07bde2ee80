//! Random transactions, compactions and reads: store and views against the model, at every revision there is.

use super::super::{RecordRef, Store, View};
use super::model::Model;
use crate::cow_tree::random::Random;
use crate::ids::LeaseId;
use crate::key_range::KeyRange;
use crate::mvcc::{RangeRequest, RangeResponse, RevisionError, SortOrder, SortTarget};
use bytes::Bytes;

fn key(random: &mut Random) -> Bytes {
    let keys = ["a", "aa", "ab", "b", "b\0", "ba", "c", "ca", "\u{7f}", "z"];
    Bytes::from_static(keys[random.below(keys.len() as u64) as usize].as_bytes())
}

fn range(random: &mut Random) -> KeyRange {
    match random.below(4) {
        0 => KeyRange::One(key(random)),
        1 => KeyRange::From(key(random)),
        _ => KeyRange::Span { start: key(random), end: key(random) },
    }
}

fn request(random: &mut Random, revision: i64) -> RangeRequest {
    let mut bound = |chance: u64| if random.below(chance) == 0 { random.below(12) as i64 } else { 0 };
    let (min_mod_revision, max_mod_revision) = (bound(4), bound(8));
    let (min_create_revision, max_create_revision) = (bound(8), bound(8));
    RangeRequest {
        limit: random.below(4),
        order: [SortOrder::None, SortOrder::Ascend, SortOrder::Descend][random.below(3) as usize],
        target: TARGETS[random.below(5) as usize],
        keys_only: random.below(4) == 0,
        count_only: random.below(4) == 0,
        min_mod_revision,
        max_mod_revision,
        min_create_revision,
        max_create_revision,
        revision,
        ..RangeRequest::of(range(random))
    }
}

const TARGETS: [SortTarget; 5] =
    [SortTarget::Key, SortTarget::Version, SortTarget::Create, SortTarget::Mod, SortTarget::Value];

/// One transaction of up to three operations; reads inside it see what it has done.
fn transact(store: &mut Store, model: &mut Model, random: &mut Random) {
    let start = store.revision();
    let mut write = store.write();
    let mut later = Vec::new();
    for _ in 0..=random.below(3) {
        let known = model.versions.len();
        if random.below(3) > 0 {
            let (key, value) = (key(random), [b'0' + random.below(4) as u8]);
            let before = model.get_at(&key, i64::MAX);
            let (record, previous) = write.put(&key, &value, LeaseId(random.below(3) as i64));
            assert_eq!(previous, before);
            assert_eq!(record.version(), before.as_ref().map_or(1, |before| before.version() + 1));
            assert_eq!(
                record.create_revision(),
                before.as_ref().map_or(start + 1, |before| before.create_revision())
            );
            model.versions.push(record);
        } else {
            let range = range(random);
            let expected = model.range(&RangeRequest::of(range.clone()), i64::MAX).kvs;
            let deleted = write.delete_range(&range);
            assert_eq!(deleted, expected);
            for record in deleted {
                let sub = model.versions.iter().filter(|v| v.mod_revision() == start + 1).count() as u32;
                model.versions.push(RecordRef::tombstone(start + 1, sub, record.key()));
            }
        }
        let inside = request(random, 0);
        let expected = model.range(&inside, i64::MAX);
        assert_eq!(write.small_range(&inside, &mut 1_000_000), Some(Ok(expected.clone())), "{inside:?}");
        later.push((write.later_range(&inside), expected));
        if start >= model.compacted.max(1) {
            let before = request(random, start);
            let expected = model.range(&before, start);
            assert_eq!(write.small_range(&before, &mut 1_000_000), Some(Ok(expected.clone())), "{before:?}");
            later.push((write.later_range(&before), expected));
        }
        let changed = model.versions.len() > known || write.revision() > start;
        assert_eq!(write.revision(), start + i64::from(changed));
    }
    let changes = write.finish();
    let expected: Vec<&RecordRef> = model.versions.iter().filter(|v| v.mod_revision() == start + 1).collect();
    assert_eq!(changes.iter().collect::<Vec<_>>(), expected);
    for (asked, expected) in later {
        assert_eq!(store.current().later_range(&asked), expected, "{asked:?}");
    }
}

/// Everything that can be asked of a view that was taken when the model had `versions` and `compacted`.
fn assert_view(view: &View, model: &Model, random: &mut Random) {
    let current = view.revision();
    assert_eq!(view.records().cloned().collect::<Vec<_>>(), model.kept());
    for revision in -2..=current + 1 {
        let request = request(random, revision);
        let answer = view.range(&request);
        if revision > current {
            assert_eq!(answer, Err(RevisionError::Future));
        } else if revision > 0 && revision < model.compacted {
            assert_eq!(answer, Err(RevisionError::Compacted));
        } else {
            let at = if revision <= 0 { current } else { revision };
            assert_eq!(answer, Ok(model.range(&request, at)), "{request:?}");
        }
        assert_smaller_ways(view, &request, answer, random);
        let key = key(random);
        let expected = Some(revision).filter(|revision| *revision >= model.compacted);
        assert_eq!(view.get_at(&key, revision), expected.and_then(|revision| model.get_at(&key, revision)));
        let since = revision.max(model.compacted);
        let expected: Vec<&RecordRef> = model.versions.iter().filter(|v| v.mod_revision() >= since).collect();
        assert_eq!(view.history_from(revision).collect::<Vec<_>>(), expected);
        assert_eq!(view.changes_since(revision - 1), expected.len() as u64);
    }
}

/// A range within a bound and a range in pieces answer the same, or not at all.
fn assert_smaller_ways(
    view: &View,
    request: &RangeRequest,
    answer: Result<RangeResponse, RevisionError>,
    random: &mut Random,
) {
    let mut keys_left = random.below(12);
    if let Some(small) = view.small_range(request, &mut keys_left) {
        assert_eq!(small, answer, "{request:?}");
    }
    assert_eq!(view.small_range(request, &mut 1_000_000), Some(answer.clone()), "{request:?}");
    let mut scan = match view.scan(request) {
        Err(refusal) => return assert_eq!(Err(refusal), answer, "{request:?}"),
        Ok(None) => return assert!(request.count_only || request.target != SortTarget::Key, "{request:?}"),
        Ok(Some(scan)) => scan,
    };
    let answer = answer.expect("what can be scanned can be answered");
    let keys_max = 1 + random.below(4) as usize;
    let mut found = Vec::new();
    while !scan.is_done() {
        let some = scan.next_keys(keys_max);
        assert!(some.len() <= keys_max, "{request:?}");
        found.extend(some);
    }
    assert_eq!(
        (found, scan.has_more(), scan.count()),
        (answer.kvs, answer.more, answer.count),
        "{request:?}"
    );
}

fn assert_store(store: &Store, model: &Model) {
    assert_eq!(store.hash(), store.hash_from_scratch());
    let sizes = model.kept().iter().map(|record| record.size_bytes()).sum::<u64>();
    assert_eq!(store.state_bytes(), sizes);
    let live = model.range(&RangeRequest::of(KeyRange::From(Bytes::new())), i64::MAX).kvs;
    assert_eq!(store.live_bytes(), live.iter().map(|record| record.size_bytes()).sum::<u64>());
    let records = store.current().records().cloned().collect();
    let rebuilt = Store::from_records(store.revision(), store.compacted_revision(), records).expect("sound");
    assert_eq!((rebuilt.hash(), rebuilt.state_bytes()), (store.hash(), store.state_bytes()));
    assert_eq!(rebuilt.live_bytes(), store.live_bytes());
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let mut store = Store::new();
    let mut model = Model { compacted: -1, ..Model::default() };
    let mut old: Vec<(View, Model)> = Vec::new();
    for step in 0..40 {
        transact(&mut store, &mut model, &mut random);
        if random.below(5) == 0 {
            let revision = random.below(store.revision() as u64 + 2) as i64;
            let expected = match revision {
                _ if revision <= model.compacted => Err(RevisionError::Compacted),
                _ if revision > store.revision() => Err(RevisionError::Future),
                _ => Ok(()),
            };
            assert_eq!(store.compact(revision), expected, "seed {seed} step {step}");
            if expected.is_ok() {
                model.compacted = revision;
            }
        }
        assert_store(&store, &model);
        assert_view(&store.view(), &model, &mut random);
        let hash = store.hash();
        store.compact_slice(random.below(4) as usize);
        assert_eq!(store.hash(), hash, "physical work shows in the hash");
        assert_store(&store, &model);
        if random.below(8) == 0 {
            old.push((store.view(), Model { versions: model.versions.clone(), compacted: model.compacted }));
        }
        if random.below(10) == 0 {
            let records = store.current().records().cloned().collect();
            store = Store::from_records(store.revision(), model.compacted, records).expect("sound");
        }
    }
    old.iter().for_each(|(view, model)| assert_view(view, model, &mut random));
    if store.revision() > model.compacted {
        store.compact(store.revision()).expect("not yet compacted");
        model.compacted = store.revision();
    }
    while store.compact_slice(3) {}
    let physical: usize = store.current().index.iter_from(&[]).map(|versions| versions.iter().count()).sum();
    assert_eq!(physical, model.kept().len(), "seed {seed}: a finished compaction keeps nothing forgotten");
    assert_store(&store, &model);
    assert_view(&store.view(), &model, &mut random);
}

#[test]
fn store_and_views_agree_with_a_list_of_versions() {
    (1..=60).for_each(run);
}

#[test]
fn a_compaction_at_every_revision_in_slices_of_every_size_agrees_with_the_list() {
    for revision in 0..=12 {
        for slice in [1, 2, 100] {
            let mut random = Random(7);
            let mut store = Store::new();
            let mut model = Model { compacted: -1, ..Model::default() };
            while store.revision() < 12 {
                transact(&mut store, &mut model, &mut random);
            }
            store.compact(revision).expect("within the store's revisions");
            model.compacted = revision;
            while store.compact_slice(slice) {
                assert_store(&store, &model);
                assert_view(&store.view(), &model, &mut random);
            }
            let physical: usize = store.current().index.iter_from(&[]).map(|v| v.iter().count()).sum();
            assert_eq!(physical, model.kept().len(), "compacted at {revision}");
            assert_view(&store.view(), &model, &mut random);
        }
    }
}
