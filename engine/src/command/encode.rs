//! Commands to bytes.

use super::auth::{put_authenticate, put_change};
use super::{Command, ENTRY_VERSION, Proposal};
use crate::auth::put_caller;
use crate::codec::Encode;
use crate::ids::{CommandId, Grant};
use crate::key_range::KeyRange;
use crate::request::{
    Alarm, AlarmKind, Compare, CompareOperand, CompareResult, DeleteRangeRequest, PutLease, PutRequest,
    PutValue, RangeRequest, SortOrder, SortTarget, Txn, TxnOp,
};
use bytes::{Bytes, BytesMut};

/// Collects encoded commands into one entry.
#[derive(Debug)]
pub struct EntryBuilder {
    bytes: Vec<u8>,
    count: u32,
}

impl EntryBuilder {
    /// An entry without commands, with room for about `bytes`.
    pub fn with_capacity(bytes: usize) -> EntryBuilder {
        let mut buffer = Vec::with_capacity(bytes + 5);
        buffer.put_u8_field(ENTRY_VERSION);
        buffer.put_u32_field(0);
        EntryBuilder { bytes: buffer, count: 0 }
    }

    /// Adds a command as `encode` wrote it.
    pub fn push(&mut self, command: &[u8]) {
        self.bytes.put_bytes_field(command);
        self.count += 1;
    }

    /// The entry's bytes.
    pub fn finish(mut self) -> Bytes {
        assert!(self.count > 0, "an entry carries at least one command");
        self.bytes[1..5].copy_from_slice(&self.count.to_le_bytes());
        Bytes::from(self.bytes)
    }
}

/// One command's bytes, a slice of `out`: commands that are made together lie together, and none has an allocation of
/// its own. What is left of `out` is for the next ones.
pub fn encode(out: &mut BytesMut, proposal: &Proposal) -> Bytes {
    assert!(out.is_empty(), "{} bytes of no command", out.len());
    out.reserve(64 + payload_size_hint(&proposal.command));
    put_command_id(out, proposal.id);
    put_caller(out, &proposal.caller);
    put_command(out, &proposal.command);
    out.split().freeze()
}

fn payload_size_hint(command: &Command) -> usize {
    match command {
        Command::Put(put) => {
            put.key.len()
                + match &put.value {
                    PutValue::Set(value) => value.len(),
                    PutValue::Keep => 0,
                }
        }
        Command::LeaseExpire(grants) => grants.len() * 16,
        Command::LeaseRemaining(notes) => notes.len() * 25,
        Command::DeleteRange(_)
        | Command::Txn(_)
        | Command::Compact(_)
        | Command::LeaseGrant { .. }
        | Command::LeaseRevoke(_)
        | Command::AlarmActivate(_)
        | Command::AlarmDeactivate(_)
        | Command::Attributes(_)
        | Command::Auth(_)
        | Command::Authenticate(_) => 128,
    }
}

fn put_command_id(out: &mut BytesMut, id: CommandId) {
    out.put_u64_field(id.member.0);
    out.put_u32_field(id.boot);
    out.put_u64_field(id.number);
}

fn put_command(out: &mut BytesMut, command: &Command) {
    match command {
        Command::Put(put) => {
            out.put_u8_field(1);
            put_put(out, put);
        }
        Command::DeleteRange(delete) => {
            out.put_u8_field(2);
            put_delete_range(out, delete);
        }
        Command::Txn(txn) => {
            out.put_u8_field(3);
            put_txn(out, txn);
        }
        Command::Compact(revision) => {
            out.put_u8_field(4);
            out.put_i64_field(*revision);
        }
        Command::LeaseGrant { id, ttl_secs } => {
            out.put_u8_field(5);
            out.put_i64_field(id.0);
            out.put_i64_field(*ttl_secs);
        }
        Command::LeaseRevoke(id) => {
            out.put_u8_field(6);
            out.put_i64_field(id.0);
        }
        Command::LeaseExpire(grants) => {
            out.put_u8_field(7);
            put_count(out, grants.len());
            for grant in grants {
                put_granted(out, *grant);
            }
        }
        Command::LeaseRemaining(notes) => {
            out.put_u8_field(8);
            put_count(out, notes.len());
            for (grant, remaining_secs) in notes {
                put_granted(out, *grant);
                out.put_bool_field(remaining_secs.is_some());
                out.put_i64_field(remaining_secs.unwrap_or(0));
            }
        }
        Command::AlarmActivate(alarm) => {
            out.put_u8_field(9);
            put_alarm(out, *alarm);
        }
        Command::AlarmDeactivate(alarm) => {
            out.put_u8_field(10);
            put_alarm(out, *alarm);
        }
        Command::Attributes(attributes) => {
            out.put_u8_field(11);
            out.put_u64_field(attributes.id.0);
            out.put_bytes_field(attributes.name.as_bytes());
            put_count(out, attributes.client_urls.len());
            for url in &attributes.client_urls {
                out.put_bytes_field(url.as_bytes());
            }
            out.put_u64_field(attributes.incarnation.0);
        }
        Command::Auth(change) => {
            out.put_u8_field(20);
            put_change(out, change);
        }
        Command::Authenticate(checked) => {
            out.put_u8_field(21);
            put_authenticate(out, checked);
        }
    }
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32_field(u32::try_from(count).expect("lists are bounded far below 2^32"));
}

