//! What permissions open, merged: spans of keys that neither overlap nor touch, in order.
//!
//! A key alone is the span from it to its successor, which is the key with a zero byte after it: so two neighbouring
//! keys that were each granted are together the range over both, as in etcd.

use crate::key_range::KeyRange;
use crate::request::{Access, Permission};
use bytes::Bytes;

/// Disjoint spans of keys, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    start: Bytes,
    end: End,
}

/// The first key past a span.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// This one.
    At(Bytes),
    /// There is none.
    Never,
}

impl End {
    /// Past the last key of a range.
    pub(super) fn of(range: &KeyRange) -> End {
        match range {
            KeyRange::One(key) => End::At(successor(key)),
            KeyRange::Span { end, .. } => End::At(end.clone()),
            KeyRange::From(_) => End::Never,
        }
    }

    /// Whether a span that ends here goes past this key.
    fn is_past(&self, key: &[u8]) -> bool {
        match self {
            End::At(end) => key < end.as_ref(),
            End::Never => true,
        }
    }
}

/// The least key above this one.
fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    Bytes::from(next)
}

impl Spans {
    /// What these permissions open for reading.
    pub(super) fn to_read(permissions: &[Permission]) -> Spans {
        Spans::of(permissions, Access::Write)
    }

    /// What these permissions open for writing.
    pub(super) fn to_write(permissions: &[Permission]) -> Spans {
        Spans::of(permissions, Access::Read)
    }

    /// Of all but those for `other` alone.
    fn of(permissions: &[Permission], other: Access) -> Spans {
        let opened = permissions.iter().filter(|permission| permission.access != other);
        let mut spans: Vec<Span> = opened
            .map(|permission| {
                let range = KeyRange::parse(permission.key.clone(), permission.range_end.clone());
                Span { start: permission.key.clone(), end: End::of(&range) }
            })
            .collect();
        spans.sort_by(|one, other| one.start.cmp(&other.start));
        let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                // They overlap, or one begins where the other ends.
                Some(last) if End::At(span.start.clone()) <= last.end => {
                    last.end = span.end.max(last.end.clone());
                }
                _ => merged.push(span),
            }
        }
        Spans(merged)
    }

    /// Where the span ends that holds `key`, if one does.
    pub(super) fn end_of(&self, key: &[u8]) -> Option<&End> {
        let after = self.0.partition_point(|span| span.start.as_ref() <= key);
        let span = self.0.get(after.checked_sub(1)?)?;
        span.end.is_past(key).then_some(&span.end)
    }

    /// Whether a span begins below `end` and goes past `start`, where `end` is not above `start`.
    pub(super) fn surround(&self, start: &[u8], end: &[u8]) -> bool {
        let after = self.0.partition_point(|span| span.start.as_ref() < end);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|span| span.end.is_past(start))
    }
}
