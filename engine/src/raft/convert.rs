//! Our types to those of raft-rs and back, field by field.
//!
//! Nothing outside `raft` sees an `eraftpb` type, and nothing here parses bytes: the protobuf 2 that raft-rs
//! carries has a known stack overflow (RUSTSEC-2024-0437), so its structs are used as plain structs only.

use super::{EntryKind, HardState, LogEntry, RaftMessage, RaftMessageKind, SnapshotMeta};
use crate::ids::MemberId;
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType, Snapshot};

/// An entry for raft-rs. `data` is shared, not copied.
pub(super) fn entry_into_raft(entry: LogEntry) -> Entry {
    let LogEntry { term, index, kind, data } = entry;
    let entry_type = match kind {
        EntryKind::Commands => EntryType::EntryNormal,
        EntryKind::Membership => EntryType::EntryConfChangeV2,
    };
    Entry { term, index, entry_type, data, ..Entry::default() }
}

/// An entry from raft-rs. `data` is shared, not copied.
pub(super) fn entry_from_raft(entry: &Entry) -> LogEntry {
    let kind = match entry.get_entry_type() {
        EntryType::EntryNormal => EntryKind::Commands,
        EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => EntryKind::Membership,
    };
    LogEntry { term: entry.term, index: entry.index, kind, data: entry.data.clone() }
}

/// Where a snapshot stands, for raft-rs. The state itself never passes through it.
pub(super) fn snapshot_into_raft(meta: &SnapshotMeta) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let converted = snapshot.mut_metadata();
    converted.index = meta.index;
    converted.term = meta.term;
    converted.set_conf_state(members_into_raft(meta));
    snapshot
}

/// Who belongs to the cluster, for raft-rs.
pub(super) fn members_into_raft(meta: &SnapshotMeta) -> ConfState {
    let ids = |members: &[MemberId]| members.iter().map(|member| member.0).collect();
    ConfState { voters: ids(&meta.voters), learners: ids(&meta.learners), ..ConfState::default() }
}

/// Where a snapshot stands, from raft-rs.
pub(super) fn snapshot_from_raft(snapshot: &Snapshot) -> SnapshotMeta {
    let meta = snapshot.get_metadata();
    let sorted = |ids: &[u64]| {
        let mut members: Vec<MemberId> = ids.iter().copied().map(MemberId).collect();
        members.sort_unstable();
        members
    };
    SnapshotMeta {
        index: meta.index,
        term: meta.term,
        voters: sorted(&meta.get_conf_state().voters),
        learners: sorted(&meta.get_conf_state().learners),
    }
}

/// The hard state, for raft-rs.
pub(super) fn hard_state_into_raft(hard_state: &HardState) -> raft::eraftpb::HardState {
    let HardState { term, vote, commit } = *hard_state;
    raft::eraftpb::HardState { term, vote: vote.0, commit, ..Default::default() }
}

/// The hard state, from raft-rs.
pub(super) fn hard_state_from_raft(hard_state: &raft::eraftpb::HardState) -> HardState {
    HardState { term: hard_state.term, vote: MemberId(hard_state.vote), commit: hard_state.commit }
}

/// A message for raft-rs, from `from` to `to`.
pub(super) fn message_into_raft(from: MemberId, to: MemberId, message: RaftMessage) -> Message {
    let mut converted = Message::default();
    converted.set_msg_type(kind_into_raft(message.kind));
    converted.from = from.0;
    converted.to = to.0;
    converted.term = message.term;
    converted.log_term = message.log_term;
    converted.index = message.index;
    converted.set_entries(message.entries.into_iter().map(entry_into_raft).collect());
    converted.commit = message.commit;
    converted.commit_term = message.commit_term;
    converted.reject = message.reject;
    converted.reject_hint = message.reject_hint;
    if let Some(meta) = &message.snapshot {
        converted.set_snapshot(snapshot_into_raft(meta));
    }
    converted.context = message.context;
    converted.request_snapshot = message.request_snapshot;
    converted.priority = message.priority;
    converted
}

