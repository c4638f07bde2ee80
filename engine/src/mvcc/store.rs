//! The one writable store: what is in it, and forgetting. `write` is how something gets in.

use super::hash;
use super::history::{History, Total};
use super::key_index::KeyIndex;
use super::range_request::{RangeRequest, RangeResponse, RevisionError};
use super::record::RecordRef;
use super::view::View;
use crate::cow_tree::Summary;
use std::fmt;

/// Every version of every key since the last compaction.
#[derive(Clone)]
pub struct Store {
    pub(super) current: View,
    /// The versions that are logically kept, added up.
    pub(super) kept: Total,
    /// The size of those that are the present state of a live key.
    pub(super) live_bytes: u64,
    /// Where the physical work of compaction goes on. Member-local: in no answer, hash or snapshot.
    sweep: Option<(i64, u32)>,
    /// Versions whose memory that work gave back. Member-local, too.
    swept: u64,
    /// What that has not given back yet, at most. Member-local, as `sweep`.
    forgotten_bytes: u64,
}

impl Default for Store {
    fn default() -> Store {
        Store::new()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store(revision {}, compacted {})", self.revision(), self.compacted_revision())
    }
}

impl Store {
    /// An empty store, at revision 1 as etcd's is.
    pub fn new() -> Store {
        let current =
            View { index: KeyIndex::default(), history: History::default(), revision: 1, compacted: -1 };
        Store { current, kept: Total::default(), live_bytes: 0, sweep: None, swept: 0, forgotten_bytes: 0 }
    }

    /// The main revision of the last change; 1 where there was none.
    pub fn revision(&self) -> i64 {
        self.current.revision
    }

    /// The oldest readable revision; −1 where nothing was ever compacted.
    pub fn compacted_revision(&self) -> i64 {
        self.current.compacted
    }

    /// The store as it is now, never to change.
    pub fn view(&self) -> View {
        self.current.clone()
    }

    /// The store as it is now, for reads of the moment (see `View` for what can be asked).
    pub fn current(&self) -> &View {
        &self.current
    }

    /// Reads outside a transaction, as `View::range`.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RevisionError> {
        self.current.range(request)
    }

    /// The key as it is, where it is there.
    pub fn get(&self, key: &[u8]) -> Option<RecordRef> {
        self.current.get(key)
    }

    /// The key as main revision `revision` left it, as `View::get_at`.
    pub fn get_at(&self, key: &[u8], revision: i64) -> Option<RecordRef> {
        self.current.get_at(key, revision)
    }

    /// The changes of main revision `revision` and later, as `View::history_from`.
    pub fn history_from(&self, revision: i64) -> impl Iterator<Item = &RecordRef> + use<'_> {
        self.current.history_from(revision)
    }

    /// The size in bytes of everything logically kept, alike on every member.
    pub fn state_bytes(&self) -> u64 {
        self.kept.bytes
    }

    /// The size in bytes of the present state of the live keys, alike on every member.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// How much memory compactions have made forgotten that is not given back yet, at most, in bytes: 0 where the physical
    /// work is done. Not alike on all members.
    pub fn forgotten_bytes(&self) -> u64 {
        self.forgotten_bytes
    }

    /// How many versions compactions have given back the memory of, since this store was made.
    pub fn swept(&self) -> u64 {
        self.swept
    }

    /// The hash of the logical state.
    pub fn hash(&self) -> u128 {
        hash::of_state(self.kept, self.revision(), self.compacted_revision())
    }

    /// The same hash, from every version anew: slow, for checks.
    pub fn hash_from_scratch(&self) -> u128 {
        let mut total = Total::default();
        self.current.records().for_each(|record| total.add(Total::of(record)));
        hash::of_state(total, self.revision(), self.compacted_revision())
    }

    /// Makes `revision` the oldest readable one, at once. Memory is given back by `compact_slice`.
    pub fn compact(&mut self, revision: i64) -> Result<(), RevisionError> {
        if revision <= self.compacted_revision() {
            return Err(RevisionError::Compacted);
        }
        if revision > self.revision() {
            return Err(RevisionError::Future);
        }
        let forgotten = self.current.history.forgotten(self.compacted_revision(), revision);
        self.kept.subtract(forgotten);
        self.forgotten_bytes += forgotten.bytes;
        self.current.compacted = revision;
        self.sweep = self.current.history.first().map(|change| change.record.position());
        Ok(())
    }

    /// Gives back memory of what compactions have made forgotten: looks at up to `most` changes. Returns whether
    /// there is more to do.
    pub fn compact_slice(&mut self, most: usize) -> bool {
        let compacted = self.compacted_revision();
        let Some(mut position) = self.sweep else { return false };
        for _ in 0..most {
            let next = self.current.history.first_from(position).cloned();
            let Some(change) = next.filter(|change| change.record.mod_revision() <= compacted) else {
                self.sweep = None;
                self.forgotten_bytes = 0;
                return false;
            };
            position = change.record.position();
            let forgotten = |record: &&RecordRef| record.mod_revision() < compacted;
            if let Some(previous) = change.previous.as_ref().filter(forgotten) {
                self.current.index.forget(previous);
            }
            if Some(&change.record).filter(forgotten).is_some() {
                if change.record.is_tombstone() {
                    self.current.index.forget(&change.record);
                }
                self.current.history.drop_change(position);
                self.swept += 1;
            }
            position.1 += 1;
        }
        self.sweep = Some(position);
        true
    }
}
