//! Every command survives its encoding; no cut or flipped encoding is taken for another command's bytes in a way
//! that panics.

use super::*;
use crate::ids::{Grant, Incarnation, MemberId};
use crate::key_range::KeyRange;
use crate::request::*;
use bytes::{Bytes, BytesMut};

fn range(revision: i64) -> RangeRequest {
    RangeRequest {
        limit: 7,
        revision,
        keys_only: true,
        ..RangeRequest::of(KeyRange::From(Bytes::from_static(b"a")))
    }
}

fn put(key: &'static str) -> PutRequest {
    PutRequest {
        key: Bytes::from_static(key.as_bytes()),
        value: PutValue::Set(Bytes::from_static(b"value")),
        lease: PutLease::Set(LeaseId(-3)),
        prev_kv: true,
    }
}

fn commands() -> Vec<Command> {
    let keep = PutRequest { value: PutValue::Keep, lease: PutLease::Keep, prev_kv: false, ..put("k") };
    let delete = DeleteRangeRequest {
        range: KeyRange::Span { start: Bytes::from_static(b"a"), end: Bytes::from_static(b"c") },
        prev_kv: true,
    };
    let compare = |operand| Compare {
        range: KeyRange::One(Bytes::from_static(b"k")),
        result: CompareResult::NotEqual,
        operand,
    };
    let inner = Txn { compares: vec![], success: vec![TxnOp::Range(range(-1))], failure: vec![] };
    let txn = Txn {
        compares: vec![
            compare(CompareOperand::Version(1)),
            compare(CompareOperand::Create(2)),
            compare(CompareOperand::Mod(3)),
            compare(CompareOperand::Value(Bytes::from_static(b"v"))),
            compare(CompareOperand::Lease(4)),
            compare(CompareOperand::Unknown),
        ],
        success: vec![TxnOp::Put(put("a")), TxnOp::DeleteRange(delete.clone()), TxnOp::Txn(inner)],
        failure: vec![TxnOp::Range(range(5))],
    };
    let grant = |id, number| Grant { lease: LeaseId(id), number };
    let alarm = Alarm { kind: AlarmKind::NoSpace, member: MemberId(9) };
    vec![
        Command::Put(put("key")),
        Command::Put(keep),
        Command::DeleteRange(delete),
        Command::Txn(txn),
        Command::Compact(42),
        Command::LeaseGrant { id: LeaseId(i64::MIN), ttl_secs: 60 },
        Command::LeaseRevoke(LeaseId(1)),
        Command::LeaseExpire(vec![grant(1, 1), grant(-1, u64::MAX)]),
        Command::LeaseRemaining(vec![(grant(1, 3), Some(5)), (grant(2, 4), None)]),
        Command::AlarmActivate(alarm),
        Command::AlarmDeactivate(Alarm { kind: AlarmKind::Corrupt, ..alarm }),
        Command::Attributes(MemberAttributes {
            id: MemberId(1),
            name: "n1".to_owned(),
            client_urls: vec!["http://127.0.0.1:2379".to_owned()],
            incarnation: Incarnation(5),
        }),
    ]
}

/// Every kind, with and without what may be absent.
fn auth_commands() -> Vec<Command> {
    let (user, role) = (|| "alice".to_owned(), || "reader".to_owned());
    let secret = || Secret::new(Bytes::from_static(b"$2a$10$"));
    let permissions = Access::ALL.iter().map(|access| {
        let (key, range_end) = (Bytes::from_static(b"a"), Bytes::from_static(b"\0"));
        Some(Permission { access: *access, key, range_end })
    });
    let grants = permissions.chain([None]);
    let mut changes = vec![
        AuthChange::Enable,
        AuthChange::Disable,
        AuthChange::UserAdd { name: user(), password: Some(secret()) },
        AuthChange::UserAdd { name: String::new(), password: None },
        AuthChange::UserDelete(user()),
        AuthChange::UserChangePassword { name: user(), password: secret() },
        AuthChange::UserGrantRole { user: user(), role: role() },
        AuthChange::UserRevokeRole { user: user(), role: role() },
        AuthChange::RoleAdd(role()),
        AuthChange::RoleDelete(role()),
        AuthChange::RoleRevokePermission { role: role(), key: Bytes::new(), range_end: Bytes::new() },
    ];
    changes.extend(grants.map(|permission| AuthChange::RoleGrantPermission { role: role(), permission }));
    let mut commands: Vec<Command> = changes.into_iter().map(Command::Auth).collect();
    commands.push(Command::Authenticate(Authenticate { name: user(), token: secret(), auth_revision: 9 }));
    commands
}

/// A caller that is nobody takes a byte.
#[test]
fn every_caller_survives_its_encoding() {
    let identity = Identity { name: "alice".to_owned(), auth_revision: u64::MAX };
    for (caller, bytes) in [(Caller::Member, 1), (Caller::Anonymous, 1), (Caller::User(identity), 18)] {
        let proposal = Proposal { caller, ..proposal(Command::Compact(1)) };
        let encoded = to_bytes(&proposal);
        assert_eq!(encoded.len(), 20 + bytes + 9);
        assert_eq!(decode(encoded), Ok(proposal));
    }
}

fn proposal(command: Command) -> Proposal {
    Proposal {
        id: CommandId { member: MemberId(7), boot: 2, number: 99 },
        caller: Caller::Anonymous,
        command,
    }
}

fn to_bytes(proposal: &Proposal) -> Bytes {
    encode(&mut BytesMut::new(), proposal)
}

