//! What is done, all of it or nothing.

use super::*;

#[test]
fn operations_see_the_writes_before_them() {
    let mut world = World::new();
    let done = world.run(&txn(
        vec![get("a.."), put("d", "new"), get("a.."), delete("a..c"), get("a.."), put("e", "x"), get("d..")],
        vec![],
    ));
    assert_eq!(
        show(&done.unwrap()),
        "then 5:[a=m@2.0 b=o@4.0 c=m@5.0] 6:put() 6:[a=m@2.0 b=o@4.0 c=m@5.0 d=new@6.0] \
         6:del 2(a=m@2.0 b=o@4.0) 6:[c=m@5.0 d=new@6.0] 6:put() 6:[d=new@6.0 e=x@6.3]"
    );
    assert_eq!(world.store.revision(), 6, "one revision for all of it");
    assert_eq!(world.keys(5), [""; 0], "a deleted key leaves its lease");
}

#[test]
fn a_key_put_and_deleted_in_one_revision_is_gone() {
    for key in ["a", "d"] {
        let mut world = World::new();
        let put_then_delete =
            vec![nested(vec![put(key, "x")], vec![]), nested(vec![delete(key), get(key)], vec![])];
        let done = world.run(&check(txn(put_then_delete, vec![]), 128).unwrap()).unwrap();
        assert_eq!(show(&done).split_once("del").unwrap().1, format!(" 1({key}=x@6.0) 6:[]>"));
        world.run(&txn(vec![put(key, "y")], vec![])).unwrap();
        for revision in [6, 7] {
            let kvs = world.run(&txn(vec![get_at(key, revision)], vec![])).unwrap();
            let expected =
                if revision == 6 { "then 7:[]".to_owned() } else { format!("then 7:[{key}=y@7.0]") };
            assert_eq!(show(&kvs), expected, "{key} at {revision}");
        }
        for compacted in [2, 5, 6, 7] {
            world.store.compact(compacted).unwrap();
            assert_eq!(world.store.hash(), world.store.hash_from_scratch(), "{key} compacted to {compacted}");
            while world.store.compact_slice(1) {}
            assert_eq!(world.store.hash(), world.store.hash_from_scratch(), "{key} swept to {compacted}");
            assert_eq!(world.store.get(key.as_bytes()).unwrap().value(), b"y");
        }
    }
}

#[test]
fn an_explicit_revision_reads_the_past_even_after_a_write() {
    let mut world = World::new();
    let done = world.run(&txn(vec![put("a", "new"), get_at("a", 5), get_at("b", 3), get("a")], vec![]));
    assert_eq!(show(&done.unwrap()), "then 6:put(a=m@2.0) 6:[a=m@2.0] 6:[b=n@3.0] 6:[a=new@6.0]");
}

#[test]
fn nothing_changed_is_no_revision() {
    let mut world = World::new();
    let done = world.run(&txn(vec![delete("x.."), get("c"), nested(vec![delete("y")], vec![])], vec![]));
    assert_eq!(show(&done.unwrap()), "then 5:del 0() 5:[c=m@5.0] <then 5:del 0()>");
    assert_eq!(world.store.revision(), 5);
    // A delete that deletes counts, and so does a put of the same value.
    world.run(&txn(vec![delete("c")], vec![])).unwrap();
    world.run(&txn(vec![put("a", "m")], vec![])).unwrap();
    assert_eq!(world.store.revision(), 7);
}

#[test]
fn nested_transactions_compare_before_anything_is_written_and_share_the_revision() {
    let mut world = World::new();
    let is_new = |key: &str| holds(key, CompareResult::Equal, CompareOperand::Version(0));
    let inner = Txn {
        compares: vec![is_new("d")],
        success: vec![get("d"), put("e", "then")],
        failure: vec![put("e", "else")],
    };
    let outer = Txn {
        compares: vec![is_new("d")],
        success: vec![
            put("d", "1"),
            TxnOp::Txn(inner.clone()),
            TxnOp::Txn(Txn { success: vec![], failure: vec![], ..inner }),
            get("d.."),
        ],
        failure: vec![],
    };
    let done = world.run(&outer).unwrap();
    assert_eq!(show(&done), "then 6:put() <then 6:[d=1@6.0] 6:put()> <then> 6:[d=1@6.0 e=then@6.1]");
    // Now d is there: the outer one's other branch is empty.
    assert_eq!(show(&world.run(&outer).unwrap()), "else");
    assert_eq!(world.store.revision(), 6);
}

#[test]
fn a_refusal_anywhere_on_the_path_changes_nothing() {
    let keep = || put_with("zzz", PutValue::Keep, PutLease::Set(LeaseId(0)));
    let keep_lease = || put_with("zzz", PutValue::Set(bytes("x")), PutLease::Keep);
    let on = |lease: i64| put_with("d", PutValue::Set(bytes("x")), PutLease::Set(LeaseId(lease)));
    let table = [
        (on(9), RequestError::LeaseNotFound),
        (keep(), RequestError::KeyNotFound),
        (keep_lease(), RequestError::KeyNotFound),
        (get_at("a", 6), RequestError::FutureRevision),
        (get_at("a", i64::MAX), RequestError::FutureRevision),
    ];
    for (refused, error) in table {
        let mut world = World::new();
        world.assert_refused(&txn(vec![refused.clone()], vec![]), error);
        world.assert_refused(&txn(vec![put("c", "x"), delete("a..c"), refused.clone()], vec![]), error);
        let inner = nested(vec![put("c", "x"), nested(vec![refused.clone()], vec![])], vec![]);
        world.assert_refused(&txn(vec![delete("a"), inner], vec![]), error);
        // Not on the path: it does not matter.
        let done = world.run(&txn(vec![nested(vec![get("a")], vec![refused.clone()])], vec![refused]));
        assert_eq!(show(&done.unwrap()), "then <then 5:[a=m@2.0]>");
    }
}

