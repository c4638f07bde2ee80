//! What is written is read back, and nothing else is.

use super::{Reader, Writer};
use crate::command::{Caller, Command, Proposal};
use crate::ids::{CommandId, Grant, Incarnation, MemberId};
use crate::key_range::KeyRange;
use crate::lease::Lease;
use crate::membership::{InitialCluster, MemberAttributes};
use crate::raft::SnapshotMeta;
use crate::random::Random;
use crate::request::{
    Access, Alarm, AlarmKind, AuthChange, DeleteRangeRequest, LeaseId, Permission, PutLease, PutRequest,
    PutValue, RangeRequest, Secret, Txn, TxnOp,
};
use crate::state::State;
use bytes::Bytes;

const INCARNATION: Incarnation = Incarnation(7);

fn empty() -> State {
    let peers = [vec!["http://a:2380".to_owned()], vec!["http://b:2380".to_owned()]];
    State::first(&InitialCluster::new("token", peers))
}

/// Applies commands as entries of their own.
fn apply(state: &mut State, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        let index = state.applied().0 + 1;
        state.begin_entry(index, 2);
        let id = CommandId { member: MemberId(1), boot: 1, number: index };
        let applied = state.apply(&Proposal { id, caller: Caller::Anonymous, command });
        applied.expect("a new request").outcome.expect("nothing to refuse");
    }
}

fn put(key: &str, value: Vec<u8>, lease: i64) -> Command {
    Command::Put(PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: PutValue::Set(value.into()),
        lease: PutLease::Set(LeaseId(lease)),
        prev_kv: false,
    })
}

fn delete(key: &str) -> Command {
    let range = KeyRange::One(Bytes::copy_from_slice(key.as_bytes()));
    Command::DeleteRange(DeleteRangeRequest { range, prev_kv: false })
}

/// Both in one revision.
fn put_and_delete(key: &str) -> Command {
    let (Command::Put(put), Command::DeleteRange(delete)) = (put(key, b"x".to_vec(), 5), delete(key)) else {
        unreachable!("made just now");
    };
    let nested = |op| TxnOp::Txn(Txn { compares: Vec::new(), success: vec![op], failure: Vec::new() });
    let success = vec![nested(TxnOp::Put(put)), nested(TxnOp::DeleteRange(delete))];
    Command::Txn(Txn { compares: Vec::new(), success, failure: Vec::new() })
}

/// A little of everything.
fn small() -> State {
    let mut state = empty();
    let member = *state.members().keys().next().expect("two members");
    apply(
        &mut state,
        [
            Command::LeaseGrant { id: LeaseId(5), ttl_secs: 60 },
            Command::LeaseGrant { id: LeaseId(-6), ttl_secs: 70 },
            Command::LeaseRemaining(vec![(Grant { lease: LeaseId(5), number: 1 }, Some(33))]),
            put("a", b"1".to_vec(), 0),
            put("a", b"2".to_vec(), 5),
            put("b", Vec::new(), 5),
            delete("b"),
            put("c", b"1".to_vec(), -6),
            delete("c"),
            put("c", vec![0, 255], 0),
            put_and_delete("d"),
            put_and_delete("c"),
            put("c", vec![0, 255], 0),
            Command::Compact(4),
            Command::AlarmActivate(Alarm { kind: AlarmKind::NoSpace, member }),
            Command::AlarmActivate(Alarm { kind: AlarmKind::NoSpace, member: MemberId(9) }),
            Command::Attributes(MemberAttributes {
                id: member,
                name: "one".to_owned(),
                client_urls: vec!["http://a:2379".to_owned()],
                incarnation: INCARNATION,
            }),
        ],
    );
    apply(&mut state, auth().map(Command::Auth));
    state
}

