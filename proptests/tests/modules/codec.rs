//! What is written is what is read, for commands, entries and frames; and what is cut short or changed on the way is
//! refused, not believed.

use crate::cases;
use bytes::{Bytes, BytesMut};
use detcd_engine::command::{self, Caller, Command, EntryBuilder, Proposal, decode_entry};
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, CommandId, Grant, Incarnation, LeaseId, MemberId, RequestId};
use detcd_engine::membership::MemberAttributes;
use detcd_engine::peer_message::{LeaseRequest, LeaseResponse, PeerBody, PeerMessage};
use detcd_engine::raft::{
    EntryKind, HardState, LogEntry, LogRecord, RaftMessage, RaftMessageKind, SnapshotMeta,
};
use detcd_engine::request::{
    Alarm, AlarmKind, Identity, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, Request, RequestError,
};
use detcd_proptests::strategies::{self, Scene};
use detcd_proptests::translate;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

const SCENE: Scene = Scene { revision: 9, compacted: 4 };
const CLUSTER: ClusterId = ClusterId(0xc1);

fn member() -> impl Strategy<Value = MemberId> + Clone {
    select(&[MemberId(0), MemberId(1), MemberId(u64::MAX)][..])
}

fn number() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![0_u64..4, any::<u64>(), Just(u64::MAX)]
}

fn text() -> impl Strategy<Value = String> + Clone {
    select(&["", "a", "http://[::1]:2379", "näme"][..]).prop_map(str::to_owned)
}

fn grant() -> impl Strategy<Value = Grant> + Clone {
    (any::<i64>(), number()).prop_map(|(id, number)| Grant { lease: LeaseId(id), number })
}

fn alarm() -> impl Strategy<Value = Alarm> + Clone {
    (select(&[AlarmKind::NoSpace, AlarmKind::Corrupt][..]), member())
        .prop_map(|(kind, member)| Alarm { kind, member })
}

fn attributes() -> impl Strategy<Value = MemberAttributes> + Clone {
    (member(), text(), vec(text(), 0..3), number()).prop_map(|(id, name, client_urls, incarnation)| {
        MemberAttributes { id, name, client_urls, incarnation: Incarnation(incarnation) }
    })
}

fn commands() -> impl Strategy<Value = Command> + Clone {
    let asked = strategies::writes(SCENE).prop_map(|write| match translate::write(&write) {
        Request::Put(put) => Command::Put(put),
        Request::DeleteRange(delete) => Command::DeleteRange(delete),
        Request::Txn(txn) => Command::Txn(txn),
        Request::Compact(compact) => Command::Compact(compact.revision),
        Request::LeaseGrant(grant) => Command::LeaseGrant { id: grant.id, ttl_secs: grant.ttl_secs.max(1) },
        Request::LeaseRevoke(id) => Command::LeaseRevoke(id),
        other => unreachable!("{other:?} is no write"),
    });
    let note = (grant(), proptest::option::of(1_i64..));
    prop_oneof![
        6 => asked,
        1 => vec(grant(), 0..4).prop_map(Command::LeaseExpire),
        1 => vec(note, 0..4).prop_map(Command::LeaseRemaining),
        1 => alarm().prop_map(Command::AlarmActivate),
        1 => alarm().prop_map(Command::AlarmDeactivate),
        1 => attributes().prop_map(Command::Attributes),
    ]
}

fn callers() -> impl Strategy<Value = Caller> + Clone {
    let user = (".{0,10}", any::<u64>())
        .prop_map(|(name, auth_revision)| Caller::User(Identity { name, auth_revision }));
    prop_oneof![Just(Caller::Member), Just(Caller::Anonymous), user]
}

fn proposals() -> impl Strategy<Value = Proposal> + Clone {
    (member(), any::<u32>(), number(), callers(), commands()).prop_map(
        |(member, boot, number, caller, command)| Proposal {
            id: CommandId { member, boot, number },
            caller,
            command,
        },
    )
}

pub(crate) fn log_entries() -> impl Strategy<Value = Vec<LogEntry>> + Clone {
    let kind = select(&[EntryKind::Commands, EntryKind::Membership][..]);
    let entry = (number(), number(), kind, vec(any::<u8>(), 0..40))
        .prop_map(|(term, index, kind, data)| LogEntry { term, index, kind, data: Bytes::from(data) });
    vec(entry, 0..4)
}

fn hard_state() -> impl Strategy<Value = HardState> + Clone {
    (number(), member(), number()).prop_map(|(term, vote, commit)| HardState { term, vote, commit })
}

/// Ascending.
fn members() -> impl Strategy<Value = Vec<MemberId>> + Clone {
    btree_set(member(), 0..3).prop_map(|members| members.into_iter().collect())
}

fn meta() -> impl Strategy<Value = SnapshotMeta> + Clone {
    (number(), number(), members(), members()).prop_map(|(index, term, voters, learners)| SnapshotMeta {
        index,
        term,
        voters,
        learners,
    })
}

pub(crate) fn log_records() -> impl Strategy<Value = LogRecord> + Clone {
    prop_oneof![
        4 => (proptest::option::of(hard_state()), log_entries())
            .prop_map(|(hard_state, entries)| LogRecord::Append { hard_state, entries }),
        1 => (hard_state(), meta()).prop_map(|(hard_state, meta)| LogRecord::Installed { hard_state, meta }),
    ]
}

