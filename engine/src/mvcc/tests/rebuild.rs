//! Snapshots that no store can have written are refused in words.

use super::super::{RecordHeader, RecordRef, Store};
use crate::ids::LeaseId;

fn put(key: &str, mod_revision: i64, sub: u32, create_revision: i64, version: i64) -> RecordRef {
    let header = RecordHeader { create_revision, mod_revision, sub, version, lease: LeaseId(0) };
    RecordRef::new(header, key.as_bytes(), b"v")
}

#[test]
fn unsound_records_are_refused() {
    let gone = |key: &str, main, sub| RecordRef::tombstone(main, sub, key.as_bytes());
    let order = "is where";
    let follow = "does not follow";
    let table: Vec<(i64, i64, Vec<RecordRef>, &str)> = vec![
        (0, -1, vec![], "cannot be"),
        (3, 4, vec![], "cannot be"),
        (3, -2, vec![], "cannot be"),
        (i64::MAX, i64::MAX, vec![], "cannot be"),
        (i64::MAX, i64::MAX, vec![put("a", i64::MAX, 0, i64::MAX, 1)], "cannot be"),
        (2, -1, vec![], "the last change is of revision 1"),
        (1, -1, vec![put("a", 2, 0, 2, 1)], "outside"),
        (2, -1, vec![put("a", 1, 0, 1, 1)], "outside"),
        (2, -1, vec![put("", 2, 0, 2, 1)], "empty"),
        (2, -1, vec![put("a", 2, 1, 2, 1)], order),
        (3, -1, vec![put("a", 3, 0, 3, 1)], order),
        (2, -1, vec![put("a", 2, 0, 2, 1), put("b", 2, 0, 2, 1)], order),
        (2, -1, vec![put("a", 2, 0, 2, 1), put("b", 2, 2, 2, 1)], order),
        (2, -1, vec![put("a", 2, 0, 2, 1), put("a", 2, 0, 2, 1)], "twice"),
        (2, -1, vec![put("a", 2, 0, 2, 2)], follow),
        (2, -1, vec![put("a", 2, 0, 1, 1)], follow),
        (2, -1, vec![put("a", 2, 0, 2, -1)], follow),
        (2, -1, vec![gone("a", 2, 0)], follow),
        (3, -1, vec![put("a", 2, 0, 2, 1), put("a", 3, 0, 3, 1)], follow),
        (3, -1, vec![put("a", 2, 0, 2, 1), put("a", 3, 0, 2, 3)], follow),
        (3, 3, vec![put("a", 2, 0, 2, 1), put("a", 3, 0, 2, 2)], "forgotten"),
        (4, 4, vec![gone("a", 3, 0), put("b", 4, 0, 4, 1)], "forgotten"),
        (4, 4, vec![put("b", 4, 0, 5, 2)], follow),
        (4, 4, vec![put("b", 4, 0, 3, i64::MAX)], follow),
    ];
    for (revision, compacted, records, expected) in table {
        let shown = format!("{records:?}");
        let error = Store::from_records(revision, compacted, records).expect_err(&shown);
        assert!(error.contains(expected), "{shown}: {error}");
    }
    let overflow = vec![put("a", 2, 0, 2, i64::MAX), put("a", 4, 0, 2, 2)];
    assert!(Store::from_records(4, 3, overflow).is_err());
}

#[test]
fn a_compacted_store_knows_its_keys_without_their_first_versions() {
    let records = vec![put("b", 4, 0, 3, 2), put("a", 2, 0, 2, 1)];
    let store = Store::from_records(4, 4, records).expect("sound");
    assert_eq!(store.get(b"a").map(|a| a.version()), Some(1));
    assert_eq!(store.get(b"b").map(|b| b.version()), Some(2));
    assert_eq!(store.history_from(0).count(), 1);
    assert_eq!(Store::from_records(1, -1, vec![]).map(|store| store.hash()), Ok(Store::new().hash()));
}
