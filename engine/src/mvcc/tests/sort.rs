//! Every order, target and limit, on four keys whose fields all disagree.

use super::super::Store;
use crate::ids::LeaseId;
use crate::key_range::KeyRange;
use crate::mvcc::{RangeRequest, SortOrder, SortTarget};
use SortOrder::{Ascend, Descend, None};
use SortTarget::{Create, Key, Mod, Value, Version};
use bytes::Bytes;

/// The store of the table below.
fn store() -> Store {
    let mut store = Store::new();
    let puts =
        [("d", "x"), ("c", "x"), ("b", "4"), ("a", "x"), ("a", "x"), ("d", "3"), ("c", "1"), ("a", "2")];
    for (key, value) in puts {
        store.write().put(key.as_bytes(), value.as_bytes(), LeaseId(0));
    }
    // Last, so that its last change is the newest, without a version more than the others: a new generation.
    store.write().delete_range(&KeyRange::One(Bytes::from_static(b"b")));
    store.write().put(b"b", b"4", LeaseId(0));
    store
}

#[test]
fn sort_and_limit_follow_the_table() {
    // By key: a b c d. Versions a3 b1 c2 d2. Created d2 c3 a5 b11. Changed d7 c8 a9 b11. Values c1 a2 d3 b4.
    let table = [
        (None, Key, "abcd", ["a", "ab"]),
        (Ascend, Key, "abcd", ["a", "ab"]),
        (Descend, Key, "dcba", ["d", "dc"]),
        (None, Version, "bcda", ["b", "bc"]),
        (Ascend, Version, "bcda", ["b", "bc"]),
        (Descend, Version, "acdb", ["a", "ac"]),
        (None, Create, "dcab", ["a", "ca"]),
        (Ascend, Create, "dcab", ["d", "dc"]),
        (Descend, Create, "bacd", ["b", "ba"]),
        (None, Mod, "dcab", ["a", "ca"]),
        (Ascend, Mod, "dcab", ["d", "dc"]),
        (Descend, Mod, "bacd", ["b", "ba"]),
        (None, Value, "cadb", ["a", "ca"]),
        (Ascend, Value, "cadb", ["c", "ca"]),
        (Descend, Value, "bdac", ["b", "bd"]),
    ];
    let store = store();
    for (order, target, all, limited) in table {
        for (limit, expected) in [(0, all), (1, limited[0]), (2, limited[1]), (4, all), (9, all)] {
            let range = KeyRange::From(Bytes::from_static(b"a"));
            let request = RangeRequest { order, target, limit, ..RangeRequest::of(range) };
            let answer = store.range(&request).expect("the current revision can be read");
            let keys: String = answer.kvs.iter().map(|kv| kv.key()[0] as char).collect();
            assert_eq!(keys, expected, "{order:?} by {target:?}, limit {limit}");
            assert_eq!(answer.more, (1..4).contains(&limit), "{order:?} by {target:?}, limit {limit}");
            assert_eq!(answer.count, 4);
        }
    }
}
