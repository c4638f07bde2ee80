//! Ranges of keys that clients ask for.

use bytes::Bytes;
use detcd_engine::key_range::KeyRange;

/// All keys.
pub fn everything() -> KeyRange {
    KeyRange::From(Bytes::from_static(&[0]))
}

/// All keys that begin with this.
pub fn prefix(prefix: &[u8]) -> KeyRange {
    let mut end = prefix.to_vec();
    *end.last_mut().expect("a prefix is not empty") += 1;
    KeyRange::Span { start: Bytes::copy_from_slice(prefix), end: Bytes::from(end) }
}
