//! What scripts write in few words: ranges, transactions, alarms.

use crate::ids::LeaseId;
use crate::key_range::KeyRange;
use crate::request::*;
use bytes::Bytes;
use std::error::Error;

/// a is a key, a..c a span, a.. everything from a on.
pub(super) fn key_range(text: &str) -> KeyRange {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    match text.split_once("..") {
        None => KeyRange::One(bytes(text)),
        Some((start, "")) => KeyRange::From(bytes(start)),
        Some((start, end)) => KeyRange::Span { start: bytes(start), end: bytes(end) },
    }
}

pub(super) fn put_request(key: &str, value: &str, lease: i64, prev_kv: bool) -> PutRequest {
    let value = PutValue::Set(Bytes::copy_from_slice(value.as_bytes()));
    let key = Bytes::copy_from_slice(key.as_bytes());
    PutRequest { key, value, lease: PutLease::Set(LeaseId(lease)), prev_kv }
}

pub(super) fn parse_txn(text: &str) -> Result<Txn, Box<dyn Error>> {
    let (compares, rest) = match text.strip_prefix("if ") {
        Some(rest) => rest.split_once(" then").ok_or("then?")?,
        None => ("", text.strip_prefix("then").ok_or("if or then?")?),
    };
    let (success, failure) = rest.split_once("else").unwrap_or((rest, ""));
    let compares = compares.split(',').filter(|text| !text.trim().is_empty()).map(parse_compare);
    Ok(Txn {
        compares: compares.collect::<Result<_, _>>()?,
        success: parse_ops(success)?,
        failure: parse_ops(failure)?,
    })
}

/// version(a)=0
fn parse_compare(text: &str) -> Result<Compare, Box<dyn Error>> {
    let (target, rest) = text.trim().split_once('(').ok_or("target(range)?")?;
    let (range, rest) = rest.split_once(')').ok_or("target(range)?")?;
    let (result, operand) = rest.split_at(1);
    let result = match result {
        "=" => CompareResult::Equal,
        "<" => CompareResult::Less,
        ">" => CompareResult::Greater,
        _ => return Err(format!("no comparison {result}").into()),
    };
    let operand = match target {
        "version" => CompareOperand::Version(operand.parse()?),
        "mod" => CompareOperand::Mod(operand.parse()?),
        "lease" => CompareOperand::Lease(operand.parse()?),
        "value" => CompareOperand::Value(Bytes::copy_from_slice(operand.as_bytes())),
        _ => return Err(format!("no target {target}").into()),
    };
    Ok(Compare { range: key_range(range), result, operand })
}

fn parse_ops(text: &str) -> Result<Vec<TxnOp>, Box<dyn Error>> {
    let ops = text.split(',').filter(|text| !text.trim().is_empty());
    ops.map(|op| {
        let words: Vec<&str> = op.split_whitespace().collect();
        Ok(match words.as_slice() {
            ["put", key, value] => TxnOp::Put(put_request(key, value, 0, false)),
            ["put", key, value, lease] => TxnOp::Put(put_request(key, value, lease.parse()?, false)),
            ["get", range] => TxnOp::Range(RangeRequest::of(key_range(range))),
            ["get", range, revision] => TxnOp::Range(RangeRequest {
                revision: revision.parse()?,
                ..RangeRequest::of(key_range(range))
            }),
            ["del", range] => {
                TxnOp::DeleteRange(DeleteRangeRequest { range: key_range(range), prev_kv: false })
            }
            _ => return Err(format!("no operation {op}").into()),
        })
    })
    .collect()
}

pub(super) fn alarm_kind(text: &str) -> Result<AlarmKind, String> {
    match text {
        "nospace" => Ok(AlarmKind::NoSpace),
        "corrupt" => Ok(AlarmKind::Corrupt),
        _ => Err(format!("no alarm {text}")),
    }
}
