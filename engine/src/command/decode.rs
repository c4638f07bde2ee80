//! Bytes to commands. They come from a disk or a peer: whatever they are, the answer is a command or an error.

use super::auth::{decode_authenticate, decode_change};
use super::{Command, ENTRY_VERSION, Proposal, TXN_DEPTH_MAX};
use crate::auth::read_caller;
use crate::codec::{DecodeError, Decoder};
use crate::ids::{CommandId, Grant, Incarnation, LeaseId, MemberId};
use crate::key_range::KeyRange;
use crate::membership::MemberAttributes;
use crate::request::{
    Alarm, AlarmKind, Compare, CompareOperand, CompareResult, DeleteRangeRequest, PutLease, PutRequest,
    PutValue, RangeRequest, SortOrder, SortTarget, Txn, TxnOp,
};
use bytes::Bytes;

/// Id, caller, kind, and the byte of the least of them.
const COMMAND_BYTES_MIN: usize = 8 + 4 + 8 + 1 + 1 + 1;
/// Room is made for so many compares or operations before the first is read. Most transactions have fewer: a list that
/// just grew would hold four places for one, which where many nest is more than all the rest.
const ITEMS_AT_ONCE: usize = 8;

/// The commands of an entry. Keys and values are slices of `entry`; whoever keeps one copies it.
pub fn decode_entry(entry: Bytes) -> Result<Vec<Proposal>, DecodeError> {
    let mut from = Decoder::new(entry);
    let version = from.u8("entry version")?;
    if version != ENTRY_VERSION {
        return Err(from.error("entry version", format!("{ENTRY_VERSION} wanted, {version} found")));
    }
    let count = from.count("commands of an entry", 4 + COMMAND_BYTES_MIN)?;
    let mut proposals = Vec::with_capacity(count);
    for _ in 0..count {
        proposals.push(decode(from.bytes("command")?)?);
    }
    from.finish("entry")?;
    Ok(proposals)
}

/// One command, as `encode` wrote it.
pub fn decode(command: Bytes) -> Result<Proposal, DecodeError> {
    let mut from = Decoder::new(command);
    let id = CommandId {
        member: MemberId(from.u64("command member")?),
        boot: from.u32("command boot")?,
        number: from.u64("command number")?,
    };
    let caller = read_caller(&mut from)?;
    let command = decode_command(&mut from)?;
    from.finish("command")?;
    Ok(Proposal { id, caller, command })
}

fn decode_command(from: &mut Decoder) -> Result<Command, DecodeError> {
    Ok(match from.u8("command kind")? {
        1 => Command::Put(decode_put(from)?),
        2 => Command::DeleteRange(decode_delete_range(from)?),
        3 => Command::Txn(decode_txn(from, 0)?),
        4 => Command::Compact(from.i64("compact revision")?),
        5 => decode_grant(from)?,
        6 => Command::LeaseRevoke(LeaseId(from.i64("lease id")?)),
        7 => {
            let count = from.count("expired leases", 16)?;
            let grants: Result<_, _> = (0..count).map(|_| decode_granted(from)).collect();
            Command::LeaseExpire(grants?)
        }
        8 => {
            let count = from.count("remaining times", 25)?;
            let mut notes = Vec::with_capacity(count);
            for _ in 0..count {
                let grant = decode_granted(from)?;
                let noted = from.bool("remaining time noted")?;
                let remaining_secs = from.i64("remaining time")?;
                let wanted = if noted { "at least 1 s" } else { "0 for none" };
                if noted && remaining_secs < 1 || !noted && remaining_secs != 0 {
                    let problem = format!("{wanted} wanted, {remaining_secs} found");
                    return Err(from.error("remaining time", problem));
                }
                notes.push((grant, noted.then_some(remaining_secs)));
            }
            Command::LeaseRemaining(notes)
        }
        9 => Command::AlarmActivate(decode_alarm(from)?),
        10 => Command::AlarmDeactivate(decode_alarm(from)?),
        11 => Command::Attributes(decode_attributes(from)?),
        20 => Command::Auth(decode_change(from)?),
        21 => Command::Authenticate(decode_authenticate(from)?),
        other => return Err(from.error("command kind", format!("unknown kind {other}"))),
    })
}

/// The receiving member has chosen an id and raised the TTL: neither is 0 here.
fn decode_grant(from: &mut Decoder) -> Result<Command, DecodeError> {
    let id = LeaseId(from.i64("lease id")?);
    let ttl_secs = from.i64("lease ttl")?;
    if id == LeaseId(0) || ttl_secs < 1 {
        return Err(from.error("lease grant", format!("lease {} with a TTL of {ttl_secs} s", id.0)));
    }
    Ok(Command::LeaseGrant { id, ttl_secs })
}

fn decode_granted(from: &mut Decoder) -> Result<Grant, DecodeError> {
    Ok(Grant { lease: LeaseId(from.i64("lease id")?), number: from.u64("number of the grant")? })
}

fn decode_attributes(from: &mut Decoder) -> Result<MemberAttributes, DecodeError> {
    let id = MemberId(from.u64("member id")?);
    let name = from.text("member name")?;
    let count = from.count("client urls", 4)?;
    let client_urls: Result<_, _> = (0..count).map(|_| from.text("client url")).collect();
    let incarnation = Incarnation(from.u64("incarnation")?);
    Ok(MemberAttributes { id, name, client_urls: client_urls?, incarnation })
}

/// An alarm, in a command as in a snapshot.
pub(crate) fn decode_alarm(from: &mut Decoder) -> Result<Alarm, DecodeError> {
    let kind = match from.u8("alarm kind")? {
        1 => AlarmKind::NoSpace,
        2 => AlarmKind::Corrupt,
        other => return Err(from.error("alarm kind", format!("unknown kind {other}"))),
    };
    Ok(Alarm { kind, member: MemberId(from.u64("alarm member")?) })
}

