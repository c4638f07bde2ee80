//! One of raft's messages, as a frame's body.

use crate::codec::{DecodeError, Decoder, Encode};
use crate::raft::{RaftMessage, RaftMessageKind, fields};

pub(super) fn put_raft(out: &mut Vec<u8>, message: &RaftMessage) {
    out.put_u8_field(raft_kind_code(message.kind));
    out.put_u64_field(message.term);
    out.put_u64_field(message.log_term);
    out.put_u64_field(message.index);
    out.put_u64_field(message.commit);
    out.put_u64_field(message.commit_term);
    out.put_bool_field(message.reject);
    out.put_u64_field(message.reject_hint);
    out.put_u64_field(message.request_snapshot);
    out.put_i64_field(message.priority);
    out.put_bytes_field(&message.context);
    out.put_bool_field(message.snapshot.is_some());
    if let Some(meta) = &message.snapshot {
        fields::put_snapshot_meta(out, meta);
    }
    fields::put_entries(out, &message.entries);
}

pub(super) fn raft(decoder: &mut Decoder) -> Result<RaftMessage, DecodeError> {
    let code = decoder.u8("raft, kind")?;
    let Some(kind) = RaftMessageKind::ALL.into_iter().find(|kind| raft_kind_code(*kind) == code) else {
        return Err(decoder.error("raft, kind", format!("1 to 10 wanted, {code} found")));
    };
    Ok(RaftMessage {
        kind,
        term: decoder.u64("raft, term")?,
        log_term: decoder.u64("raft, log term")?,
        index: decoder.u64("raft, index")?,
        commit: decoder.u64("raft, commit")?,
        commit_term: decoder.u64("raft, commit term")?,
        reject: decoder.bool("raft, reject")?,
        reject_hint: decoder.u64("raft, reject hint")?,
        request_snapshot: decoder.u64("raft, request snapshot")?,
        priority: decoder.i64("raft, priority")?,
        context: fields::owned(decoder.bytes("raft, context")?),
        snapshot: match decoder.bool("raft, has snapshot")? {
            true => Some(fields::snapshot_meta(decoder)?),
            false => None,
        },
        entries: fields::entries(decoder)?,
    })
}

fn raft_kind_code(kind: RaftMessageKind) -> u8 {
    match kind {
        RaftMessageKind::Append => 1,
        RaftMessageKind::AppendResponse => 2,
        RaftMessageKind::Vote => 3,
        RaftMessageKind::VoteResponse => 4,
        RaftMessageKind::PreVote => 5,
        RaftMessageKind::PreVoteResponse => 6,
        RaftMessageKind::Heartbeat => 7,
        RaftMessageKind::HeartbeatResponse => 8,
        RaftMessageKind::Snapshot => 9,
        RaftMessageKind::TimeoutNow => 10,
    }
}
