//! The tail of the log, in memory: what raft-rs reads.
//!
//! The write-ahead log is only written while a member runs; whatever raft asks of its `Storage` is answered from
//! here. An entry is here from the moment raft hands it out, before it is persisted: raft counts persisted entries
//! itself (`on_persist_ready`). At the front, entries that are applied and persisted go when the log outgrows its
//! bound; a follower that needed them gets a snapshot. What comes after a snapshot under way is kept longer
//! (`driver/pinned.rs`).
//!
//! ```text
//!   base (index, term)   entries: base + 1 ..= last
//!        |  [....applied....][..committed..][...not persisted...]
//!        ^ moves right, never past `snapshot.index`: that is where a snapshot would bring a lagging follower
//! ```

use super::convert::{hard_state_into_raft, members_into_raft, snapshot_into_raft};
use super::{HardState, SnapshotMeta};
use raft::eraftpb::{Entry, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};
use std::collections::VecDeque;

/// What an entry occupies besides its data: the struct, the deque's slot, the buffer's header. Approximate.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// The tail of the log.
#[derive(Debug)]
pub(super) struct LogStore {
    /// Read once, by `RawNode::new`.
    first_hard_state: HardState,
    /// The entry before the first one kept; (0, 0) for a log from its beginning.
    base: (u64, u64),
    /// Contiguous, the first at `base.0 + 1`.
    entries: VecDeque<Entry>,
    /// Of `entries`, overhead included.
    bytes: usize,
    /// The latest applied state: what `Storage::snapshot` answers.
    snapshot: SnapshotMeta,
}

impl LogStore {
    /// The log as recovered, `entries` starting right after `meta`.
    pub(super) fn new(hard_state: HardState, meta: SnapshotMeta, entries: Vec<Entry>) -> LogStore {
        let base = (meta.index, meta.term);
        let mut log = LogStore {
            first_hard_state: hard_state,
            base,
            entries: VecDeque::new(),
            bytes: 0,
            snapshot: meta,
        };
        log.append(&entries);
        log
    }

    pub(super) fn first(&self) -> u64 {
        self.base.0 + 1
    }

    pub(super) fn last(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    /// What the entries kept occupy.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The term at `index`; `None` outside of `base ..= last`.
    pub(super) fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        let at = usize::try_from(index.checked_sub(self.first())?).ok()?;
        self.entries.get(at).map(|entry| entry.term)
    }

    /// Adds entries, in place of whatever was at their indices and after.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        assert!(
            self.base.0 < first.index && first.index <= self.last() + 1,
            "entries from {} do not continue a log of {} to {}",
            first.index,
            self.first(),
            self.last()
        );
        while self.last() >= first.index {
            let dropped = self.entries.pop_back().expect("last is at or above first, so there is one");
            self.bytes -= entry_bytes(&dropped);
        }
        for entry in entries {
            assert_eq!(entry.index, self.last() + 1, "a gap in what raft hands out");
            self.bytes += entry_bytes(entry);
            self.entries.push_back(entry.clone());
        }
    }

    /// Starts over after an installed snapshot.
    pub(super) fn reset(&mut self, meta: SnapshotMeta) {
        self.entries.clear();
        self.bytes = 0;
        self.base = (meta.index, meta.term);
        self.snapshot = meta;
    }

    /// The latest applied state moved on.
    pub(super) fn set_snapshot(&mut self, meta: SnapshotMeta) {
        assert!(
            meta.index >= self.snapshot.index,
            "the applied state went back from {} to {}",
            self.snapshot.index,
            meta.index
        );
        self.snapshot = meta;
    }

    /// Lets entries go from the front until at most `bytes_max` are kept, none above `index_max`, none that a
    /// snapshot would not replace.
    pub(super) fn truncate(&mut self, bytes_max: usize, index_max: u64) {
        let index_max = index_max.min(self.snapshot.index);
        while self.bytes > bytes_max && self.first() <= index_max {
            let Some(gone) = self.entries.pop_front() else { return };
            self.bytes -= entry_bytes(&gone);
            self.base = (gone.index, gone.term);
        }
    }
}

fn entry_bytes(entry: &Entry) -> usize {
    entry.data.len() + ENTRY_OVERHEAD_BYTES
}

impl Storage for LogStore {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(hard_state_into_raft(&self.first_hard_state), members_into_raft(&self.snapshot)))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first() {
            return Err(Error::Store(StorageError::Compacted));
        }
        assert!(high <= self.last() + 1, "entries below {high} wanted of a log that ends at {}", self.last());
        let at = |index: u64| usize::try_from(index - self.first()).expect("within the entries kept");
        let bytes_max = max_size.into().unwrap_or(u64::MAX);
        let mut bytes = 0;
        let mut found = Vec::new();
        for entry in self.entries.range(at(low)..at(high)) {
            bytes += entry_bytes(entry) as u64;
            // The first one always goes, however large: raft could never move past it otherwise.
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.term_at(index).ok_or(Error::Store(if index < self.base.0 {
            StorageError::Compacted
        } else {
            StorageError::Unavailable
        }))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        // Raft ends the process on a snapshot of index 0, and on any error but this one.
        if self.snapshot.index == 0 || self.snapshot.index < request_index.max(self.base.0) {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(snapshot_into_raft(&self.snapshot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> Entry {
        let mut entry = Entry::default();
        (entry.index, entry.term) = (index, term);
        entry.data = vec![7; 100].into();
        entry
    }

    fn log(count: u64) -> LogStore {
        let entries: Vec<Entry> = (1..=count).map(|index| entry(index, 1)).collect();
        LogStore::new(HardState::default(), SnapshotMeta::default(), entries)
    }

    #[test]
    fn an_entry_replaces_all_from_its_index() {
        let mut log = log(5);
        log.append(&[entry(3, 2)]);
        assert_eq!((log.last(), log.term_at(2), log.term_at(3), log.term_at(4)), (3, Some(1), Some(2), None));
        assert_eq!(log.bytes, 3 * (100 + ENTRY_OVERHEAD_BYTES));
    }

    #[test]
    fn nothing_that_is_not_applied_or_not_in_a_snapshot_is_truncated() {
        let mut log = log(5);
        log.truncate(0, 4);
        assert_eq!(log.first(), 1, "the snapshot stands at 0");
        log.set_snapshot(SnapshotMeta { index: 4, term: 1, ..SnapshotMeta::default() });
        log.truncate(0, 3);
        assert_eq!((log.first(), log.term_at(3), log.term_at(2)), (4, Some(1), None));
        assert!(log.term(2) == Err(Error::Store(StorageError::Compacted)));
        assert!(log.term(6) == Err(Error::Store(StorageError::Unavailable)));
    }

    #[test]
    fn a_bounded_read_gives_one_entry_at_least() {
        let log = log(5);
        let count = |bytes: u64| log.entries(1, 6, bytes, GetEntriesContext::empty(false)).unwrap().len();
        assert_eq!((count(0), count(500), count(u64::MAX)), (1, 2, 5));
    }

    #[test]
    fn a_snapshot_below_the_log_is_not_offered() {
        let mut log = log(5);
        assert!(log.snapshot(0, 2).is_err(), "index 0 would end the process");
        log.set_snapshot(SnapshotMeta { index: 4, term: 1, ..SnapshotMeta::default() });
        assert_eq!(log.snapshot(0, 2).unwrap().get_metadata().index, 4);
        assert!(log.snapshot(5, 2).is_err());
    }
}
