//! Locks that members take for their clients: who waits, who gets it, and what becomes of those who leave.

use super::{TTL_SECS, grant, queued, refusal, revoke};
use crate::processes::{Cluster, PATIENCE, Process, put};
use detcd::pb::lease_client::LeaseClient;
use detcd::pb::v3lockpb::lock_client::LockClient;
use detcd::pb::v3lockpb::{LockRequest, LockResponse, UnlockRequest};
use detcd::pb::{CompactionRequest, LeaseTimeToLiveRequest};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

const SESSION_EXPIRED: (Code, &str) = (Code::Unknown, "mutex: session is expired");

/// A call that waits may take as long as a test.
fn client(member: &Process) -> LockClient<Channel> {
    LockClient::new(
        Endpoint::from_shared(member.client_url.clone()).unwrap().timeout(PATIENCE).connect_lazy(),
    )
}

async fn lock(member: &Process, name: &str, lease: i64) -> Result<LockResponse, Status> {
    let asked = LockRequest { name: name.to_owned().into(), lease };
    client(member).lock(asked).await.map(tonic::Response::into_inner)
}

async fn unlock(member: &Process, key: impl Into<bytes::Bytes>) -> i64 {
    let unlocked = client(member).unlock(UnlockRequest { key: key.into() }).await.unwrap().into_inner();
    unlocked.header.unwrap().revision
}

/// Asks for a lock that is taken, and returns once it waits as one of so many.
async fn waiting(
    member: &Process,
    name: &'static str,
    lease: i64,
    of: i64,
) -> JoinHandle<Result<LockResponse, Status>> {
    let mut client = client(member);
    let waiting = tokio::spawn(async move {
        client.lock(LockRequest { name: name.into(), lease }).await.map(tonic::Response::into_inner)
    });
    queued(member, &format!("{name}/"), of).await;
    waiting
}

#[tokio::test]
async fn a_lock_goes_from_one_to_the_next() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let (first, second) = (grant(member, TTL_SECS).await, grant(member, TTL_SECS).await);
    let held = lock(member, "name", first).await.unwrap();
    assert_eq!(held.key, format!("name/{first:x}"));
    let again = lock(member, "name", first).await.unwrap();
    assert_eq!(again.key, held.key, "who has it has it");

    let next = waiting(member, "name", second, 2).await;
    // What waits does not need the past.
    let revision = member.kv().put(put("other", "x")).await.unwrap().into_inner().header.unwrap().revision;
    member.kv().compact(CompactionRequest { revision, physical: true }).await.unwrap();
    assert!(!next.is_finished());
    let unlocked = unlock(member, held.key).await;
    let next = next.await.unwrap().unwrap();
    assert_eq!(next.key, format!("name/{second:x}"));
    assert!(next.header.unwrap().revision >= unlocked);
    assert_eq!(lock(member, "name2", first).await.unwrap().key, format!("name2/{first:x}"), "another lock");
}

#[tokio::test]
async fn unlocking_what_is_not_locked_is_no_fault() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    assert_eq!(unlock(member, "name/1").await, 1);
    let nameless = client(member).unlock(UnlockRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&nameless), (Code::Unknown, "etcdserver: key is not provided"));
}

#[tokio::test]
async fn a_lock_without_a_lease_gets_one_that_ends() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let held = lock(member, "name", 0).await.unwrap();
    let id = std::str::from_utf8(&held.key[5..]).unwrap();
    let id = i64::from_str_radix(id, 16).unwrap();
    let asked = LeaseTimeToLiveRequest { id, keys: true };
    let left = LeaseClient::new(member.channel()).lease_time_to_live(asked).await.unwrap().into_inner();
    assert_eq!((left.granted_ttl, left.keys), (60, vec![held.key]));

    let unknown = lock(member, "name", 404).await.unwrap_err();
    assert_eq!(refusal(&unknown), (Code::Unknown, "etcdserver: requested lease not found"));
    queued(member, "name/", 1).await;
}

/// The lock is given to nobody whose lease has gone: not while it is held, and not when it gets free.
#[tokio::test]
async fn who_waits_is_refused_when_the_lease_goes() {
    let cluster = Cluster::alone(&["--heartbeat-interval=20", "--election-timeout=200"]).await;
    let member = &cluster.members[0];
    let held = lock(member, "name", grant(member, TTL_SECS).await).await.unwrap();
    let (revoked, expiring) = (grant(member, TTL_SECS).await, grant(member, 1).await);
    let refused = lock(member, "name", expiring).await.unwrap_err();
    // The machine may have taken a second to come to it.
    let too_late = (Code::Unknown, "etcdserver: requested lease not found");
    assert!([SESSION_EXPIRED, too_late].contains(&refusal(&refused)), "{refused}");
    let waits = waiting(member, "name", revoked, 2).await;
    let last = grant(member, TTL_SECS).await;
    let last_waits = waiting(member, "name", last, 3).await;
    revoke(member, revoked).await;
    unlock(member, held.key).await;
    assert_eq!(refusal(&waits.await.unwrap().unwrap_err()), SESSION_EXPIRED);
    assert_eq!(last_waits.await.unwrap().unwrap().key, format!("name/{last:x}"));
}

/// A client that gives up, or is gone, leaves nobody waiting behind it.
#[tokio::test]
async fn who_leaves_gives_its_place_up() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let held = lock(member, "name", grant(member, TTL_SECS).await).await.unwrap();
    let cancelled = waiting(member, "name", grant(member, TTL_SECS).await, 2).await;
    let granted = waiting(member, "name", 0, 3).await;
    let last = grant(member, TTL_SECS).await;
    let last_waits = waiting(member, "name", last, 4).await;
    cancelled.abort();
    queued(member, "name/", 3).await;
    granted.abort();
    queued(member, "name/", 2).await;
    let leases = LeaseClient::new(member.channel()).lease_leases(detcd::pb::LeaseLeasesRequest {}).await;
    assert_eq!(leases.unwrap().into_inner().leases.len(), 3, "the lease that was granted is gone too");

    // Its deadline is that of the call.
    let mut hurried = tonic::Request::new(LockRequest { name: "name".into(), lease: 0 });
    hurried.set_timeout(std::time::Duration::from_millis(200));
    let late = client(member).lock(hurried).await.unwrap_err();
    assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&late.code()), "{late}");
    queued(member, "name/", 2).await;

    assert!(!last_waits.is_finished());
    unlock(member, held.key).await;
    assert_eq!(last_waits.await.unwrap().unwrap().key, format!("name/{last:x}"));
}

#[tokio::test]
async fn a_member_that_stops_ends_the_wait() {
    let mut cluster = Cluster::alone(&[]).await;
    let member = &mut cluster.members[0];
    lock(member, "name", grant(member, TTL_SECS).await).await.unwrap();
    let waits = waiting(member, "name", grant(member, TTL_SECS).await, 2).await;
    member.ask_to_stop();
    assert_eq!(waits.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert!(member.ended().await.success());
}

/// Claims and their waiting are at a follower; the leader goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_leader_changes_no_lock() {
    let mut cluster = Cluster::of_three(&[]).await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    let member = &cluster.members[follower];
    let (first, second) = (grant(member, TTL_SECS).await, grant(member, TTL_SECS).await);
    let held = lock(member, "name", first).await.unwrap();
    let waits = waiting(member, "name", second, 2).await;
    cluster.members[leader].kill();
    cluster.leader().await;
    assert!(!waits.is_finished());
    unlock(&cluster.members[follower], held.key).await;
    assert_eq!(waits.await.unwrap().unwrap().key, format!("name/{second:x}"));
}
