//! From the reference's words to the engine's, and back. No decision is made here.

use crate::reference::{
    Answer, Compare, DeleteRange, Deleted, Found, KeyRange, KeyValue, Op, OpAnswer, Operand, Order, Put,
    Range, Refusal, Relation, Target, Txn, TxnAnswer, Write,
};
use bytes::Bytes;
use detcd_engine::ids::LeaseId;
use detcd_engine::mvcc::RecordRef;
use detcd_engine::request::{
    self, CompareOperand, CompareResult, PutLease, PutValue, Request, RequestError, Response, SortOrder,
    SortTarget, TxnOp, TxnOpResponse,
};

/// A range of keys.
pub fn key_range(keys: &KeyRange) -> detcd_engine::key_range::KeyRange {
    detcd_engine::key_range::KeyRange::parse(keys.key.clone(), keys.range_end.clone())
}

/// A range read, linearizable.
pub fn range(range: &Range) -> request::RangeRequest {
    request::RangeRequest {
        range: key_range(&range.keys),
        limit: u64::try_from(range.limit).unwrap_or(0),
        revision: range.revision,
        order: match range.order {
            Order::None => SortOrder::None,
            Order::Ascend => SortOrder::Ascend,
            Order::Descend => SortOrder::Descend,
        },
        target: match range.target {
            Target::Key => SortTarget::Key,
            Target::Version => SortTarget::Version,
            Target::Create => SortTarget::Create,
            Target::Mod => SortTarget::Mod,
            Target::Value => SortTarget::Value,
        },
        serializable: false,
        keys_only: range.keys_only,
        count_only: range.count_only,
        min_mod_revision: range.min_mod_revision,
        max_mod_revision: range.max_mod_revision,
        min_create_revision: range.min_create_revision,
        max_create_revision: range.max_create_revision,
    }
}

/// A put.
pub fn put(put: &Put) -> request::PutRequest {
    request::PutRequest {
        key: put.key.clone(),
        value: put.value.clone().map_or(PutValue::Keep, PutValue::Set),
        lease: put.lease.map_or(PutLease::Keep, |lease| PutLease::Set(LeaseId(lease))),
        prev_kv: put.prev_kv,
    }
}

/// A delete.
pub fn delete(delete: &DeleteRange) -> request::DeleteRangeRequest {
    request::DeleteRangeRequest { range: key_range(&delete.keys), prev_kv: delete.prev_kv }
}

/// A transaction, not checked.
pub fn txn(txn: &Txn) -> request::Txn {
    request::Txn {
        compares: txn.compares.iter().map(compare).collect(),
        success: txn.success.iter().map(op).collect(),
        failure: txn.failure.iter().map(op).collect(),
    }
}

fn op(op: &Op) -> TxnOp {
    match op {
        Op::Range(asked) => TxnOp::Range(range(asked)),
        Op::Put(asked) => TxnOp::Put(put(asked)),
        Op::DeleteRange(asked) => TxnOp::DeleteRange(delete(asked)),
        Op::Txn(nested) => TxnOp::Txn(txn(nested)),
    }
}

fn compare(compare: &Compare) -> request::Compare {
    request::Compare {
        range: key_range(&compare.keys),
        result: match compare.result {
            Relation::Equal => CompareResult::Equal,
            Relation::Greater => CompareResult::Greater,
            Relation::Less => CompareResult::Less,
            Relation::NotEqual => CompareResult::NotEqual,
        },
        operand: match &compare.operand {
            Operand::Version(version) => CompareOperand::Version(*version),
            Operand::Create(revision) => CompareOperand::Create(*revision),
            Operand::Mod(revision) => CompareOperand::Mod(*revision),
            Operand::Value(value) => CompareOperand::Value(value.clone()),
            Operand::Lease(lease) => CompareOperand::Lease(*lease),
        },
    }
}

