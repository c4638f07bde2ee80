//! Three members, clients writing, and members killed without a word: every write that was acknowledged is on all
//! members, in the order in which it was acknowledged, and the members are equal.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;

use bytes::Bytes;
use detcd::pb;
use detcd::pb::kv_client::KvClient;
use detcd::wire::KeyValue;
use processes::{Cluster, PATIENCE, channel, eventually, local_range, put};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, RwLock};
use tokio::task::JoinSet;
use tonic::transport::Channel;

const WRITERS: usize = 4;
const ROUNDS: usize = 20;
/// How many writes must go through between two blows.
const PROGRESS: u64 = 12;
/// A writer goes to the next member after this.
const CALL: Duration = Duration::from_millis(700);

/// Each writer's acknowledged writes, in its order: key and revision. A key is written at most once, so that an
/// answer that was lost leaves no doubt about the others.
#[derive(Default)]
struct Acknowledged {
    by_writer: Mutex<BTreeMap<usize, Vec<(Bytes, i64)>>>,
    count: AtomicU64,
    /// Held by each writer while it writes; taken whole to have silence.
    writing: RwLock<()>,
}

async fn write_for_ever(writer: usize, mut members: Vec<KvClient<Channel>>, acknowledged: Arc<Acknowledged>) {
    for attempt in 0_u64.. {
        let _open = acknowledged.writing.read().await;
        let key = Bytes::from(format!("w{writer}/{attempt:08}"));
        let answer = tokio::time::timeout(CALL, members[0].put(put(key.clone(), key.clone()))).await;
        match answer {
            Ok(Ok(answer)) => {
                let revision = answer.into_inner().header.unwrap_or_default().revision;
                acknowledged.by_writer.lock().await.entry(writer).or_default().push((key, revision));
                acknowledged.count.fetch_add(1, Ordering::Relaxed);
            }
            // Its outcome is not known: the next key, at the next member.
            Ok(Err(_)) | Err(_) => {
                members.rotate_left(1);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

struct Writing {
    acknowledged: Arc<Acknowledged>,
    /// Aborts the writers when it is dropped.
    _writers: JoinSet<()>,
}

impl Writing {
    fn to(cluster: &Cluster) -> Writing {
        let acknowledged = Arc::new(Acknowledged::default());
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let mut members: Vec<_> =
                cluster.members.iter().map(|member| KvClient::new(channel(&member.client_url))).collect();
            members.rotate_left(writer % cluster.members.len());
            writers.spawn(write_for_ever(writer, members, Arc::clone(&acknowledged)));
        }
        Writing { acknowledged, _writers: writers }
    }

    async fn progress(&self) {
        let before = self.acknowledged.count.load(Ordering::Relaxed);
        eventually("writes to go through", || async {
            let now = self.acknowledged.count.load(Ordering::Relaxed);
            (now >= before + PROGRESS).then_some(())
        })
        .await;
    }

    /// Stops the writers for a moment and compares what they were told with what each member has.
    async fn check(&self, cluster: &Cluster) {
        let _silence = self.acknowledged.writing.write().await;
        cluster.agreed().await;
        let by_writer = self.acknowledged.by_writer.lock().await;
        for member in &cluster.members {
            let found = member.kv().range(local_range("w")).await.unwrap().into_inner();
            let kept = |kv: &KeyValue| (kv.mod_revision(), kv.version(), kv.value().to_vec());
            let found: BTreeMap<&[u8], _> = found.kvs.iter().map(|kv| (kv.key(), kept(kv))).collect();
            for (writer, writes) in by_writer.iter() {
                let mut last = 0;
                for (key, revision) in writes {
                    assert!(*revision > last, "writer {writer}: {key:?} at {revision} after {last}");
                    last = *revision;
                    let kept = found.get(&key[..]);
                    assert_eq!(kept, Some(&(*revision, 1, key.to_vec())), "{key:?} at {}", member.name);
                }
            }
        }
    }
}

/// Whom to kill in a round.
async fn victims(cluster: &Cluster, round: usize) -> Vec<usize> {
    let leader = cluster.leader().await;
    match round % 3 {
        0 => vec![leader],
        1 => vec![(leader + 1 + round % 2) % 3],
        _ => vec![0, 1, 2],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_kill_9() {
    let mut cluster = Cluster::of_three(&[]).await;
    let writing = Writing::to(&cluster);
    for round in 0..ROUNDS {
        writing.progress().await;
        let victims = victims(&cluster, round).await;
        for victim in &victims {
            cluster.members[*victim].kill();
        }
        if victims.len() == 1 {
            // The two that are left go on.
            writing.progress().await;
        }
        cluster.start_all();
        writing.progress().await;
        writing.check(&cluster).await;
    }
    let count = writing.acknowledged.count.load(Ordering::Relaxed);
    assert!(count >= ROUNDS as u64 * 2 * PROGRESS, "only {count} writes were acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_hands_leadership_on_and_ends_quickly_with_0() {
    let mut cluster = Cluster::of_three(&[]).await;
    let writing = Writing::to(&cluster);
    // A watcher and a keepalive stream that nobody closes must not hold the process up.
    let leader = cluster.leader().await;
    let streams = open_streams(&cluster.members[leader].client_url).await;
    writing.progress().await;
    let since = Instant::now();
    cluster.members[leader].ask_to_stop();
    let status = cluster.members[leader].ended().await;
    let took = since.elapsed();
    assert_eq!(status.code(), Some(0), "{}", cluster.members[leader].log());
    assert!(took < Duration::from_secs(3), "it took {took:?} to stop");
    drop(streams);
    assert_ne!(cluster.leader().await, leader);
    writing.progress().await;
    cluster.start_all();
    cluster.members[leader].ready().await;
    writing.check(&cluster).await;
    let log = cluster.members[leader].log();
    assert!(!log.contains("without having handed leadership on"), "{log}");
    assert!(!log.contains("open calls did not end in time"), "{log}");
}

/// A client that was stopped, or whose machine is gone, never answers the server's goodbye.
#[tokio::test]
async fn a_client_that_is_frozen_does_not_keep_a_member_from_ending() {
    let mut cluster = Cluster::alone(&[]).await;
    let member = &mut cluster.members[0];
    let address = member.client_url.trim_start_matches("http://");
    let mut frozen = std::net::TcpStream::connect(address).unwrap();
    // HTTP/2's preface and an empty SETTINGS frame. Once the server's own came, the connection is open.
    frozen.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    frozen.read_exact(&mut [0; 9]).unwrap();
    member.ask_to_stop();
    assert!(member.ended().await.success(), "{}", member.log());
}

/// A watch and a keepalive stream, open.
async fn open_streams(url: &str) -> impl Sized + use<> {
    let (asks, asked) = tokio::sync::mpsc::channel(1);
    let create = pb::WatchCreateRequest { key: "w".into(), range_end: "x".into(), ..Default::default() };
    let request_union = Some(pb::watch_request::RequestUnion::CreateRequest(create));
    asks.send(pb::WatchRequest { request_union }).await.unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(url.to_owned()).unwrap();
    let channel = endpoint.connect_timeout(PATIENCE).connect_lazy();
    let mut watch = pb::watch_client::WatchClient::new(channel.clone());
    let mut events =
        watch.watch(tokio_stream::wrappers::ReceiverStream::new(asked)).await.unwrap().into_inner();
    assert!(events.message().await.unwrap().unwrap().created);
    let (pings, pinged) = tokio::sync::mpsc::channel(1);
    pings.send(pb::LeaseKeepAliveRequest { id: 1 }).await.unwrap();
    let mut lease = pb::lease_client::LeaseClient::new(channel);
    let pinged = tokio_stream::wrappers::ReceiverStream::new(pinged);
    let mut alive = lease.lease_keep_alive(pinged).await.unwrap().into_inner();
    assert_eq!(alive.message().await.unwrap().unwrap().ttl, 0);
    (asks, events, pings, alive)
}
