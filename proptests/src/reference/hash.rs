//! etcd's hash of a revision, step by step as etcd makes it: what a compaction leaves on the disk, what is kept of that at
//! the revision, and the checksum bit by bit.

use super::KeyValue;
use super::mvcc::{Store, Version};
use std::collections::BTreeMap;

impl Store {
    /// The checksum of a revision that may be asked for.
    pub fn hash(&self, revision: i64) -> u32 {
        // A compaction leaves what is seen at its revision. The tombstones of that revision, too, but they are not hashed.
        let left = self.seen_at(self.compacted());
        let keep = self.seen_at(revision);
        let mut bytes = b"key".to_vec();
        for version in self.versions().iter().filter(|version| version.is.mod_revision <= revision) {
            let is_compacted = version.is.mod_revision <= self.compacted();
            let is_skipped = !keep.is_empty() && !keep.contains(&version);
            if !is_compacted || (left.contains(&version) && !is_skipped) {
                bytes.extend(stored(version));
            }
        }
        crc32c(&bytes)
    }

    /// The versions that a read at a revision sees.
    fn seen_at(&self, revision: i64) -> Vec<&Version> {
        let mut newest = BTreeMap::new();
        for version in self.versions().iter().filter(|version| version.is.mod_revision <= revision) {
            newest.insert(&version.is.key, version);
        }
        newest.into_values().filter(|version| !version.is_deletion()).collect()
    }
}

/// As it stands on the disk: under its revision, as a message.
fn stored(version: &Version) -> Vec<u8> {
    let KeyValue { key, value, create_revision, mod_revision, version: count, lease } = &version.is;
    let mut bytes = mod_revision.to_be_bytes().to_vec();
    bytes.push(b'_');
    bytes.extend(version.sub.to_be_bytes());
    if version.is_deletion() {
        bytes.push(b't');
        return [bytes, text(1, key)].concat();
    }
    let numbers = [number(2, *create_revision), number(3, *mod_revision), number(4, *count)].concat();
    [bytes, text(1, key), numbers, text(5, value), number(6, *lease)].concat()
}

fn text(field: u8, content: &[u8]) -> Vec<u8> {
    if content.is_empty() {
        return Vec::new();
    }
    [vec![field << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

fn number(field: u8, value: i64) -> Vec<u8> {
    if value == 0 { Vec::new() } else { [vec![field << 3], varint(value as u64)].concat() }
}

fn varint(value: u64) -> Vec<u8> {
    let low = (value & 0x7f) as u8;
    if value < 0x80 { vec![low] } else { [vec![low | 0x80], varint(value >> 7)].concat() }
}

/// Castagnoli's polynomial, reflected.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    /// The check value of the CRC's catalogue.
    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
    }
}
