//! Every change since the compacted revision, in the order in which it was made.
//!
//! Watches catch up from it; the count at an older revision is today's, corrected by it; and it knows what a
//! compaction makes forgotten without looking for it: each change carries the version that it superseded, and a
//! version is forgotten exactly when the compaction passes the change that superseded it (a tombstone, which nothing
//! need supersede, when the compaction passes itself). Sums of that over any stretch of history are kept in the
//! tree, so that a compaction takes effect at once however much it forgets.

use super::record::RecordRef;
use crate::cow_tree::{CowTree, Item, Iter, Summary};
use std::cmp::Ordering;

/// Some versions, added up: what the state hash and the state's size are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    /// The sum of their hashes, wrapping: order does not matter, and what was added can be taken away.
    pub(crate) hash: u128,
    /// The sum of their sizes.
    pub(crate) bytes: u64,
}

impl Total {
    /// The total of one version.
    pub(crate) fn of(record: &RecordRef) -> Total {
        Total { hash: record.hash(), bytes: record.size_bytes() }
    }
}

impl Summary for Total {
    fn add(&mut self, other: Total) {
        self.hash = self.hash.wrapping_add(other.hash);
        self.bytes += other.bytes;
    }
    fn subtract(&mut self, other: Total) {
        self.hash = self.hash.wrapping_sub(other.hash);
        self.bytes -= other.bytes;
    }
}

/// What a stretch of history amounts to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stretch {
    /// How many changes.
    changes: u64,
    /// Versions forgotten once a compaction reaches these changes.
    at: Total,
    /// Versions forgotten once a compaction goes past them.
    past: Total,
}

impl Summary for Stretch {
    fn add(&mut self, other: Stretch) {
        self.changes += other.changes;
        self.at.add(other.at);
        self.past.add(other.past);
    }
    fn subtract(&mut self, other: Stretch) {
        self.changes -= other.changes;
        self.at.subtract(other.at);
        self.past.subtract(other.past);
    }
}

/// A change of one key.
#[derive(Clone)]
pub(crate) struct Change {
    /// The key as the change left it.
    pub(crate) record: RecordRef,
    /// The version before, maybe a tombstone. Where it is itself forgotten, it may or may not still be here.
    pub(crate) previous: Option<RecordRef>,
}

impl Change {
    /// How the change moved the number of live keys.
    pub(crate) fn live_delta(&self) -> i64 {
        let before = self.previous.as_ref().is_some_and(|previous| !previous.is_tombstone());
        i64::from(!self.record.is_tombstone()) - i64::from(before)
    }

    fn main(&self) -> i64 {
        self.record.mod_revision()
    }

    /// The version that is forgotten because of this change once a compaction reaches `revision`. A tombstone
    /// before is not: its own change sees to it.
    fn superseded(&self) -> Option<&RecordRef> {
        self.previous.as_ref().filter(|previous| !previous.is_tombstone())
    }
}

impl Item for Change {
    type Key<'a> = (i64, u32);
    type Separator = (i64, u32);
    type Summary = Stretch;

    fn key(&self) -> (i64, u32) {
        self.record.position()
    }
    fn compare(&self, key: (i64, u32)) -> Ordering {
        self.record.position().cmp(&key)
    }
    fn separator(_left: &Change, right: &Change) -> (i64, u32) {
        right.record.position()
    }
    fn compare_separator(separator: &(i64, u32), key: (i64, u32)) -> Ordering {
        separator.cmp(&key)
    }
    fn summary(&self) -> Stretch {
        let mut stretch = Stretch { changes: 1, ..Stretch::default() };
        if let Some(superseded) = self.superseded() {
            // Changes of the compacted revision itself are kept: two of one key in one transaction both stay.
            let same_revision = superseded.mod_revision() == self.main();
            let when = if same_revision { &mut stretch.past } else { &mut stretch.at };
            when.add(Total::of(superseded));
        }
        if self.record.is_tombstone() {
            stretch.past.add(Total::of(&self.record));
        }
        stretch
    }
}

/// The changes. A clone is free.
#[derive(Clone, Default)]
pub(crate) struct History {
    tree: CowTree<Change>,
}

impl History {
    /// Adds the newest change.
    pub(crate) fn push(&mut self, change: Change) {
        let position = change.key();
        if let Some(last) = self.tree.last() {
            let last = last.key();
            // I2
            assert!(last < position, "change {position:?} comes after {last:?}");
        }
        self.tree.insert(change);
    }

    /// The changes not before `position`.
    pub(crate) fn iter_from(&self, position: (i64, u32)) -> Iter<'_, Change> {
        self.tree.iter_from(position)
    }

    /// How many changes there are that are not before `position`.
    pub(crate) fn count_from(&self, position: (i64, u32)) -> u64 {
        self.tree.summary().changes - self.tree.summary_before(position).changes
    }

    /// The first change that is physically here.
    pub(crate) fn first(&self) -> Option<&Change> {
        self.tree.first()
    }

    /// The first change not before `position`.
    pub(crate) fn first_from(&self, position: (i64, u32)) -> Option<&Change> {
        self.tree.iter_from(position).next()
    }

    /// What is forgotten when the compacted revision moves from `from` to `to`.
    pub(crate) fn forgotten(&self, from: i64, to: i64) -> Total {
        let before = |revision: i64| self.tree.summary_before((revision, 0));
        let mut total = before(to.saturating_add(1)).at;
        total.subtract(before(from.saturating_add(1)).at);
        total.add(before(to).past);
        total.subtract(before(from).past);
        total
    }

    /// Takes out a change that no one can ask for any more.
    pub(crate) fn drop_change(&mut self, position: (i64, u32)) {
        self.tree.remove(position);
    }
}
