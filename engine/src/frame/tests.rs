use super::lease::error_code;
use super::*;
use crate::ids::LeaseId;
use crate::peer_message::{LeaseRequest, LeaseResponse};
use crate::raft::{EntryKind, LogEntry, RaftMessage, RaftMessageKind, SnapshotMeta};
use crate::request::{Caller, Identity, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, RequestError};

const CLUSTER: ClusterId = ClusterId(0xc1);
const ME: MemberId = MemberId(2);

fn frame(body: PeerBody) -> PeerMessage {
    PeerMessage {
        from: MemberId(1),
        from_incarnation: Incarnation(11),
        to: ME,
        to_incarnation: Some(Incarnation(22)),
        body,
    }
}

fn bodies() -> Vec<PeerBody> {
    let id = RequestId { member: MemberId(1), boot: 3, counter: 9 };
    let left = LeaseTimeToLiveResponse {
        id: LeaseId(-5),
        ttl_secs: -1,
        granted_ttl_secs: 60,
        keys: vec![Bytes::from_static(b"a"), Bytes::new()],
    };
    let entry = |index, kind| LogEntry { term: 2, index, kind, data: Bytes::from_static(b"data") };
    let mut bodies = vec![
        PeerBody::Forward(vec![Bytes::from_static(b"put"), Bytes::new()]),
        PeerBody::Forward(Vec::new()),
        PeerBody::CancelForward { boot: 3, numbers: vec![7, u64::MAX] },
        PeerBody::CancelForward { boot: 3, numbers: Vec::new() },
        PeerBody::ReadIndex { attempt: 7 },
        PeerBody::ReadIndexReply { attempt: 7, index: Some(8) },
        PeerBody::ReadIndexReply { attempt: 7, index: None },
        PeerBody::LeaseRequest {
            id,
            caller: Caller::Anonymous,
            request: LeaseRequest::KeepAlive(LeaseId(5)),
        },
        PeerBody::LeaseRequest {
            id,
            caller: Caller::User(Identity { name: "alice".to_owned(), auth_revision: 7 }),
            request: LeaseRequest::TimeToLive(LeaseTimeToLiveRequest { id: LeaseId(5), keys: true }),
        },
        PeerBody::LeaseResponse { id, response: Ok(LeaseResponse::KeepAlive { ttl_secs: 5 }) },
        PeerBody::LeaseResponse { id, response: Ok(LeaseResponse::TimeToLive(left)) },
    ];
    bodies
        .extend(RequestError::ALL.iter().map(|error| PeerBody::LeaseResponse { id, response: Err(*error) }));
    bodies.extend(RaftMessageKind::ALL.map(|kind| {
        PeerBody::Raft(RaftMessage {
            kind,
            term: 1,
            log_term: 2,
            index: 3,
            entries: vec![entry(4, EntryKind::Commands), entry(5, EntryKind::Membership)],
            commit: 4,
            commit_term: 5,
            reject: true,
            reject_hint: 6,
            snapshot: Some(SnapshotMeta {
                index: 7,
                term: 8,
                voters: vec![MemberId(1), ME],
                learners: vec![MemberId(3)],
            }),
            context: Bytes::from_static(b"read"),
            request_snapshot: 9,
            priority: -1,
        })
    }));
    bodies
}

#[test]
fn every_message_comes_back() {
    for body in bodies() {
        let message = frame(body);
        let decoded = decode(encode(&message, CLUSTER).into(), CLUSTER, ME);
        assert_eq!(decoded, Ok(message));
    }
}

/// Room that is made too small is made again, and all that was written is copied.
#[test]
fn a_frame_finds_the_room_it_needs_and_little_more() {
    let data = || Bytes::from(vec![7; 100]);
    let entry = LogEntry { term: 2, index: 4, kind: EntryKind::Commands, data: data() };
    let raft = RaftMessage { entries: vec![entry; 100], ..RaftMessage::default() };
    let mut all = bodies();
    all.push(PeerBody::Forward(vec![data(); 100]));
    all.push(PeerBody::CancelForward { boot: 3, numbers: vec![7; 1000] });
    all.push(PeerBody::Raft(raft));
    for body in all {
        let bytes = encode(&frame(body.clone()), CLUSTER);
        let room = bytes.len()..bytes.len() + 300;
        assert!(room.contains(&bytes.capacity()), "room of {} for {room:?}: {body:?}", bytes.capacity());
    }
}

#[test]
fn codes_are_given_once() {
    let mut codes: Vec<u8> = RequestError::ALL.iter().map(|error| error_code(*error)).collect();
    codes.sort_unstable();
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
}

#[test]
fn a_frame_cut_short_anywhere_is_refused() {
    for body in bodies() {
        let bytes = encode(&frame(body), CLUSTER);
        for length in 0..bytes.len() {
            let cut = Bytes::copy_from_slice(&bytes[..length]);
            assert!(decode(cut, CLUSTER, ME).is_err(), "{length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_bit_flipped_anywhere_is_noticed() {
    for body in bodies() {
        let bytes = encode(&frame(body), CLUSTER);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(flipped.into(), CLUSTER, ME).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn fields_that_lie_under_a_right_checksum_are_refused() {
    // What a faulty release could send: every byte of the body overwritten, the checksum made right again.
    for body in bodies() {
        let bytes = encode(&frame(body), CLUSTER);
        for at in 41..bytes.len() - 4 {
            let mut wrong = bytes[..bytes.len() - 4].to_vec();
            wrong[at] = 0xff;
            let checksum = crc32c::crc32c(&wrong);
            wrong.put_u32_field(checksum);
            // Neither a panic nor an allocation of 4 GiB; what decodes must encode to the same bytes.
            if let Ok(message) = decode(Bytes::from(wrong.clone()), CLUSTER, ME) {
                assert_eq!(encode(&message, CLUSTER), wrong, "byte {at}");
            }
        }
    }
}

#[test]
fn errors_name_both_sides() {
    let bytes = Bytes::from(encode(&frame(PeerBody::ReadIndex { attempt: 1 }), CLUSTER));
    let text = |bytes: &Bytes, cluster, me| decode(bytes.clone(), cluster, me).unwrap_err().to_string();
    assert_eq!(text(&bytes, ClusterId(0xc2), ME), "member 1 belongs to cluster c1, this one to cluster c2");
    assert_eq!(text(&bytes, CLUSTER, MemberId(3)), "member 1 speaks to member 2, this is member 3");
    let mut newer = bytes.to_vec();
    newer[4] = 2;
    let wanted = "peer frame of format 2, this release speaks format 1";
    assert_eq!(text(&newer.into(), CLUSTER, ME), wanted);
    let wanted = "not a peer frame: magic 0x66707464 expected, 0x20544547 found";
    assert_eq!(text(&Bytes::from_static(b"GET / HTTP/1.1"), CLUSTER, ME), wanted);
    assert_eq!(
        text(&Bytes::new(), CLUSTER, ME),
        "malformed peer frame: magic: 4 bytes wanted, 0 left (at byte 0)"
    );
}
