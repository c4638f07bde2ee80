//! Transactions from a client, all the way: bytes, wire message, check, log entry, state, answer, bytes. Refused with a
//! reason and without a trace, or applied as one revision.

use crate::cluster::{Answer, Cluster};
use crate::draw::Draw;
use crate::reference;
use crate::split;
use bytes::{Bytes, BytesMut};
use detcd::pb;
use detcd::wire::{EncodedTxn, txn};
use detcd_engine::command::{Caller, Command, Proposal, decode, encode};
use detcd_engine::ids::CommandId;
use detcd_engine::key_range::KeyRange;
use detcd_engine::memory_member::{CLUSTER, meta_of, read_snapshot, write_snapshot};
use detcd_engine::raft::SnapshotMeta;
use detcd_engine::request::{
    CompactRequest, LeaseGrantRequest, LeaseId, LeaseTimeToLiveRequest, PutLease, PutRequest, PutValue,
    RangeRequest, Request, RequestError, Response, Txn, TxnOp,
};
use detcd_engine::state::State;
use detcd_engine::txn::check;
use detcd_proptests::reference as plain;
use prost::{DecodeError, Message};
use std::sync::OnceLock;

/// `--max-txn-ops`, as it is if nobody says otherwise.
const OPS_MAX: usize = 128;
/// Where more keys would be looked at than this, the transaction is parsed and written down but not run: what a range
/// may read is bounded by the store and by `--max-txn-ops`, not by the size of the request. So it is in etcd.
const LOOKS_MAX: usize = 200_000;

/// What prost decodes as a whole, and the reference is asked, at most: one takes a hundred bytes for each, the other is
/// plain and not fast, with a list of everything for each key.
const PLAIN_BYTES_MAX: usize = 16 * 1024;

/// A transaction as it is; or some that are made up, one after the other, each through its bytes.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    if as_it_is {
        let bytes = Bytes::copy_from_slice(body);
        let request = EncodedTxn::decode(bytes.clone());
        let is_large = body.len() > PLAIN_BYTES_MAX;
        if !is_large {
            whole(bytes, &request);
        }
        if let Some(txn) = request.ok().and_then(parse) {
            let txn = written_down(txn, is_large);
            if looks(&txn) <= LOOKS_MAX {
                let mut plain = (!is_large).then(ready_reference);
                apply(&mut ready_member(), &mut plain, txn);
            }
        }
        return;
    }
    let mut draw = Draw::new(body);
    let (mut member, mut plain) = (ready_member(), Some(ready_reference()));
    for _ in 0..8 {
        let revision = member.engine(0).expect("it runs").state().store().revision();
        let request = draw.txn_request(revision);
        let bytes = Bytes::from(request.encode_to_vec());
        assert_eq!(pb::TxnRequest::decode(bytes.clone()), Ok(request), "a request survives its bytes");
        if let Some(txn) = EncodedTxn::decode(bytes).ok().and_then(parse) {
            apply(&mut member, &mut plain, written_down(txn, false));
        }
        if draw.is_empty() {
            break;
        }
    }
    member.check_states();
}

/// What is decoded level by level is what prost makes of the whole, with the same error where there is none.
fn whole(bytes: Bytes, request: &Result<EncodedTxn, DecodeError>) {
    let whole = pb::TxnRequest::decode(bytes);
    assert_eq!(request.as_ref().err(), whole.as_ref().err(), "well formed, or not");
    if let (Ok(request), Ok(whole)) = (request, whole) {
        let parsed = txn::txn_request(request.clone(), OPS_MAX);
        assert_eq!(parsed, txn::txn_request(whole, OPS_MAX), "the same from its bytes, made anew");
    }
}

fn parse(request: EncodedTxn) -> Option<Txn> {
    let txn = txn::txn_request(request, OPS_MAX).and_then(|txn| check(txn, OPS_MAX)).ok()?;
    Some(check(txn, OPS_MAX).expect("checked once and again"))
}

/// What is accepted, as it is read back from the log. A member does not keep the one while it reads the other, and a
/// large one is not held twice here either.
fn written_down(txn: Txn, is_large: bool) -> Txn {
    let same = (!is_large).then(|| txn.clone());
    let proposal =
        |txn| Proposal { id: CommandId::default(), caller: Caller::Anonymous, command: Command::Txn(txn) };
    let written = encode(&mut BytesMut::new(), &proposal(txn));
    let read = decode(written.clone()).expect("written just now");
    assert_eq!(encode(&mut BytesMut::new(), &read), written, "a transaction survives its bytes");
    let Command::Txn(txn) = read.command else { panic!("{:?} was a transaction", read.command) };
    assert!(same.is_none_or(|same| same == txn), "a transaction survives its bytes");
    txn
}

/// How many keys could be looked at: every range sees those of the store and those that are put.
fn looks(txn: &Txn) -> usize {
    fn count(txn: &Txn, ranges: &mut usize, puts: &mut usize) {
        *ranges += txn.compares.len();
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Put(_) => *puts += 1,
                TxnOp::Range(_) | TxnOp::DeleteRange(_) => *ranges += 1,
                TxnOp::Txn(nested) => count(nested, ranges, puts),
            }
        }
    }
    let (mut ranges, mut puts) = (0, 32);
    count(txn, &mut ranges, &mut puts);
    ranges * puts
}

