//! Refusals that need no store: list sizes at every nesting level, and keys written twice on one path.

use crate::command::TXN_DEPTH_MAX;
use crate::key_range::KeyRange;
use crate::request::{RequestError, Txn, TxnOp};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};

/// Checks a transaction as etcd's `checkTxnRequest` and `checkIntervals` do, and hands it back.
///
/// Each of its three lists may have `ops_max` members; a nested one what the longest list of its parent left.
///
/// # Errors
/// `TooManyOps`; `DuplicateKey` where one path puts a key twice, or puts a key inside a range with an end that it
/// deletes. Deleting twice is fine, and so are two branches of a nested transaction that put the same key: only one
/// of them runs.
pub fn check(txn: Txn, ops_max: usize) -> Result<Txn, RequestError> {
    check_sizes(&txn, ops_max, 0)?;
    writes_of(&txn.success)?;
    writes_of(&txn.failure)?;
    Ok(txn)
}

fn check_sizes(txn: &Txn, ops_max: usize, depth: usize) -> Result<(), RequestError> {
    let longest = txn.compares.len().max(txn.success.len()).max(txn.failure.len());
    if longest > ops_max || depth > TXN_DEPTH_MAX {
        return Err(RequestError::TooManyOps);
    }
    for op in txn.success.iter().chain(&txn.failure) {
        if let TxnOp::Txn(nested) = op {
            check_sizes(nested, ops_max - longest, depth + 1)?;
        }
    }
    Ok(())
}

/// What one branch may write, whichever way its nested transactions go.
#[derive(Default)]
struct Writes {
    puts: BTreeSet<Bytes>,
    deletes: Spans,
}

fn writes_of(ops: &[TxnOp]) -> Result<Writes, RequestError> {
    let mut all = Writes::default();
    // A level's own deletes count before anything else of it: its nested transactions' puts are held against them.
    for op in ops {
        if let TxnOp::DeleteRange(delete) = op {
            all.deletes.add(&delete.range);
        }
    }
    for op in ops {
        if let TxnOp::Txn(nested) = op {
            all.add_nested(nested)?;
        }
    }
    for op in ops {
        if let TxnOp::Put(put) = op {
            all.add_put(put.key.clone())?;
        }
    }
    Ok(all)
}

impl Writes {
    fn add_nested(&mut self, nested: &Txn) -> Result<(), RequestError> {
        let success = writes_of(&nested.success)?;
        let failure = writes_of(&nested.failure)?;
        // Only one of the branches runs: a key in both is put once.
        let puts = union(success.puts, failure.puts);
        if self.deletes.hit_any(&puts) {
            return Err(RequestError::DuplicateKey);
        }
        let apart = self.puts.len() + puts.len();
        self.puts = union(std::mem::take(&mut self.puts), puts);
        if self.puts.len() < apart {
            return Err(RequestError::DuplicateKey);
        }
        self.deletes.add_all(success.deletes);
        self.deletes.add_all(failure.deletes);
        Ok(())
    }

    fn add_put(&mut self, key: Bytes) -> Result<(), RequestError> {
        let is_alone = !self.deletes.contains(&key) && self.puts.insert(key);
        if is_alone { Ok(()) } else { Err(RequestError::DuplicateKey) }
    }
}

/// Moves the fewer to the more: however deep transactions nest, a key is moved only where the set it is in doubles.
fn union(one: BTreeSet<Bytes>, other: BTreeSet<Bytes>) -> BTreeSet<Bytes> {
    let (mut more, fewer) = if one.len() < other.len() { (other, one) } else { (one, other) };
    more.extend(fewer);
    more
}

/// Disjoint spans, from a key to the first past it.
#[derive(Default)]
struct Spans {
    by_start: BTreeMap<Bytes, Bytes>,
}

impl Spans {
    fn add(&mut self, range: &KeyRange) {
        match range {
            KeyRange::One(key) => {
                let mut end = key.to_vec();
                end.push(0);
                self.add_span(key.clone(), Bytes::from(end));
            }
            KeyRange::Span { start, end } if start < end => self.add_span(start.clone(), end.clone()),
            KeyRange::Span { .. } => {}
            // Here etcd reads the zero byte that stands for "no end" as a key, which is below every other: so a
            // delete of all keys from one on forbids no put.
            KeyRange::From(_) => {}
        }
    }

    /// The fewer to the more, as in `union`.
    fn add_all(&mut self, mut other: Spans) {
        if self.by_start.len() < other.by_start.len() {
            std::mem::swap(self, &mut other);
        }
        for (start, end) in other.by_start {
            self.add_span(start, end);
        }
    }

    /// Adds a span, swallowing those it touches so that `contains` has one candidate.
    fn add_span(&mut self, mut start: Bytes, mut end: Bytes) {
        while let Some((first, last)) = self.touching(&start, &end) {
            self.by_start.remove(&first);
            start = start.min(first);
            end = end.max(last);
        }
        self.by_start.insert(start, end);
    }

    fn touching(&self, start: &Bytes, end: &Bytes) -> Option<(Bytes, Bytes)> {
        let (first, last) = self.by_start.range(..=end.clone()).next_back()?;
        (start <= last).then(|| (first.clone(), last.clone()))
    }

    fn contains(&self, key: &Bytes) -> bool {
        let candidate = self.by_start.range::<Bytes, _>((Unbounded, Included(key))).next_back();
        candidate.is_some_and(|(_, end)| key < end)
    }

    /// Whether any of the keys is in any span; looks up the fewer in the more.
    fn hit_any(&self, keys: &BTreeSet<Bytes>) -> bool {
        if keys.len() < self.by_start.len() {
            return keys.iter().any(|key| self.contains(key));
        }
        self.by_start
            .iter()
            .any(|(start, end)| keys.range::<Bytes, _>((Included(start), Excluded(end))).next().is_some())
    }
}
