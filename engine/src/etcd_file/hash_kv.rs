//! etcd's `HashKV`: the CRC-32 (Castagnoli) of the name of the bucket `key` and, version by version, of what stands there
//! up to a revision.
//!
//! It is a function of that revision and the compacted one: which of the older versions are in it is said by
//! `View::hashed`, and how far the physical work of a compaction has come does not matter.

use super::key_bucket;
use crate::mvcc::{ByRevision, RevisionError, View};

/// A hash on its way: computed in pieces, each as long as its caller likes.
#[derive(Debug)]
pub struct HashKv {
    records: ByRevision,
    hash: KvHash,
    /// The bytes of one version.
    bytes: Vec<u8>,
}

/// etcd's `KeyValueHash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvHash {
    /// The checksum.
    pub crc: u32,
    /// The compacted revision that it takes into account; −1 where nothing was ever compacted.
    pub compacted_revision: i64,
    /// The revision that it is of.
    pub revision: i64,
}

impl HashKv {
    /// Begins the hash of a revision; 0 is the current one.
    ///
    /// # Errors
    /// A revision that is compacted or in the future.
    pub fn begin(view: &View, revision: i64) -> Result<HashKv, RevisionError> {
        let (revision, records) = view.hashed(revision)?;
        let crc = crc32c::crc32c(key_bucket::NAME);
        let hash = KvHash { crc, compacted_revision: view.compacted_revision(), revision };
        Ok(HashKv { records, hash, bytes: Vec::new() })
    }

    /// Looks at this many keys or changes at most. The hash, once all were looked at.
    pub fn go_on(&mut self, looks_max: usize) -> Option<KvHash> {
        for record in self.records.next_records(looks_max) {
            self.bytes.clear();
            key_bucket::put_key(&mut self.bytes, &record);
            key_bucket::put_value(&mut self.bytes, &record);
            self.hash.crc = crc32c::crc32c_append(self.hash.crc, &self.bytes);
        }
        self.records.is_done().then_some(self.hash)
    }

    /// The whole of it.
    pub fn finish(mut self) -> KvHash {
        loop {
            if let Some(hash) = self.go_on(usize::MAX) {
                return hash;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::LeaseId;
    use crate::mvcc::Store;

    /// What a real etcd 3.7.1 answers that went through the same requests is asked by `differential` and `alike`.
    #[test]
    fn hashes_follow_the_revision_and_the_compacted_one() {
        let mut store = Store::new();
        let empty = HashKv::begin(store.current(), 0).expect("the current revision").finish();
        assert_eq!(empty, KvHash { crc: crc32c::crc32c(b"key"), compacted_revision: -1, revision: 1 });
        for key in [b"a", b"b", b"a"] {
            let mut write = store.write();
            write.put(key, b"value", LeaseId(0));
            write.finish();
        }
        let at = |store: &Store, revision| HashKv::begin(store.current(), revision).map(HashKv::finish);
        assert_eq!(at(&store, 5), Err(RevisionError::Future));
        assert_eq!(at(&store, 0), at(&store, 4));
        assert_eq!(at(&store, -3).map(|hash| (hash.crc, hash.revision)), Ok((empty.crc, -3)));
        let (before, at_three) = (at(&store, 4).expect("is there"), at(&store, 3).expect("is there"));
        store.compact(3).expect("was reached");
        assert_eq!(at(&store, 2), Err(RevisionError::Compacted));
        // Both of what is seen at 3 is hashed as before.
        assert_eq!(at(&store, 3), Ok(KvHash { compacted_revision: 3, ..at_three }));
        let after = at(&store, 4).expect("is there");
        assert_ne!(after.crc, before.crc, "the first a is seen at 3 and not at 4");
        while store.compact_slice(1) {
            assert_eq!(at(&store, 4), Ok(after));
        }
    }
}
