//! Snapshots of nobody that a member believes, on its peer port: nothing of them is stored, nor adopted by a start.

use crate::processes::{Cluster, Process, channel, eventually, put};
use detcd::pb;
use detcd::peer::pb::peer_client::PeerClient;
use detcd::peer::pb::{Frame, InspectResponse, SnapshotAck, SnapshotChunk};
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use detcd_engine::peer_message::{PeerBody, PeerMessage};
use detcd_engine::raft::{RaftMessage, RaftMessageKind, SnapshotMeta};
use detcd_engine::snapshot::Reader;
use std::time::Instant;
use tonic::Code;

/// What a start would take for the newest snapshot of all.
const FAR: u64 = 1 << 61;

/// The names and lengths of what is in a member's directory of snapshots.
fn snapshots(member: &Process) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(member.data_dir.join("member/snap")).unwrap();
    let mut found: Vec<(String, u64)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    found.sort();
    found
}

async fn value_of(member: &Process, key: &str) -> Option<String> {
    let range = pb::RangeRequest { key: key.to_owned().into(), ..Default::default() };
    let found = member.kv().range(range).await.unwrap().into_inner();
    found.kvs.first().map(|kv| String::from_utf8(kv.value().to_vec()).unwrap())
}

fn voters(members: &[InspectResponse]) -> Vec<MemberId> {
    let mut voters: Vec<MemberId> = members.iter().map(|member| MemberId(member.member)).collect();
    voters.sort();
    voters
}

/// A snapshot message of somebody who makes all of it up but the ids, which any client is told.
fn announcement(to: &InspectResponse, from: MemberId, meta: SnapshotMeta) -> Vec<u8> {
    let (kind, term) = (RaftMessageKind::Snapshot, meta.term);
    let raft = RaftMessage { kind, term, snapshot: Some(meta), ..RaftMessage::default() };
    let message = PeerMessage {
        from,
        from_incarnation: Incarnation(0xbad),
        to: MemberId(to.member),
        to_incarnation: None,
        body: PeerBody::Raft(raft),
    };
    frame::encode(&message, ClusterId(to.cluster))
}

async fn send(member: &Process, announcement: Vec<u8>, piece: Vec<u8>, last: bool) -> SnapshotAck {
    let chunk = SnapshotChunk { announcement: announcement.into(), offset: 0, piece: piece.into(), last };
    PeerClient::new(channel(&member.peer_url)).snapshot(chunk).await.unwrap().into_inner()
}

/// Snapshots of this cluster as it was in an earlier history, which went far: the bytes of the newest one.
async fn of_an_earlier_cluster(cluster: &mut Cluster) -> (SnapshotMeta, Vec<u8>) {
    cluster.start_all();
    for member in &cluster.members {
        member.ready().await;
    }
    let leader = cluster.leader().await;
    let mut kv = cluster.members[leader].kv();
    kv.put(put("honest", "planted")).await.unwrap();
    let newest = eventually("a snapshot of some length", || {
        let mut kv = kv.clone();
        let dir = cluster.members[leader].data_dir.join("member/snap");
        async move {
            for number in 0..50 {
                let answer = kv.put(put("often", vec![number; 500])).await.unwrap().into_inner();
                let revision = answer.header.unwrap().revision;
                kv.compact(pb::CompactionRequest { revision, physical: false }).await.unwrap();
            }
            let mut names: Vec<_> =
                std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
            names.retain(|name| name.extension().is_some_and(|extension| extension == "snap"));
            names.sort();
            (names.len() > 1).then(|| names.pop().unwrap())
        }
    })
    .await;
    let bytes = std::fs::read(newest).unwrap();
    let mut reader = Reader::new();
    reader.push(&bytes).unwrap();
    let (meta, _) = reader.finish().unwrap();
    for member in &mut cluster.members {
        member.kill();
        std::fs::remove_dir_all(&member.data_dir).unwrap();
    }
    cluster.start_all();
    for member in &cluster.members {
        member.ready().await;
    }
    (meta, bytes)
}

#[tokio::test]
async fn a_strangers_snapshot_is_not_what_a_member_starts_from() {
    let mut cluster = Cluster::of(1, &["--snapshot-count=20"]);
    let (meta, bytes) = of_an_earlier_cluster(&mut cluster).await;
    let member = &mut cluster.members[0];
    member.kv().put(put("honest", "value")).await.unwrap();
    let (me, before) = (member.inspect().await.unwrap(), snapshots(member));
    for from in [MemberId(0xbad), MemberId(me.member ^ 1), MemberId(me.member)] {
        let ack = send(member, announcement(&me, from, meta.clone()), bytes.clone(), true).await;
        assert!(ack.refused, "{ack:?}");
    }
    assert_eq!(snapshots(member), before, "nothing of it is left");
    member.kill();
    member.start();
    member.ready().await;
    assert_eq!(value_of(member, "honest").await.as_deref(), Some("value"));
    assert_eq!(snapshots(member), before);
}

