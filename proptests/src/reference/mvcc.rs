//! The store as a list of every version of every key. A read looks through the whole list.
//!
//! Compaction takes nothing out of the list: it only moves the oldest revision that may be asked for. What a store
//! that forgets must still have is `kept`.

use super::key_range::KeyRange;
use super::request::{Found, KeyValue, Order, Range, Refusal, Target};
use bytes::Bytes;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The key as this change left it. A deletion leaves its key, its mod revision, and nothing else.
    pub is: KeyValue,
    /// The place of this change among those of its revision, from 0.
    pub sub: i64,
}

impl Version {
    /// Whether this change deleted the key.
    pub fn is_deletion(&self) -> bool {
        self.is.version == 0
    }
}

/// All that ever happened, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    versions: Vec<Version>,
    revision: i64,
    compacted: i64,
}

impl Default for Store {
    fn default() -> Store {
        Store { versions: Vec::new(), revision: 1, compacted: -1 }
    }
}

impl Store {
    /// A store in which this happened, oldest first, and which has come to `revision`. Who needs only some keys of a
    /// long history may leave the others out.
    pub fn of(versions: Vec<Version>, revision: i64) -> Store {
        assert!(
            versions.iter().all(|version| version.is.mod_revision <= revision),
            "a version of the future"
        );
        Store { versions, revision, compacted: -1 }
    }

    /// The newest revision; 1 where there is none.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The oldest revision that may be asked for; −1 where nothing was compacted.
    pub fn compacted(&self) -> i64 {
        self.compacted
    }

    /// Every change, oldest first, compacted ones too.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The keys of a range as `revision` left them, in key order.
    pub fn at(&self, keys: &KeyRange, revision: i64) -> Vec<KeyValue> {
        let mut found: BTreeMap<&Bytes, &KeyValue> = BTreeMap::new();
        for Version { is, .. } in &self.versions {
            if is.mod_revision <= revision && keys.contains(&is.key) {
                found.insert(&is.key, is);
            }
        }
        found.into_values().filter(|is| is.version > 0).cloned().collect()
    }

    /// The keys of a range now, those that an open transaction wrote included.
    pub fn now(&self, keys: &KeyRange) -> Vec<KeyValue> {
        self.at(keys, i64::MAX)
    }

    /// One key now.
    pub fn get(&self, key: &Bytes) -> Option<KeyValue> {
        self.now(&KeyRange::one(key.clone())).pop()
    }

    /// Writes a key at revision `at`: the next one, or the one that an open transaction writes at. The key before.
    pub fn put(&mut self, at: i64, key: Bytes, value: Bytes, lease: i64) -> Option<KeyValue> {
        let before = self.get(&key);
        let create_revision = before.as_ref().map_or(at, |was| was.create_revision);
        let version = before.as_ref().map_or(0, |was| was.version) + 1;
        self.push(KeyValue { key, value, create_revision, mod_revision: at, version, lease });
        before
    }

    /// Deletes the keys of a range at revision `at`, as `put`. The keys before.
    pub fn delete(&mut self, at: i64, keys: &KeyRange) -> Vec<KeyValue> {
        let before = self.now(keys);
        for was in &before {
            let (key, value) = (was.key.clone(), Bytes::new());
            self.push(KeyValue { key, value, create_revision: 0, mod_revision: at, version: 0, lease: 0 });
        }
        before
    }

    fn push(&mut self, is: KeyValue) {
        assert!(is.mod_revision >= self.revision, "a change at {} after {}", is.mod_revision, self.revision);
        let sub = self.versions.iter().filter(|before| before.is.mod_revision == is.mod_revision).count();
        self.revision = is.mod_revision;
        self.versions.push(Version { is, sub: i64::try_from(sub).expect("a short list") });
    }

    /// Makes `revision` the oldest that may be asked for.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`.
    pub fn compact(&mut self, revision: i64) -> Result<(), Refusal> {
        if revision <= self.compacted {
            return Err(Refusal::Compacted);
        }
        if revision > self.revision {
            return Err(Refusal::FutureRevision);
        }
        self.compacted = revision;
        Ok(())
    }

    /// A range read outside a transaction: any revision up to 0 is the present.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`.
    pub fn range(&self, range: &Range) -> Result<Found, Refusal> {
        if range.revision > self.revision {
            return Err(Refusal::FutureRevision);
        }
        if range.revision > 0 && range.revision < self.compacted {
            return Err(Refusal::Compacted);
        }
        Ok(self.found(range))
    }

    /// What a range read finds, its revision being one that may be asked for. In etcd's order: keys, count, bounds,
    /// order, limit.
    pub fn found(&self, range: &Range) -> Found {
        let mut kvs = match range.revision {
            ..=0 => self.now(&range.keys),
            revision => self.at(&range.keys, revision),
        };
        let count = i64::try_from(kvs.len()).expect("a short list");
        if range.count_only {
            return Found { kvs: Vec::new(), more: false, count };
        }
        let limit = if range.limit > 0 { range.limit } else { i64::MAX };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // Where neither an order nor a bound is asked for, etcd reads one key more than the limit and sorts those.
        if range.order == Order::None && !has_bounds(range) {
            kvs.truncate(limit.saturating_add(1));
        }
        kvs.retain(|is| is_within_bounds(range, is));
        kvs.sort_by(|left, right| compare(range, left, right));
        let more = kvs.len() > limit;
        kvs.truncate(limit);
        if range.keys_only {
            kvs.iter_mut().for_each(|is| is.value = Bytes::new());
            // Told from an index of keys, which knows no leases; but a sort by value looks at the records.
            if range.target != Target::Value {
                kvs.iter_mut().for_each(|is| is.lease = 0);
            }
        }
        Found { kvs, more, count }
    }

    /// What must not be forgotten: what a read at the compacted revision sees, and every change from there on, since
    /// a watch may start there. Oldest first.
    pub fn kept(&self) -> Vec<Version> {
        let is_readable = |at: usize| {
            let is = &self.versions[at].is;
            let is_last = |later: &Version| later.is.key != is.key || later.is.mod_revision > self.compacted;
            is.version > 0 && self.versions[at + 1..].iter().all(is_last)
        };
        let is_kept =
            |(at, version): &(usize, &Version)| version.is.mod_revision >= self.compacted || is_readable(*at);
        self.versions.iter().enumerate().filter(is_kept).map(|(_, version)| version.clone()).collect()
    }
}

fn has_bounds(range: &Range) -> bool {
    range.min_mod_revision != 0
        || range.max_mod_revision != 0
        || range.min_create_revision != 0
        || range.max_create_revision != 0
}

fn is_within_bounds(range: &Range, is: &KeyValue) -> bool {
    let is_within = |revision, min, max| (min == 0 || revision >= min) && (max == 0 || revision <= max);
    is_within(is.mod_revision, range.min_mod_revision, range.max_mod_revision)
        && is_within(is.create_revision, range.min_create_revision, range.max_create_revision)
}

/// For a stable sort of what is in key order.
fn compare(range: &Range, left: &KeyValue, right: &KeyValue) -> Ordering {
    let ascending = match range.target {
        Target::Key => left.key.cmp(&right.key),
        Target::Version => left.version.cmp(&right.version),
        Target::Create => left.create_revision.cmp(&right.create_revision),
        Target::Mod => left.mod_revision.cmp(&right.mod_revision),
        Target::Value => left.value.cmp(&right.value),
    };
    if range.order == Order::Descend { ascending.reverse() } else { ascending }
}
