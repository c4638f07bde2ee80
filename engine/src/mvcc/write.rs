//! A transaction's changes to the store.
//!
//! A write changes the trees at once; there is nothing to undo, because whatever can be refused has been refused
//! before the first change. The revision moves with the first change of a transaction, so that a transaction
//! without changes has none.

use super::history::{Change, Total};
use super::range_request::{RangeRequest, RangeResponse, RevisionError};
use super::record::{RecordHeader, RecordRef};
use super::store::Store;
use super::view::{LaterRange, View, end_of};
use crate::cow_tree::Summary;
use crate::ids::LeaseId;
use crate::key_range::KeyRange;

/// A transaction: all of its changes are one main revision.
#[derive(Debug)]
pub struct Write<'a> {
    store: &'a mut Store,
    /// The store's revision before.
    start: i64,
    /// So far.
    changes: Vec<RecordRef>,
}

impl Store {
    /// Starts a transaction. Its changes are in the store as they are made; `Write::finish` lists them.
    pub fn write(&mut self) -> Write<'_> {
        Write { start: self.revision(), store: self, changes: Vec::new() }
    }
}

impl Write<'_> {
    /// The store's revision before the transaction.
    pub fn base_revision(&self) -> i64 {
        self.start
    }

    /// The oldest readable revision.
    pub fn compacted_revision(&self) -> i64 {
        self.store.compacted_revision()
    }

    /// The store's revision before the transaction, or its own once it has changed something.
    pub fn revision(&self) -> i64 {
        self.store.revision()
    }

    /// The key as it is, this transaction's writes included.
    pub fn get(&self, key: &[u8]) -> Option<RecordRef> {
        self.store.get(key)
    }

    /// The store as it is, this transaction's writes included.
    pub(crate) fn current(&self) -> &View {
        &self.store.current
    }

    /// Reads inside a transaction, as `View::small_range`. Revision 0 sees the writes so far; any other is that revision,
    /// so that a negative one is below the compacted one (unless that is −1 as well: nothing was ever compacted).
    pub fn small_range(
        &self,
        request: &RangeRequest,
        keys_left: &mut u64,
    ) -> Option<Result<RangeResponse, RevisionError>> {
        let revision = request.revision;
        if revision > self.start {
            return Some(Err(RevisionError::Future));
        }
        if revision != 0 && revision < self.store.compacted_revision() {
            return Some(Err(RevisionError::Compacted));
        }
        self.store.current.evaluate_within(request, end_of(revision), keys_left).map(Ok)
    }

    /// The same read, to be made when the transaction is done. Its revision is one that `small_range` would not refuse.
    pub(crate) fn later_range(&self, request: &RangeRequest) -> LaterRange {
        let here = end_of(request.revision).unwrap_or_else(|| self.next_position());
        LaterRange { request: request.clone(), end: Some(here) }
    }

    /// Writes a key: returns its new version, and the one before where the key was there.
    pub fn put(&mut self, key: &[u8], value: &[u8], lease: LeaseId) -> (RecordRef, Option<RecordRef>) {
        assert!(!key.is_empty(), "an empty key is refused before it comes here");
        let (mod_revision, sub) = self.next_position();
        let (record, previous) = self.store.current.index.push(key, |previous| {
            let live = previous.filter(|previous| !previous.is_tombstone());
            let create_revision = live.map_or(mod_revision, |live| live.create_revision());
            let version = live.map_or(1, |live| live.version() + 1);
            RecordRef::new(RecordHeader { create_revision, mod_revision, sub, version, lease }, key, value)
        });
        self.changed(record.clone(), previous.clone());
        (record, previous.filter(|previous| !previous.is_tombstone()))
    }

    /// Deletes the keys of a range: returns them as they were, in key order.
    pub fn delete_range(&mut self, range: &KeyRange) -> Vec<RecordRef> {
        let deleted: Vec<RecordRef> = match range {
            KeyRange::One(key) => self.get(key).into_iter().collect(),
            _ => self
                .store
                .current
                .index
                .iter_range(range)
                .filter_map(|versions| versions.live().cloned())
                .collect(),
        };
        for live in &deleted {
            let (mod_revision, sub) = self.next_position();
            let tombstone = |_: Option<&RecordRef>| RecordRef::tombstone(mod_revision, sub, live.key());
            let (record, previous) = self.store.current.index.push(live.key(), tombstone);
            self.changed(record, previous);
        }
        deleted
    }

    /// The changes, in the order of their sub revisions. There is nothing to commit: they are in the store.
    pub fn finish(self) -> Vec<RecordRef> {
        // I1: one revision for a transaction that changed something, none for one that did not.
        let end = self.start + i64::from(!self.changes.is_empty());
        let revision = self.store.revision();
        assert_eq!(revision, end, "a transaction of {} changes, begun at {}", self.changes.len(), self.start);
        self.changes
    }

    fn next_position(&self) -> (i64, u32) {
        let sub = u32::try_from(self.changes.len()).expect("a store cannot hold 2^32 keys");
        (self.start + 1, sub)
    }

    fn changed(&mut self, record: RecordRef, previous: Option<RecordRef>) {
        // I2: sub revisions count up from 0 without a gap.
        assert_eq!(
            record.position(),
            self.next_position(),
            "a change stands at its place in the transaction"
        );
        let store = &mut *self.store;
        store.kept.add(Total::of(&record));
        if !record.is_tombstone() {
            store.live_bytes += record.size_bytes();
        }
        if let Some(previous) = previous.as_ref().filter(|previous| !previous.is_tombstone()) {
            store.live_bytes -= previous.size_bytes();
        }
        store.current.revision = record.mod_revision();
        store.current.history.push(Change { record: record.clone(), previous });
        self.changes.push(record);
    }
}
