//! The whole replicated state: one write after the other, and what each is answered.

use super::key_range::KeyRange;
use super::lease::Leases;
use super::mvcc::Store;
use super::request::{
    Answer, DeleteRange, Deleted, Found, KeyValue, Put, Range, Refusal, Txn, TxnAnswer, Write,
};

/// Keys and leases, as every member has them that applied the same writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The keys.
    pub store: Store,
    /// The leases. Which keys hang on them, the keys say.
    pub leases: Leases,
}

impl Cluster {
    /// One write. A refused one changes nothing.
    ///
    /// # Errors
    /// As etcd refuses it.
    pub fn apply(&mut self, write: &Write) -> Result<Answer, Refusal> {
        match write {
            Write::Put(put) => {
                let base = self.store.revision();
                self.refuse_put(base, put)?;
                Ok(Answer::Put(self.put_at(base + 1, put)))
            }
            Write::DeleteRange(delete) => {
                Ok(Answer::DeleteRange(self.delete_at(self.store.revision() + 1, delete)))
            }
            Write::Txn(txn) => self.txn(txn).map(Answer::Txn),
            Write::Compact(revision) => self.store.compact(*revision).map(|()| Answer::Done),
            Write::LeaseGrant(id, ttl_secs) => self.leases.grant(*id, *ttl_secs).map(|_| Answer::Done),
            Write::LeaseRevoke(id) => self.revoke(*id).map(|()| Answer::Done),
        }
    }

    /// A range read.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`.
    pub fn range(&self, range: &Range) -> Result<Found, Refusal> {
        self.store.range(range)
    }

    /// A transaction of nothing but ranges: it changes nothing.
    ///
    /// # Errors
    /// As `range`.
    pub fn read(&self, txn: &Txn) -> Result<TxnAnswer, Refusal> {
        assert!(txn.is_read_only(), "{txn:?} writes");
        self.clone().txn(txn)
    }

    /// The keys that hang on a lease, in order.
    pub fn keys_of(&self, lease: i64) -> Vec<KeyValue> {
        let mut keys = self.store.now(&KeyRange::all());
        keys.retain(|is| is.lease == lease);
        keys
    }

    /// Ends a lease, at a client's word or because its time is up, and its keys in one revision.
    ///
    /// # Errors
    /// `LeaseNotFound`.
    pub fn revoke(&mut self, lease: i64) -> Result<(), Refusal> {
        let keys = self.keys_of(lease);
        self.leases.end(lease)?;
        let at = self.store.revision() + 1;
        for is in keys {
            self.store.delete(at, &KeyRange::one(is.key));
        }
        Ok(())
    }

    /// A put that was found good.
    pub(super) fn put_at(&mut self, at: i64, put: &Put) -> Option<KeyValue> {
        let now = self.store.get(&put.key);
        let now = || now.clone().expect("what is kept is there: else the put was refused");
        let value = put.value.clone().unwrap_or_else(|| now().value);
        let lease = put.lease.unwrap_or_else(|| now().lease);
        let before = self.store.put(at, put.key.clone(), value, lease);
        before.filter(|_| put.prev_kv)
    }

    pub(super) fn delete_at(&mut self, at: i64, delete: &DeleteRange) -> Deleted {
        let before = self.store.delete(at, &delete.keys);
        let deleted = i64::try_from(before.len()).expect("a short list");
        Deleted { deleted, prev_kvs: if delete.prev_kv { before } else { Vec::new() } }
    }
}