/// Users, roles and permissions.
fn auth() -> impl Iterator<Item = AuthChange> {
    let (root, reader) = (|| "root".to_owned(), || "reader".to_owned());
    let permission = Permission {
        access: Access::Read,
        key: Bytes::from_static(b"a"),
        range_end: Bytes::from_static(b"\0"),
    };
    let changes = [
        AuthChange::UserAdd { name: root(), password: Some(Secret::new("hash")) },
        AuthChange::UserGrantRole { user: root(), role: root() },
        AuthChange::RoleAdd(reader()),
        AuthChange::RoleGrantPermission { role: reader(), permission: Some(permission) },
        AuthChange::UserAdd { name: "alice".to_owned(), password: None },
        AuthChange::UserGrantRole { user: "alice".to_owned(), role: reader() },
    ];
    changes.into_iter()
}

/// Many leases and keys, some of them large, one of them hot, over many sections.
fn large(seed: u64) -> State {
    let mut state = empty();
    let mut random = Random::new(seed);
    let leases = (1..=4000).map(|id| Command::LeaseGrant { id: LeaseId(id), ttl_secs: 100 + id });
    apply(&mut state, leases);
    for _ in 0..1500 {
        let key = format!("key{:04}", random.below(400));
        let command = match random.below(6) {
            0 => delete(&key),
            5 => put_and_delete(&key),
            1 => put(&key, vec![b'x'; usize::try_from(random.below(2000)).unwrap()], 0),
            2 => put("hot", vec![b'h'; 300], i64::try_from(random.below(3)).unwrap()),
            _ => put(&key, key.clone().into_bytes(), i64::try_from(random.below(4001)).unwrap()),
        };
        apply(&mut state, [command]);
    }
    apply(&mut state, [put("large", vec![b'l'; 200_000], 0), put("last", Vec::new(), 1)]);
    state
}

fn meta(state: &State) -> SnapshotMeta {
    let (index, term) = state.applied();
    SnapshotMeta { index, term, voters: vec![MemberId(1), MemberId(2)], learners: vec![MemberId(3)] }
}

fn pieces(state: &State) -> Vec<Vec<u8>> {
    let mut writer = Writer::new(meta(state), state.view());
    std::iter::from_fn(|| writer.next_piece()).collect()
}

fn write(state: &State) -> Vec<u8> {
    pieces(state).concat()
}

/// Reads pieces of at most `piece_bytes_max` bytes.
fn read(bytes: &[u8], piece_bytes_max: u64) -> Result<(SnapshotMeta, State), super::SnapshotError> {
    let mut random = Random::new(piece_bytes_max);
    let mut reader = Reader::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = usize::try_from(1 + random.below(piece_bytes_max)).unwrap().min(rest.len());
        let (piece, after) = rest.split_at(length);
        reader.push(piece)?;
        rest = after;
    }
    reader.finish()
}

#[track_caller]
fn assert_same(found: &State, expected: &State) {
    assert_eq!(found.hash(), expected.hash());
    assert_eq!(found.store().hash(), found.store().hash_from_scratch());
    assert_eq!(found.store().state_bytes(), expected.store().state_bytes());
    assert_eq!(found.store().live_bytes(), expected.store().live_bytes());
    assert_eq!(found.members(), expected.members());
    assert_eq!(found.alarms, expected.alarms);
    assert_eq!(found.window, expected.window);
    let leases = |state: &State| -> Vec<_> {
        let leases = state.leases.iter().map(|lease| lease.id);
        leases.map(|id| (id, state.leases.keys(id).cloned().collect::<Vec<_>>())).collect()
    };
    assert_eq!(leases(found), leases(expected), "the keys of leases");
    let everything = KeyRange::From(Bytes::from_static(b"\0"));
    for revision in [0, expected.store().compacted_revision().max(1), expected.store().revision()] {
        let request = RangeRequest { revision, ..RangeRequest::of(everything.clone()) };
        assert_eq!(found.store().range(&request), expected.store().range(&request), "at {revision}");
    }
}

#[test]
fn a_state_is_read_back_from_pieces_of_any_size() {
    for state in [empty(), small(), large(1), large(2)] {
        let bytes = write(&state);
        for piece_bytes_max in [7, 1000, 65_536, 10_000_000] {
            if piece_bytes_max < 100 && bytes.len() > 100_000 {
                continue;
            }
            let (found_meta, found) = read(&bytes, piece_bytes_max).expect("what was written is read");
            assert_eq!(found_meta, meta(&state));
            assert_same(&found, &state);
        }
    }
}

