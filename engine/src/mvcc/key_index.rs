//! Which versions a key has: the way from a key to its records.
//!
//! Most keys have one version. So a key costs a leaf of the tree two words: its newest record (which carries the
//! key), and a tree of the older ones, empty for most. etcd's *generations* (of a key, each between creation
//! and tombstone) need no structure of their own here: a tombstone is a version, and a version after it has version
//! 1 again.
//!
//! Nothing outside this file knows how keys are kept; a prefix-compressed form would replace it alone.

use super::record::RecordRef;
use crate::cow_tree::{CowTree, Item, Iter};
use crate::key_range::KeyRange;
use std::cmp::Ordering;
use std::sync::Arc;

/// A version among those of its key.
#[derive(Clone)]
struct Older(RecordRef);

impl Item for Older {
    type Key<'a> = (i64, u32);
    type Separator = (i64, u32);
    type Summary = ();

    fn key(&self) -> (i64, u32) {
        self.0.position()
    }
    fn compare(&self, key: (i64, u32)) -> Ordering {
        self.0.position().cmp(&key)
    }
    fn separator(_left: &Older, right: &Older) -> (i64, u32) {
        right.0.position()
    }
    fn compare_separator(separator: &(i64, u32), key: (i64, u32)) -> Ordering {
        separator.cmp(&key)
    }
    fn summary(&self) {}
}

/// A key and its versions.
#[derive(Clone)]
pub(crate) struct Versions {
    /// The last change, maybe a tombstone.
    newest: RecordRef,
    /// All before it that are still kept.
    older: CowTree<Older>,
}

impl Item for Versions {
    type Key<'a> = &'a [u8];
    type Separator = Arc<[u8]>;
    /// Live keys.
    type Summary = u64;

    fn key(&self) -> &[u8] {
        self.newest.key()
    }
    fn compare(&self, key: &[u8]) -> Ordering {
        self.newest.key().cmp(key)
    }
    fn separator(left: &Versions, right: &Versions) -> Arc<[u8]> {
        let (left, right) = (left.newest.key(), right.newest.key());
        let common = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        right[..=common].into()
    }
    fn compare_separator(separator: &Arc<[u8]>, key: &[u8]) -> Ordering {
        separator.as_ref().cmp(key)
    }
    fn summary(&self) -> u64 {
        u64::from(!self.newest.is_tombstone())
    }
}

impl Versions {
    /// The key.
    pub(crate) fn key(&self) -> &[u8] {
        self.newest.key()
    }

    /// The key as it is now, where it is there.
    pub(crate) fn live(&self) -> Option<&RecordRef> {
        Some(&self.newest).filter(|newest| !newest.is_tombstone())
    }

    /// The key as the changes before a position left it, where it was there.
    pub(crate) fn live_before(&self, end: (i64, u32)) -> Option<&RecordRef> {
        let found = if self.newest.position() < end { &self.newest } else { &self.older.last_before(end)?.0 };
        Some(found).filter(|found| !found.is_tombstone())
    }

    /// Every version that is still kept, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RecordRef> {
        self.older.iter().map(|older| &older.0).chain(std::iter::once(&self.newest))
    }
}

/// All keys, in order.
#[derive(Clone, Default)]
pub(crate) struct KeyIndex {
    tree: CowTree<Versions>,
}

impl KeyIndex {
    /// The versions of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Versions> {
        self.tree.get(key)
    }

    /// The keys from `key` on, dead ones included.
    pub(crate) fn iter_from(&self, key: &[u8]) -> Iter<'_, Versions> {
        self.tree.iter_from(key)
    }

    /// The keys of `range`, dead ones included.
    pub(crate) fn iter_range<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a Versions> {
        let keys = self.tree.iter_from(range.start());
        keys.take_while(move |versions| range.contains(versions.key()))
    }

    /// The keys of `range` as they are now, dead ones passed over. How long each takes is bounded however many dead ones
    /// lie between: whole nodes of them are skipped.
    pub(crate) fn iter_live<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a RecordRef> {
        let mut keys = self.tree.iter_from(range.start());
        std::iter::from_fn(move || keys.next_with(|live| live > 0)?.live())
            .take_while(|record| range.contains(record.key()))
    }

    /// The keys of `range`, last first, dead ones included. Each step costs a walk from the root.
    pub(crate) fn iter_range_back<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a Versions> {
        let mut next = match range {
            KeyRange::One(key) => self.tree.get(key),
            KeyRange::Span { end, .. } => self.tree.last_before(end),
            KeyRange::From(_) => self.tree.last(),
        };
        std::iter::from_fn(move || {
            let versions = next.filter(|versions| range.contains(versions.key()))?;
            next = self.tree.last_before(versions.key());
            Some(versions)
        })
    }

    /// How many keys of `range` are live.
    pub(crate) fn live_count(&self, range: &KeyRange) -> u64 {
        match range {
            KeyRange::One(key) => self.get(key).map_or(0, Item::summary),
            KeyRange::Span { .. } if range.is_empty() => 0,
            KeyRange::Span { start, end } => self.tree.summary_before(end) - self.tree.summary_before(start),
            KeyRange::From(start) => self.tree.summary() - self.tree.summary_before(start),
        }
    }

    /// Adds a version of `key`, made from the newest so far; returns it and that one.
    pub(crate) fn push(
        &mut self,
        key: &[u8],
        make: impl Fn(Option<&RecordRef>) -> RecordRef,
    ) -> (RecordRef, Option<RecordRef>) {
        let pushed = self.tree.modify(key, |versions| {
            let record = make(Some(&versions.newest));
            let previous = std::mem::replace(&mut versions.newest, record.clone());
            let (before, after) = (previous.position(), record.position());
            assert!(before < after, "version {after:?} of a key comes after {before:?}");
            versions.older.insert(Older(previous.clone()));
            (record, Some(previous))
        });
        pushed.unwrap_or_else(|| {
            let record = make(None);
            self.tree.insert(Versions { newest: record.clone(), older: CowTree::default() });
            (record, None)
        })
    }

    /// Forgets one version, if it is still kept; the key goes with its last.
    pub(crate) fn forget(&mut self, record: &RecordRef) {
        let Some(versions) = self.tree.get(record.key()) else { return };
        if versions.newest.position() != record.position() {
            if versions.older.get(record.position()).is_some() {
                self.tree.modify(record.key(), |versions| versions.older.remove(record.position()));
            }
            return;
        }
        assert!(
            record.is_tombstone(),
            "the newest version of a key is forgotten only when it is a tombstone"
        );
        assert!(versions.older.is_empty(), "what a forgotten tombstone ended was forgotten before it");
        self.tree.remove(record.key());
    }
}
