//! The store as a list of all that ever happened. A read looks through the whole list.

use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use std::collections::BTreeMap;

/// One change of one key: a value, or its end.
#[derive(Clone, Debug)]
struct Change {
    revision: i64,
    key: Bytes,
    value: Option<Bytes>,
}

/// One key as it is at some revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// When the key came into being.
    pub create_revision: i64,
    /// When it was last put.
    pub mod_revision: i64,
    /// How often it was put since it came into being.
    pub version: i64,
}

/// All changes, oldest first.
#[derive(Clone, Debug)]
pub struct Store {
    changes: Vec<Change>,
    revision: i64,
}

impl Default for Store {
    fn default() -> Store {
        Store { changes: Vec::new(), revision: 1 }
    }
}

impl Store {
    /// The newest revision.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Puts a key, in a revision of its own.
    pub fn put(&mut self, key: Bytes, value: Bytes) {
        self.revision += 1;
        self.changes.push(Change { revision: self.revision, key, value: Some(value) });
    }

    /// Deletes a range, in a revision of its own unless there is nothing in it. How many keys there were.
    pub fn delete(&mut self, range: &KeyRange) -> usize {
        let found = self.range(range, self.revision);
        if !found.is_empty() {
            self.revision += 1;
        }
        let gone =
            found.iter().map(|is| Change { revision: self.revision, key: is.key.clone(), value: None });
        self.changes.extend(gone);
        found.len()
    }

    /// The keys of a range at a revision, in order.
    pub fn range(&self, range: &KeyRange, revision: i64) -> Vec<KeyValue> {
        let mut keys: BTreeMap<&Bytes, KeyValue> = BTreeMap::new();
        for change in
            self.changes.iter().filter(|change| change.revision <= revision && range.contains(&change.key))
        {
            let Change { revision, key, value } = change;
            let Some(value) = value else {
                keys.remove(key);
                continue;
            };
            let before = keys.get(key);
            let is = KeyValue {
                key: key.clone(),
                value: value.clone(),
                create_revision: before.map_or(*revision, |was| was.create_revision),
                mod_revision: *revision,
                version: 1 + before.map_or(0, |was| was.version),
            };
            keys.insert(key, is);
        }
        keys.into_values().collect()
    }
}