/// Any write.
pub fn write(write: &Write) -> Request {
    match write {
        Write::Put(asked) => Request::Put(put(asked)),
        Write::DeleteRange(asked) => Request::DeleteRange(delete(asked)),
        Write::Txn(asked) => Request::Txn(txn(asked)),
        Write::Compact(revision) => {
            Request::Compact(request::CompactRequest { revision: *revision, physical: false })
        }
        Write::LeaseGrant(id, ttl_secs) => {
            Request::LeaseGrant(request::LeaseGrantRequest { id: LeaseId(*id), ttl_secs: *ttl_secs })
        }
        Write::LeaseRevoke(id) => Request::LeaseRevoke(LeaseId(*id)),
    }
}

/// One version of a key.
pub fn key_value(record: &RecordRef) -> KeyValue {
    KeyValue {
        key: Bytes::copy_from_slice(record.key()),
        value: Bytes::copy_from_slice(record.value()),
        create_revision: record.create_revision(),
        mod_revision: record.mod_revision(),
        version: record.version(),
        lease: record.lease().0,
    }
}

/// What a range read found, as a client is told it.
pub fn found(response: &request::RangeResponse) -> Found {
    let mut kvs: Vec<KeyValue> = response.kvs.iter().map(key_value).collect();
    if response.keys_only {
        kvs.iter_mut().for_each(|is| (is.value, is.lease) = (Bytes::new(), 0));
    }
    Found { kvs, more: response.more, count: count(response.count) }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).expect("what fits in memory can be counted")
}

fn deleted(response: &request::DeleteRangeResponse) -> Deleted {
    let prev_kvs = response.prev_kvs.iter().map(key_value).collect();
    Deleted { deleted: count(response.deleted), prev_kvs }
}

/// What a transaction did.
pub fn txn_answer(response: &request::TxnResponse) -> TxnAnswer {
    let answer = |response: &TxnOpResponse| match response {
        TxnOpResponse::Range { revision, response } => OpAnswer::Range(*revision, found(response)),
        TxnOpResponse::Put { revision, prev_kv } => OpAnswer::Put(*revision, prev_kv.as_ref().map(key_value)),
        TxnOpResponse::DeleteRange { revision, response } => {
            OpAnswer::DeleteRange(*revision, deleted(response))
        }
        TxnOpResponse::Txn(response) => OpAnswer::Txn(txn_answer(response)),
    };
    TxnAnswer { succeeded: response.succeeded, answers: response.responses.iter().map(answer).collect() }
}

/// What a write was answered; `None` for an answer to something else.
pub fn answer(response: &Response) -> Option<Answer> {
    Some(match response {
        Response::Put(prev_kv) => Answer::Put(prev_kv.as_ref().map(key_value)),
        Response::DeleteRange(response) => Answer::DeleteRange(deleted(response)),
        Response::Txn(response) => Answer::Txn(txn_answer(response)),
        Response::Compact | Response::LeaseGrant(_) | Response::LeaseRevoke => Answer::Done,
        Response::Range(_)
        | Response::LeaseKeepAlive { .. }
        | Response::LeaseTimeToLive(_)
        | Response::LeaseLeases(_)
        | Response::MemberList(_)
        | Response::Alarm(_)
        | Response::Auth(_) => return None,
    })
}

/// Why a request was refused; `None` where the state has no part in it.
pub fn refusal(error: RequestError) -> Option<Refusal> {
    Some(match error {
        RequestError::Compacted => Refusal::Compacted,
        RequestError::FutureRevision => Refusal::FutureRevision,
        RequestError::KeyNotFound => Refusal::KeyNotFound,
        RequestError::LeaseNotFound => Refusal::LeaseNotFound,
        RequestError::LeaseExists => Refusal::LeaseExists,
        RequestError::LeaseTtlTooLarge => Refusal::LeaseTtlTooLarge,
        RequestError::TooManyOps => Refusal::TooManyOps,
        RequestError::DuplicateKey => Refusal::DuplicateKey,
        _ => return None,
    })
}
