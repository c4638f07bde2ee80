//! Converts etcd's messages to the engine's replies.

use crate::watch_response::{WatchEvent, WatchResponse};
use detcd_engine::ids::{ClusterId, MemberId, WatchId};
use detcd_engine::mvcc::RecordHeader;
use detcd_engine::request::{
    Alarm, AlarmKind, DeleteRangeResponse, LeaseGrantResponse, LeaseId, LeaseTimeToLiveResponse, Member,
    RangeResponse, RecordRef, Reply, Response, Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use detcd_engine::watch::WatchRefusal;
use server_sim::pb::response_op::Response as WireResponse;
use server_sim::{pb, wire};

/// The member that must answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers {
    pub(super) cluster: ClusterId,
    pub(super) member: MemberId,
}

impl Headers {
    /// A reply with its header's revision and term.
    pub(super) fn reply(self, header: Option<pb::ResponseHeader>, response: Response) -> Reply {
        let (revision, term) = self.read(header);
        Reply { revision, term, response }
    }

    /// Revision and term.
    ///
    /// # Panics
    /// There is no header, or it is another member's.
    pub(super) fn read(self, header: Option<pb::ResponseHeader>) -> (i64, u64) {
        let header = header.expect("promise broken: every answer has a header");
        let named = (header.cluster_id, header.member_id);
        assert!(
            named == (self.cluster.0, self.member.0),
            "promise broken: an answer names who gave it, but {self:?} said {named:?}"
        );
        (header.revision, header.raft_term)
    }
}

pub(super) fn record(kv: &wire::KeyValue) -> RecordRef {
    let header = RecordHeader {
        create_revision: kv.create_revision(),
        mod_revision: kv.mod_revision(),
        // Not in the message.
        sub: 0,
        version: kv.version(),
        lease: LeaseId(kv.lease()),
    };
    RecordRef::new(header, kv.key(), kv.value())
}

pub(super) fn range(answer: pb::RangeResponse) -> RangeResponse {
    RangeResponse {
        kvs: answer.kvs.iter().map(record).collect(),
        // The server has left out already what it leaves out then.
        keys_only: false,
        more: answer.more,
        count: count(answer.count),
    }
}

pub(super) fn delete_range(answer: pb::DeleteRangeResponse) -> DeleteRangeResponse {
    DeleteRangeResponse {
        deleted: count(answer.deleted),
        prev_kvs: answer.prev_kvs.iter().map(record).collect(),
    }
}

pub(super) fn txn(answer: pb::TxnResponse, asked: &Txn) -> TxnResponse {
    let branch = if answer.succeeded { &asked.success } else { &asked.failure };
    assert!(
        branch.len() == answer.responses.len(),
        "promise broken: a transaction answers each of its operations, but to {asked:?} it said {answer:?}"
    );
    let responses = answer.responses.into_iter().zip(branch).map(|(answer, asked)| operation(answer, asked));
    TxnResponse { succeeded: answer.succeeded, responses: responses.collect() }
}

fn operation(answer: pb::ResponseOp, asked: &TxnOp) -> TxnOpResponse {
    let revision = |header: Option<pb::ResponseHeader>| header.map_or(0, |header| header.revision);
    match (answer.response, asked) {
        (Some(WireResponse::ResponseRange(answer)), TxnOp::Range(_)) => {
            TxnOpResponse::Range { revision: revision(answer.header), response: range(answer) }
        }
        (Some(WireResponse::ResponsePut(answer)), TxnOp::Put(_)) => TxnOpResponse::Put {
            revision: revision(answer.header),
            prev_kv: answer.prev_kv.as_ref().map(record),
        },
        (Some(WireResponse::ResponseDeleteRange(answer)), TxnOp::DeleteRange(_)) => {
            TxnOpResponse::DeleteRange { revision: revision(answer.header), response: delete_range(answer) }
        }
        (Some(WireResponse::ResponseTxn(answer)), TxnOp::Txn(asked)) => {
            TxnOpResponse::Txn(txn(answer, asked))
        }
        (answer, asked) => {
            panic!("promise broken: operations are answered in order, but {asked:?} with {answer:?}")
        }
    }
}

pub(super) fn lease_grant(answer: &pb::LeaseGrantResponse) -> LeaseGrantResponse {
    LeaseGrantResponse { id: LeaseId(answer.id), ttl_secs: answer.ttl }
}

pub(super) fn lease_time_to_live(answer: pb::LeaseTimeToLiveResponse) -> LeaseTimeToLiveResponse {
    LeaseTimeToLiveResponse {
        id: LeaseId(answer.id),
        ttl_secs: answer.ttl,
        granted_ttl_secs: answer.granted_ttl,
        keys: answer.keys,
    }
}