#[test]
fn every_command_survives_its_encoding() {
    for command in commands().into_iter().chain(auth_commands()) {
        let proposal = proposal(command);
        assert_eq!(decode(to_bytes(&proposal)), Ok(proposal));
    }
}

/// Room that is made too small is made again, and all that was written is copied.
#[test]
fn a_large_command_finds_the_room_it_needs_and_little_more() {
    let grant = |number| Grant { lease: LeaseId(1), number };
    let large = [
        Command::Put(PutRequest { value: PutValue::Set(Bytes::from(vec![7; 10_000])), ..put("key") }),
        Command::Put(PutRequest { key: Bytes::from(vec![7; 10_000]), ..put("key") }),
        Command::LeaseExpire((0..1000).map(grant).collect()),
        Command::LeaseRemaining((0..1000).map(|number| (grant(number), Some(1))).collect()),
    ];
    for command in large {
        let mut out = BytesMut::new();
        let bytes = encode(&mut out, &proposal(command)).len();
        assert!(out.capacity() < 100, "room for {} more behind {bytes} bytes", out.capacity());
    }
}

/// What the receiving member never sends is refused, what it may send at least is not.
#[test]
fn a_grant_has_an_id_and_a_ttl() {
    let grant = |id, ttl_secs| {
        let read = decode(to_bytes(&proposal(Command::LeaseGrant { id: LeaseId(id), ttl_secs })));
        read.map(|_| ()).map_err(|error| error.problem)
    };
    assert_eq!((grant(1, 1), grant(-1, i64::MAX)), (Ok(()), Ok(())));
    assert_eq!(grant(0, 1), Err("lease 0 with a TTL of 1 s".to_owned()));
    assert_eq!(grant(1, 0), Err("lease 1 with a TTL of 0 s".to_owned()));
    assert_eq!(grant(1, -1), Err("lease 1 with a TTL of -1 s".to_owned()));
}

#[test]
fn an_entry_keeps_its_commands_in_order() {
    let proposals: Vec<Proposal> = commands().into_iter().map(proposal).collect();
    let mut entry = EntryBuilder::with_capacity(0);
    let mut buffer = BytesMut::with_capacity(100);
    let commands: Vec<Bytes> = proposals.iter().map(|proposal| encode(&mut buffer, proposal)).collect();
    for command in &commands {
        entry.push(command);
    }
    assert_eq!(decode_entry(entry.finish()), Ok(proposals));
}

#[test]
fn a_cut_command_is_an_error_at_every_byte() {
    for command in commands() {
        let whole = to_bytes(&proposal(command));
        for length in 0..whole.len() {
            assert!(decode(whole.slice(..length)).is_err(), "{length} of {} bytes were taken", whole.len());
        }
    }
}

/// A flipped bit makes another command or none: what is read has no second form.
#[test]
fn a_flipped_bit_is_an_error_or_another_command() {
    for command in commands() {
        let whole = to_bytes(&proposal(command));
        for at in 0..whole.len() * 8 {
            let mut flipped = whole.to_vec();
            flipped[at / 8] ^= 1 << (at % 8);
            if let Ok(read) = decode(Bytes::from(flipped.clone())) {
                assert_eq!(to_bytes(&read), flipped, "another form of {read:?}");
            }
        }
    }
}

/// What is promised by a count and cannot follow is refused at the count, before room is made for any of it: the least
/// that an item takes is known.
#[test]
fn a_count_of_what_cannot_follow_is_refused_by_itself() {
    let least = to_bytes(&proposal(Command::Auth(AuthChange::Disable)));
    let mut entry = EntryBuilder::with_capacity(0);
    (0..3).for_each(|_| entry.push(&least));
    let entry = entry.finish();
    let cut = entry.slice(..entry.len() - 1);
    assert_eq!(decode_entry(cut).expect_err("cut").what, "commands of an entry");
    let grant = Grant { lease: LeaseId(1), number: 1 };
    let key = KeyRange::One(Bytes::from_static(b"k"));
    let compare = Compare { range: key, result: CompareResult::Equal, operand: CompareOperand::Version(1) };
    let txn = Txn { compares: vec![compare; 9], success: Vec::new(), failure: Vec::new() };
    let lists = [
        ("expired leases", Command::LeaseExpire(vec![grant; 3]), 1),
        ("remaining times", Command::LeaseRemaining(vec![(grant, None); 3]), 1),
        // A compare takes 7 bytes at least by what is reckoned, and 16 by what there is.
        ("compares", Command::Txn(txn), 9 * 9 + 8 + 1),
    ];
    for (what, command, bytes_cut) in lists {
        let whole = to_bytes(&proposal(command));
        let cut = whole.slice(..whole.len() - bytes_cut);
        assert_eq!(decode(cut).expect_err("cut").what, what);
    }
}

#[test]
fn a_txn_nested_without_end_is_refused() {
    let mut txn = Txn { compares: vec![], success: vec![], failure: vec![] };
    for _ in 0..=TXN_DEPTH_MAX {
        txn = Txn { compares: vec![], success: vec![TxnOp::Txn(txn)], failure: vec![] };
    }
    let error = decode(to_bytes(&proposal(Command::Txn(txn)))).expect_err("too deep");
    assert_eq!(error.problem, "nested deeper than 200");
}

/// The least there can be: a count is believed where so many of these fit.
#[test]
fn an_entry_of_the_least_command_is_read() {
    let least = proposal(Command::Auth(AuthChange::Disable));
    let mut entry = EntryBuilder::with_capacity(0);
    entry.push(&to_bytes(&least));
    assert_eq!(decode_entry(entry.finish()), Ok(vec![least]));
}