#[test]
fn what_is_read_goes_on_like_what_was_written() {
    let mut original = large(3);
    let (_, mut copy) = read(&write(&original), 5000).expect("what was written is read");
    for state in [&mut original, &mut copy] {
        let revoke = Command::LeaseExpire(state.leases.iter().take(199).map(Lease::grant).collect());
        let revision = state.store().revision();
        apply(
            state,
            [Command::Compact(revision - 100), put("hot", b"new".to_vec(), 777), revoke, delete("large")],
        );
    }
    assert_same(&copy, &original);
    assert_eq!(write(&copy), write(&original));
}

#[test]
fn bytes_do_not_tell_how_far_a_compaction_has_come() {
    let mut state = large(4);
    let revision = state.store().revision();
    apply(&mut state, [Command::Compact(revision - 300)]);
    let before = write(&state);
    while state.mvcc.compact_slice(50) {
        assert_eq!(write(&state).len(), before.len());
    }
    assert_eq!(write(&state), before);
    let (_, found) = read(&before, 4096).expect("what was written is read");
    assert_eq!(found.hash(), state.hash());
    assert_eq!(write(&found), before);
}

#[test]
fn a_view_is_written_while_the_state_goes_on() {
    let mut state = large(5);
    let before = write(&state);
    let mut writer = Writer::new(meta(&state), state.view());
    let mut bytes = Vec::new();
    let mut revision = state.store().revision() - 500;
    while let Some(piece) = writer.next_piece() {
        bytes.extend(piece);
        revision += 1;
        apply(&mut state, [put("hot", b"later".to_vec(), 0), delete("key0001"), Command::Compact(revision)]);
        while state.mvcc.compact_slice(1000) {}
    }
    assert_eq!(bytes, before);
}

#[test]
fn a_hot_key_is_written_over_several_sections() {
    let mut state = empty();
    apply(&mut state, (0..90).map(|_| put("hot", vec![b'h'; 200_000], 0)));
    apply(&mut state, [put("zzz", b"after".to_vec(), 0)]);
    assert!(pieces(&state).len() > 3, "one key's versions fill more than a section");
    let (_, found) = read(&write(&state), 100_000).expect("what was written is read");
    assert_same(&found, &state);
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = write(&small());
    for length in
        (0..bytes.len()).filter(|length| *length < 500 || length % 37 == 0 || bytes.len() - length < 500)
    {
        assert!(read(&bytes[..length], 1 << 20).is_err(), "cut to {length} of {} bytes", bytes.len());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(read(&longer, 1 << 20).is_err(), "a byte more");
    longer.extend_from_slice(&bytes);
    assert!(read(&longer, 1 << 20).is_err(), "twice");
}

#[test]
fn every_flipped_bit_is_an_error() {
    let mut bytes = write(&small());
    // Most of it are windows of commands, all alike: every bit of the rest, and a sample of those.
    for at in (0..bytes.len()).filter(|at| *at < 500 || at % 101 == 0) {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(read(&bytes, 1 << 20).is_err(), "bit {bit} of byte {at}");
            bytes[at] ^= 1 << bit;
        }
    }
    let tail = bytes.len() - 700;
    for at in tail..bytes.len() {
        bytes[at] ^= 0x10;
        assert!(read(&bytes, 1 << 20).is_err(), "byte {at}");
        bytes[at] ^= 0x10;
    }
    assert!(read(&bytes, 1 << 20).is_ok(), "as it was");
}

/// Whatever its checksums say: the next entry, grant or put would count beyond what a number holds.
#[test]
fn counters_at_the_end_of_numbers_are_refused() {
    let mut state = small();
    for applied in [(1 << 62, 2), (u64::MAX, 2), (100, u64::MAX)] {
        state.applied = applied;
        let error = read(&write(&state), 1000).expect_err("no cluster counts so far");
        assert!(error.problem.contains("below 4611686018427387904 wanted"), "{error}");
    }
}
