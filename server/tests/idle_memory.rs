//! What a member that nobody asks for anything holds in memory: what it knows, not what its files could hold.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;

use detcd::pb::CompactionRequest;
use processes::{Cluster, eventually, put};

/// etcd 3.7.1 holds 7 MB. A segment of the log is 64 MiB long.
const ANONYMOUS_BYTES_MAX: u64 = 8_000_000;

/// What a member needed to start is given back soon after.
async fn idles_small(cluster: &Cluster, when: &str) {
    let member = &cluster.members[0];
    eventually(&format!("less than {ANONYMOUS_BYTES_MAX} bytes {when}"), || {
        let held = member.anonymous_bytes();
        eprintln!("{when}: {held} bytes");
        std::future::ready((held < ANONYMOUS_BYTES_MAX).then_some(()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_member_holds_less_than_eight_megabytes() {
    let mut cluster = Cluster::alone(&[]).await;
    idles_small(&cluster, "in a new directory").await;
    let mut kv = cluster.members[0].kv();
    for number in 0..1_000 {
        kv.put(put(format!("key {number}"), "value")).await.unwrap();
    }
    // Once the log was written to its end, and once it was not.
    cluster.members[0].ask_to_stop();
    assert!(cluster.members[0].ended().await.success());
    cluster.start_all();
    cluster.members[0].ready().await;
    idles_small(&cluster, "after a stop and a start").await;
    cluster.members[0].kill();
    cluster.start_all();
    cluster.members[0].ready().await;
    idles_small(&cluster, "after a kill and a start").await;
}

fn snapshots(cluster: &Cluster) -> usize {
    cluster.members[0].log().matches("saved snapshot to disk").count()
}

/// The log holds 19 MB that a snapshot has made superfluous, in a segment that is not full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_log_is_read_and_not_held() {
    let mut cluster = Cluster::alone(&["--snapshot-count=50"]).await;
    let mut kv = cluster.members[0].kv();
    let mut revision = 0;
    for _ in 0..600 {
        let answer = kv.put(put("large", vec![7; 32_000])).await.unwrap();
        revision = answer.into_inner().header.unwrap().revision;
    }
    kv.compact(CompactionRequest { revision, physical: true }).await.unwrap();
    let before = snapshots(&cluster);
    // One may have been in flight when the store was compacted.
    eventually("two snapshots more", || async {
        for _ in 0..10 {
            kv.clone().put(put("small", vec![7; 1_000])).await.unwrap();
        }
        (snapshots(&cluster) >= before + 2).then_some(())
    })
    .await;
    cluster.members[0].kill();
    cluster.start_all();
    cluster.members[0].ready().await;
    idles_small(&cluster, "with a used log").await;
}
