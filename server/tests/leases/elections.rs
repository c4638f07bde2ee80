//! Elections that members hold for their clients: who leads, what it proclaims, and who is told.

use super::{TTL_SECS, grant, queued, refusal, revoke};
use crate::processes::{Cluster, PATIENCE, Process, put};
use detcd::pb::CompactionRequest;
use detcd::pb::v3electionpb::election_client::ElectionClient;
use detcd::pb::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ResignRequest,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

const NOT_LEADER: (Code, &str) = (Code::Unknown, "election: not leader");
const MISSING: (Code, &str) = (Code::Unknown, "\"leader\" field must be provided");

/// A call that waits may take as long as a test.
fn client(member: &Process) -> ElectionClient<Channel> {
    ElectionClient::new(
        Endpoint::from_shared(member.client_url.clone()).unwrap().timeout(PATIENCE).connect_lazy(),
    )
}

async fn campaign(member: &Process, lease: i64, value: &'static str) -> Result<CampaignResponse, Status> {
    let asked = CampaignRequest { name: "who".into(), lease, value: value.into() };
    client(member).campaign(asked).await.map(tonic::Response::into_inner)
}

async fn elected(member: &Process, lease: i64, value: &'static str) -> LeaderKey {
    campaign(member, lease, value).await.unwrap().leader.unwrap()
}

/// A candidate, once it waits as one of so many.
async fn candidate(
    member: &Process,
    lease: i64,
    value: &'static str,
    of: i64,
) -> JoinHandle<Result<CampaignResponse, Status>> {
    let mut client = client(member);
    let candidate = tokio::spawn(async move {
        let asked = CampaignRequest { name: "who".into(), lease, value: value.into() };
        client.campaign(asked).await.map(tonic::Response::into_inner)
    });
    queued(member, "who/", of).await;
    candidate
}

async fn proclaim(member: &Process, leader: &LeaderKey, value: &'static str) -> Result<i64, Status> {
    let asked = ProclaimRequest { leader: Some(leader.clone()), value: value.into() };
    client(member).proclaim(asked).await.map(|done| done.into_inner().header.unwrap().revision)
}

async fn resign(member: &Process, leader: &LeaderKey) -> i64 {
    let asked = ResignRequest { leader: Some(leader.clone()) };
    client(member).resign(asked).await.unwrap().into_inner().header.unwrap().revision
}

async fn leader(member: &Process) -> Result<LeaderResponse, Status> {
    client(member).leader(LeaderRequest { name: "who".into() }).await.map(tonic::Response::into_inner)
}

async fn observe(member: &Process) -> Streaming<LeaderResponse> {
    client(member).observe(LeaderRequest { name: "who".into() }).await.unwrap().into_inner()
}

/// The next value, and whose it is.
async fn told(observed: &mut Streaming<LeaderResponse>) -> (String, i64) {
    let told = timeout(PATIENCE, observed.message()).await.expect("told in time");
    let LeaderResponse { header, kv } = told.unwrap().unwrap();
    let kv = kv.unwrap();
    assert!(header.unwrap().revision >= kv.mod_revision());
    (String::from_utf8(kv.value().to_vec()).unwrap(), kv.lease())
}

