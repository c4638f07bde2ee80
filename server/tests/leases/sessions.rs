//! Claims to locks, seen from within the process: leases that members grant to whoever comes without one are renewed while
//! the client waits, and no longer; and clients leave at the very last moment.

use super::eventually;
use bytes::Bytes;
use detcd::callers::Callers;
use detcd::clock::{BoxFuture, Clock, RealClock};
use detcd::disk::real::RealDisk;
use detcd::handle::MemberHandle;
use detcd::member::{self, Deps, Member, MemberConfig};
use detcd::metrics::Metrics;
use detcd::peer::grpc::{DialPlain, GrpcTransport};
use detcd::readers::OnTheSpot;
use detcd::{recipes, wire};
use detcd_engine::config::Config;
use detcd_engine::ids::LeaseId;
use detcd_engine::key_range::KeyRange;
use detcd_engine::membership::InitialCluster;
use detcd_engine::request::{
    Call, LeaseGrantRequest, LeaseLeases, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, RangeRequest,
    Reply,
};
use detcd_engine::time::Time;
use futures_util::FutureExt;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::watch;

/// Stands still until it is moved.
#[derive(Debug)]
struct Moved {
    time: watch::Sender<Time>,
    /// Until when anybody has slept, or sleeps.
    sleeps: Mutex<BTreeSet<u64>>,
}

impl Moved {
    fn by_secs(&self, secs: u64) {
        self.time.send_modify(|now| *now = now.plus_ms(secs * 1000));
    }

    /// Waits until somebody sleeps for so long from now on.
    async fn sleeper(&self, secs: u64) {
        let until_ms = self.now().as_ms() + secs * 1000;
        let slept = || async { self.sleeps.lock().unwrap().contains(&until_ms).then_some(()) };
        eventually("somebody to sleep", slept).await;
    }
}

impl Clock for Moved {
    fn now(&self) -> Time {
        *self.time.borrow()
    }

    fn sleep_until(&self, when: Time) -> BoxFuture<'static, ()> {
        self.sleeps.lock().unwrap().insert(when.as_ms());
        let mut now = self.time.subscribe();
        Box::pin(async move {
            now.wait_for(|now| *now >= when).await.expect("the clock outlives the member");
        })
    }
}

async fn ask<C: Call>(member: &MemberHandle, call: C) -> C::Response {
    member.request(call.into_request(), false).await.map(Reply::to::<C>).unwrap().response
}

async fn left(member: &MemberHandle, id: LeaseId) -> i64 {
    let LeaseTimeToLiveResponse { ttl_secs, .. } =
        ask(member, LeaseTimeToLiveRequest { id, keys: false }).await;
    ttl_secs
}

/// A member that leads.
async fn leading(dir: &TempDir, clock: Arc<dyn Clock>, pass_time: impl Fn()) -> Member {
    let url = format!("http://127.0.0.1:1/{}", dir.path().display());
    let initial_cluster = InitialCluster::new("test", [vec![url]]);
    let me = *initial_cluster.members.keys().next().unwrap();
    let engine = Config::new(me, initial_cluster.id);
    let data_dir = dir.path().to_owned();
    let config = MemberConfig { engine, data_dir, initial_cluster, wal_segment_bytes: 16 * 1024 };
    let metrics = Metrics::new();
    let deps = Deps {
        disk: Arc::new(RealDisk::start(metrics.disk.clone()).unwrap()),
        transport: Arc::new(GrpcTransport::new(
            Arc::clone(&clock),
            Arc::new(DialPlain),
            metrics.peers.clone(),
        )),
        callers: Arc::new(Callers::plain(Arc::clone(&clock))),
        clock,
        encode_events: wire::encode_batch,
        readers: Arc::new(OnTheSpot),
        metrics,
        observer: None,
    };
    let member = member::start(config, deps, 7).await.unwrap();
    eventually("the member to lead", || async {
        pass_time();
        member.handle().status().is_ready.then_some(())
    })
    .await;
    member
}

#[tokio::test]
async fn a_lease_of_ours_lasts_as_long_as_the_client_waits() {
    let dir = TempDir::new().unwrap();
    let clock = Arc::new(Moved { time: watch::channel(Time::ZERO).0, sleeps: Mutex::default() });
    let member = leading(&dir, Arc::clone(&clock) as Arc<dyn Clock>, || clock.by_secs(1)).await;
    let handle = member.handle();
    let own = LeaseGrantRequest { id: LeaseId(5), ttl_secs: 100_000 };
    ask(&handle, own).await;
    let held = recipes::lock(&handle, "name".into(), own.id).await.unwrap();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { recipes::lock(&handle, "name".into(), LeaseId(0)).await }
    });
    let granted = eventually("a lease to be granted", || async {
        ask(&handle, LeaseLeases).await.into_iter().find(|lease| *lease != own.id)
    })
    .await;
    // Two minutes, twice what the lease has.
    for _ in 0..6 {
        clock.sleeper(20).await;
        clock.by_secs(20);
    }
    eventually("the lease to be renewed", || async { (left(&handle, granted).await == 60).then_some(()) })
        .await;
    assert!(!waiting.is_finished());
    recipes::unlock(&handle, held.key).await.unwrap();
    let held = waiting.await.unwrap().unwrap();
    assert_eq!(held.lease, granted);

    clock.by_secs(30);
    assert!(left(&handle, granted).await <= 30, "nobody renews it any more");
    eventually("the lease to end", || async {
        clock.by_secs(10);
        (left(&handle, granted).await == -1).then_some(())
    })
    .await;
    member.stop().await;
}

async fn keys(member: &MemberHandle) -> Reply<Vec<Bytes>> {
    let all = RangeRequest::of(KeyRange::From(Bytes::from_static(b"\0")));
    let found = member.request(all.into_request(), false).await.map(Reply::to::<RangeRequest>).unwrap();
    let keys = found.response.kvs.iter().map(|record| Bytes::copy_from_slice(record.key())).collect();
    Reply { revision: found.revision, term: found.term, response: keys }
}

/// A client that is gone when its answer comes leaves no lock behind. What it has had before stays: it was told of that.
#[tokio::test]
async fn who_leaves_before_the_answer_locks_nothing() {
    let dir = TempDir::new().unwrap();
    let member = leading(&dir, Arc::new(RealClock::start()), || {}).await;
    let handle = member.handle();
    let lease = ask(&handle, LeaseGrantRequest { id: LeaseId(5), ttl_secs: 100_000 }).await.id;
    let held = recipes::lock(&handle, "held".into(), lease).await.unwrap();
    for (name, lease) in [("held", lease), ("other", lease), ("third", LeaseId(0))] {
        let gone = recipes::lock(&handle, name.into(), lease);
        assert!(gone.now_or_never().is_none(), "it is asked for, and nobody waits for the answer");
    }
    // Both others were put and deleted.
    let left = eventually("them to come and go", || async {
        let left = keys(&handle).await;
        (left.revision == held.joined.revision + 4).then_some(left.response)
    })
    .await;
    assert_eq!(left, [held.key]);
    assert_eq!(ask(&handle, LeaseLeases).await, [lease]);
    member.stop().await;
}
