//! What a watch must be sent: every change of its keys from its start on, read off the list.

use super::key_range::KeyRange;
use super::mvcc::{Store, Version};
use super::request::KeyValue;

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The keys.
    pub keys: KeyRange,
    /// Without puts.
    pub no_put: bool,
    /// Without deletes.
    pub no_delete: bool,
    /// With the key as it was before.
    pub prev_kv: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The key as the change left it; version 0 for a deletion.
    pub is: KeyValue,
    /// The key as the revision before left it, where asked; none where this change created it.
    pub was: Option<KeyValue>,
}

/// The events of the revisions `from..=to`, in order. What compaction hides is here all the same: the member may have
/// sent it before, or have refused to start there.
pub fn events(store: &Store, watch: &Watch, from: i64, to: i64) -> Vec<Event> {
    let is_wanted = |version: &&Version| {
        let is_filtered = if version.is_deletion() { watch.no_delete } else { watch.no_put };
        (from..=to).contains(&version.is.mod_revision) && watch.keys.contains(&version.is.key) && !is_filtered
    };
    let event = |version: &Version| {
        let is = version.is.clone();
        let was = store.at(&KeyRange::one(is.key.clone()), is.mod_revision - 1).pop();
        let is_creation = is.create_revision == is.mod_revision;
        Event { was: was.filter(|_| watch.prev_kv && !is_creation), is }
    };
    store.versions().iter().filter(is_wanted).map(event).collect()
}
