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

/// if COMPARE, COMPARE then OP, OP else OP. One without compares begins with `then`.
pub(super) fn parse_txn(text: &str) -> Result<Txn, Box<dyn Error>> {
    let (compares, rest) = match text.strip_prefix("if ") {
        Some(rest) => split_outside(rest, " then").ok_or("then?")?,
        None => ("", text.strip_prefix("then").ok_or("if or then?")?),
    };
    let (success, failure) = split_outside(rest, "else").unwrap_or((rest, ""));
    let compares = list(compares).into_iter().map(parse_compare);
    Ok(Txn {
        compares: compares.collect::<Result<_, _>>()?,
        success: parse_ops(success)?,
        failure: parse_ops(failure)?,
    })
}

/// What is before a word and what is behind it, where it first stands outside all parentheses.
fn split_outside<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0;
    let place = text.char_indices().find_map(|(place, character)| {
        let is_found = depth == 0 && text[place..].starts_with(word);
        depth += i32::from(character == '(') - i32::from(character == ')');
        is_found.then_some(place)
    })?;
    Some((&text[..place], &text[place + word.len()..]))
}

/// Separated by commas outside all parentheses.
fn list(mut text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    while let Some((item, rest)) = split_outside(text, ",") {
        items.push(item);
        text = rest;
    }
    items.push(text);
    items.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// version(a)=0
fn parse_compare(text: &str) -> Result<Compare, Box<dyn Error>> {
    let (target, rest) = text.split_once('(').ok_or("target(range)?")?;
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
    let ops = list(text).into_iter();
    ops.map(|op| {
        if let Some(nested) = op.strip_prefix("txn (").and_then(|rest| rest.strip_suffix(')')) {
            return Ok(TxnOp::Txn(parse_txn(nested)?));
        }
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

/// A change as the scripts of `auth` write it, or a question.
pub(super) fn parse_auth(text: &str) -> Result<AuthRequest, Box<dyn Error>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    Ok(match words.as_slice() {
        ["status"] => AuthRequest::Read(AuthRead::Status),
        ["users"] => AuthRequest::Read(AuthRead::UserList),
        ["roles"] => AuthRequest::Read(AuthRead::RoleList),
        ["user", name] => AuthRequest::Read(AuthRead::UserGet((*name).to_owned())),
        ["role", name] => AuthRequest::Read(AuthRead::RoleGet((*name).to_owned())),
        ["administer"] => AuthRequest::MayAdminister,
        ["somebody"] => AuthRequest::IsSomebody,
        [name, rest @ ..] => AuthRequest::Change(crate::auth::parsed(name, rest)?),
        [] => return Err("nothing is asked".into()),
    })
}

pub(super) fn alarm_kind(text: &str) -> Result<AlarmKind, String> {
    match text {
        "nospace" => Ok(AlarmKind::NoSpace),
        "corrupt" => Ok(AlarmKind::Corrupt),
        _ => Err(format!("no alarm {text}")),
    }
}
