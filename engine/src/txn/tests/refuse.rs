//! What is refused before anything is looked at, and what needs no log.

use super::*;

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