fn put_granted(out: &mut BytesMut, grant: Grant) {
    out.put_i64_field(grant.lease.0);
    out.put_u64_field(grant.number);
}

/// An alarm, in a command as in a snapshot.
pub(crate) fn put_alarm(out: &mut impl Encode, alarm: Alarm) {
    out.put_u8_field(match alarm.kind {
        AlarmKind::NoSpace => 1,
        AlarmKind::Corrupt => 2,
    });
    out.put_u64_field(alarm.member.0);
}

fn put_key_range(out: &mut BytesMut, range: &KeyRange) {
    match range {
        KeyRange::One(key) => {
            out.put_u8_field(0);
            out.put_bytes_field(key);
        }
        KeyRange::Span { start, end } => {
            out.put_u8_field(1);
            out.put_bytes_field(start);
            out.put_bytes_field(end);
        }
        KeyRange::From(start) => {
            out.put_u8_field(2);
            out.put_bytes_field(start);
        }
    }
}

fn put_put(out: &mut BytesMut, put: &PutRequest) {
    out.put_bytes_field(&put.key);
    match &put.value {
        PutValue::Set(value) => {
            out.put_u8_field(0);
            out.put_bytes_field(value);
        }
        PutValue::Keep => out.put_u8_field(1),
    }
    match put.lease {
        PutLease::Set(id) => {
            out.put_u8_field(0);
            out.put_i64_field(id.0);
        }
        PutLease::Keep => out.put_u8_field(1),
    }
    out.put_bool_field(put.prev_kv);
}

fn put_delete_range(out: &mut BytesMut, delete: &DeleteRangeRequest) {
    put_key_range(out, &delete.range);
    out.put_bool_field(delete.prev_kv);
}

fn put_range(out: &mut BytesMut, range: &RangeRequest) {
    put_key_range(out, &range.range);
    out.put_u64_field(range.limit);
    out.put_i64_field(range.revision);
    out.put_u8_field(match range.order {
        SortOrder::None => 0,
        SortOrder::Ascend => 1,
        SortOrder::Descend => 2,
    });
    out.put_u8_field(match range.target {
        SortTarget::Key => 0,
        SortTarget::Version => 1,
        SortTarget::Create => 2,
        SortTarget::Mod => 3,
        SortTarget::Value => 4,
    });
    out.put_bool_field(range.serializable);
    out.put_bool_field(range.keys_only);
    out.put_bool_field(range.count_only);
    out.put_i64_field(range.min_mod_revision);
    out.put_i64_field(range.max_mod_revision);
    out.put_i64_field(range.min_create_revision);
    out.put_i64_field(range.max_create_revision);
}

fn put_txn(out: &mut BytesMut, txn: &Txn) {
    put_count(out, txn.compares.len());
    for compare in &txn.compares {
        put_compare(out, compare);
    }
    for branch in [&txn.success, &txn.failure] {
        put_count(out, branch.len());
        for op in branch {
            match op {
                TxnOp::Range(range) => {
                    out.put_u8_field(1);
                    put_range(out, range);
                }
                TxnOp::Put(put) => {
                    out.put_u8_field(2);
                    put_put(out, put);
                }
                TxnOp::DeleteRange(delete) => {
                    out.put_u8_field(3);
                    put_delete_range(out, delete);
                }
                TxnOp::Txn(nested) => {
                    out.put_u8_field(4);
                    put_txn(out, nested);
                }
            }
        }
    }
}

fn put_compare(out: &mut BytesMut, compare: &Compare) {
    put_key_range(out, &compare.range);
    out.put_u8_field(match compare.result {
        CompareResult::Equal => 0,
        CompareResult::Greater => 1,
        CompareResult::Less => 2,
        CompareResult::NotEqual => 3,
        CompareResult::Always => 4,
    });
    let (kind, number) = match &compare.operand {
        CompareOperand::Version(version) => (0, *version),
        CompareOperand::Create(revision) => (1, *revision),
        CompareOperand::Mod(revision) => (2, *revision),
        CompareOperand::Value(value) => {
            out.put_u8_field(3);
            out.put_bytes_field(value);
            return;
        }
        CompareOperand::Lease(lease) => (4, *lease),
        CompareOperand::Unknown => (5, 0),
    };
    out.put_u8_field(kind);
    out.put_i64_field(number);
}
