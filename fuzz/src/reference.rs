//! The plain reference of proptests, in the words of the engine: what a transaction off the wire should have done.

use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{
    self, CompareOperand, CompareResult, PutLease, PutValue, RequestError, SortOrder, SortTarget, TxnOp,
};
use detcd_engine::txn::is_read_only;
use detcd_proptests::reference as plain;
use detcd_proptests::translate;

/// What the reference says to a transaction, which it has applied then; `None` where it has no words for it: compares
/// of unknown kinds, and limits that no number on the wire is.
pub fn apply(
    cluster: &mut plain::Cluster,
    asked: &request::Txn,
) -> Option<Result<plain::TxnAnswer, plain::Refusal>> {
    let txn = txn(asked)?;
    Some(if is_read_only(asked) { cluster.read(&txn) } else { cluster.txn(&txn) })
}

/// What a member said, in the reference's words.
pub fn answer(
    answer: &Result<request::TxnResponse, RequestError>,
) -> Result<plain::TxnAnswer, Option<plain::Refusal>> {
    match answer {
        Ok(response) => Ok(translate::txn_answer(response)),
        Err(error) => Err(translate::refusal(*error)),
    }
}

fn txn(asked: &request::Txn) -> Option<plain::Txn> {
    Some(plain::Txn {
        compares: asked.compares.iter().map(compare).collect::<Option<_>>()?,
        success: asked.success.iter().map(op).collect::<Option<_>>()?,
        failure: asked.failure.iter().map(op).collect::<Option<_>>()?,
    })
}

fn keys(range: &KeyRange) -> plain::KeyRange {
    let (key, range_end) = range.clone().into_pair();
    plain::KeyRange { key, range_end }
}

fn op(asked: &TxnOp) -> Option<plain::Op> {
    Some(match asked {
        TxnOp::Range(asked) => plain::Op::Range(range(asked)?),
        TxnOp::Put(asked) => plain::Op::Put(put(asked)),
        TxnOp::DeleteRange(asked) => {
            plain::Op::DeleteRange(plain::DeleteRange { keys: keys(&asked.range), prev_kv: asked.prev_kv })
        }
        TxnOp::Txn(nested) => plain::Op::Txn(txn(nested)?),
    })
}

/// A put.
pub fn put(asked: &request::PutRequest) -> plain::Put {
    let value: Option<Bytes> = match &asked.value {
        PutValue::Set(value) => Some(value.clone()),
        PutValue::Keep => None,
    };
    let lease = match asked.lease {
        PutLease::Set(id) => Some(id.0),
        PutLease::Keep => None,
    };
    plain::Put { key: asked.key.clone(), value, lease, prev_kv: asked.prev_kv }
}

fn range(asked: &request::RangeRequest) -> Option<plain::Range> {
    Some(plain::Range {
        keys: keys(&asked.range),
        limit: i64::try_from(asked.limit).ok()?,
        revision: asked.revision,
        order: match asked.order {
            SortOrder::None => plain::Order::None,
            SortOrder::Ascend => plain::Order::Ascend,
            SortOrder::Descend => plain::Order::Descend,
        },
        target: match asked.target {
            SortTarget::Key => plain::Target::Key,
            SortTarget::Version => plain::Target::Version,
            SortTarget::Create => plain::Target::Create,
            SortTarget::Mod => plain::Target::Mod,
            SortTarget::Value => plain::Target::Value,
        },
        keys_only: asked.keys_only,
        count_only: asked.count_only,
        min_mod_revision: asked.min_mod_revision,
        max_mod_revision: asked.max_mod_revision,
        min_create_revision: asked.min_create_revision,
        max_create_revision: asked.max_create_revision,
    })
}

fn compare(asked: &request::Compare) -> Option<plain::Compare> {
    Some(plain::Compare {
        keys: keys(&asked.range),
        result: match asked.result {
            CompareResult::Equal => plain::Relation::Equal,
            CompareResult::Greater => plain::Relation::Greater,
            CompareResult::Less => plain::Relation::Less,
            CompareResult::NotEqual => plain::Relation::NotEqual,
            CompareResult::Always => return None,
        },
        operand: match &asked.operand {
            CompareOperand::Version(version) => plain::Operand::Version(*version),
            CompareOperand::Create(revision) => plain::Operand::Create(*revision),
            CompareOperand::Mod(revision) => plain::Operand::Mod(*revision),
            CompareOperand::Value(value) => plain::Operand::Value(value.clone()),
            CompareOperand::Lease(lease) => plain::Operand::Lease(*lease),
            CompareOperand::Unknown => return None,
        },
    })
}