/// Holds the answer against the reference, as long as that has words for what it was asked.
fn compare(plain: &mut Option<plain::Cluster>, txn: &Txn, answer: &Answer) {
    let said = answer.as_ref().map_err(|error| *error).map(|reply| match &reply.response {
        Response::Txn(response) => response.clone(),
        other => panic!("{other:?} to a Txn"),
    });
    // The reference counts neither bytes nor looks.
    if matches!(said, Err(RequestError::RequestTooLarge | RequestError::TooManyKeysCompared)) {
        return;
    }
    let expected = plain.as_mut().and_then(|plain| reference::apply(plain, txn));
    let Some(expected) = expected else {
        *plain = None;
        return;
    };
    assert_eq!(
        reference::answer(&said),
        expected.map_err(Some),
        "the reference's answer to {txn:?}, {answer:?}"
    );
}

fn apply(member: &mut Cluster, plain: &mut Option<plain::Cluster>, txn: Txn) {
    let before = member.engine(0).expect("it runs").state().clone();
    let answer = member.ask_and_wait(0, Request::Txn(txn.clone()));
    compare(plain, &txn, &answer);
    let state = member.engine(0).expect("it runs").state();
    let (store, was) = (state.store(), before.store().revision());
    assert_eq!(store.hash(), store.hash_from_scratch(), "the store's hash");
    let changes: Vec<(i64, u32)> = store.history_from(was + 1).map(|record| record.position()).collect();
    let expected: Vec<(i64, u32)> = (0..changes.len()).map(|sub| (was + 1, sub as u32)).collect();
    assert_eq!(changes, expected, "all changes are of one revision, numbered without a gap");
    assert_eq!(store.revision(), was + i64::from(!changes.is_empty()), "the revision after {txn:?}");
    match answer {
        Ok(reply) => {
            let Response::Txn(response) = reply.response else { panic!("{:?} to a Txn", reply.response) };
            let branch = if response.succeeded { &txn.success } else { &txn.failure };
            assert_eq!(response.responses.len(), branch.len(), "an answer for each operation");
            let response = txn::txn_response(None, response);
            let decoded = pb::TxnResponse::decode(Bytes::from(response.encode_to_vec()));
            assert_eq!(decoded, Ok(response), "an answer survives its bytes");
        }
        Err(RequestError::RequestTooLarge) => assert!(changes.is_empty(), "refused, and yet applied"),
        Err(error) => {
            assert_eq!(store.hash(), before.store().hash(), "refused with {error:?}, and yet applied")
        }
    }
    check_leases(member);
}

/// A lease's keys are those whose newest version says so.
pub(crate) fn check_leases(member: &mut Cluster) {
    let all = RangeRequest::of(KeyRange::From(Bytes::from_static(b"\0")));
    let live = member.engine(0).expect("it runs").state().store().range(&all).expect("the present").kvs;
    let Ok(reply) = member.ask_and_wait(0, Request::LeaseLeases) else { return };
    let Response::LeaseLeases(leases) = reply.response else { panic!("{:?} to LeaseLeases", reply.response) };
    for record in &live {
        let id = record.lease();
        assert!(id == LeaseId(0) || leases.contains(&id), "{record:?} hangs on no lease");
    }
    for id in leases {
        let request = Request::LeaseTimeToLive(LeaseTimeToLiveRequest { id, keys: true });
        let Ok(reply) = member.ask_and_wait(0, request) else { continue };
        let Response::LeaseTimeToLive(left) = reply.response else { panic!("{:?}", reply.response) };
        let expected: Vec<&[u8]> =
            live.iter().filter(|record| record.lease() == id).map(|record| record.key()).collect();
        assert!(left.ttl_secs < 0 || left.keys == expected, "lease {id:?} has {:?}", left.keys);
    }
}

fn ready_puts() -> impl Iterator<Item = PutRequest> {
    (0..12_u8).map(|at| PutRequest {
        key: Bytes::copy_from_slice(&[b'a' + at % 4, b'a' + at % 3][..usize::from(at % 2) + 1]),
        value: PutValue::Set(Bytes::copy_from_slice(&[at])),
        lease: PutLease::Set(LeaseId(i64::from(at % 3))),
        prev_kv: false,
    })
}

/// The reference after what a ready member has been asked.
fn ready_reference() -> plain::Cluster {
    let mut plain = plain::Cluster::default();
    let grants = [1, 2].map(|id| plain::Write::LeaseGrant(id, 1000));
    let puts = ready_puts().map(|put| plain::Write::Put(reference::put(&put)));
    for write in grants.into_iter().chain(puts).chain([plain::Write::Compact(5)]) {
        plain.apply(&write).expect("nothing stands against it");
    }
    plain
}

/// A member that leads alone, with some keys, two leases and a past of which a part is compacted.
pub(crate) fn ready_member() -> Cluster {
    static READY: OnceLock<(SnapshotMeta, State)> = OnceLock::new();
    let (meta, state) = READY.get_or_init(|| {
        let mut member = Cluster::new(1, |_| {});
        member.settle();
        for id in [1, 2] {
            let grant = LeaseGrantRequest { id: LeaseId(id), ttl_secs: 1000 };
            member.ask_and_wait(0, Request::LeaseGrant(grant)).expect("a lease of its own");
        }
        for put in ready_puts() {
            member.ask_and_wait(0, Request::Put(put)).expect("nothing stands against it");
        }
        let compact = CompactRequest { revision: 5, physical: true };
        member.ask_and_wait(0, Request::Compact(compact)).expect("5 of 13");
        let state = member.engine(0).expect("it runs").state();
        read_snapshot(&write_snapshot(meta_of(state), state.view())).expect("written just now")
    });
    assert_eq!(state.cluster(), CLUSTER, "of the cluster that all targets have");
    // Its second life: under the first one's numbers a command would be taken for one that was applied before.
    let mut member = Cluster::of_state(1, |config| config.boot += 1, meta, state);
    member.settle();
    member
}
