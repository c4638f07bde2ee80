//! The store against a list of all that ever happened.

use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::mvcc::Store;
use detcd_engine::request::{LeaseId, RangeRequest};
use detcd_proptests::reference::mvcc::{KeyValue, Store as Reference};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Put(Bytes, Bytes),
    Delete(KeyRange),
}

/// Few and short, so that they collide and touch.
fn key() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(0_u8..3, 1..3).prop_map(Bytes::from)
}

fn range() -> impl Strategy<Value = KeyRange> {
    let end = prop_oneof![Just(Bytes::new()), Just(Bytes::from_static(&[0])), key()];
    (key(), end).prop_map(|(start, end)| KeyRange::parse(start, end))
}

fn step() -> impl Strategy<Value = Step> {
    let put = (key(), any::<u8>()).prop_map(|(key, value)| Step::Put(key, Bytes::from(vec![value])));
    prop_oneof![3 => put, 1 => range().prop_map(Step::Delete)]
}

fn found(store: &Store, range: &KeyRange, revision: i64) -> Vec<KeyValue> {
    let request = RangeRequest { revision, ..RangeRequest::of(range.clone()) };
    let response = store.range(&request).expect("the revision asked for is readable");
    assert_eq!(response.count, response.kvs.len() as u64, "without a limit all are counted and told");
    let plain = response.kvs.iter().map(|record| KeyValue {
        key: Bytes::copy_from_slice(record.key()),
        value: Bytes::copy_from_slice(record.value()),
        create_revision: record.create_revision(),
        mod_revision: record.mod_revision(),
        version: record.version(),
    });
    plain.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_range_at_every_revision_is_the_references(
        steps in proptest::collection::vec(step(), 1..60),
        ranges in proptest::collection::vec(range(), 1..4),
    ) {
        let (mut store, mut reference) = (Store::new(), Reference::default());
        for step in steps {
            let mut write = store.write();
            match step {
                Step::Put(key, value) => {
                    write.put(&key, &value, LeaseId(0));
                    reference.put(key, value);
                }
                Step::Delete(range) => {
                    prop_assert_eq!(write.delete_range(&range).len(), reference.delete(&range));
                }
            }
            write.finish();
            prop_assert_eq!(store.revision(), reference.revision());
        }
        prop_assert_eq!(store.hash(), store.hash_from_scratch());
        for range in &ranges {
            for revision in 1..=store.revision() {
                prop_assert_eq!(found(&store, range, revision), reference.range(range, revision));
            }
        }
    }
}
