//! The event log by key: the value of every key at every revision. A read of a few keys does not visit the others.

use super::event_log::Revision;
use super::promise::Promise;
use crate::history::KeyValue;
use crate::watch_response::WatchEvent;
use bytes::Bytes;
use detcd_proptests::reference::mvcc::{Store, Version};
use detcd_proptests::reference::{Cluster, KeyRange, Op, Txn, Write};
use std::collections::{BTreeMap, BTreeSet};

/// All versions of all keys.
#[derive(Clone, Debug, Default)]
pub struct ReferenceHistory {
    revisions: BTreeMap<i64, Revision>,
    /// Each key's versions, oldest first; version 0 is a deletion.
    keys: BTreeMap<Bytes, Vec<KeyValue>>,
    /// Keys by lease and the revision at which they were attached, whether or not they are still attached.
    leased: BTreeMap<i64, BTreeSet<Bytes>>,
}

impl ReferenceHistory {
    /// Of an event log without gaps.
    ///
    /// # Errors
    /// The event log has what cannot be: a version that does not follow from the one before.
    pub fn new(revisions: BTreeMap<i64, Revision>) -> Result<ReferenceHistory, String> {
        let mut reference = ReferenceHistory::default();
        for (place, (revision, recorded)) in revisions.iter().enumerate() {
            if *revision != place as i64 + 2 {
                return Err(
                    Promise::WatchReliable.broken(format!("no member reported revision {}", place + 2))
                );
            }
            for event in &recorded.events {
                reference.add(*revision, event)?;
            }
        }
        reference.revisions = revisions;
        Ok(reference)
    }

    fn add(&mut self, revision: i64, event: &WatchEvent) -> Result<(), String> {
        let versions = self.keys.entry(event.kv.key.clone()).or_default();
        let before = versions.last().filter(|is| is.version > 0);
        let KeyValue { create_revision, mod_revision, version, ref value, lease, .. } = event.kv;
        let is_right = if event.is_delete {
            before.is_some() && (create_revision, version, lease) == (0, 0, 0) && value.is_empty()
        } else {
            create_revision == before.map_or(revision, |was| was.create_revision)
                && version == before.map_or(1, |was| was.version + 1)
        };
        // A transaction may put a key and delete it again; what was before is then what was before both.
        let was = live_at(versions, revision - 1);
        let prev_is_right = event.prev.is_none() || event.prev.as_ref() == was;
        if !is_right || !prev_is_right || mod_revision != revision {
            let how =
                format!("{event:?} came after {before:?}, and before that revision the key was {was:?}");
            return Err(Promise::WatchEvents.broken(how));
        }
        if lease != 0 {
            self.leased.entry(lease).or_default().insert(event.kv.key.clone());
        }
        versions.push(event.kv.clone());
        Ok(())
    }

    /// The newest revision.
    pub fn head(&self) -> i64 {
        self.revisions.keys().next_back().copied().unwrap_or(1)
    }

    /// What a revision changed.
    pub fn events(&self, revision: i64) -> &[WatchEvent] {
        self.revisions.get(&revision).map_or(&[], |recorded| &recorded.events)
    }

    /// The revisions from one on, in order.
    pub fn from(&self, revision: i64) -> impl Iterator<Item = (i64, &Revision)> {
        self.revisions.range(revision..).map(|(revision, recorded)| (*revision, recorded))
    }

    /// A key as a revision left it; `None` where it was not there.
    pub fn get(&self, key: &Bytes, revision: i64) -> Option<&KeyValue> {
        self.keys.get(key).and_then(|versions| live_at(versions, revision))
    }

    /// The first version that there ever was of a key.
    pub fn first(&self, key: &Bytes) -> Option<&KeyValue> {
        self.keys.get(key).and_then(|versions| versions.first())
    }

    /// The keys of a range as a revision left them.
    pub fn at<'a>(&'a self, keys: &'a KeyRange, revision: i64) -> impl Iterator<Item = &'a KeyValue> {
        self.versions_of(keys).filter_map(move |versions| live_at(versions, revision))
    }

    /// The keys that hung on a lease at a revision.
    pub fn keys_of(&self, lease: i64, revision: i64) -> BTreeSet<Bytes> {
        let keys = self.leased.get(&lease).into_iter().flatten();
        let hangs = |key: &&Bytes| self.get(key, revision).is_some_and(|is| is.lease == lease);
        keys.filter(hangs).cloned().collect()
    }

    fn versions_of<'a>(&'a self, keys: &'a KeyRange) -> impl Iterator<Item = &'a Vec<KeyValue>> {
        self.keys.range(keys.key.clone()..).take_while(|(key, _)| keys.contains(key)).map(|(_, is)| is)
    }

    /// A reference model at revision `base`, and has the keys in these ranges as they were then and at the
    /// revisions `read`. The reference store scans all that it has, so it gets no more.
    pub fn cluster_at(&self, ranges: &[KeyRange], read: &[i64], base: i64) -> Cluster {
        let mut versions: BTreeMap<(i64, Bytes), &KeyValue> = BTreeMap::new();
        for is in ranges.iter().flat_map(|keys| self.versions_of(keys)) {
            for at in read.iter().filter(|at| **at < base).chain([&base]) {
                let until = is.partition_point(|is| is.mod_revision <= *at);
                versions.extend(is[..until].last().map(|is| ((is.mod_revision, is.key.clone()), is)));
            }
        }
        let versions = versions.into_values().map(|is| Version { is: is.clone(), sub: 0 }).collect();
        Cluster { store: Store::of(versions, base), ..Cluster::default() }
    }
}

fn live_at(versions: &[KeyValue], revision: i64) -> Option<&KeyValue> {
    let until = versions.partition_point(|is| is.mod_revision <= revision);
    versions[..until].last().filter(|is| is.version > 0)
}

/// The ranges that a write looks at, the leases that it names, and the old revisions that it reads.
#[derive(Debug, Default)]
pub(super) struct Interest {
    pub(super) ranges: Vec<KeyRange>,
    pub(super) leases: BTreeSet<i64>,
    /// Revisions other than the present that it reads.
    pub(super) revisions: Vec<i64>,
}

impl Interest {
    pub(super) fn of(write: &Write) -> Interest {
        let mut interest = Interest::default();
        match write {
            Write::Put(put) => interest.put(put),
            Write::DeleteRange(delete) => interest.ranges.push(delete.keys.clone()),
            Write::Txn(txn) => interest.txn(txn),
            Write::Compact(_) | Write::LeaseGrant(..) | Write::LeaseRevoke(_) => {}
        }
        interest
    }

    fn put(&mut self, put: &detcd_proptests::reference::Put) {
        self.ranges.push(KeyRange::one(put.key.clone()));
        self.leases.extend(put.lease.filter(|lease| *lease != 0));
    }

    fn txn(&mut self, txn: &Txn) {
        self.ranges.extend(txn.compares.iter().map(|compare| compare.keys.clone()));
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                Op::Range(range) => {
                    self.ranges.push(range.keys.clone());
                    self.revisions.extend(Some(range.revision).filter(|revision| *revision != 0));
                }
                Op::Put(put) => self.put(put),
                Op::DeleteRange(delete) => self.ranges.push(delete.keys.clone()),
                Op::Txn(nested) => self.txn(nested),
            }
        }
    }
}
