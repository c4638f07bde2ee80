//! The lines that scripts and operators look for in a member's log, in etcd's words.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;

use detcd::pb;
use processes::{Cluster, Process, eventually, put};

/// The lines of this message, once there is one.
async fn lines(member: &Process, message: &str) -> Vec<String> {
    let quoted = format!("\"msg\":\"{message}\"");
    eventually(&format!("{} to log {message:?}", member.name), || {
        let log = member.log();
        let found: Vec<String> =
            log.lines().filter(|line| line.contains(&quoted)).map(str::to_owned).collect();
        std::future::ready((!found.is_empty()).then_some(found))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_tells_that_a_compaction_is_done() {
    let cluster = Cluster::of_three(&[]).await;
    let mut kv = cluster.members[0].kv();
    for _ in 0..20 {
        kv.put(put("key", "value")).await.unwrap();
    }
    for revision in [8, 15] {
        kv.compact(pb::CompactionRequest { revision, physical: true }).await.unwrap();
    }
    cluster.agreed().await;
    for member in &cluster.members {
        let found = eventually("a line for each compaction", || async {
            let found = lines(member, "finished scheduled compaction").await;
            (found.len() >= 2).then_some(found)
        })
        .await;
        assert_eq!(found.len(), 2, "{found:?}");
        for (line, revision) in found.iter().zip([8, 15]) {
            assert!(line.starts_with("{\"level\":\"info\""), "{line}");
            assert!(line.contains(&format!(",\"compact-revision\":{revision},\"took\":\"")), "{line}");
            assert!(line.ends_with("ms\"}"), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_by_the_member_itself_is_told_too() {
    let flags = ["--auto-compaction-mode=periodic", "--auto-compaction-retention=100ms"];
    let cluster = Cluster::alone(&flags).await;
    let mut kv = cluster.members[0].kv();
    eventually("the member to compact", || async {
        kv.clone().put(put("key", "value")).await.unwrap();
        cluster.members[0].log().contains("finished scheduled compaction").then_some(())
    })
    .await;
    kv.put(put("key", "value")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_written_snapshot_is_told() {
    let cluster = Cluster::alone(&["--snapshot-count=10"]).await;
    let mut kv = cluster.members[0].kv();
    for _ in 0..50 {
        kv.put(put("key", "value")).await.unwrap();
    }
    let found = lines(&cluster.members[0], "saved snapshot to disk").await;
    assert!(found[0].starts_with("{\"level\":\"info\""), "{found:?}");
    let index = found[0].split_once(",\"snapshot-index\":").and_then(|(_, rest)| rest.strip_suffix('}'));
    let index: u64 = index.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{found:?}"));
    let name = format!("{index:016x}-");
    let snap = std::fs::read_dir(cluster.members[0].data_dir.join("member/snap")).unwrap();
    let mut names = snap.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // Of many snapshots only the newest two stay.
    assert!(found.len() > 2 || names.any(|found| found.starts_with(&name)), "{found:?}");
}

/// What `Type=notify` and `WatchdogSec=` wait for, on the socket that systemd names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_is_told_when_the_member_serves_lives_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let heard = async |wanted: &str| {
        eventually(&format!("{wanted} to be said"), || async {
            let mut said = [0; 256];
            let length = socket.recv(&mut said).await.unwrap();
            std::str::from_utf8(&said[..length]).unwrap().lines().any(|line| line == wanted).then_some(())
        })
        .await;
    };
    let mut cluster = Cluster::of(1, &[]);
    let member = &mut cluster.members[0];
    member.set_variable("NOTIFY_SOCKET", path.display());
    member.set_variable("WATCHDOG_USEC", 100_000);
    member.start();
    heard("READY=1").await;
    assert!(member.status().await.is_some(), "it serves when it says so");
    heard("WATCHDOG=1").await;
    heard("WATCHDOG=1").await;
    member.ask_to_stop();
    heard("STOPPING=1").await;
    assert!(member.ended().await.success());
}
