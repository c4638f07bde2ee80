//! The store: every version of every key since the last compaction. A stand-in until the room is merged.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One version of one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) main: i64,
    pub(crate) sub: u32,
    pub(crate) is_tombstone: bool,
}
/// Shared, immutable.
pub type RecordRef = Arc<Record>;
/// An immutable state at a revision.
#[derive(Clone, Debug, PartialEq)]
pub struct View;

#[expect(missing_docs, reason = "a stand-in")]
impl Record {
    pub fn key(&self) -> &[u8] {
        &self.key
    }
    pub fn value(&self) -> &[u8] {
        &self.value
    }
    pub fn mod_revision(&self) -> i64 {
        self.main
    }
    pub fn is_tombstone(&self) -> bool {
        self.is_tombstone
    }
}

/// All versions.
#[derive(Debug, Default)]
pub struct Store {
    pub(crate) history: BTreeMap<(i64, u32), RecordRef>,
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
}

#[expect(missing_docs, reason = "a stand-in")]
impl Store {
    pub fn revision(&self) -> i64 {
        self.revision
    }
    pub fn compacted_revision(&self) -> i64 {
        self.compacted
    }
    pub fn history_from(&self, main: i64) -> impl Iterator<Item = &RecordRef> {
        self.history.range((main, 0)..).map(|(_, record)| record)
    }
    pub fn get_at(&self, key: &[u8], revision: i64) -> Option<RecordRef> {
        if revision < self.compacted {
            return None;
        }
        let before = self.history.range(..(revision + 1, 0)).rev().find(|(_, record)| record.key() == key)?.1;
        (!before.is_tombstone()).then(|| Arc::clone(before))
    }
}
