//! What `range_end` means. One answer, `contains`, in the words of etcd's API page.

use bytes::Bytes;

/// `key` and `range_end`, as the wire has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRange {
    /// The first key that may be in it.
    pub key: Bytes,
    /// Empty: `key` alone. One zero byte: `key` and all after it. Else the first key past the range; nothing is in it
    /// where that is not after `key`.
    pub range_end: Bytes,
}

impl KeyRange {
    /// As the wire has it.
    pub fn new(key: impl Into<Bytes>, range_end: impl Into<Bytes>) -> KeyRange {
        KeyRange { key: key.into(), range_end: range_end.into() }
    }

    /// One key.
    pub fn one(key: impl Into<Bytes>) -> KeyRange {
        KeyRange::new(key, Bytes::new())
    }

    /// A key and all after it.
    pub fn from(key: impl Into<Bytes>) -> KeyRange {
        KeyRange::new(key, Bytes::from_static(&[0]))
    }

    /// Every key there can be: the empty one is none.
    pub fn all() -> KeyRange {
        KeyRange::from(Bytes::from_static(&[0]))
    }

    /// The keys that begin with `prefix`, as clients ask for them: the end is the prefix with its last byte that can
    /// be raised raised, and what follows it cut; where none can be, there is no end.
    pub fn prefix(prefix: impl Into<Bytes>) -> KeyRange {
        let prefix: Bytes = prefix.into();
        let Some(last) = prefix.iter().rposition(|byte| *byte < 0xff) else { return KeyRange::from(prefix) };
        let mut end = prefix[..=last].to_vec();
        end[last] += 1;
        KeyRange::new(prefix, end)
    }

    /// Whether `key` is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        if self.range_end.is_empty() {
            key == self.key
        } else if self.range_end.as_ref() == [0] {
            key >= self.key.as_ref()
        } else {
            key >= self.key.as_ref() && key < self.range_end.as_ref()
        }
    }
}
