//! The rules of etcd's txn, as tables (etcd surface 1.1).

use super::{check, compare, evaluate, is_read_only, is_serializable, run};
use crate::ids::LeaseId;
use crate::key_range::KeyRange;
use crate::lease::Lessor;
use crate::mvcc::Store;
use crate::request::{
    Compare, CompareOperand, CompareResult, DeleteRangeRequest, PutLease, PutRequest, PutValue, RangeRequest,
    RequestError, Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use bytes::Bytes;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// a is a key, a..c a span, a.. everything from a on.
fn range(text: &str) -> KeyRange {
    match text.split_once("..") {
        None => KeyRange::One(bytes(text)),
        Some((start, "")) => KeyRange::From(bytes(start)),
        Some((start, end)) => KeyRange::Span { start: bytes(start), end: bytes(end) },
    }
}

fn put(key: &str, value: &str) -> TxnOp {
    put_with(key, PutValue::Set(bytes(value)), PutLease::Set(LeaseId(0)))
}

fn put_with(key: &str, value: PutValue, lease: PutLease) -> TxnOp {
    TxnOp::Put(PutRequest { key: bytes(key), value, lease, prev_kv: true })
}

fn get(text: &str) -> TxnOp {
    TxnOp::Range(RangeRequest::of(range(text)))
}

fn get_at(text: &str, revision: i64) -> TxnOp {
    TxnOp::Range(RangeRequest { revision, ..RangeRequest::of(range(text)) })
}

fn delete(text: &str) -> TxnOp {
    TxnOp::DeleteRange(DeleteRangeRequest { range: range(text), prev_kv: true })
}

fn txn(success: Vec<TxnOp>, failure: Vec<TxnOp>) -> Txn {
    Txn { compares: Vec::new(), success, failure }
}

fn nested(success: Vec<TxnOp>, failure: Vec<TxnOp>) -> TxnOp {
    TxnOp::Txn(txn(success, failure))
}

fn holds(text: &str, result: CompareResult, operand: CompareOperand) -> Compare {
    Compare { range: range(text), result, operand }
}

/// A store and its leases, changed by transactions alone.
struct World {
    store: Store,
    leases: Lessor,
}

impl World {
    /// Revision 2: a=m. 3: b=n. 4: b=o on lease 5. 5: c=m. Leases 5 and 6.
    fn new() -> World {
        let mut world = World { store: Store::new(), leases: Lessor::default() };
        world.leases.grant(LeaseId(5), 60).expect("a new lease");
        world.leases.grant(LeaseId(6), 60).expect("a new lease");
        let on_5 = put_with("b", PutValue::Set(bytes("o")), PutLease::Set(LeaseId(5)));
        for op in [put("a", "m"), put("b", "n"), on_5, put("c", "m")] {
            world.run(&txn(vec![op], vec![])).expect("nothing to refuse");
        }
        world
    }

    fn run(&mut self, txn: &Txn) -> Result<TxnResponse, RequestError> {
        let mut write = self.store.write();
        let response = run(&mut write, &mut self.leases, txn)?;
        write.finish();
        Ok(response)
    }

    fn keys(&self, lease: i64) -> Vec<String> {
        self.leases.keys(LeaseId(lease)).map(|key| key.escape_ascii().to_string()).collect()
    }

    fn succeeds(&self, compares: Vec<Compare>) -> bool {
        let txn = Txn { compares, success: Vec::new(), failure: Vec::new() };
        compare::path(&self.store.view(), &txn).succeeded
    }

    /// Refused, and nothing is changed by it.
    #[track_caller]
    fn assert_refused(&mut self, txn: &Txn, error: RequestError) {
        let before = (self.store.hash(), self.store.revision(), self.keys(5), self.keys(6));
        assert_eq!(self.run(txn).map(|done| show(&done)), Err(error), "{txn:?}");
        assert_eq!((self.store.hash(), self.store.revision(), self.keys(5), self.keys(6)), before, "{txn:?}");
        assert_eq!(self.store.hash(), self.store.hash_from_scratch());
    }
}

fn show(response: &TxnResponse) -> String {
    let record = |record: &crate::mvcc::RecordRef| {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        format!("{}={}@{}.{}", text(record.key()), text(record.value()), record.mod_revision(), record.sub())
    };
    let records = |all: &[crate::mvcc::RecordRef]| all.iter().map(record).collect::<Vec<_>>().join(" ");
    let ops = response.responses.iter().map(|op| match op {
        TxnOpResponse::Range { revision, response } => format!("{revision}:[{}]", records(&response.kvs)),
        TxnOpResponse::Put { revision, prev_kv } => {
            format!("{revision}:put({})", records(prev_kv.as_slice()))
        }
        TxnOpResponse::DeleteRange { revision, response } => {
            format!("{revision}:del {}({})", response.deleted, records(&response.prev_kvs))
        }
        TxnOpResponse::Txn(nested) => format!("<{}>", show(nested)),
    });
    let branch = if response.succeeded { "then" } else { "else" };
    std::iter::once(branch.to_owned()).chain(ops).collect::<Vec<_>>().join(" ")
}

/// Each result: what it says where the field is less than, equal to, greater than the operand.
const RESULTS: [(CompareResult, [bool; 3]); 5] = [
    (CompareResult::Equal, [false, true, false]),
    (CompareResult::NotEqual, [true, false, true]),
    (CompareResult::Less, [true, false, false]),
    (CompareResult::Greater, [false, false, true]),
    (CompareResult::Always, [true, true, true]),
];

#[test]
fn a_field_is_compared_with_its_operand() {
    let world = World::new();
    let value = |text: &str| CompareOperand::Value(bytes(text));
    // b: version 2, created at 3, changed at 4, on lease 5, value o. The operand such that b is less, equal, greater.
    let present = [
        [CompareOperand::Version(3), CompareOperand::Version(2), CompareOperand::Version(1)],
        [CompareOperand::Create(4), CompareOperand::Create(3), CompareOperand::Create(2)],
        [CompareOperand::Mod(5), CompareOperand::Mod(4), CompareOperand::Mod(3)],
        [CompareOperand::Lease(6), CompareOperand::Lease(5), CompareOperand::Lease(-1)],
        [value("oo"), value("o"), value("")],
    ];
    // A missing key is 0 in every field.
    let missing = [
        [CompareOperand::Version(1), CompareOperand::Version(0), CompareOperand::Version(-1)],
        [CompareOperand::Create(1), CompareOperand::Create(0), CompareOperand::Create(-1)],
        [CompareOperand::Mod(1), CompareOperand::Mod(0), CompareOperand::Mod(-1)],
        [CompareOperand::Lease(1), CompareOperand::Lease(0), CompareOperand::Lease(-1)],
    ];
    for (result, expected) in RESULTS {
        for (key, rows) in [("b", &present[..]), ("zzz", &missing[..])] {
            for operands in rows {
                let found = operands.clone().map(|operand| world.succeeds(vec![holds(key, result, operand)]));
                assert_eq!(found, expected, "{key} {result:?} {operands:?}");
            }
        }
    }
}

#[test]
fn no_comparison_of_a_missing_value_holds() {
    let world = World::new();
    for (result, _) in RESULTS {
        for key in ["zzz", "x..z", "x..", "z..a"] {
            for value in ["", "o"] {
                let compare = holds(key, result, CompareOperand::Value(bytes(value)));
                assert!(!world.succeeds(vec![compare]), "{key} {result:?} {value}");
            }
        }
    }
}

#[test]
fn an_unknown_target_is_as_if_equal() {
    let world = World::new();
    for key in ["a", "zzz"] {
        let found =
            RESULTS.map(|(result, _)| world.succeeds(vec![holds(key, result, CompareOperand::Unknown)]));
        assert_eq!(found, [true, false, false, false, true], "{key}");
    }
}

#[test]
fn a_comparison_holds_for_every_key_of_its_range() {
    use CompareOperand::{Lease, Mod, Version};
    use CompareResult::{Equal, Greater, Less, NotEqual};
    let world = World::new();
    let value = |text: &str| CompareOperand::Value(bytes(text));
    let table = [
        ("a..", Greater, Version(0), true),
        ("a..", Equal, Version(1), false),
        ("a..b", Equal, Version(1), true),
        ("a..c", Less, Mod(5), true),
        ("a..", Less, Mod(5), false),
        ("a..c", NotEqual, Lease(0), false),
        ("b", NotEqual, Lease(0), true),
        ("a..", NotEqual, value("x"), true),
        ("a..", Equal, value("m"), false),
        // Nobody there: once against zeros.
        ("x..", Equal, Version(0), true),
        ("x..", Greater, Version(0), false),
        ("c..a", Equal, Mod(0), true),
    ];
    for (key, result, operand, expected) in table {
        assert_eq!(
            world.succeeds(vec![holds(key, result, operand.clone())]),
            expected,
            "{key} {result:?} {operand:?}"
        );
    }
    let yes = || holds("a", Equal, Version(1));
    let no = || holds("a", Equal, Version(9));
    assert!(world.succeeds(vec![]), "none is as if they held");
    assert!(world.succeeds(vec![yes(), yes()]));
    assert!(!world.succeeds(vec![yes(), no()]));
    assert!(!world.succeeds(vec![no(), yes()]));
}

#[test]
fn every_list_at_every_level_has_its_budget() {
    use RequestError::TooManyOps;
    let gets = |count: usize| -> Vec<TxnOp> { (0..count).map(|_| get("a")).collect() };
    let compares = |count: usize| -> Vec<Compare> {
        (0..count).map(|_| holds("a", CompareResult::Equal, CompareOperand::Version(1))).collect()
    };
    let with = |count, success, failure| Txn { compares: compares(count), success, failure };
    let inside = |mut ops: Vec<TxnOp>, inner: Txn| -> Vec<TxnOp> {
        ops.push(TxnOp::Txn(inner));
        ops
    };
    let table = [
        ("nothing", txn(vec![], vec![]), Ok(())),
        ("each list at the limit", with(4, gets(4), gets(4)), Ok(())),
        ("too many compares", with(5, vec![], vec![]), Err(TooManyOps)),
        ("too many to do", with(0, gets(5), vec![]), Err(TooManyOps)),
        ("too many to do else", with(0, vec![], gets(5)), Err(TooManyOps)),
        ("a parent of one leaves three", txn(inside(vec![], with(3, gets(3), gets(3))), vec![]), Ok(())),
        (
            "a parent of one leaves no four",
            txn(inside(vec![], txn(gets(4), vec![])), vec![]),
            Err(TooManyOps),
        ),
        ("on the other branch too", txn(vec![], inside(vec![], txn(vec![], gets(4)))), Err(TooManyOps)),
        (
            "the longest list of the parent counts",
            { Txn { compares: compares(3), ..txn(inside(vec![], txn(gets(1), vec![])), vec![]) } },
            Ok(()),
        ),
        (
            "the longest list counts, here the compares",
            { Txn { compares: compares(3), ..txn(inside(vec![], txn(gets(2), vec![])), vec![]) } },
            Err(TooManyOps),
        ),
        (
            "the longest list counts, here the other branch",
            { txn(inside(vec![], txn(gets(2), vec![])), gets(3)) },
            Err(TooManyOps),
        ),
        (
            "two levels down",
            {
                let inner = txn(inside(gets(1), txn(gets(1), vec![])), vec![]);
                txn(inside(vec![], inner), vec![])
            },
            Ok(()),
        ),
        (
            "two levels down, one too many",
            {
                let inner = txn(inside(gets(1), txn(gets(2), vec![])), vec![]);
                txn(inside(vec![], inner), vec![])
            },
            Err(TooManyOps),
        ),
        ("nothing left, and nothing needed", txn(inside(gets(3), txn(vec![], vec![])), vec![]), Ok(())),
        ("nothing left for one more", txn(inside(gets(3), txn(gets(1), vec![])), vec![]), Err(TooManyOps)),
    ];
    for (name, txn, expected) in table {
        assert_eq!(check(txn, 4).map(|_| ()), expected, "{name}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn no_path_writes_a_key_twice() {
    use RequestError::DuplicateKey;
    let table = [
        ("put, put", txn(vec![put("a", ""), put("a", "")], vec![]), Err(DuplicateKey)),
        ("put, put of another", txn(vec![put("a", ""), put("b", "")], vec![]), Ok(())),
        ("in the other branch", txn(vec![put("a", "")], vec![put("a", "")]), Ok(())),
        ("twice in the other branch", txn(vec![], vec![put("a", ""), put("a", "")]), Err(DuplicateKey)),
        ("put, delete", txn(vec![put("a", ""), delete("a")], vec![]), Err(DuplicateKey)),
        ("delete, put", txn(vec![delete("a"), put("a", "")], vec![]), Err(DuplicateKey)),
        ("put in a deleted span", txn(vec![put("b", ""), delete("a..c")], vec![]), Err(DuplicateKey)),
        ("put at its start", txn(vec![put("a", ""), delete("a..c")], vec![]), Err(DuplicateKey)),
        ("put at its end", txn(vec![put("c", ""), delete("a..c")], vec![]), Ok(())),
        ("put before it", txn(vec![put("0", ""), delete("a..c")], vec![]), Ok(())),
        ("put after a deleted key", txn(vec![put("aa", ""), delete("a")], vec![]), Ok(())),
        ("put in all from a key on", txn(vec![delete("b.."), put("zz", "")], vec![]), Ok(())),
        ("put before all from a key on", txn(vec![delete("b.."), put("a", "")], vec![]), Ok(())),
        ("put in a span that is empty", txn(vec![delete("c..a"), put("b", "")], vec![]), Ok(())),
        ("put between two spans", txn(vec![delete("a..c"), delete("e..g"), put("d", "")], vec![]), Ok(())),
        (
            "put where spans touch",
            txn(vec![delete("a..c"), delete("c..g"), put("c", "")], vec![]),
            Err(DuplicateKey),
        ),
        (
            "put where one span is inside another",
            { txn(vec![delete("a..z"), delete("b..c"), put("d", "")], vec![]) },
            Err(DuplicateKey),
        ),
        ("delete, delete", txn(vec![delete("a"), delete("a..c"), delete("b..")], vec![]), Ok(())),
        ("read what is written", txn(vec![get("a"), put("a", ""), get("a")], vec![]), Ok(())),
        (
            "nested put, put",
            txn(vec![put("a", ""), nested(vec![put("a", "")], vec![])], vec![]),
            Err(DuplicateKey),
        ),
        (
            "nested else put, put",
            txn(vec![put("a", ""), nested(vec![], vec![put("a", "")])], vec![]),
            Err(DuplicateKey),
        ),
        (
            "nested put in one of more spans than puts",
            txn(vec![delete("a..c"), delete("e..g"), nested(vec![put("f", "")], vec![])], vec![]),
            Err(DuplicateKey),
        ),
        (
            "nested put between more spans than puts",
            txn(vec![delete("a..c"), delete("e..g"), nested(vec![put("d", "")], vec![])], vec![]),
            Ok(()),
        ),
        (
            "nested puts, one of them in a span",
            txn(vec![delete("e..g"), nested(vec![put("a", "")], vec![put("f", "")])], vec![]),
            Err(DuplicateKey),
        ),
        (
            "nested puts around a span",
            txn(vec![delete("e..g"), nested(vec![put("a", "")], vec![put("g", "")])], vec![]),
            Ok(()),
        ),
        (
            "nested put and else put",
            txn(vec![nested(vec![put("a", "")], vec![put("a", "")])], vec![]),
            Ok(()),
        ),
        (
            "nested put and else put, and a put",
            { txn(vec![nested(vec![put("a", "")], vec![put("a", "")]), put("a", "")], vec![]) },
            Err(DuplicateKey),
        ),
        (
            "two nested puts",
            { txn(vec![nested(vec![put("a", "")], vec![]), nested(vec![put("a", "")], vec![])], vec![]) },
            Err(DuplicateKey),
        ),
        (
            "two nested puts, one of them else",
            { txn(vec![nested(vec![put("a", "")], vec![]), nested(vec![], vec![put("a", "")])], vec![]) },
            Err(DuplicateKey),
        ),
        (
            "nested put, delete",
            txn(vec![nested(vec![put("a", "")], vec![]), delete("a")], vec![]),
            Err(DuplicateKey),
        ),
        (
            "nested delete, put",
            txn(vec![nested(vec![delete("a")], vec![]), put("a", "")], vec![]),
            Err(DuplicateKey),
        ),
        (
            "nested else delete, put",
            txn(vec![nested(vec![], vec![delete("a")]), put("a", "")], vec![]),
            Err(DuplicateKey),
        ),
        (
            "nested put and else delete",
            txn(vec![nested(vec![put("a", "")], vec![delete("a")])], vec![]),
            Ok(()),
        ),
        (
            "two nested, delete and put",
            { txn(vec![nested(vec![delete("a")], vec![]), nested(vec![put("a", "")], vec![])], vec![]) },
            Err(DuplicateKey),
        ),
        // As in etcd: a nested put is held against the deletes seen so far, not against those to come.
        (
            "two nested, put and then delete",
            { txn(vec![nested(vec![put("a", "")], vec![]), nested(vec![delete("a")], vec![])], vec![]) },
            Ok(()),
        ),
        (
            "two levels down",
            { txn(vec![put("a", ""), nested(vec![nested(vec![], vec![put("a", "")])], vec![])], vec![]) },
            Err(DuplicateKey),
        ),
        (
            "in the other branch's nest",
            txn(vec![put("a", "")], vec![nested(vec![put("a", "")], vec![])]),
            Ok(()),
        ),
    ];
    for (name, txn, expected) in table {
        assert_eq!(check(txn, 128).map(|_| ()), expected, "{name}");
    }
}

#[test]
fn what_only_reads_needs_no_log() {
    let local = || TxnOp::Range(RangeRequest { serializable: true, ..RangeRequest::of(range("a")) });
    let table = [
        ("nothing", txn(vec![], vec![]), true, true),
        ("reads", txn(vec![get("a")], vec![get("b")]), true, false),
        ("local reads", txn(vec![local()], vec![local()]), true, true),
        ("one read that is not local", txn(vec![local()], vec![local(), get("a")]), true, false),
        ("a put", txn(vec![get("a"), put("a", "")], vec![]), false, false),
        ("a delete", txn(vec![], vec![delete("a")]), false, false),
        ("a nested read", txn(vec![nested(vec![get("a")], vec![])], vec![]), false, false),
    ];
    for (name, txn, reads, is_local) in table {
        assert_eq!(is_read_only(&txn), reads, "{name}");
        assert_eq!(is_read_only(&txn) && is_serializable(&txn), is_local, "{name}");
    }
}

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