/// A message from raft-rs, and whom it is for.
///
/// Panics on a kind that does not travel: this driver never lets raft-rs forward a proposal, a read or a transfer.
pub(super) fn message_from_raft(message: &Message) -> (MemberId, RaftMessage) {
    let kind = kind_from_raft(message.get_msg_type())
        .unwrap_or_else(|| panic!("raft made a {:?} to {:x}", message.get_msg_type(), message.to));
    let snapshot = (kind == RaftMessageKind::Snapshot).then(|| snapshot_from_raft(message.get_snapshot()));
    let converted = RaftMessage {
        kind,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: message.entries.iter().map(entry_from_raft).collect(),
        commit: message.commit,
        commit_term: message.commit_term,
        reject: message.reject,
        reject_hint: message.reject_hint,
        snapshot,
        context: message.context.clone(),
        request_snapshot: message.request_snapshot,
        priority: message.priority,
    };
    (MemberId(message.to), converted)
}

fn kind_into_raft(kind: RaftMessageKind) -> MessageType {
    match kind {
        RaftMessageKind::Append => MessageType::MsgAppend,
        RaftMessageKind::AppendResponse => MessageType::MsgAppendResponse,
        RaftMessageKind::Vote => MessageType::MsgRequestVote,
        RaftMessageKind::VoteResponse => MessageType::MsgRequestVoteResponse,
        RaftMessageKind::PreVote => MessageType::MsgRequestPreVote,
        RaftMessageKind::PreVoteResponse => MessageType::MsgRequestPreVoteResponse,
        RaftMessageKind::Heartbeat => MessageType::MsgHeartbeat,
        RaftMessageKind::HeartbeatResponse => MessageType::MsgHeartbeatResponse,
        RaftMessageKind::Snapshot => MessageType::MsgSnapshot,
        RaftMessageKind::TimeoutNow => MessageType::MsgTimeoutNow,
    }
}

fn kind_from_raft(kind: MessageType) -> Option<RaftMessageKind> {
    match kind {
        MessageType::MsgAppend => Some(RaftMessageKind::Append),
        MessageType::MsgAppendResponse => Some(RaftMessageKind::AppendResponse),
        MessageType::MsgRequestVote => Some(RaftMessageKind::Vote),
        MessageType::MsgRequestVoteResponse => Some(RaftMessageKind::VoteResponse),
        MessageType::MsgRequestPreVote => Some(RaftMessageKind::PreVote),
        MessageType::MsgRequestPreVoteResponse => Some(RaftMessageKind::PreVoteResponse),
        MessageType::MsgHeartbeat => Some(RaftMessageKind::Heartbeat),
        MessageType::MsgHeartbeatResponse => Some(RaftMessageKind::HeartbeatResponse),
        MessageType::MsgSnapshot => Some(RaftMessageKind::Snapshot),
        MessageType::MsgTimeoutNow => Some(RaftMessageKind::TimeoutNow),
        MessageType::MsgHup
        | MessageType::MsgBeat
        | MessageType::MsgPropose
        | MessageType::MsgTransferLeader
        | MessageType::MsgUnreachable
        | MessageType::MsgSnapStatus
        | MessageType::MsgCheckQuorum
        | MessageType::MsgReadIndex
        | MessageType::MsgReadIndexResp => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn meta() -> SnapshotMeta {
        let voters = vec![MemberId(1), MemberId(2)];
        SnapshotMeta { index: 7, term: 8, voters, learners: vec![MemberId(3)] }
    }

    #[test]
    fn what_raft_is_handed_comes_back() {
        for kind in [EntryKind::Commands, EntryKind::Membership] {
            let entry = LogEntry { term: 2, index: 3, kind, data: Bytes::from_static(b"data") };
            assert_eq!(entry_from_raft(&entry_into_raft(entry.clone())), entry);
        }
        assert_eq!(snapshot_from_raft(&snapshot_into_raft(&meta())), meta());
        let hard_state = HardState { term: 4, vote: MemberId(5), commit: 6 };
        assert_eq!(hard_state_from_raft(&hard_state_into_raft(&hard_state)), hard_state);
    }

    #[test]
    fn every_message_comes_back() {
        for kind in RaftMessageKind::ALL {
            let message = RaftMessage {
                kind,
                term: 1,
                log_term: 2,
                index: 3,
                entries: vec![LogEntry { term: 1, index: 4, kind: EntryKind::Commands, data: Bytes::new() }],
                commit: 5,
                commit_term: 6,
                reject: true,
                reject_hint: 7,
                snapshot: (kind == RaftMessageKind::Snapshot).then(meta),
                context: Bytes::from_static(b"read"),
                request_snapshot: 8,
                priority: -1,
            };
            let back = message_from_raft(&message_into_raft(MemberId(1), MemberId(2), message.clone()));
            assert_eq!(back, (MemberId(2), message));
        }
    }
}
