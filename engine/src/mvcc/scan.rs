//! A Range in pieces: what is too large to be answered at once is found a few keys at a time.
//!
//! A scan holds a view and a place in it, and no records, so an answer of a million keys costs the memory of the piece
//! that is being sent. Only ranges in the order of their keys can be scanned; another order must see all keys first.

use super::range::{passes, visible};
use super::range_request::{RangeRequest, RevisionError, SortOrder, SortTarget};
use super::record::RecordRef;
use super::view::{End, View};
use crate::key_range::KeyRange;
use bytes::Bytes;

/// Looked at in one go by a scan of its own.
const KEYS_AT_ONCE: usize = 1024;

/// See the module.
#[derive(Clone, Debug)]
pub struct Scan {
    view: View,
    request: RangeRequest,
    end: End,
    place: Place,
    /// Records that may still be found.
    left: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Start,
    /// Behind this key, in the order of the scan.
    Behind(Bytes),
    /// The request's limit was reached at this key.
    Full(Bytes),
    End,
}

impl View {
    /// Begins a scan; `None` where the request asks for another order than that of the keys, or only for a count.
    ///
    /// # Errors
    /// As `range`: a revision that is compacted or in the future.
    pub fn scan(&self, request: &RangeRequest) -> Result<Option<Scan>, RevisionError> {
        let end = self.readable(request.revision)?;
        if request.target != SortTarget::Key || request.count_only {
            return Ok(None);
        }
        let left = if request.limit == 0 { u64::MAX } else { request.limit };
        Ok(Some(Scan { view: self.clone(), request: request.clone(), end, place: Place::Start, left }))
    }
}

impl Scan {
    /// Looks at this many keys at most, and answers those of them that the request asks for, in its order. None found
    /// does not mean that there are no more.
    pub fn next_keys(&mut self, keys_max: usize) -> Vec<RecordRef> {
        let range = match (&self.place, self.request.order) {
            (Place::End | Place::Full(_), _) => return Vec::new(),
            (Place::Start, _) => self.request.range.clone(),
            (Place::Behind(key), SortOrder::Descend) => before(&self.request.range, key),
            (Place::Behind(key), SortOrder::None | SortOrder::Ascend) => after(&self.request.range, key),
        };
        let index = &self.view.index;
        let mut found = Vec::new();
        let mut looked_at = 0;
        let mut last = None;
        let mut look = |versions| {
            looked_at += 1;
            last = Some(super::key_index::Versions::key(versions));
            let record = visible(versions, self.end).filter(|record| passes(&self.request, record));
            if let Some(record) = record {
                found.push(record.clone());
                self.left -= 1;
            }
            self.left > 0 && looked_at < keys_max
        };
        if self.request.order == SortOrder::Descend {
            index.iter_range_back(&range).all(&mut look);
        } else {
            index.iter_range(&range).all(&mut look);
        }
        self.place = match last.map(Bytes::copy_from_slice) {
            Some(key) if self.left == 0 => Place::Full(key),
            Some(key) if looked_at == keys_max => Place::Behind(key),
            _ => Place::End,
        };
        found
    }

    /// Whether everything has been found that the request asks for.
    pub fn is_done(&self) -> bool {
        matches!(self.place, Place::End | Place::Full(_))
    }

    /// Whether there are more keys than the limit of the request let through. Of a scan that is done.
    pub fn has_more(&self) -> bool {
        assert!(self.is_done(), "a scan that goes on has more, or has not: nobody knows");
        let Place::Full(key) = &self.place else { return false };
        let mut beyond = Scan { place: Place::Behind(key.clone()), left: 1, ..self.clone() };
        while !beyond.is_done() {
            if !beyond.next_keys(KEYS_AT_ONCE).is_empty() {
                return true;
            }
        }
        false
    }

    /// The number of keys in the request's range, as `range` counts them.
    pub fn count(&self) -> u64 {
        self.view.count(&self.request.range, self.end)
    }

    /// What is scanned for.
    pub fn request(&self) -> &RangeRequest {
        &self.request
    }
}

/// The part of a range behind a key of it.
fn after(range: &KeyRange, key: &[u8]) -> KeyRange {
    let mut start = Vec::with_capacity(key.len() + 1);
    start.extend_from_slice(key);
    start.push(0);
    match range {
        KeyRange::Span { end, .. } => KeyRange::Span { start: start.into(), end: end.clone() },
        KeyRange::From(_) => KeyRange::From(start.into()),
        KeyRange::One(_) => KeyRange::Span { start: Bytes::new(), end: Bytes::new() },
    }
}

/// The part of a range before a key of it.
fn before(range: &KeyRange, key: &Bytes) -> KeyRange {
    KeyRange::Span { start: Bytes::copy_from_slice(range.start()), end: key.clone() }
}
