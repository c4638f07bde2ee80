//! `range_end` means the same here and there.

use crate::cases;
use bytes::Bytes;
use detcd_proptests::reference::KeyRange;
use detcd_proptests::{strategies, translate};
use proptest::collection::vec;
use proptest::prelude::*;

fn any_key() -> impl Strategy<Value = Bytes> {
    prop_oneof![strategies::keys(), vec(any::<u8>(), 1..4).prop_map(Bytes::from)]
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn a_range_holds_the_same_keys(keys in strategies::key_ranges(), key in any_key()) {
        let parsed = translate::key_range(&keys);
        prop_assert_eq!(parsed.contains(&key), keys.contains(&key));
        prop_assert!(!(parsed.is_empty() && keys.contains(&key)), "a key in an empty range");
        prop_assert!(!keys.contains(&key) || parsed.start() <= key.as_ref(), "a key before the start");
        prop_assert_eq!(parsed.into_pair(), (keys.key, keys.range_end));
    }

    #[test]
    fn a_prefix_is_what_begins_with_it(prefix in any_key(), key in any_key(), rest in vec(any::<u8>(), 0..3)) {
        let keys = KeyRange::prefix(prefix.clone());
        prop_assert_eq!(keys.contains(&key), key.starts_with(&prefix));
        prop_assert!(keys.contains(&[prefix.as_ref(), &rest].concat()));
    }

    #[test]
    fn a_range_is_empty_where_nothing_can_be_in_it(keys in strategies::key_ranges()) {
        let is_empty = translate::key_range(&keys).is_empty();
        // Its first key is in every range that any key is in.
        prop_assert_eq!(is_empty, !keys.contains(&keys.key));
    }
}
