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
//! A member does nothing else while it applies a transaction that writes. So what it looks at meanwhile is bounded:
//! comparisons, which decide what is written, by a refusal (`COMPARE_LOOKS_MAX`); ranges, which decide nothing, by being
//! left for later (`later`).
//!
//! What can be refused without looking at the store (list sizes, duplicate keys) is refused by `check` before the
//! transaction is proposed.

mod check;
mod compare;
mod execute;
mod later;
#[cfg(test)]
mod tests;

use crate::mvcc::{View, Write};
use crate::request::{RequestError, Txn, TxnOp, TxnResponse};

pub use check::check;
pub use compare::COMPARE_LOOKS_MAX;
pub(crate) use execute::{delete_range, put, run};
pub use later::{RANGE_LOOKS_MAX, Unfinished};

/// What a transaction is judged against: an unchanging view, or the store inside an open write.
pub(crate) trait Source {
    /// The state so far.
    fn current(&self) -> &View;
    /// The revision of the state before the transaction.
    fn base_revision(&self) -> i64;
    /// The oldest readable revision.
    fn compacted_revision(&self) -> i64;
}

impl Source for View {
    fn current(&self) -> &View {
        self
    }
    fn base_revision(&self) -> i64 {
        self.revision()
    }
    fn compacted_revision(&self) -> i64 {
        View::compacted_revision(self)
    }
}

impl Source for Write<'_> {
    fn current(&self) -> &View {
        Write::current(self)
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
    evaluate_small(view, txn, u64::MAX).expect("no transaction looks at so many keys")
}

/// As `evaluate`, where that takes no more than `keys_max` looks at a key; `None` where it takes more.
pub fn evaluate_small(view: &View, txn: &Txn, keys_max: u64) -> Option<Result<TxnResponse, RequestError>> {
    assert!(is_read_only(txn), "only read-only transactions leave the engine unapplied");
    let mut keys_left = keys_max;
    let path = compare::path(view, txn, &mut keys_left)?;
    match execute::refusals(view, None, txn, &path) {
        Ok(()) => execute::read(view, txn, &path, &mut keys_left),
        Err(refusal) => Some(Err(refusal)),
    }
}