fn raft_messages() -> impl Strategy<Value = RaftMessage> + Clone {
    let numbers = (number(), number(), number(), number(), number(), number(), number());
    let more = (any::<bool>(), proptest::option::of(meta()), vec(any::<u8>(), 0..13), any::<i64>());
    (select(RaftMessageKind::ALL.to_vec()), numbers, more, log_entries()).prop_map(
        |(kind, numbers, more, entries)| {
            let (term, log_term, index, commit, commit_term, reject_hint, request_snapshot) = numbers;
            let (reject, snapshot, context, priority) = more;
            let context = Bytes::from(context);
            RaftMessage {
                kind,
                term,
                log_term,
                index,
                entries,
                commit,
                commit_term,
                reject,
                reject_hint,
                snapshot,
                context,
                request_snapshot,
                priority,
            }
        },
    )
}

fn request_id() -> impl Strategy<Value = RequestId> + Clone {
    (member(), any::<u32>(), number()).prop_map(|(member, boot, counter)| RequestId { member, boot, counter })
}

fn bodies() -> impl Strategy<Value = PeerBody> + Clone {
    let commands = vec(vec(any::<u8>(), 0..20).prop_map(Bytes::from), 0..4);
    let lease = any::<i64>().prop_map(LeaseId);
    let request = prop_oneof![
        lease.clone().prop_map(LeaseRequest::KeepAlive),
        (lease.clone(), any::<bool>())
            .prop_map(|(id, keys)| LeaseRequest::TimeToLive(LeaseTimeToLiveRequest { id, keys })),
    ];
    let told = (lease, any::<i64>(), any::<i64>(), vec(strategies::keys(), 0..3)).prop_map(
        |(id, ttl_secs, granted_ttl_secs, keys)| {
            LeaseResponse::TimeToLive(LeaseTimeToLiveResponse { id, ttl_secs, granted_ttl_secs, keys })
        },
    );
    let response = prop_oneof![
        any::<i64>().prop_map(|ttl_secs| Ok(LeaseResponse::KeepAlive { ttl_secs })),
        told.prop_map(Ok),
        select(&[RequestError::NotLeader, RequestError::Corrupt, RequestError::LeaseNotFound][..])
            .prop_map(Err),
    ];
    prop_oneof![
        4 => raft_messages().prop_map(PeerBody::Raft),
        1 => commands.prop_map(PeerBody::Forward),
        1 => (any::<u32>(), vec(number(), 0..4))
            .prop_map(|(boot, numbers)| PeerBody::CancelForward { boot, numbers }),
        1 => number().prop_map(|attempt| PeerBody::ReadIndex { attempt }),
        1 => (number(), proptest::option::of(number()))
            .prop_map(|(attempt, index)| PeerBody::ReadIndexReply { attempt, index }),
        1 => (request_id(), callers(), request)
            .prop_map(|(id, caller, request)| PeerBody::LeaseRequest { id, caller, request }),
        1 => (request_id(), response).prop_map(|(id, response)| PeerBody::LeaseResponse { id, response }),
    ]
}

fn messages() -> impl Strategy<Value = PeerMessage> + Clone {
    let lives = (number(), proptest::option::of(number()));
    (member(), member(), lives, bodies()).prop_map(|(from, to, (from_life, to_life), body)| PeerMessage {
        from,
        from_incarnation: Incarnation(from_life),
        to,
        to_incarnation: to_life.map(Incarnation),
        body,
    })
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn an_entry_is_read_as_it_was_written(proposals in vec(proposals(), 1..5), cut in any::<proptest::sample::Index>()) {
        let mut buffer = BytesMut::new();
        let mut entry = EntryBuilder::with_capacity(0);
        for proposal in &proposals {
            let bytes = command::encode(&mut buffer, proposal);
            prop_assert_eq!(&command::decode(bytes.clone()).expect("as it was written"), proposal);
            entry.push(&bytes);
        }
        let bytes = entry.finish();
        prop_assert_eq!(decode_entry(bytes.clone()).expect("as it was written"), proposals);
        let short = bytes.slice(..cut.index(bytes.len()));
        prop_assert!(decode_entry(short).is_err(), "an entry cut short");
        prop_assert!(decode_entry(Bytes::from([&bytes[..], &[0]].concat())).is_err(), "a byte too much");
    }

    /// One command has one form: bytes that were changed are refused, or say something else in that form.
    #[test]
    fn a_changed_command_is_refused_or_another(
        proposal in proposals(),
        at in any::<proptest::sample::Index>(),
        bits in 1_u8..,
    ) {
        let mut buffer = BytesMut::new();
        let mut bytes = command::encode(&mut buffer, &proposal).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        let bytes = Bytes::from(bytes);
        if let Ok(another) = command::decode(bytes.clone()) {
            prop_assert_ne!(&another, &proposal);
            prop_assert_eq!(command::encode(&mut buffer, &another), bytes, "{:?} after {:?}", another, proposal);
        }
    }

    #[test]
    fn a_frame_is_read_as_it_was_written(
        message in messages(),
        at in any::<proptest::sample::Index>(),
        bits in 1_u8..,
    ) {
        let bytes = frame::encode(&message, CLUSTER);
        let read = |bytes: Vec<u8>| frame::decode(Bytes::from(bytes), CLUSTER, message.to);
        prop_assert_eq!(read(bytes.clone()).expect("as it was written"), message.clone());
        let at = at.index(bytes.len());
        prop_assert!(read(bytes[..at].to_vec()).is_err(), "a frame cut to {} bytes", at);
        let mut changed = bytes;
        changed[at] ^= bits;
        prop_assert!(read(changed).is_err(), "a frame whose byte {} is another", at);
    }
}
