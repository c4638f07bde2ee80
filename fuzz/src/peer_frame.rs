//! Frames from another member: any bytes are refused, or are exactly what their message is written as; and whatever
//! message comes, a member that gets it goes on.

use crate::cluster::Cluster;
use crate::draw::Draw;
use crate::split;
use bytes::{Bytes, BytesMut};
use detcd_engine::command::{Caller, EntryBuilder, Proposal, encode};
use detcd_engine::frame;
use detcd_engine::ids::{CommandId, Incarnation, LeaseId, MemberId, RequestId};
use detcd_engine::input::Input;
use detcd_engine::memory_member::CLUSTER;
use detcd_engine::peer_message::{LeaseRequest, LeaseResponse, PeerBody, PeerMessage};
use detcd_engine::raft::{EntryKind, LogEntry, RaftMessage, RaftMessageKind, SnapshotMeta};
use detcd_engine::request::{LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, RequestError};

/// Magic number and format version: without them nothing else is looked at.
const HEAD: [u8; 8] = *b"dtpf\x01\0\0\0";
/// More would only repeat what few have shown.
const MESSAGES_MAX: usize = 64;

/// A frame as it is, and with its checksum put right; or made up messages to members of three.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    if as_it_is {
        read(Bytes::copy_from_slice(body));
        let mut mended = HEAD.to_vec();
        mended.extend_from_slice(body.get(HEAD.len()..body.len().saturating_sub(4)).unwrap_or_default());
        let checksum = crc32c::crc32c(&mended);
        mended.extend_from_slice(&checksum.to_le_bytes());
        read(mended.into());
        return;
    }
    let mut draw = Draw::new(body);
    let mut cluster = Cluster::new(3, |_| {});
    if draw.flag() {
        cluster.settle();
    }
    cluster.turn_hostile();
    for _ in 0..MESSAGES_MAX {
        if draw.is_empty() {
            break;
        }
        let message = message(&mut draw, &cluster);
        let bytes = frame::encode(&message, CLUSTER);
        let decoded = frame::decode(bytes.into(), CLUSTER, message.to).expect("written just now");
        assert_eq!(decoded, message, "a message survives its frame");
        let to = (message.to.0 - 1) as usize;
        cluster.step(to, Input::Peer(decoded));
        while cluster.persist_one(to) {}
        if draw.below(8) == 0 {
            cluster.pass(1000);
            cluster.wake(to);
        }
    }
}

fn read(bytes: Bytes) {
    // Written for member 1 of the cluster all targets have.
    let Ok(message) = frame::decode(bytes.clone(), CLUSTER, MemberId(1)) else { return };
    assert!(frame::encode(&message, CLUSTER) == bytes, "another form of {message:?}");
    let mut cluster = Cluster::new(3, |_| {});
    cluster.turn_hostile();
    cluster.step(0, Input::Peer(message));
    cluster.pass(3000);
    cluster.wake(0);
}

/// Any message, to one of three members, with numbers near to what that member has seen.
pub(crate) fn message(draw: &mut Draw<'_>, cluster: &Cluster) -> PeerMessage {
    let to = draw.below(cluster.len());
    let from = if draw.below(16) == 15 { draw.unsigned() } else { draw.below(cluster.len()) as u64 + 1 };
    let status = cluster.engine(to).map(|engine| engine.status()).unwrap_or_default();
    let id = RequestId { member: MemberId(to as u64 + 1), boot: 1, counter: draw.unsigned() };
    let body = match draw.below(13) {
        0..=6 => PeerBody::Raft(raft(draw, status.term, status.last_index)),
        7 => {
            let command = |draw: &mut Draw<'_>| command(draw, MemberId(from));
            PeerBody::Forward((0..draw.below(4)).map(|_| command(draw)).collect())
        }
        8 => PeerBody::ReadIndex { attempt: draw.unsigned() },
        9 => {
            let index = draw.flag().then(|| near(draw, status.last_index));
            PeerBody::ReadIndexReply { attempt: draw.unsigned(), index }
        }
        10 => PeerBody::LeaseRequest { id, caller: Caller::Anonymous, request: lease_request(draw) },
        11 => PeerBody::LeaseResponse { id, response: lease_response(draw) },
        _ => {
            let boot = draw.below(3).try_into().expect("0 to 2");
            PeerBody::CancelForward { boot, numbers: (0..draw.below(4)).map(|_| draw.unsigned()).collect() }
        }
    };
    let incarnation =
        |draw: &mut Draw<'_>| Incarnation(if draw.below(16) == 15 { draw.unsigned() } else { 1 });
    PeerMessage {
        from: MemberId(from),
        from_incarnation: incarnation(draw),
        to: MemberId(to as u64 + 1),
        to_incarnation: draw.flag().then(|| incarnation(draw)),
        body,
    }
}