fn decode_key_range(from: &mut Decoder) -> Result<KeyRange, DecodeError> {
    let kind = from.u8("range kind")?;
    let start = from.bytes("range start")?;
    if start.is_empty() {
        return Err(from.error("range start", "empty key"));
    }
    Ok(match kind {
        0 => KeyRange::One(start),
        1 => KeyRange::Span { start, end: from.bytes("range end")? },
        2 => KeyRange::From(start),
        other => return Err(from.error("range kind", format!("unknown kind {other}"))),
    })
}

fn decode_put(from: &mut Decoder) -> Result<PutRequest, DecodeError> {
    let key = from.bytes("put key")?;
    if key.is_empty() {
        return Err(from.error("put key", "empty key"));
    }
    let value = match from.u8("put value kind")? {
        0 => PutValue::Set(from.bytes("put value")?),
        1 => PutValue::Keep,
        other => return Err(from.error("put value kind", format!("unknown kind {other}"))),
    };
    let lease = match from.u8("put lease kind")? {
        0 => PutLease::Set(LeaseId(from.i64("put lease")?)),
        1 => PutLease::Keep,
        other => return Err(from.error("put lease kind", format!("unknown kind {other}"))),
    };
    Ok(PutRequest { key, value, lease, prev_kv: from.bool("put prev_kv")? })
}

fn decode_delete_range(from: &mut Decoder) -> Result<DeleteRangeRequest, DecodeError> {
    Ok(DeleteRangeRequest { range: decode_key_range(from)?, prev_kv: from.bool("delete prev_kv")? })
}

fn decode_range(from: &mut Decoder) -> Result<RangeRequest, DecodeError> {
    Ok(RangeRequest {
        range: decode_key_range(from)?,
        limit: from.u64("limit")?,
        revision: from.i64("revision")?,
        order: match from.u8("sort order")? {
            0 => SortOrder::None,
            1 => SortOrder::Ascend,
            2 => SortOrder::Descend,
            other => return Err(from.error("sort order", format!("unknown order {other}"))),
        },
        target: match from.u8("sort target")? {
            0 => SortTarget::Key,
            1 => SortTarget::Version,
            2 => SortTarget::Create,
            3 => SortTarget::Mod,
            4 => SortTarget::Value,
            other => return Err(from.error("sort target", format!("unknown target {other}"))),
        },
        serializable: from.bool("serializable")?,
        keys_only: from.bool("keys_only")?,
        count_only: from.bool("count_only")?,
        min_mod_revision: from.i64("min_mod_revision")?,
        max_mod_revision: from.i64("max_mod_revision")?,
        min_create_revision: from.i64("min_create_revision")?,
        max_create_revision: from.i64("max_create_revision")?,
    })
}

fn decode_txn(from: &mut Decoder, depth: usize) -> Result<Txn, DecodeError> {
    if depth > TXN_DEPTH_MAX {
        return Err(from.error("txn", format!("nested deeper than {TXN_DEPTH_MAX}")));
    }
    Ok(Txn {
        compares: decode_list(from, "compares", 7, decode_compare)?,
        success: decode_list(from, "operations", 6, |from| decode_op(from, depth))?,
        failure: decode_list(from, "operations", 6, |from| decode_op(from, depth))?,
    })
}

/// A list within a transaction, of items that take `bytes_min` each.
fn decode_list<T>(
    from: &mut Decoder,
    what: &'static str,
    bytes_min: usize,
    mut decode_item: impl FnMut(&mut Decoder) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = from.count(what, bytes_min)?;
    // Room for all would be room for a hundred times the input on each of two hundred levels, if each claims all.
    let mut items = Vec::with_capacity(count.min(ITEMS_AT_ONCE));
    for _ in 0..count {
        items.push(decode_item(from)?);
    }
    Ok(items)
}

fn decode_op(from: &mut Decoder, depth: usize) -> Result<TxnOp, DecodeError> {
    Ok(match from.u8("operation kind")? {
        1 => TxnOp::Range(decode_range(from)?),
        2 => TxnOp::Put(decode_put(from)?),
        3 => TxnOp::DeleteRange(decode_delete_range(from)?),
        4 => TxnOp::Txn(decode_txn(from, depth + 1)?),
        other => return Err(from.error("operation kind", format!("unknown kind {other}"))),
    })
}

fn decode_compare(from: &mut Decoder) -> Result<Compare, DecodeError> {
    let range = decode_key_range(from)?;
    let result = match from.u8("compare result")? {
        0 => CompareResult::Equal,
        1 => CompareResult::Greater,
        2 => CompareResult::Less,
        3 => CompareResult::NotEqual,
        4 => CompareResult::Always,
        other => return Err(from.error("compare result", format!("unknown result {other}"))),
    };
    let operand = match from.u8("compare target")? {
        0 => CompareOperand::Version(from.i64("compare version")?),
        1 => CompareOperand::Create(from.i64("compare create revision")?),
        2 => CompareOperand::Mod(from.i64("compare mod revision")?),
        3 => CompareOperand::Value(from.bytes("compare value")?),
        4 => CompareOperand::Lease(from.i64("compare lease")?),
        5 => {
            if from.i64("compare operand")? != 0 {
                return Err(from.error("compare operand", "of no known target, yet not 0"));
            }
            CompareOperand::Unknown
        }
        other => return Err(from.error("compare target", format!("unknown target {other}"))),
    };
    Ok(Compare { range, result, operand })
}
