//! A state of the store, never to change: what reads are made on.
//!
//! A view shares its trees with the store it was taken from, and costs two reference counts. The store copies what
//! it changes while views of it live; a view kept for long keeps the memory of what was there.

use super::hash::is_kept;
use super::history::History;
use super::key_index::{KeyIndex, Versions};
use super::range_request::{RangeRequest, RangeResponse, RevisionError};
use super::record::RecordRef;
use crate::key_range::KeyRange;
use bytes::Bytes;
use std::fmt;

/// A read sees the changes before this position; `None` where it sees all of them.
pub(super) type End = Option<(i64, u32)>;

/// Where the main revision ends that a request names; 0 and below name the newest state.
pub(super) fn end_of(revision: i64) -> End {
    (revision > 0).then(|| (revision.saturating_add(1), 0))
}

/// A read that a transaction makes between its writes, and that is evaluated once it is done: what it sees ends at a
/// position within the transaction's revision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LaterRange {
    pub(super) request: RangeRequest,
    pub(super) end: End,
}

/// The store at a revision.
#[derive(Clone)]
pub struct View {
    pub(super) index: KeyIndex,
    /// Changes from the compacted revision on; more where the memory of forgotten ones is not yet given back.
    pub(super) history: History,
    pub(super) revision: i64,
    pub(super) compacted: i64,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.revision)
    }
}

impl View {
    /// The main revision of the last change; 1 where there was none.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The oldest readable revision; −1 where nothing was ever compacted.
    pub fn compacted_revision(&self) -> i64 {
        self.compacted
    }

    /// How many keys are there.
    pub fn keys(&self) -> u64 {
        self.index.live_count(&KeyRange::From(Bytes::new()))
    }

    /// Reads outside a transaction: a revision of 0 or less is the current one.
    ///
    /// # Errors
    /// A revision that is compacted or in the future.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RevisionError> {
        let end = self.readable(request.revision)?;
        Ok(self.evaluate(request, end))
    }

    /// As `range`, where that takes no more than `keys_left` looks at a key; they are taken off it. `None` where it
    /// takes more: such a range is better found elsewhere, or in pieces (`scan`).
    pub fn small_range(
        &self,
        request: &RangeRequest,
        keys_left: &mut u64,
    ) -> Option<Result<RangeResponse, RevisionError>> {
        match self.readable(request.revision) {
            Ok(end) => self.evaluate_within(request, end, keys_left).map(Ok),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Where the revision ends that a request names.
    pub(super) fn readable(&self, revision: i64) -> Result<End, RevisionError> {
        if revision > self.revision {
            return Err(RevisionError::Future);
        }
        if revision > 0 && revision < self.compacted {
            return Err(RevisionError::Compacted);
        }
        Ok(end_of(revision))
    }

    /// The key as it is, where it is there.
    pub fn get(&self, key: &[u8]) -> Option<RecordRef> {
        self.index.get(key)?.live().cloned()
    }

    /// The keys of `range` as they are, in order; the time for each is bounded (see `KeyIndex::iter_live`).
    pub(crate) fn live<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a RecordRef> {
        let (one, several) = match range {
            KeyRange::One(key) => (self.index.get(key).and_then(Versions::live), None),
            KeyRange::Span { .. } | KeyRange::From(_) => (None, Some(self.index.iter_live(range))),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// The range as the transaction saw it that has made the newest revision of this view (or nothing at all).
    pub(crate) fn later_range(&self, later: &LaterRange) -> RangeResponse {
        self.evaluate(&later.request, later.end)
    }

    /// The key as main revision `revision` left it. `None` where it was not there, or that is compacted away.
    pub fn get_at(&self, key: &[u8], revision: i64) -> Option<RecordRef> {
        if revision < self.compacted {
            return None;
        }
        self.index.get(key)?.live_before((revision.saturating_add(1), 0)).cloned()
    }

    /// The changes of main revision `revision` and later, in order; those before the compacted revision are gone.
    pub fn history_from(&self, revision: i64) -> impl Iterator<Item = &RecordRef> + use<'_> {
        self.history.iter_from((revision.max(self.compacted), 0)).map(|change| &change.record)
    }

    /// How many changes were made after main revision `revision`; those before the compacted revision are gone.
    pub fn changes_since(&self, revision: i64) -> u64 {
        self.changes_from((revision.saturating_add(1), 0))
    }

    /// As `changes_since`, of the changes not before a position.
    pub(super) fn changes_from(&self, position: (i64, u32)) -> u64 {
        self.history.count_from(position.max((self.compacted, 0)))
    }

    /// Every version that is kept, in key order and oldest first: what a snapshot holds. How far the memory of
    /// forgotten ones has been given back does not show.
    pub fn records(&self) -> impl Iterator<Item = &RecordRef> + use<'_> {
        self.records_from(&[])
    }

    /// As `records`, from `key` on: a writer that works in pieces goes on after its last key (that key with a zero
    /// byte appended).
    pub fn records_from(&self, key: &[u8]) -> impl Iterator<Item = &RecordRef> + use<'_> {
        let compacted = self.compacted;
        self.index.iter_from(key).flat_map(move |versions| kept(versions, compacted))
    }
}

/// The versions of one key that are logically kept, oldest first.
fn kept(versions: &Versions, compacted: i64) -> impl Iterator<Item = &RecordRef> + use<'_> {
    let mut rest = versions.iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let record = rest.next()?;
            let next = rest.peek().map(|next| next.mod_revision());
            if is_kept(record, next, compacted) {
                return Some(record);
            }
        }
    })
}