fn near(draw: &mut Draw<'_>, near: u64) -> u64 {
    draw.near(near.cast_signed()).cast_unsigned()
}

fn command(draw: &mut Draw<'_>, from: MemberId) -> Bytes {
    if draw.below(8) == 0 {
        return draw.bytes(40);
    }
    known_command(draw, from).unwrap_or_default()
}

fn known_command(draw: &mut Draw<'_>, from: MemberId) -> Option<Bytes> {
    let command = crate::command_decode::command(draw)?;
    let id = CommandId { member: from, boot: draw.below(3) as u32, number: draw.unsigned() };
    Some(encode(&mut BytesMut::new(), &Proposal { id, caller: Caller::Anonymous, command }))
}

fn raft(draw: &mut Draw<'_>, term: u64, last_index: u64) -> RaftMessage {
    let kind = RaftMessageKind::ALL[draw.below(RaftMessageKind::ALL.len())];
    let mut message = RaftMessage {
        kind,
        term: near(draw, term),
        log_term: near(draw, term),
        index: near(draw, last_index),
        commit: near(draw, last_index),
        reject: draw.flag(),
        ..RaftMessage::default()
    };
    let which = draw.byte();
    if which & 1 != 0 {
        message.commit_term = near(draw, term);
        message.reject_hint = near(draw, last_index);
    }
    if which & 2 != 0 {
        message.context = draw.bytes(20);
    }
    if which & 4 != 0 && which & 8 != 0 {
        message.request_snapshot = draw.unsigned();
        message.priority = draw.number();
    }
    if kind == RaftMessageKind::Snapshot || which & 0x70 == 0x70 {
        message.snapshot = Some(SnapshotMeta {
            index: near(draw, last_index),
            term: near(draw, term),
            voters: vec![MemberId(1), MemberId(2), MemberId(3)],
            learners: Vec::new(),
        });
    }
    if kind == RaftMessageKind::Append {
        let mut index = message.index;
        for _ in 0..draw.below(4) {
            index = if draw.below(16) == 15 { draw.unsigned() } else { index.wrapping_add(1) };
            message.entries.push(entry(draw, term, index));
        }
    }
    message
}

fn entry(draw: &mut Draw<'_>, term: u64, index: u64) -> LogEntry {
    let kind = if draw.below(16) == 15 { EntryKind::Membership } else { EntryKind::Commands };
    // A committed entry that cannot be read stops a member, by decision: a later release wrote it. So all can be.
    let mut data = EntryBuilder::with_capacity(64);
    let command = if draw.below(4) == 0 { None } else { known_command(draw, MemberId(2)) };
    let data = command.map_or_else(Bytes::new, |command| {
        data.push(&command);
        data.finish()
    });
    LogEntry { term: near(draw, term), index, kind, data }
}

fn lease_request(draw: &mut Draw<'_>) -> LeaseRequest {
    let id = LeaseId(draw.lease());
    if draw.flag() {
        LeaseRequest::KeepAlive(id)
    } else {
        LeaseRequest::TimeToLive(LeaseTimeToLiveRequest { id, keys: draw.flag() })
    }
}

fn lease_response(draw: &mut Draw<'_>) -> Result<LeaseResponse, RequestError> {
    match draw.below(4) {
        0 => Err(RequestError::NotLeader),
        1 => Err(RequestError::LeaseNotFound),
        2 => Ok(LeaseResponse::KeepAlive { ttl_secs: draw.number() }),
        _ => Ok(LeaseResponse::TimeToLive(LeaseTimeToLiveResponse {
            id: LeaseId(draw.lease()),
            ttl_secs: draw.number(),
            granted_ttl_secs: draw.number(),
            keys: (0..draw.below(3)).map(|_| draw.key()).collect(),
        })),
    }
}
