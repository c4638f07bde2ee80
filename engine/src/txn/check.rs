//! Refusals that need no store: list sizes at every nesting level, and keys written twice on one path.

use crate::command::TXN_DEPTH_MAX;
use crate::key_range::KeyRange;
use crate::request::{RequestError, Txn, TxnOp};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

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
            all.add_put(put.key.clone(), false)?;
        }
    }
    Ok(all)
}

impl Writes {
    fn add_nested(&mut self, nested: &Txn) -> Result<(), RequestError> {
        let success = writes_of(&nested.success)?;
        let failure = writes_of(&nested.failure)?;
        for key in &success.puts {
            self.add_put(key.clone(), false)?;
        }
        for key in failure.puts {
            let in_other_branch = success.puts.contains(&key);
            self.add_put(key, in_other_branch)?;
        }
        self.deletes.add_all(success.deletes);
        self.deletes.add_all(failure.deletes);
        Ok(())
    }

    fn add_put(&mut self, key: Bytes, may_be_there: bool) -> Result<(), RequestError> {
        if self.deletes.contains(&key) {
            return Err(RequestError::DuplicateKey);
        }
        let is_new = self.puts.insert(key);
        if is_new || may_be_there { Ok(()) } else { Err(RequestError::DuplicateKey) }
    }
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

    fn add_all(&mut self, other: Spans) {
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
        self.by_start.range(..=key.clone()).next_back().is_some_and(|(_, end)| key < end)
    }
}