#[test]
fn the_first_refusal_in_order_is_told() {
    let mut world = World::new();
    let lease = || put_with("d", PutValue::Set(bytes("x")), PutLease::Set(LeaseId(9)));
    world.assert_refused(&txn(vec![get_at("a", 99), lease()], vec![]), RequestError::FutureRevision);
    world.assert_refused(&txn(vec![lease(), get_at("a", 99)], vec![]), RequestError::LeaseNotFound);
}

#[test]
fn a_kept_key_must_be_there_before_the_transaction() {
    let mut world = World::new();
    let keep_value = put_with("d", PutValue::Keep, PutLease::Set(LeaseId(0)));
    world.assert_refused(
        &txn(vec![nested(vec![put("e", "x")], vec![]), keep_value], vec![]),
        RequestError::KeyNotFound,
    );
    let keeps = vec![
        put_with("b", PutValue::Keep, PutLease::Set(LeaseId(6))),
        put_with("a", PutValue::Set(bytes("new")), PutLease::Keep),
        get("a..c"),
    ];
    let done = world.run(&txn(keeps, vec![])).unwrap();
    assert_eq!(show(&done), "then 6:put(b=o@4.0) 6:put(a=m@2.0) 6:[a=new@6.1 b=o@6.0]");
    assert_eq!((world.keys(5), world.keys(6)), (vec![], vec!["b".to_owned()]));
    let keep_lease = put_with("b", PutValue::Set(bytes("p")), PutLease::Keep);
    world.run(&txn(vec![keep_lease], vec![])).unwrap();
    assert_eq!(world.keys(6), ["b"]);
}

#[test]
fn a_kept_key_is_gone_after_a_delete_of_all_keys() {
    let keep = |key: &str| put_with(key, PutValue::Keep, PutLease::Set(LeaseId(0)));
    let inner = |op: TxnOp| nested(vec![op], vec![]);
    for ops in [
        vec![delete("b.."), keep("b")],
        vec![inner(delete("a..")), keep("b")],
        vec![delete("a.."), delete("zz.."), inner(keep("b"))],
    ] {
        World::new().assert_refused(&txn(ops, vec![]), RequestError::KeyNotFound);
    }
    let mut world = World::new();
    let done = world.run(&txn(vec![keep("b"), delete("b.."), put("c", "x"), keep("a"), get("a..")], vec![]));
    assert_eq!(
        show(&done.unwrap()),
        "then 6:put(b=o@4.0) 6:del 2(b=o@6.0 c=m@5.0) 6:put() 6:put(a=m@2.0) 6:[a=m@6.4 c=x@6.3]"
    );
}

#[test]
fn keys_follow_their_leases() {
    let mut world = World::new();
    let on = |key: &str, lease: i64| put_with(key, PutValue::Set(bytes("x")), PutLease::Set(LeaseId(lease)));
    world.run(&txn(vec![on("a", 5), on("c", 6), on("d", 5)], vec![])).unwrap();
    assert_eq!((world.keys(5), world.keys(6)), (vec!["a".into(), "b".into(), "d".into()], vec!["c".into()]));
    // Deleted and moved in one transaction.
    world.run(&txn(vec![delete("a..c"), on("d", 6), on("c", 0)], vec![])).unwrap();
    assert_eq!((world.keys(5), world.keys(6)), (vec![], vec!["d".to_owned()]));
}

#[test]
fn a_negative_revision_is_current_outside_and_compacted_inside() {
    let mut world = World::new();
    // Never compacted: −1 is the oldest readable revision, and everything from it on is not compacted.
    assert!(world.run(&txn(vec![get_at("a", -1), delete("x")], vec![])).is_ok());
    world.store.compact(4).expect("a revision between");
    let table = [(-1, true), (3, true), (4, false), (5, false), (0, false)];
    for (revision, is_compacted) in table {
        let read = txn(vec![get_at("a", revision)], vec![]);
        let expected =
            if is_compacted { Err(RequestError::Compacted) } else { Ok("then 5:[a=m@2.0]".to_owned()) };
        assert_eq!(
            evaluate(&world.store.view(), &read).map(|done| show(&done)),
            expected,
            "{revision} in a view"
        );
        assert_eq!(world.run(&read).map(|done| show(&done)), expected, "{revision} in a write");
        if is_compacted {
            world.assert_refused(
                &txn(vec![put("a", "x"), get_at("a", revision)], vec![]),
                RequestError::Compacted,
            );
        }
    }
    assert!(world.store.range(&RangeRequest { revision: -1, ..RangeRequest::of(range("a")) }).is_ok());
}

#[test]
fn a_small_evaluation_answers_the_same_or_not_at_all() {
    let view = World::new().store.view();
    let both = |txn: &Txn, keys_max| super::super::evaluate_small(&view, txn, keys_max);
    // Nine looks for the comparison of one key, three for the range and none behind its last key.
    let compared = Txn {
        compares: vec![holds("a", CompareResult::Equal, CompareOperand::Value(bytes("m")))],
        ..txn(vec![get("a..")], vec![])
    };
    let answer = evaluate(&view, &compared);
    assert!(answer.as_ref().is_ok_and(|done| done.succeeded));
    for keys_max in 0..16 {
        let expected = (keys_max >= 12).then(|| answer.clone());
        assert_eq!(both(&compared, keys_max), expected, "{keys_max} looks");
    }
    // A refusal needs no look.
    let refused = txn(vec![get_at("a..", 99)], vec![]);
    assert_eq!(both(&refused, 0), Some(Err(RequestError::FutureRevision)));
}