#[tokio::test]
async fn leaders_follow_each_other_and_whoever_observes_is_told() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let no_leader = leader(member).await.unwrap_err();
    assert_eq!(refusal(&no_leader), (Code::Unknown, "election: no leader"));
    let mut from_the_start = observe(member).await;

    let (a, b) = (grant(member, TTL_SECS).await, grant(member, TTL_SECS).await);
    let first = elected(member, a, "a1").await;
    assert_eq!((first.name.as_ref(), first.lease), (b"who".as_slice(), a));
    assert_eq!(first.key, format!("who/{a:x}"));
    assert_eq!(told(&mut from_the_start).await, ("a1".to_owned(), a));
    let found = leader(member).await.unwrap();
    assert_eq!(found.kv.unwrap().create_revision(), first.rev);

    let mut from_here = observe(member).await;
    assert_eq!(told(&mut from_here).await, ("a1".to_owned(), a));
    let second = candidate(member, b, "b1", 2).await;
    proclaim(member, &first, "a2").await.unwrap();
    proclaim(member, &first, "a3").await.unwrap();
    for observed in [&mut from_the_start, &mut from_here] {
        assert_eq!(told(observed).await, ("a2".to_owned(), a));
        assert_eq!(told(observed).await, ("a3".to_owned(), a));
    }
    let revision = member.kv().put(put("other", "x")).await.unwrap().into_inner().header.unwrap().revision;
    member.kv().compact(CompactionRequest { revision, physical: true }).await.unwrap();
    assert!(!second.is_finished());
    resign(member, &first).await;
    let second = second.await.unwrap().unwrap().leader.unwrap();
    for observed in [&mut from_the_start, &mut from_here] {
        assert_eq!(told(observed).await, ("b1".to_owned(), b));
    }

    // The first one's time is over: it changes nothing any more.
    let late = proclaim(member, &first, "a4").await.unwrap_err();
    assert_eq!(refusal(&late), NOT_LEADER);
    resign(member, &first).await;
    assert_eq!(leader(member).await.unwrap().kv.unwrap().value(), b"b1");
    // Nobody leads for a while.
    revoke(member, b).await;
    assert_eq!(refusal(&leader(member).await.unwrap_err()), (Code::Unknown, "election: no leader"));
    let late = proclaim(member, &second, "b2").await.unwrap_err();
    assert_eq!(refusal(&late), NOT_LEADER);
    elected(member, a, "a5").await;
    for observed in [&mut from_the_start, &mut from_here] {
        assert_eq!(told(observed).await, ("a5".to_owned(), a));
    }
}

#[tokio::test]
async fn a_lease_has_one_candidate() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let lease = grant(member, TTL_SECS).await;
    let first = elected(member, lease, "one").await;
    assert_eq!(elected(member, lease, "two").await, first);
    assert_eq!(leader(member).await.unwrap().kv.unwrap().value(), b"two");

    let granted = candidate(member, 0, "three", 2).await;
    resign(member, &first).await;
    let granted = granted.await.unwrap().unwrap().leader.unwrap();
    assert_ne!(granted.lease, 0);
    assert_eq!(granted.key, format!("who/{:x}", granted.lease));
}

#[tokio::test]
async fn a_candidate_whose_lease_goes_or_who_leaves_is_not_elected() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let first = elected(member, grant(member, TTL_SECS).await, "first").await;
    let (revoked, gone) = (grant(member, TTL_SECS).await, grant(member, TTL_SECS).await);
    let last = grant(member, TTL_SECS).await;
    let revoked_waits = candidate(member, revoked, "revoked", 2).await;
    let gone_waits = candidate(member, gone, "gone", 3).await;
    let last_waits = candidate(member, last, "last", 4).await;
    revoke(member, revoked).await;
    assert_eq!(refusal(&revoked_waits.await.unwrap().unwrap_err()), NOT_LEADER);
    gone_waits.abort();
    queued(member, "who/", 2).await;
    assert!(!last_waits.is_finished());
    resign(member, &first).await;
    assert_eq!(last_waits.await.unwrap().unwrap().leader.unwrap().lease, last);
}

#[tokio::test]
async fn whoever_leads_says_so() {
    let cluster = Cluster::alone(&[]).await;
    let mut client = client(&cluster.members[0]);
    let proclaimed = client.proclaim(ProclaimRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&proclaimed), MISSING);
    let resigned = client.resign(ResignRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&resigned), MISSING);
    let nameless = ResignRequest { leader: Some(LeaderKey { lease: 1, ..Default::default() }) };
    let resigned = client.resign(nameless).await.unwrap_err();
    assert_eq!(refusal(&resigned), (Code::Unknown, "etcdserver: key is not provided"));
}

#[tokio::test]
async fn a_member_that_stops_ends_what_is_observed() {
    let mut cluster = Cluster::alone(&[]).await;
    let member = &mut cluster.members[0];
    elected(member, grant(member, TTL_SECS).await, "one").await;
    let mut observed = observe(member).await;
    told(&mut observed).await;
    member.ask_to_stop();
    assert_eq!(observed.message().await.unwrap_err().code(), Code::Unavailable);
    assert!(member.ended().await.success());
}
