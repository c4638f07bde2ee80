//! etcd's (key, range_end) pair, parsed once.
//!
//! On the wire an empty `range_end` means the key alone, one zero byte means "this key and all after it", and
//! anything else ends the range before itself. Past this file nobody looks at a `range_end` again.

use bytes::Bytes;

/// A span of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRange {
    /// This key alone.
    One(Bytes),
    /// From `start` up to, not including, `end`. Empty where `end <= start`: etcd answers such a range with
    /// nothing, not with an error.
    Span {
        /// The first key that may be in the range.
        start: Bytes,
        /// The first key past it.
        end: Bytes,
    },
    /// This key and every key after it.
    From(Bytes),
}

impl KeyRange {
    /// Parses the pair as KV requests carry it. The caller has refused an empty `key` already.
    pub fn parse(key: Bytes, range_end: Bytes) -> KeyRange {
        match range_end.as_ref() {
            [] => KeyRange::One(key),
            [0] => KeyRange::From(key),
            _ => KeyRange::Span { start: key, end: range_end },
        }
    }

    /// The first key that may be in the range.
    pub fn start(&self) -> &[u8] {
        match self {
            KeyRange::One(key) => key,
            KeyRange::Span { start, .. } => start,
            KeyRange::From(start) => start,
        }
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            KeyRange::One(one) => one == key,
            KeyRange::Span { start, end } => start <= key && key < end.as_ref(),
            KeyRange::From(start) => start <= key,
        }
    }

    /// Whether no key at all can be in the range.
    pub fn is_empty(&self) -> bool {
        match self {
            KeyRange::Span { start, end } => end <= start,
            KeyRange::One(_) | KeyRange::From(_) => false,
        }
    }

    /// The pair again, as the wire has it: (key, range_end).
    pub fn into_pair(self) -> (Bytes, Bytes) {
        match self {
            KeyRange::One(key) => (key, Bytes::new()),
            KeyRange::Span { start, end } => (start, end),
            KeyRange::From(start) => (start, Bytes::from_static(&[0])),
        }
    }
}
