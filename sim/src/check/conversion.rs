//! Converts requests and replies of the engine to those of the reference model.

use crate::history::key_value;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request as engine;
use detcd_proptests::reference;

pub(super) fn key_range(range: &KeyRange) -> reference::KeyRange {
    let (key, range_end) = range.clone().into_pair();
    reference::KeyRange::new(key, range_end)
}

pub(super) fn range(range: &engine::RangeRequest) -> reference::Range {
    reference::Range {
        keys: key_range(&range.range),
        limit: i64::try_from(range.limit).unwrap_or(i64::MAX),
        revision: range.revision,
        order: match range.order {
            engine::SortOrder::None => reference::Order::None,
            engine::SortOrder::Ascend => reference::Order::Ascend,
            engine::SortOrder::Descend => reference::Order::Descend,
        },
        target: match range.target {
            engine::SortTarget::Key => reference::Target::Key,
            engine::SortTarget::Version => reference::Target::Version,
            engine::SortTarget::Create => reference::Target::Create,
            engine::SortTarget::Mod => reference::Target::Mod,
            engine::SortTarget::Value => reference::Target::Value,
        },
        keys_only: range.keys_only,
        count_only: range.count_only,
        min_mod_revision: range.min_mod_revision,
        max_mod_revision: range.max_mod_revision,
        min_create_revision: range.min_create_revision,
        max_create_revision: range.max_create_revision,
    }
}

fn put(put: &engine::PutRequest) -> reference::Put {
    reference::Put {
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

fn delete(delete: &engine::DeleteRangeRequest) -> reference::DeleteRange {
    reference::DeleteRange { keys: key_range(&delete.range), prev_kv: delete.prev_kv }
}

pub(super) fn txn(asked: &engine::Txn) -> reference::Txn {
    let ops = |ops: &[engine::TxnOp]| ops.iter().map(op).collect();
    let compares = asked.compares.iter().map(compare).collect();
    reference::Txn { compares, success: ops(&asked.success), failure: ops(&asked.failure) }
}

fn op(asked: &engine::TxnOp) -> reference::Op {
    match asked {
        engine::TxnOp::Range(asked) => reference::Op::Range(range(asked)),
        engine::TxnOp::Put(asked) => reference::Op::Put(put(asked)),
        engine::TxnOp::DeleteRange(asked) => reference::Op::DeleteRange(delete(asked)),
        engine::TxnOp::Txn(asked) => reference::Op::Txn(txn(asked)),
    }
}

fn compare(asked: &engine::Compare) -> reference::Compare {
    reference::Compare {
        keys: key_range(&asked.range),
        result: match asked.result {
            engine::CompareResult::Equal => reference::Relation::Equal,
            engine::CompareResult::Greater => reference::Relation::Greater,
            engine::CompareResult::Less => reference::Relation::Less,
            engine::CompareResult::NotEqual => reference::Relation::NotEqual,
            engine::CompareResult::Always => unreachable!("no workload asks for it"),
        },
        operand: match &asked.operand {
            engine::CompareOperand::Version(version) => reference::Operand::Version(*version),
            engine::CompareOperand::Create(revision) => reference::Operand::Create(*revision),
            engine::CompareOperand::Mod(revision) => reference::Operand::Mod(*revision),
            engine::CompareOperand::Value(value) => reference::Operand::Value(value.clone()),
            engine::CompareOperand::Lease(lease) => reference::Operand::Lease(*lease),
            engine::CompareOperand::Unknown => unreachable!("no workload asks for it"),
        },
    }
}

/// What changes keys at its own revision; `None` for what does not.
pub(super) fn write(request: &engine::Request) -> Option<reference::Write> {
    Some(match request {
        engine::Request::Put(asked) => reference::Write::Put(put(asked)),
        engine::Request::DeleteRange(asked) => reference::Write::DeleteRange(delete(asked)),
        engine::Request::Txn(asked) => reference::Write::Txn(txn(asked)),
        engine::Request::LeaseRevoke(lease) => reference::Write::LeaseRevoke(lease.0),
        _ => return None,
    })
}

pub(super) fn found(found: &engine::RangeResponse) -> reference::Found {
    let mut kvs: Vec<reference::KeyValue> = found.kvs.iter().map(key_value).collect();
    if found.keys_only {
        kvs.iter_mut().for_each(|is| (is.value, is.lease) = (Bytes::new(), 0));
    }
    reference::Found { kvs, more: found.more, count: found.count.cast_signed() }
}

fn deleted(deleted: &engine::DeleteRangeResponse) -> reference::Deleted {
    let prev_kvs = deleted.prev_kvs.iter().map(key_value).collect();
    reference::Deleted { deleted: deleted.deleted.cast_signed(), prev_kvs }
}

fn txn_answer(answer: &engine::TxnResponse) -> reference::TxnAnswer {
    let answers = answer.responses.iter().map(|response| match response {
        engine::TxnOpResponse::Range { revision, response } => {
            reference::OpAnswer::Range(*revision, found(response))
        }
        engine::TxnOpResponse::Put { revision, prev_kv } => {
            reference::OpAnswer::Put(*revision, prev_kv.as_ref().map(key_value))
        }
        engine::TxnOpResponse::DeleteRange { revision, response } => {
            reference::OpAnswer::DeleteRange(*revision, deleted(response))
        }
        engine::TxnOpResponse::Txn(answer) => reference::OpAnswer::Txn(txn_answer(answer)),
    });
    reference::TxnAnswer { succeeded: answer.succeeded, answers: answers.collect() }
}

/// What a write was answered; `None` for an answer to anything else.
pub(super) fn answer(response: &engine::Response) -> Option<reference::Answer> {
    Some(match response {
        engine::Response::Put(prev_kv) => reference::Answer::Put(prev_kv.as_ref().map(key_value)),
        engine::Response::DeleteRange(answer) => reference::Answer::DeleteRange(deleted(answer)),
        engine::Response::Txn(answer) => reference::Answer::Txn(txn_answer(answer)),
        engine::Response::LeaseRevoke => reference::Answer::Done,
        _ => return None,
    })
}
