//! Watchers behind the store: reading history from their cursors, in slices.
//!
//! A slice is read from the cursor furthest behind and serves every lagging watcher whose cursor lies in it, so a
//! thousand watchers that resume together read history once. After the slice all their cursors stand at its end,
//! but those whose streams ran full: they keep the revision they could not be sent, and wait for room.

use super::hub::{Hub, WINDOW_BYTES_MAX, WINDOW_RECORDS_MAX};
use super::range_map::Slot;
use super::watcher::Position;
use crate::mvcc::{RecordRef, Store};

/// Slices read in one `pump`: a few milliseconds, so that nobody who is up to date notices.
const SLICES_PER_PUMP: usize = 4;

impl Hub {
    /// Reads some slices of history for those who lag and have room. True where there is more to read.
    pub(super) fn catch_up(&mut self, store: &Store) -> bool {
        for _ in 0..SLICES_PER_PUMP {
            self.cancel_compacted_watchers(store);
            let Some(&(from, _)) = self.catching_up.first() else { return false };
            // I8: whoever is here was not cancelled, so its history is.
            let compacted = store.compacted_revision();
            assert!(from >= compacted, "a cursor at {from} reads a store compacted to {compacted}");
            let (window, end) = slice(store, from);
            // I6
            assert!(end > from, "a slice of history from {from} ended at {end}");
            for (slot, cursor) in self.fan_out(&window, Position::CatchingUp, store) {
                self.place(slot, cursor);
                // `place` may find room again for nobody: only draining makes room.
                assert_eq!(self.watcher_mut(slot).position, Position::Blocked, "room came from nowhere");
            }
            let served: Vec<Slot> = self.catching_up.range(..(end, Slot(0))).map(|(_, slot)| *slot).collect();
            served.into_iter().for_each(|slot| self.place(slot, end));
        }
        !self.catching_up.is_empty()
    }

    /// Ends the watchers whose next revision is compacted away. One that stands exactly at the compacted revision
    /// goes on: the changes of that revision are kept, tombstones included.
    fn cancel_compacted_watchers(&mut self, store: &Store) {
        let lost: Vec<Slot> =
            self.catching_up.range(..(store.compacted_revision(), Slot(0))).map(|(_, slot)| *slot).collect();
        lost.into_iter().for_each(|slot| self.cancel_compacted(slot, store));
    }
}

/// Whole revisions of history from `from` on, and the first revision after them.
fn slice(store: &Store, from: i64) -> (Vec<RecordRef>, i64) {
    let mut window: Vec<RecordRef> = Vec::new();
    let mut bytes = 0;
    for record in store.history_from(from) {
        let is_full = window.len() >= WINDOW_RECORDS_MAX || bytes >= WINDOW_BYTES_MAX;
        let is_new_revision = window.last().is_some_and(|last| last.mod_revision() != record.mod_revision());
        if is_full && is_new_revision {
            return (window, record.mod_revision());
        }
        bytes += record.key().len() + record.value().len();
        window.push(RecordRef::clone(record));
    }
    (window, store.revision() + 1)
}
