//! A member that comes back after the others have forgotten the log it needs: it is sent the state, catches up, and
//! is equal to them; and so it is after another restart.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;

use detcd::pb;
use processes::{Cluster, eventually, put};

/// More than a leader keeps of the log for members that lag: 16 MiB.
const LARGE_PUTS: usize = 22;
const VALUE_BYTES: usize = 1_000_000;

async fn compact(cluster: &Cluster, member: usize) {
    let revision = cluster.members[member].inspect().await.expect("it runs").revision;
    let compact = pb::CompactionRequest { revision, physical: true };
    cluster.members[member].kv().compact(compact).await.unwrap();
}

async fn write_much(cluster: &Cluster, member: usize) {
    let mut kv = cluster.members[member].kv();
    for number in 0..LARGE_PUTS {
        let value = vec![number as u8; VALUE_BYTES];
        kv.put(put(format!("large {}", number % 3), value)).await.unwrap();
    }
    for number in 0..100 {
        kv.put(put(format!("small {number}"), "value")).await.unwrap();
    }
}

fn snapshots(cluster: &Cluster, member: usize) -> Vec<String> {
    let entries = std::fs::read_dir(cluster.members[member].data_dir.join("member/snap")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_missed_more_than_the_log_holds_is_sent_the_state() {
    let mut cluster = Cluster::of_three(&["--snapshot-count=50"]).await;
    let leader = cluster.leader().await;
    let late = (leader + 1) % 3;
    cluster.members[leader].kv().put(put("before", "it left")).await.unwrap();
    cluster.agreed().await;
    cluster.members[late].kill();
    let before = snapshots(&cluster, late);
    write_much(&cluster, leader).await;
    compact(&cluster, leader).await;
    cluster.members[late].start();
    let caught_up = cluster.agreed().await;
    assert!(cluster.members[late].log().contains("\"msg\":\"applied snapshot\""), "no word of the snapshot");
    let received = snapshots(&cluster, late);
    assert!(received.len() > before.len(), "no snapshot was received: {before:?} became {received:?}");

    // From here on it follows the log again, through a restart, and through one of everybody.
    cluster.members[leader].kv().put(put("after", "it came back")).await.unwrap();
    let followed = cluster.agreed().await;
    assert!(followed.revision == caught_up.revision + 1, "{followed:?} after {caught_up:?}");
    cluster.members[late].kill();
    cluster.members[leader].kv().put(put("again", "it left")).await.unwrap();
    cluster.members[late].start();
    assert_eq!(cluster.agreed().await.revision, followed.revision + 1);
    for member in &mut cluster.members {
        member.kill();
    }
    cluster.start_all();
    for member in &cluster.members {
        member.ready().await;
    }
    assert_eq!(cluster.agreed().await.revision, followed.revision + 1);
}

/// The snapshot is under its name and the process dies at any moment after: it comes back with it or is sent another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_killed_right_after_its_snapshot_arrived_still_catches_up() {
    let mut cluster = Cluster::of_three(&["--snapshot-count=50"]).await;
    let leader = cluster.leader().await;
    let late = (leader + 1) % 3;
    cluster.members[late].kill();
    let before = snapshots(&cluster, late).len();
    write_much(&cluster, leader).await;
    cluster.members[late].start();
    eventually("a snapshot to arrive", || async { (snapshots(&cluster, late).len() > before).then_some(()) })
        .await;
    cluster.members[late].kill();
    cluster.members[leader].kv().put(put("after", "it left again")).await.unwrap();
    cluster.members[late].start();
    cluster.agreed().await;
}
