//! From the engine's words into the reference's: what was asked, and what was answered.

use crate::history::key_value;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request as engine;
use detcd_proptests::reference as plain;

pub(super) fn key_range(range: &KeyRange) -> plain::KeyRange {
    let (key, range_end) = range.clone().into_pair();
    plain::KeyRange::new(key, range_end)
}

pub(super) fn range(range: &engine::RangeRequest) -> plain::Range {
    plain::Range {
        keys: key_range(&range.range),
        limit: i64::try_from(range.limit).unwrap_or(i64::MAX),
        revision: range.revision,
        order: match range.order {
            engine::SortOrder::None => plain::Order::None,
            engine::SortOrder::Ascend => plain::Order::Ascend,
            engine::SortOrder::Descend => plain::Order::Descend,
        },
        target: match range.target {
            engine::SortTarget::Key => plain::Target::Key,
            engine::SortTarget::Version => plain::Target::Version,
            engine::SortTarget::Create => plain::Target::Create,
            engine::SortTarget::Mod => plain::Target::Mod,
            engine::SortTarget::Value => plain::Target::Value,
        },
        keys_only: range.keys_only,
        count_only: range.count_only,
        min_mod_revision: range.min_mod_revision,
        max_mod_revision: range.max_mod_revision,
        min_create_revision: range.min_create_revision,
        max_create_revision: range.max_create_revision,
    }
}

fn put(put: &engine::PutRequest) -> plain::Put {
    plain::Put {
        key: put.key.clone(),
        value: match &put.value {
            engine::PutValue::Set(value) => Some(value.clone()),
            engine::PutValue::Keep => None,
        },
        lease: match put.lease {
            engine::PutLease::Set(lease) => Some(lease.0),
            engine::PutLease::Keep => None,
        },
        prev_kv: put.prev_kv,
    }
}

fn delete(delete: &engine::DeleteRangeRequest) -> plain::DeleteRange {
    plain::DeleteRange { keys: key_range(&delete.range), prev_kv: delete.prev_kv }
}

pub(super) fn txn(asked: &engine::Txn) -> plain::Txn {
    let ops = |ops: &[engine::TxnOp]| ops.iter().map(op).collect();
    let compares = asked.compares.iter().map(compare).collect();
    plain::Txn { compares, success: ops(&asked.success), failure: ops(&asked.failure) }
}

fn op(asked: &engine::TxnOp) -> plain::Op {
    match asked {
        engine::TxnOp::Range(asked) => plain::Op::Range(range(asked)),
        engine::TxnOp::Put(asked) => plain::Op::Put(put(asked)),
        engine::TxnOp::DeleteRange(asked) => plain::Op::DeleteRange(delete(asked)),
        engine::TxnOp::Txn(asked) => plain::Op::Txn(txn(asked)),
    }
}

fn compare(asked: &engine::Compare) -> plain::Compare {
    plain::Compare {
        keys: key_range(&asked.range),
        result: match asked.result {
            engine::CompareResult::Equal => plain::Relation::Equal,
            engine::CompareResult::Greater => plain::Relation::Greater,
            engine::CompareResult::Less => plain::Relation::Less,
            engine::CompareResult::NotEqual => plain::Relation::NotEqual,
            engine::CompareResult::Always => unreachable!("no workload asks for it"),
        },
        operand: match &asked.operand {
            engine::CompareOperand::Version(version) => plain::Operand::Version(*version),
            engine::CompareOperand::Create(revision) => plain::Operand::Create(*revision),
            engine::CompareOperand::Mod(revision) => plain::Operand::Mod(*revision),
            engine::CompareOperand::Value(value) => plain::Operand::Value(value.clone()),
            engine::CompareOperand::Lease(lease) => plain::Operand::Lease(*lease),
            engine::CompareOperand::Unknown => unreachable!("no workload asks for it"),
        },
    }
}

/// What changes keys at its own revision; `None` for what does not.
pub(super) fn write(request: &engine::Request) -> Option<plain::Write> {
    Some(match request {
        engine::Request::Put(asked) => plain::Write::Put(put(asked)),
        engine::Request::DeleteRange(asked) => plain::Write::DeleteRange(delete(asked)),
        engine::Request::Txn(asked) => plain::Write::Txn(txn(asked)),
        engine::Request::LeaseRevoke(lease) => plain::Write::LeaseRevoke(lease.0),
        _ => return None,
    })
}

pub(super) fn found(found: &engine::RangeResponse) -> plain::Found {
    let mut kvs: Vec<plain::KeyValue> = found.kvs.iter().map(key_value).collect();
    if found.keys_only {
        kvs.iter_mut().for_each(|is| (is.value, is.lease) = (Bytes::new(), 0));
    }
    plain::Found { kvs, more: found.more, count: found.count.cast_signed() }
}

fn deleted(deleted: &engine::DeleteRangeResponse) -> plain::Deleted {
    let prev_kvs = deleted.prev_kvs.iter().map(key_value).collect();
    plain::Deleted { deleted: deleted.deleted.cast_signed(), prev_kvs }
}

fn txn_answer(answer: &engine::TxnResponse) -> plain::TxnAnswer {
    let answers = answer.responses.iter().map(|response| match response {
        engine::TxnOpResponse::Range { revision, response } => {
            plain::OpAnswer::Range(*revision, found(response))
        }
        engine::TxnOpResponse::Put { revision, prev_kv } => {
            plain::OpAnswer::Put(*revision, prev_kv.as_ref().map(key_value))
        }
        engine::TxnOpResponse::DeleteRange { revision, response } => {
            plain::OpAnswer::DeleteRange(*revision, deleted(response))
        }
        engine::TxnOpResponse::Txn(answer) => plain::OpAnswer::Txn(txn_answer(answer)),
    });
    plain::TxnAnswer { succeeded: answer.succeeded, answers: answers.collect() }
}

/// What a write was answered; `None` for an answer to anything else.
pub(super) fn answer(response: &engine::Response) -> Option<plain::Answer> {
    Some(match response {
        engine::Response::Put(prev_kv) => plain::Answer::Put(prev_kv.as_ref().map(key_value)),
        engine::Response::DeleteRange(answer) => plain::Answer::DeleteRange(deleted(answer)),
        engine::Response::Txn(answer) => plain::Answer::Txn(txn_answer(answer)),
        engine::Response::LeaseRevoke => plain::Answer::Done,
        _ => return None,
    })
}
