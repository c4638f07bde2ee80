//! Range, Put, DeleteRange, Txn, Compact (docs/etcd-notes.md#kv).

use super::{LeaseId, RangeRequest, RangeResponse, RecordRef};
use crate::key_range::KeyRange;
use bytes::Bytes;

/// One key's new value and lease.
#[derive(Clone, Debug, PartialEq)]
pub struct PutRequest {
    /// Never empty.
    pub key: Bytes,
    /// May be empty.
    pub value: PutValue,
    /// The lease the key will be attached to.
    pub lease: PutLease,
    /// Answer with the key as it was.
    pub prev_kv: bool,
}

/// etcd's (`value`, `ignore_value`), parsed.
#[derive(Clone, Debug, PartialEq)]
pub enum PutValue {
    /// This value.
    Set(Bytes),
    /// Keep the present value: the key must exist.
    Keep,
}

/// etcd's (`lease`, `ignore_lease`), parsed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PutLease {
    /// This lease, or none (`LeaseId(0)`), which detaches the key.
    Set(LeaseId),
    /// Keep the present lease: the key must exist.
    Keep,
}

/// A range of keys to delete.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteRangeRequest {
    /// The keys.
    pub range: KeyRange,
    /// Answer with the keys as they were.
    pub prev_kv: bool,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteRangeResponse {
    /// How many keys.
    pub deleted: u64,
    /// The keys as they were, in key order, where `prev_kv` was asked.
    pub prev_kvs: Vec<RecordRef>,
}

/// Forget what was superseded at or before a revision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactRequest {
    /// The oldest revision that stays readable.
    pub revision: i64,
    /// Answer only when the forgotten versions have left memory.
    pub physical: bool,
}

/// A transaction that has passed `txn::check`: only that function and the command decoder build one.
#[derive(Clone, Debug, PartialEq)]
pub struct Txn {
    /// All must hold for the first branch; none means they do.
    pub compares: Vec<Compare>,
    /// Run where they hold.
    pub success: Vec<TxnOp>,
    /// Run where they do not.
    pub failure: Vec<TxnOp>,
}

/// One operation of a branch.
#[derive(Clone, Debug, PartialEq)]
pub enum TxnOp {
    /// Read; sees the writes before it in the same transaction.
    Range(RangeRequest),
    /// Write one key.
    Put(PutRequest),
    /// Delete a range.
    DeleteRange(DeleteRangeRequest),
    /// A transaction inside, at the same revision.
    Txn(Txn),
}

/// One comparison: every key of `range` against `operand`.
#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    /// The keys; where none exists, the comparison is made once against a key that was never written.
    pub range: KeyRange,
    /// How.
    pub result: CompareResult,
    /// Which field, and with what.
    pub operand: CompareOperand,
}

/// etcd's `CompareResult`. An unknown number on the wire compares as true (`Always`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareResult {
    /// Equal to the operand.
    Equal,
    /// Greater than the operand.
    Greater,
    /// Less than the operand.
    Less,
    /// Not equal to the operand.
    NotEqual,
    /// An enum value this release does not know: true, as in etcd.
    Always,
}

/// etcd's `CompareTarget` with the operand that belongs to it (0 or empty where the wire carried another's).
#[derive(Clone, Debug, PartialEq)]
pub enum CompareOperand {
    /// Writes since creation.
    Version(i64),
    /// Main revision of its creation.
    Create(i64),
    /// Main revision of its last change.
    Mod(i64),
    /// Its value. On a missing key every comparison of a value is false, also `NotEqual`.
    Value(Bytes),
    /// Its lease.
    Lease(i64),
    /// A target this release does not know: as if it were equal, as in etcd.
    Unknown,
}

/// What a transaction did. `R` is what a range of it is answered: all keys, once it is finished (see `txn::Unfinished`).
#[derive(Clone, Debug, PartialEq)]
pub struct TxnResponse<R = RangeResponse> {
    /// The compares held.
    pub succeeded: bool,
    /// One answer an operation, in order.
    pub responses: Vec<TxnOpResponse<R>>,
}

/// The answer to one operation. etcd puts a header with the revision alone on the first three, and an empty
/// header on a nested transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum TxnOpResponse<R = RangeResponse> {
    /// To a Range.
    Range {
        /// The store's revision as this operation saw it.
        revision: i64,
        /// The keys.
        response: R,
    },
    /// To a Put.
    Put {
        /// The store's revision as this operation left it.
        revision: i64,
        /// The key as it was.
        prev_kv: Option<RecordRef>,
    },
    /// To a DeleteRange.
    DeleteRange {
        /// The store's revision as this operation left it.
        revision: i64,
        /// What was deleted.
        response: DeleteRangeResponse,
    },
    /// To a nested transaction.
    Txn(TxnResponse<R>),
}
