//! etcd's txn: compare, then one branch or the other, as one revision.
//!
//! Three steps, in this order, so that a transaction happens whole or not at all:
//!
//! 1. every comparison on the path is evaluated against the store as it was *before* the transaction, those of
//!    nested transactions too (`compare`);
//! 2. everything that can be refused on that path (a revision, a lease, a key that must exist) is looked at, still
//!    against the store as it was (`refusals` in `execute`);
//! 3. only then are the operations run, each seeing the writes before it (`execute`). Nothing can fail any more.
//!
//! What can be refused without looking at the store (list sizes, duplicate keys) is refused by `check` before the
//! transaction is proposed.

mod check;
mod compare;
mod execute;
#[cfg(test)]
mod tests;

use crate::mvcc::{View, Write};
use crate::request::{RangeRequest, RangeResponse, RequestError, Txn, TxnOp, TxnResponse};
use std::cell::Cell;

pub use check::check;
pub(crate) use execute::{delete_range, put, run};

/// What a transaction reads from: an unchanging view, or the store inside an open write.
pub(crate) trait Source {
    /// A Range as it is meant inside a transaction.
    fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError>;
    /// The revision of the state before the transaction.
    fn base_revision(&self) -> i64;
    /// The oldest readable revision.
    fn compacted_revision(&self) -> i64;
}

impl Source for View {
    fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
        View::range(self, request)
    }
    fn base_revision(&self) -> i64 {
        self.revision()
    }
    fn compacted_revision(&self) -> i64 {
        View::compacted_revision(self)
    }
}

impl Source for Write<'_> {
    fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
        Write::range(self, request)
    }
    fn base_revision(&self) -> i64 {
        Write::base_revision(self)
    }
    fn compacted_revision(&self) -> i64 {
        Write::compacted_revision(self)
    }
}

/// A transaction of nothing but ranges (none nested): it needs no log entry.
pub fn is_read_only(txn: &Txn) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| matches!(op, TxnOp::Range(_)))
}

/// A read-only transaction that may be answered from this member's state as it is. One without operations is, as
/// in etcd.
pub fn is_serializable(txn: &Txn) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| match op {
        TxnOp::Range(range) => range.serializable,
        TxnOp::Put(_) | TxnOp::DeleteRange(_) | TxnOp::Txn(_) => false,
    })
}

/// Evaluates a read-only transaction against a view.
///
/// # Errors
/// `Compacted` or `FutureRevision`, where a range of the chosen branch asks for such a revision.
pub fn evaluate(view: &View, txn: &Txn) -> Result<TxnResponse, RequestError> {
    evaluate_from(view, txn)
}

fn evaluate_from(source: &impl Source, txn: &Txn) -> Result<TxnResponse, RequestError> {
    assert!(is_read_only(txn), "only read-only transactions leave the engine unapplied");
    let path = compare::path(source, txn);
    execute::refusals(source, None, txn, &path)?;
    execute::read(source, txn, &path)
}

/// As `evaluate`, where that takes no more than `keys_max` looks at a key; `None` where it takes more.
pub fn evaluate_small(view: &View, txn: &Txn, keys_max: u64) -> Option<Result<TxnResponse, RequestError>> {
    let small = SmallSource { view, keys_left: Cell::new(keys_max), is_exceeded: Cell::new(false) };
    let answer = evaluate_from(&small, txn);
    (!small.is_exceeded.get()).then_some(answer)
}

/// A view that stops answering after so many looks at a key; what it answers from there on is nobody's.
struct SmallSource<'a> {
    view: &'a View,
    keys_left: Cell<u64>,
    is_exceeded: Cell<bool>,
}

impl Source for SmallSource<'_> {
    fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
        let mut keys_left = self.keys_left.get();
        let answer = self.view.small_range(request, &mut keys_left);
        self.keys_left.set(keys_left);
        answer.unwrap_or_else(|| {
            self.is_exceeded.set(true);
            self.keys_left.set(0);
            Ok(RangeResponse { kvs: Vec::new(), keys_only: false, more: false, count: 0 })
        })
    }
    fn base_revision(&self) -> i64 {
        self.view.revision()
    }
    fn compacted_revision(&self) -> i64 {
        View::compacted_revision(self.view)
    }
}
