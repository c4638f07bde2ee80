//! The `initial-*` flags of the binary: they found a cluster, once, and say nothing to a member that has one.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;

use detcd::pb;
use detcd::pb::cluster_client::ClusterClient;
use processes::{Cluster, Process, eventually, local_range, put};

/// The lines that say that a flag is ignored.
fn ignored(member: &Process) -> Vec<String> {
    let log = member.log();
    let lines = log.lines().filter(|line| line.contains("ignored a flag"));
    lines.map(str::to_owned).collect()
}

/// Each member as the cluster lists it: id and peer URLs.
async fn listed(member: &Process) -> Vec<(u64, Vec<String>)> {
    let mut cluster = ClusterClient::new(member.channel());
    let request = pb::MemberListRequest { linearizable: false };
    let members = cluster.member_list(request).await.unwrap().into_inner().members;
    members.into_iter().map(|member| (member.id, member.peer_ur_ls)).collect()
}

#[tokio::test]
async fn existing_founds_no_cluster() {
    for size in [1, 3] {
        let mut cluster = Cluster::of(size, &["--initial-cluster-state=existing"]);
        let member = &mut cluster.members[0];
        member.start();
        let status = member.ended().await;
        let (said, shown) = (member.log(), member.data_dir.display());
        assert_eq!(status.code(), Some(1), "{said}");
        let expected =
            format!("--initial-cluster-state is existing, but data directory {shown} holds no member");
        assert!(said.contains(&expected), "{said}");
        assert!(
            said.contains("cannot join a running cluster") && said.contains("docs/operating.md"),
            "{said}"
        );
        assert!(!member.data_dir.exists(), "something was written");
    }
}

#[tokio::test]
async fn a_restart_ignores_what_founds_a_cluster_and_says_so() {
    let mut cluster = Cluster::alone(&[]).await;
    let member = &mut cluster.members[0];
    member.kv().put(put("key", "value")).await.unwrap();
    let (before, header) = (listed(member).await, member.status().await.unwrap().header.unwrap());
    // As scripts restart a member, the first start's flags and another state: nothing to warn of.
    member.kill();
    member.add_flag("--initial-cluster-state=existing");
    member.start();
    member.ready().await;
    assert_eq!(ignored(member), Vec::<String>::new());
    member.kill();
    let urls = "a=http://127.0.0.1:1,b=http://127.0.0.1:2";
    member.add_flag(&format!("--initial-cluster={urls}"));
    member.add_flag("--initial-cluster-token=another");
    member.add_flag("--initial-advertise-peer-urls=http://127.0.0.1:3");
    member.start();
    member.ready().await;
    let again = member.status().await.unwrap().header.unwrap();
    assert_eq!((again.cluster_id, again.member_id), (header.cluster_id, header.member_id));
    assert_eq!(listed(member).await, before);
    let kept = member.kv().range(local_range("key")).await.unwrap().into_inner();
    assert_eq!(kept.count, 1);
    let lines = ignored(member);
    assert_eq!(lines.len(), 3, "{lines:?}");
    let (id, url) = (format!("{:x}", header.member_id), &member.peer_url);
    for (line, flag, given, stored) in [
        (&lines[0], "--initial-cluster", urls, url.as_str()),
        (&lines[1], "--initial-cluster-token", "another", id.as_str()),
        (&lines[2], "--initial-advertise-peer-urls", "http://127.0.0.1:3", url),
    ] {
        assert!(line.starts_with("{\"level\":\"warn\""), "{line}");
        assert!(line.contains(&format!("\"flag\":\"{flag}\",\"given\":\"{given}\",\"stored\":\"")), "{line}");
        assert!(line.split_once("\"stored\":").unwrap().1.contains(stored), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_find_each_other_again_without_being_told() {
    let mut cluster = Cluster::of_three(&[]).await;
    cluster.members[0].kv().put(put("key", "value")).await.unwrap();
    cluster.members.iter_mut().for_each(Process::kill);
    for member in &mut cluster.members {
        member.remove_flags("--initial-");
        member.start();
    }
    for member in &cluster.members {
        member.ready().await;
    }
    cluster.leader().await;
    eventually("a put to be agreed upon", || async {
        cluster.members[1].kv().put(put("key", "later")).await.ok().map(drop)
    })
    .await;
    cluster.agreed().await;
    for member in &cluster.members {
        assert_eq!(ignored(member), Vec::<String>::new());
    }
}