pub(super) fn members(members: Vec<pb::Member>) -> Vec<Member> {
    let member = |member: pb::Member| Member {
        id: MemberId(member.id),
        name: member.name,
        peer_urls: member.peer_ur_ls,
        client_urls: member.client_ur_ls,
        is_learner: member.is_learner,
        // Not in the message.
        incarnation: None,
    };
    members.into_iter().map(member).collect()
}

pub(super) fn alarms(alarms: &[pb::AlarmMember]) -> Vec<Alarm> {
    let alarm = |alarm: &pb::AlarmMember| {
        let kind = match alarm.alarm() {
            pb::AlarmType::Nospace => AlarmKind::NoSpace,
            pb::AlarmType::Corrupt => AlarmKind::Corrupt,
            pb::AlarmType::None => panic!("promise broken: an alarm has a kind, but one was {alarm:?}"),
        };
        Alarm { kind, member: MemberId(alarm.member_id) }
    };
    alarms.iter().map(alarm).collect()
}

/// A watch response. One without other content is progress.
pub(super) fn watch_response(headers: Headers, answer: pb::WatchResponse) -> WatchResponse {
    let (revision, _) = headers.read(answer.header);
    let id = WatchId(answer.watch_id);
    match (answer.created, answer.canceled) {
        (true, true) => WatchResponse::Rejected { revision, reason: watch_refusal(&answer.cancel_reason) },
        (true, false) => WatchResponse::Created { id, revision },
        (false, true) if answer.compact_revision != 0 => {
            WatchResponse::Compacted { id, compact_revision: answer.compact_revision }
        }
        (false, true) => WatchResponse::Canceled { id, revision },
        (false, false) if answer.events.is_empty() => WatchResponse::Progress { id, revision },
        (false, false) => {
            let events = answer.events.iter().map(WatchEvent::of).collect();
            WatchResponse::Events { id, revision, events, fragment: answer.fragment }
        }
    }
}

fn watch_refusal(reason: &str) -> WatchRefusal {
    let known = WatchRefusal::ALL.iter().copied().find(|refusal| refusal.to_string() == reason);
    known.unwrap_or_else(|| {
        panic!("promise broken: a watch is refused in etcd's words, but one by {reason:?}")
    })
}

fn count(keys: i64) -> u64 {
    u64::try_from(keys).expect("promise broken: a count is not negative")
}

#[cfg(test)]
mod tests {
    use super::super::messages::encoded_and_decoded;
    use super::*;
    use detcd_engine::key_range::KeyRange;
    use detcd_engine::request::{PutLease, PutRequest, PutValue, RangeRequest};

    fn kept(value: &'static [u8]) -> RecordRef {
        let header =
            RecordHeader { create_revision: 2, mod_revision: 5, sub: 0, version: 3, lease: LeaseId(-8) };
        RecordRef::new(header, b"k", value)
    }

    fn found(keys_only: bool) -> RangeResponse {
        RangeResponse { kvs: vec![kept(b"v"), kept(b"w")], keys_only, more: true, count: 9 }
    }

    #[test]
    fn the_client_understands_what_the_server_answers() {
        let asked = RangeRequest::of(KeyRange::One(b"k".as_slice().into()));
        let answer = encoded_and_decoded(wire::kv::range_response(None, found(false)));
        assert_eq!(range(answer), found(false));
        let answer = range(encoded_and_decoded(wire::kv::range_response(None, found(true))));
        let header =
            RecordHeader { create_revision: 2, mod_revision: 5, sub: 0, version: 3, lease: LeaseId(0) };
        let key = RecordRef::new(header, b"k", b"");
        assert_eq!(answer.kvs, [key.clone(), key], "the values and leases are left out");
        let put = PutRequest {
            key: b"k".as_slice().into(),
            value: PutValue::Keep,
            lease: PutLease::Keep,
            prev_kv: true,
        };
        let inner = Txn { compares: Vec::new(), success: Vec::new(), failure: vec![TxnOp::Put(put)] };
        let outer = Txn {
            compares: Vec::new(),
            success: vec![TxnOp::Range(asked), TxnOp::Txn(inner)],
            failure: Vec::new(),
        };
        let inner_done = TxnResponse {
            succeeded: false,
            responses: vec![TxnOpResponse::Put { revision: 6, prev_kv: Some(kept(b"v")) }],
        };
        let done = TxnResponse {
            succeeded: true,
            responses: vec![
                TxnOpResponse::Range { revision: 5, response: found(false) },
                TxnOpResponse::Txn(inner_done),
            ],
        };
        assert_eq!(txn(encoded_and_decoded(wire::txn::txn_response(None, done.clone())), &outer), done);
    }
}
