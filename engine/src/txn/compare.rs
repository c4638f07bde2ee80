//! The comparisons, and which way each transaction on the path goes.

use super::Source;
use crate::mvcc::RecordRef;
use crate::request::{Compare, CompareOperand, CompareResult, RangeRequest, Txn, TxnOp};
use std::cmp::Ordering;

/// Which branch runs: this transaction's, then those of the nested ones on that branch, in order, each with its own.
#[derive(Debug, PartialEq)]
pub(super) struct Path {
    pub(super) succeeded: bool,
    /// One for each nested transaction of the chosen branch.
    pub(super) nested: Vec<Path>,
}

impl Path {
    /// The operations of the chosen branch, each nested transaction with its path.
    pub(super) fn ops<'a>(&'a self, txn: &'a Txn) -> impl Iterator<Item = (&'a TxnOp, Option<&'a Path>)> {
        let branch = if self.succeeded { &txn.success } else { &txn.failure };
        let mut nested = self.nested.iter();
        branch.iter().map(move |op| match op {
            TxnOp::Txn(_) => (op, Some(nested.next().expect("a path for each nested transaction"))),
            TxnOp::Range(_) | TxnOp::Put(_) | TxnOp::DeleteRange(_) => (op, None),
        })
    }
}

/// Decides the whole path against the store as it is before the transaction.
pub(super) fn path(source: &impl Source, txn: &Txn) -> Path {
    let succeeded = txn.compares.iter().all(|compare| holds(source, compare));
    let branch = if succeeded { &txn.success } else { &txn.failure };
    let nested = branch
        .iter()
        .filter_map(|op| match op {
            TxnOp::Txn(nested) => Some(path(source, nested)),
            TxnOp::Range(_) | TxnOp::Put(_) | TxnOp::DeleteRange(_) => None,
        })
        .collect();
    Path { succeeded, nested }
}

fn holds(source: &impl Source, compare: &Compare) -> bool {
    let found = source
        .range(&RangeRequest::of(compare.range.clone()))
        .expect("the current revision is never compacted");
    if found.kvs.is_empty() {
        // The API cannot tell an absent value from an empty one, so etcd lets no comparison with it hold.
        let is_value = matches!(compare.operand, CompareOperand::Value(_));
        return !is_value && holds_for(compare, None);
    }
    found.kvs.iter().all(|record| holds_for(compare, Some(record)))
}

fn holds_for(compare: &Compare, record: Option<&RecordRef>) -> bool {
    let ordering = match &compare.operand {
        CompareOperand::Version(version) => record.map_or(0, RecordRef::version).cmp(version),
        CompareOperand::Create(revision) => record.map_or(0, RecordRef::create_revision).cmp(revision),
        CompareOperand::Mod(revision) => record.map_or(0, RecordRef::mod_revision).cmp(revision),
        CompareOperand::Value(value) => record.map_or(&[][..], RecordRef::value).cmp(value.as_ref()),
        CompareOperand::Lease(lease) => record.map_or(0, |record| record.lease().0).cmp(lease),
        CompareOperand::Unknown => Ordering::Equal,
    };
    match compare.result {
        CompareResult::Equal => ordering.is_eq(),
        CompareResult::Greater => ordering.is_gt(),
        CompareResult::Less => ordering.is_lt(),
        CompareResult::NotEqual => ordering.is_ne(),
        CompareResult::Always => true,
    }
}
