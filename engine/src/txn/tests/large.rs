//! What a transaction that writes may look at while it is applied: ranges are left for later, compares refused.

use super::*;
use crate::request::{SortOrder, SortTarget};
use crate::txn::later::TxnRange;
use crate::txn::{COMPARE_LOOKS_MAX, RANGE_LOOKS_MAX};

/// More than are looked at while a transaction is applied.
const KEYS: u64 = RANGE_LOOKS_MAX + 100;

/// Keys k00000 and so on, each v.
fn large(keys: u64) -> World {
    let mut world = World::new();
    for first in (0..keys).step_by(100) {
        let puts = (first..keys.min(first + 100)).map(|number| put(&format!("k{number:06}"), "v"));
        world.run(&txn(puts.collect(), vec![])).expect("nothing to refuse");
    }
    world
}

/// The range alone, evaluated at once: a transaction has so many looks for itself that the store's keys take few.
fn read_at_once(world: &World, request: &RangeRequest) -> crate::request::RangeResponse {
    world.store.range(request).expect("a readable revision")
}

fn sorted(text: &str) -> RangeRequest {
    let order = SortOrder::Descend;
    RangeRequest { order, target: SortTarget::Mod, limit: 3, ..RangeRequest::of(range(text)) }
}

/// The large ranges of a transaction, and what the store said at that place in it.
#[test]
fn a_range_left_for_later_sees_the_writes_before_it_and_none_after() {
    let historic = RangeRequest { revision: 10, ..sorted("a..") };
    for request in [sorted("a.."), RangeRequest::of(range("k..")), historic] {
        let steps = || {
            [
                put("b", "1"),
                delete("k0000..k0001"),
                nested(vec![put("d", "2"), delete("c")], vec![]),
                put("k1", "3"),
            ]
        };
        // Each step as a transaction of its own, at a store of its own that is as it was before.
        let expected: Vec<_> = (0..=steps().len())
            .map(|done| {
                let mut world = large(KEYS);
                world.run(&txn(steps().into_iter().take(done).collect(), vec![])).unwrap();
                read_at_once(&world, &request)
            })
            .collect();

        let mut world = large(KEYS);
        let base = world.store.revision();
        let ask = || nested(vec![TxnOp::Range(request.clone())], vec![]);
        let between = steps().into_iter().flat_map(|step| [ask(), step]).chain([ask()]).collect();
        let mut write = world.store.write();
        let unfinished = run(&mut write, &mut world.leases, &txn(between, vec![])).unwrap().unwrap_err();
        write.finish();
        let view = world.store.view();
        // What comes after it, and a compaction of what it reads, do not matter.
        world.run(&txn(vec![delete("a..")], vec![])).unwrap();
        world.store.compact(world.store.revision()).unwrap();
        while world.store.compact_slice(100) {}

        let answers = unfinished.finish(&view).responses.into_iter().step_by(2).map(|answer| match answer {
            TxnOpResponse::Txn(TxnResponse { mut responses, .. }) => responses.remove(0),
            other => panic!("a nested transaction was answered with {other:?}"),
        });
        let revisions = [base].into_iter().chain([base + 1; 4]);
        let expected = revisions.zip(expected);
        let expected = expected.map(|(revision, response)| TxnOpResponse::Range { revision, response });
        assert_eq!(answers.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{request:?}");
    }
}

#[test]
fn ranges_share_what_may_be_looked_at_and_the_rest_is_left_for_later() {
    let mut world = large(KEYS);
    let is_later = |world: &mut World, ranges: Vec<TxnOp>| {
        let mut write = world.store.write();
        let done = run(&mut write, &mut world.leases, &txn(ranges, vec![])).unwrap();
        write.finish();
        let Err(crate::txn::Unfinished(response)) = done else { return Vec::new() };
        let later = response.responses.iter().map(|op| match op {
            TxnOpResponse::Range { response, .. } => matches!(response, TxnRange::Later(_)),
            other => panic!("a range was answered with {other:?}"),
        });
        later.collect()
    };
    let count = || TxnOp::Range(RangeRequest { count_only: true, ..RangeRequest::of(range("k..")) });
    let first = |limit| TxnOp::Range(RangeRequest { limit, ..RangeRequest::of(range("k..")) });
    assert_eq!(is_later(&mut world, vec![get("k.."), get("a")]), [true, true]);
    assert_eq!(
        is_later(&mut world, vec![count(), get("a"), get("k.."), count()]),
        [false, false, true, true]
    );
    // One look for the range, and one more than its limit.
    assert_eq!(is_later(&mut world, vec![first(RANGE_LOOKS_MAX - 2)]), [false; 0]);
    assert_eq!(is_later(&mut world, vec![first(RANGE_LOOKS_MAX - 1)]), [true]);
    assert_eq!(is_later(&mut world, vec![first(998), first(998)]), [false; 0]);
    assert_eq!(is_later(&mut world, vec![first(998), first(999), first(1)]), [false, true, true]);
}

#[test]
fn compares_of_too_many_keys_are_refused_and_nothing_is_changed() {
    // Each compare counts for eight looks, and one for each key.
    const KEYS: u64 = COMPARE_LOOKS_MAX / 10 - 8;
    let mut world = large(KEYS);
    let all = || holds("k..", CompareResult::Equal, CompareOperand::Version(1));
    let with = |compares: usize, success: Vec<TxnOp>| Txn {
        compares: (0..compares).map(|_| all()).collect(),
        success,
        failure: vec![],
    };
    let put_one = || vec![put("a", "x")];
    assert!(world.run(&with(10, put_one())).unwrap().succeeded);
    world.assert_refused(&with(11, put_one()), RequestError::TooManyKeysCompared);
    // Nested ones count too, where they are on the path.
    let inner = |compares| TxnOp::Txn(with(compares, put_one()));
    assert!(world.run(&with(5, vec![inner(5)])).unwrap().succeeded);
    world.assert_refused(&with(5, vec![put("b", "x"), inner(6)]), RequestError::TooManyKeysCompared);
    let mut fails = with(5, vec![inner(6)]);
    fails.compares[0].result = CompareResult::NotEqual;
    assert!(!world.run(&fails).unwrap().succeeded);
    // The first that does not hold ends it.
    let mut fails = with(100, put_one());
    fails.compares[0].result = CompareResult::Greater;
    assert!(!world.run(&fails).unwrap().succeeded);
    // A range without keys is compared as one, whatever it held before: a compaction may have swept it or not.
    world.run(&txn(vec![delete("k..")], vec![])).unwrap();
    let gone = Txn {
        compares: vec![holds("k..", CompareResult::Equal, CompareOperand::Version(0)); 128],
        ..with(0, put_one())
    };
    assert!(world.run(&gone).unwrap().succeeded);
}

#[test]
fn a_long_value_that_is_compared_counts_for_many_looks() {
    let mut world = World::new();
    let value = "v".repeat(1 << 20);
    world.run(&txn(vec![put("a", &value)], vec![])).unwrap();
    let same = holds("a", CompareResult::Equal, CompareOperand::Value(bytes(&value)));
    let with = |compares| Txn { compares: vec![same.clone(); compares], ..txn(vec![put("b", "x")], vec![]) };
    // Eight looks for each compare, one for its key, and one for each KiB.
    let fitting = usize::try_from(COMPARE_LOOKS_MAX / (8 + 1 + 1024)).unwrap();
    assert!(world.run(&with(fitting)).unwrap().succeeded);
    world.assert_refused(&with(fitting + 1), RequestError::TooManyKeysCompared);
}
