//! Keys that collide and nest, ranges that touch, values that are often equal.

use super::Generate;
use crate::symbols::{COMPACTED, NOW};
use bytes::Bytes;

const KEYS: [&[u8]; 20] = [
    b"a",
    b"a\0",
    b"aa",
    b"ab",
    b"b",
    b"b/",
    b"b/1",
    b"b/10",
    b"b/2",
    b"b0",
    b"c",
    b"\0",
    b"\0\0",
    b"\xff",
    b"\xff\xff",
    b"c\xff",
    b"d",
    b"dir/a",
    b"dir/b",
    b"e",
];

impl Generate {
    pub(super) fn key(&mut self) -> Bytes {
        if self.one_in(60) {
            return Bytes::new();
        }
        if self.one_in(3) {
            // Enough of them that an answer has more than a dozen keys.
            return Bytes::from(format!("k{:02}", self.random.below(40)));
        }
        let key: &&[u8] = self.pick(&KEYS);
        Bytes::from_static(key)
    }

    /// A range's end, for a key.
    pub(super) fn range_end(&mut self, key: &Bytes) -> Bytes {
        match self.random.below(10) {
            0..3 => Bytes::new(),
            3..5 => Bytes::from_static(b"\0"),
            5 => prefix_end(key),
            6 => key.clone(),
            7 => Bytes::from_static(b"\0\0"),
            8 => Bytes::from_static(b"l"),
            _ => self.key(),
        }
    }

    pub(super) fn value(&mut self) -> Bytes {
        match self.random.below(40) {
            0..6 => Bytes::new(),
            6 => Bytes::from(vec![b'v'; 300]),
            7 => Bytes::from_static(b"\0\xff"),
            _ => Bytes::from(self.random.below(6).to_string()),
        }
    }

    /// A revision to read at: mostly the present, often near an edge.
    pub(super) fn revision(&mut self) -> i64 {
        match self.random.below(24) {
            0 => NOW + 1,
            1 => NOW,
            2..6 => NOW - self.below(30),
            6 => COMPACTED,
            7 => COMPACTED - 1,
            8 => COMPACTED + self.below(20),
            9 => *self.pick(&[-1, i64::MIN, i64::MAX, 1, 2]),
            _ => 0,
        }
    }

    pub(super) fn limit(&mut self) -> i64 {
        match self.random.below(12) {
            0 => *self.pick(&[-1, i64::MIN, i64::MAX, i64::MAX - 1]),
            1..4 => self.below(4),
            4 => self.below(30),
            _ => 0,
        }
    }

    /// A bound of a revision filter: mostly none.
    pub(super) fn bound(&mut self) -> i64 {
        match self.random.below(30) {
            0 => *self.pick(&[-1, i64::MIN, i64::MAX, 1]),
            1..4 => NOW - self.below(60),
            _ => 0,
        }
    }
}

/// The first key after all that begin with `key`.
fn prefix_end(key: &Bytes) -> Bytes {
    let mut end = key.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end.into();
        }
    }
    Bytes::from_static(b"\0")
}