/// As a release before this one left them: under their names, and beyond the log.
#[tokio::test]
async fn a_snapshot_that_the_log_does_not_know_is_removed_by_a_start() {
    let mut cluster = Cluster::of(1, &["--snapshot-count=20"]);
    let (meta, bytes) = of_an_earlier_cluster(&mut cluster).await;
    let member = &mut cluster.members[0];
    member.kv().put(put("honest", "value")).await.unwrap();
    let before = snapshots(member);
    member.kill();
    let name = format!("{:016x}-{:016x}.snap", meta.index, meta.term);
    std::fs::write(member.data_dir.join("member/snap").join(&name), &bytes).unwrap();
    member.start();
    member.ready().await;
    assert_eq!(value_of(member, "honest").await.as_deref(), Some("value"));
    assert_eq!(snapshots(member), before);
    let log = member.log();
    let is_said =
        |line: &str| line.contains("removing a snapshot that the log does not know") && line.contains(&name);
    assert!(log.lines().any(is_said), "{name} is not named in {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_of_an_earlier_cluster_do_not_make_a_quorum_of_its_own() {
    let quick = ["--heartbeat-interval=20", "--election-timeout=200", "--snapshot-count=20"];
    let mut cluster = Cluster::of(3, &quick);
    let (meta, bytes) = of_an_earlier_cluster(&mut cluster).await;
    let leader = cluster.leader().await;
    cluster.members[leader].kv().put(put("honest", "value")).await.unwrap();
    let before = cluster.agreed().await;
    let mut all = Vec::new();
    for member in &cluster.members {
        all.push(member.inspect().await.unwrap());
    }
    assert_eq!(voters(&all), meta.voters);
    for (member, to) in cluster.members.iter().zip(&all) {
        for from in &all {
            let ack =
                send(member, announcement(to, MemberId(from.member), meta.clone()), bytes.clone(), true);
            assert!(ack.await.refused);
        }
    }
    for place in [(leader + 1) % 3, (leader + 2) % 3] {
        cluster.members[place].kill();
        cluster.members[place].start();
        cluster.members[place].ready().await;
    }
    let after = cluster.agreed().await;
    assert_eq!(after.revision, before.revision);
    for member in &cluster.members {
        assert_eq!(value_of(member, "honest").await.as_deref(), Some("value"));
    }
}

#[tokio::test]
async fn what_a_stranger_announces_takes_no_room_and_is_logged_once_a_second() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let (me, before) = (member.inspect().await.unwrap(), snapshots(member));
    let since = Instant::now();
    for number in 0..300 {
        let meta = SnapshotMeta {
            index: FAR + number,
            term: FAR,
            voters: vec![MemberId(me.member)],
            learners: Vec::new(),
        };
        // Unfinished, each.
        let from = MemberId(me.member ^ 1);
        let piece = vec![0; if number % 100 == 0 { 8_000_000 } else { 8 }];
        assert!(send(member, announcement(&me, from, meta), piece, false).await.refused);
    }
    assert_eq!(snapshots(member), before);
    let lines = member.log().matches("refused a piece of a snapshot").count() as u64;
    let seconds = since.elapsed().as_secs();
    assert!((1..=seconds + 2).contains(&lines), "{lines} lines in {seconds} s");
}

#[tokio::test]
async fn streams_beyond_a_handful_end_and_the_newest_are_served() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let me = member.inspect().await.unwrap();
    let silent = || {
        let mut peer = PeerClient::new(channel(&member.peer_url));
        tokio::spawn(async move { peer.messages(tokio_stream::pending::<Frame>()).await })
    };
    let streams: Vec<_> = (0..40).map(|_| silent()).collect();
    crate::processes::eventually("38 of 40 streams to end", || async {
        (streams.iter().filter(|stream| stream.is_finished()).count() >= 38).then_some(())
    })
    .await;
    for stream in streams.into_iter().filter(|stream| stream.is_finished()) {
        let status = stream.await.unwrap().expect_err("it was served");
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    }
    // There is always a place for the next one.
    let meta = SnapshotMeta { index: 2, term: 1, voters: vec![MemberId(me.member)], learners: Vec::new() };
    let frames = tokio_stream::iter([Frame { frame: announcement(&me, MemberId(0xbad), meta).into() }]);
    PeerClient::new(channel(&member.peer_url)).messages(frames).await.unwrap();
}
