//! The range map against a list of every range.

use crate::key_range::KeyRange;
use crate::watch::range_map::{RangeMap, Slot, next_random};
use bytes::Bytes;

/// Few and short keys, so that ranges share starts and ends, nest, touch, overlap and are equal.
fn key(random: &mut u64) -> Bytes {
    let length = 1 + next_random(random) % 3;
    (0..length).map(|_| b"abc"[(next_random(random) % 3) as usize]).collect()
}

fn range(random: &mut u64) -> KeyRange {
    let (one, other) = (key(random), key(random));
    match next_random(random) % 5 {
        0 => KeyRange::One(one),
        1 => KeyRange::From(one),
        _ if one == other => KeyRange::From(one),
        _ => KeyRange::Span { start: one.clone().min(other.clone()), end: one.max(other) },
    }
}

fn run(seed: u64) {
    let mut random = seed;
    let mut map = RangeMap::new(seed);
    let mut list: Vec<(Slot, KeyRange)> = Vec::new();
    for step in 0..2_000u32 {
        // Grows for a while, then shrinks to nothing, so that trees of every size are cut and joined.
        let grows = next_random(&mut random) % 10 < if step < 800 { 7 } else { 3 };
        if grows {
            let range = range(&mut random);
            map.insert(&range, Slot(step));
            list.push((Slot(step), range));
        } else if !list.is_empty() {
            let at = (next_random(&mut random) % list.len() as u64) as usize;
            let (slot, range) = list.swap_remove(at);
            map.remove(&range, slot);
        }
        let key = key(&mut random);
        let mut found = Vec::new();
        map.for_each(&key, &mut |slot| found.push(slot));
        found.sort_unstable();
        let mut wanted: Vec<Slot> =
            list.iter().filter(|(_, range)| range.contains(&key)).map(|(slot, _)| *slot).collect();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "seed {seed}, step {step}, key {key:?}");
        assert_eq!(map.is_empty(), list.is_empty());
    }
    for (slot, range) in list.drain(..) {
        map.remove(&range, slot);
    }
    assert!(map.is_empty(), "seed {seed}: something is left of nothing");
}

#[test]
fn range_map_agrees_with_a_list() {
    (0..40).for_each(run);
}

/// Whatever order spans come in, the tree stays shallow: ascending starts would make a plain search tree a list, and
/// 100,000 of them would overflow the stack here.
#[test]
fn spans_in_order_do_not_make_a_list() {
    let mut map = RangeMap::new(7);
    let span = |at: u32| KeyRange::Span {
        start: Bytes::copy_from_slice(&at.to_be_bytes()),
        end: Bytes::copy_from_slice(&(at + 2).to_be_bytes()),
    };
    (0..100_000).for_each(|at| map.insert(&span(at), Slot(at)));
    for at in [1u32, 50_000, 99_999] {
        let mut found = Vec::new();
        map.for_each(&at.to_be_bytes(), &mut |slot| found.push(slot.0));
        assert_eq!(found, [at - 1, at]);
    }
    (0..100_000).rev().for_each(|at| map.remove(&span(at), Slot(at)));
    assert!(map.is_empty());
}
