//! Requests that are well framed and ask for what cannot be.

use super::Holdings;
use crate::processes::{Cluster, Process, put};
use detcd::pb;
use pb::request_op::Request as Op;
use tonic::{Code, Status};

/// One request of any kind.
enum AnyRequest {
    Range(pb::RangeRequest),
    Put(pb::PutRequest),
    Delete(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compact(i64),
    Grant(i64, i64),
    Revoke(i64),
    Alarm(i32),
}

impl AnyRequest {
    async fn refusal(self, member: &Process) -> Status {
        let mut kv = member.kv();
        let mut lease = pb::lease_client::LeaseClient::new(member.channel());
        let mut maintenance = pb::maintenance_client::MaintenanceClient::new(member.channel());
        match self {
            AnyRequest::Range(request) => kv.range(request).await.map(drop),
            AnyRequest::Put(request) => kv.put(request).await.map(drop),
            AnyRequest::Delete(request) => kv.delete_range(request).await.map(drop),
            AnyRequest::Txn(request) => kv.txn(request).await.map(drop),
            AnyRequest::Compact(revision) => {
                kv.compact(pb::CompactionRequest { revision, physical: false }).await.map(drop)
            }
            AnyRequest::Grant(id, ttl) => {
                lease.lease_grant(pb::LeaseGrantRequest { id, ttl }).await.map(drop)
            }
            AnyRequest::Revoke(id) => lease.lease_revoke(pb::LeaseRevokeRequest { id }).await.map(drop),
            AnyRequest::Alarm(action) => {
                maintenance.alarm(pb::AlarmRequest { action, ..Default::default() }).await.map(drop)
            }
        }
        .expect_err("it was answered")
    }
}

fn op(request: Op) -> pb::RequestOp {
    pb::RequestOp { request: Some(request) }
}

fn put_op(key: &str) -> pb::RequestOp {
    op(Op::RequestPut(put(key.to_owned(), "value")))
}

fn delete_op(key: &str, end: &str) -> pb::RequestOp {
    let (key, range_end) = (key.to_owned().into(), end.to_owned().into());
    op(Op::RequestDeleteRange(pb::DeleteRangeRequest { key, range_end, ..Default::default() }))
}

fn range_op(key: &str, revision: i64) -> pb::RequestOp {
    op(Op::RequestRange(range(key, revision)))
}

fn nested(success: Vec<pb::RequestOp>) -> pb::RequestOp {
    op(Op::RequestTxn(pb::TxnRequest { success, ..Default::default() }))
}

fn txn(success: Vec<pb::RequestOp>) -> AnyRequest {
    AnyRequest::Txn(pb::TxnRequest { success, ..Default::default() })
}

fn puts(count: usize) -> Vec<pb::RequestOp> {
    (0..count).map(|number| put_op(&format!("key {number}"))).collect()
}

fn range(key: &str, revision: i64) -> pb::RangeRequest {
    pb::RangeRequest { key: key.to_owned().into(), revision, ..Default::default() }
}

fn of_bytes(count: usize) -> AnyRequest {
    AnyRequest::Put(put("large", vec![b'v'; count]))
}

/// What is asked, the request, and the refusal. The member is at revision 6 with keys "a" and "b", compacted at 4, and
/// has lease 77.
type Row = (&'static str, AnyRequest, Code, &'static str);

fn keys_and_leases() -> Vec<Row> {
    use Code::*;
    let no_key = "etcdserver: key is not provided";
    let no_lease = "etcdserver: requested lease not found";
    let leased = pb::PutRequest { lease: 5, ..put("a", "value") };
    let with_value = pb::PutRequest { ignore_value: true, ..put("a", "value") };
    let with_lease = pb::PutRequest { ignore_lease: true, lease: 77, ..put("a", "value") };
    let of_none = pb::PutRequest { ignore_value: true, ..put("none", "") };
    let keeps_no_lease = pb::PutRequest { ignore_lease: true, ..put("none", "v") };
    let compare = vec![pb::Compare::default()];
    vec![
        ("a range without key", AnyRequest::Range(range("", 0)), InvalidArgument, no_key),
        ("a put without key", AnyRequest::Put(put("", "v")), InvalidArgument, no_key),
        ("a delete without key", AnyRequest::Delete(Default::default()), InvalidArgument, no_key),
        ("an op without key", txn(vec![put_op("a"), put_op("")]), InvalidArgument, no_key),
        ("a nested op without key", txn(vec![nested(vec![range_op("", 0)])]), InvalidArgument, no_key),
        (
            "a compare without key",
            AnyRequest::Txn(pb::TxnRequest { compare, ..Default::default() }),
            InvalidArgument,
            no_key,
        ),
        ("an op of no kind", txn(vec![Default::default()]), InvalidArgument, "etcdserver: key not found"),
        ("a put with an unknown lease", AnyRequest::Put(leased.clone()), NotFound, no_lease),
        (
            "an op with an unknown lease",
            txn(vec![put_op("x"), op(Op::RequestPut(leased))]),
            NotFound,
            no_lease,
        ),
        ("a revoke of an unknown lease", AnyRequest::Revoke(5), NotFound, no_lease),
        (
            "a lease that is there",
            AnyRequest::Grant(77, 60),
            FailedPrecondition,
            "etcdserver: lease already exists",
        ),
        (
            "a TTL too large",
            AnyRequest::Grant(6, 9_000_000_001),
            OutOfRange,
            "etcdserver: too large lease TTL",
        ),
        (
            "a value that is to be kept",
            AnyRequest::Put(with_value),
            InvalidArgument,
            "etcdserver: value is provided",
        ),
        (
            "a lease that is to be kept",
            AnyRequest::Put(with_lease),
            InvalidArgument,
            "etcdserver: lease is provided",
        ),
        ("no value to be kept", AnyRequest::Put(of_none), InvalidArgument, "etcdserver: key not found"),
        (
            "no lease to be kept",
            AnyRequest::Put(keeps_no_lease),
            InvalidArgument,
            "etcdserver: key not found",
        ),
    ]
}

fn sizes_and_duplicates() -> Vec<Row> {
    use Code::*;
    let too_many = "etcdserver: too many operations in txn request";
    let twice = "etcdserver: duplicate key given in txn request";
    let too_large = "etcdserver: request is too large";
    let compares = vec![pb::Compare { key: "a".into(), ..Default::default() }; 129];
    vec![
        ("a request too large", of_bytes(1_572_864), InvalidArgument, too_large),
        (
            "a message too large",
            of_bytes(2_097_152),
            ResourceExhausted,
            "grpc: received message larger than max (2097164 vs. 2097152)",
        ),
        ("too many ops", txn(puts(129)), InvalidArgument, too_many),
        ("a megabyte of ops of no kind", txn(vec![Default::default(); 500_000]), InvalidArgument, too_many),
        (
            "too many compares",
            AnyRequest::Txn(pb::TxnRequest { compare: compares, ..Default::default() }),
            InvalidArgument,
            too_many,
        ),
        ("too many ops one level down", txn(vec![nested(puts(127)), put_op("y")]), InvalidArgument, too_many),
        (
            "too many ops two levels down",
            txn(vec![nested(vec![nested(puts(126)), put_op("y")])]),
            InvalidArgument,
            too_many,
        ),
        ("a key put twice", txn(vec![put_op("x"), put_op("x")]), InvalidArgument, twice),
        ("a key deleted and put", txn(vec![delete_op("w", "y"), put_op("x")]), InvalidArgument, twice),
        (
            "a key put twice, once one level down",
            txn(vec![put_op("x"), nested(vec![put_op("x")])]),
            InvalidArgument,
            twice,
        ),
    ]
}

fn revisions_and_enums() -> Vec<Row> {
    use Code::*;
    let future = "etcdserver: mvcc: required revision is a future revision";
    let compacted = "etcdserver: mvcc: required revision has been compacted";
    let sort = "etcdserver: invalid sort option";
    vec![
        ("a range in the future", AnyRequest::Range(range("a", 7)), OutOfRange, future),
        ("a compacted range", AnyRequest::Range(range("a", 3)), OutOfRange, compacted),
        ("an op in the future", txn(vec![put_op("x"), range_op("a", 99)]), OutOfRange, future),
        ("a compacted op", txn(vec![put_op("x"), range_op("a", 3)]), OutOfRange, compacted),
        ("a compaction in the future", AnyRequest::Compact(7), OutOfRange, future),
        ("a compaction again", AnyRequest::Compact(4), OutOfRange, compacted),
        (
            "an unknown order",
            AnyRequest::Range(pb::RangeRequest { sort_order: 7, ..range("a", 0) }),
            InvalidArgument,
            sort,
        ),
        (
            "an unknown target",
            AnyRequest::Range(pb::RangeRequest { sort_target: 9, ..range("a", 0) }),
            InvalidArgument,
            sort,
        ),
        ("an unknown action", AnyRequest::Alarm(9), Unknown, "etcdserver: unknown method"),
    ]
}

#[tokio::test]
async fn every_refusal_has_its_code_and_text_and_changes_nothing() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let mut lease = pb::lease_client::LeaseClient::new(member.channel());
    lease.lease_grant(pb::LeaseGrantRequest { id: 77, ttl: 3600 }).await.unwrap();
    for key in ["a", "b", "a", "b", "a"] {
        member.kv().put(put(key, "value")).await.unwrap();
    }
    member.kv().compact(pb::CompactionRequest { revision: 4, physical: true }).await.unwrap();
    let before = Holdings::of(member).await;
    assert_eq!(before, Holdings { revision: 6, keys: 2, leases: 1, alarms: 0 });
    let table = [keys_and_leases(), sizes_and_duplicates(), revisions_and_enums()];
    for (what, ask, code, text) in table.into_iter().flatten() {
        let refusal = ask.refusal(member).await;
        assert_eq!((refusal.code(), refusal.message()), (code, text), "{what}");
        assert_eq!(Holdings::of(member).await, before, "{what}");
    }
    // The largest that are allowed, right beside those that are not.
    let fits = pb::TxnRequest { success: vec![nested(puts(126)), put_op("z")], ..Default::default() };
    member.kv().txn(fits).await.unwrap();
    member.kv().put(put("large", vec![b'v'; 1_572_864 - 100])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_leader_who_asked_for_one_is_refused_at_once() {
    let mut cluster = Cluster::of_three(&[]).await;
    cluster.members[1].kill();
    cluster.members[2].kill();
    let left = &cluster.members[0];
    crate::processes::eventually("the last member to miss its leader", || async {
        (left.status().await?.leader == 0).then_some(())
    })
    .await;
    let needing_a_leader = |local: bool| {
        let mut request = tonic::Request::new(pb::RangeRequest { serializable: local, ..range("a", 0) });
        request.metadata_mut().insert("hasleader", "true".parse().unwrap());
        request
    };
    for local in [false, true] {
        let refusal = left.kv().range(needing_a_leader(local)).await.unwrap_err();
        assert_eq!((refusal.code(), refusal.message()), (Code::Unavailable, "etcdserver: no leader"));
    }
    left.kv().range(pb::RangeRequest { serializable: true, ..range("a", 0) }).await.unwrap();
    let status = left.status().await.unwrap();
    assert_eq!(status.errors, ["etcdserver: no leader"]);
}
