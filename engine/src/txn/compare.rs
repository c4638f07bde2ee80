//! The comparisons, and which way each transaction on the path goes.

use crate::mvcc::{RecordRef, View};
use crate::request::{Compare, CompareOperand, CompareResult, Txn, TxnOp};
use std::cmp::Ordering;

/// Looks, at most, that the compares of a writing transaction may take, nested ones included: 3 to 8 ms of a member that
/// does nothing else meanwhile, and up to 50 ms where many deleted keys lie between the live ones. Replicated: members that differ in it, or in how looks are counted, would differ in
/// their state.
pub const COMPARE_LOOKS_MAX: u64 = 20_000;
/// Finding the first key of a compare takes the time of so many looks at the next one.
const COMPARE_LOOKS: u64 = 8;
/// Comparing so many bytes of a value takes the time of a look at a key.
const BYTES_PER_LOOK: usize = 1024;

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

/// Decides the whole path against the store as it is before the transaction. `None` where that takes more looks than are
/// left; those that were taken are taken off.
pub(super) fn path(view: &View, txn: &Txn, looks_left: &mut u64) -> Option<Path> {
    let succeeded = all_hold(view, &txn.compares, looks_left)?;
    let branch = if succeeded { &txn.success } else { &txn.failure };
    let mut nested = Vec::new();
    for op in branch {
        match op {
            TxnOp::Txn(txn) => nested.push(path(view, txn, looks_left)?),
            TxnOp::Range(_) | TxnOp::Put(_) | TxnOp::DeleteRange(_) => {}
        }
    }
    Some(Path { succeeded, nested })
}

/// In order, up to the first that does not hold.
fn all_hold(view: &View, compares: &[Compare], looks_left: &mut u64) -> Option<bool> {
    for compare in compares {
        if !holds(view, compare, looks_left)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Looks at live keys alone, up to the first for which it does not hold: the members have swept different parts of what a
/// compaction made forgotten, and must count alike.
fn holds(view: &View, compare: &Compare, looks_left: &mut u64) -> Option<bool> {
    *looks_left = looks_left.checked_sub(COMPARE_LOOKS)?;
    let mut is_any = false;
    for record in view.live(&compare.range) {
        *looks_left = looks_left.checked_sub(looks(compare, record))?;
        if !holds_for(compare, Some(record)) {
            return Some(false);
        }
        is_any = true;
    }
    // The API cannot tell an absent value from an empty one, so etcd lets no comparison with it hold.
    let is_value = matches!(compare.operand, CompareOperand::Value(_));
    Some(is_any || !is_value && holds_for(compare, None))
}

/// What comparing with one key counts for.
fn looks(compare: &Compare, record: &RecordRef) -> u64 {
    match &compare.operand {
        CompareOperand::Value(value) => 1 + (value.len().min(record.value().len()) / BYTES_PER_LOOK) as u64,
        CompareOperand::Version(_)
        | CompareOperand::Create(_)
        | CompareOperand::Mod(_)
        | CompareOperand::Lease(_)
        | CompareOperand::Unknown => 1,
    }
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
