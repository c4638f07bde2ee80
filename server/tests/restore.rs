//! Backups over the wire, and members that are made of them: what `Maintenance.Snapshot` sends and `detcd restore` takes.
//! That etcd's own tools read and write the same files is shown by `etcdutl/run.sh`.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;

use detcd::pb;
use detcd::pb::lease_client::LeaseClient;
use detcd::pb::maintenance_client::MaintenanceClient;
use processes::{Cluster, Process, detcd, local_range, put};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Output;

/// Length of the checksum behind the file.
const CHECKSUM_BYTES: usize = 32;

/// The file that a member sends, put together as clients do.
async fn backup(member: &Process) -> Vec<u8> {
    let mut client = MaintenanceClient::new(member.channel());
    let mut messages = client.snapshot(pb::SnapshotRequest {}).await.unwrap().into_inner();
    let (mut file, mut lengths, mut left) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(message) = messages.message().await.unwrap() {
        assert_eq!((message.version.as_str(), message.header), ("3.7.0", None));
        lengths.push(message.blob.len());
        left.push(message.remaining_bytes);
        file.extend(message.blob);
    }
    let pages = file.len() - CHECKSUM_BYTES;
    let (checksum, blobs) = lengths.split_last().unwrap();
    assert_eq!(*checksum, CHECKSUM_BYTES, "the checksum has a message of its own");
    assert!(blobs[..blobs.len() - 1].iter().all(|length| *length == 32 * 1024), "{blobs:?}");
    let mut expected = pages as u64;
    for (length, left) in blobs.iter().zip(&left) {
        expected -= *length as u64;
        assert_eq!(*left, expected);
    }
    assert_eq!(left.last(), Some(&0));
    assert_eq!(Sha256::digest(&file[..pages]).as_slice(), &file[pages..]);
    file
}

async fn hash(member: &Process, revision: i64) -> pb::HashKvResponse {
    let mut client = MaintenanceClient::new(member.channel());
    let response = client.hash_kv(pb::HashKvRequest { revision }).await.unwrap().into_inner();
    pb::HashKvResponse { header: None, ..response }
}

/// Runs `detcd restore` for a member that was not started yet.
fn restore(file: &Path, member: &Process, flags: &[&str]) -> Output {
    let Process { name, peer_url, data_dir, .. } = member;
    let mut command = detcd();
    command.arg("restore").arg(file).args(["--name", name]).arg("--data-dir").arg(data_dir);
    command.arg(format!("--initial-cluster={name}={peer_url}"));
    command.arg(format!("--initial-advertise-peer-urls={peer_url}")).args(flags);
    command.output().unwrap()
}

/// A member with some history, and a directory for files.
async fn with_history() -> (Cluster, tempfile::TempDir) {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let mut kv = member.kv();
    let mut leases = LeaseClient::new(member.channel());
    leases.lease_grant(pb::LeaseGrantRequest { id: 7, ttl: 100_000 }).await.unwrap();
    for round in 0..200 {
        let key = format!("key{}", round % 30);
        kv.put(pb::PutRequest { lease: 7 * (round % 2), ..put(key, "v".repeat(500)) }).await.unwrap();
    }
    let delete = pb::DeleteRangeRequest { key: "key3".into(), ..pb::DeleteRangeRequest::default() };
    kv.delete_range(delete).await.unwrap();
    kv.compact(pb::CompactionRequest { revision: 150, physical: false }).await.unwrap();
    (cluster, tempfile::tempdir().unwrap())
}

fn written(dir: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join("backup.db");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn a_backup_becomes_a_member_with_the_same_history() {
    let (cluster, dir) = with_history().await;
    let member = &cluster.members[0];
    let file = written(&dir, &backup(member).await);
    let mut other = Cluster::of(1, &[]);
    let restored = &mut other.members[0];
    let said = restore(&file, restored, &[]);
    assert!(said.status.success(), "{said:?}");
    restored.start();
    restored.ready().await;
    for revision in [0, 150, 160, 202] {
        assert_eq!(hash(restored, revision).await, hash(member, revision).await, "hash of {revision}");
    }
    let all = |revision| pb::RangeRequest { range_end: "z".into(), revision, ..local_range("a") };
    for revision in [0, 150, 170] {
        let [ours, theirs] = [member, restored].map(|member| (member.kv(), all(revision)));
        let (mut ours, mut theirs) = ((ours.0, ours.1), (theirs.0, theirs.1));
        let ours = ours.0.range(ours.1).await.unwrap().into_inner().kvs;
        assert_eq!(theirs.0.range(theirs.1).await.unwrap().into_inner().kvs, ours, "at {revision}");
    }
    let mut leases = LeaseClient::new(restored.channel());
    let asked = pb::LeaseTimeToLiveRequest { id: 7, keys: true };
    let lease = leases.lease_time_to_live(asked).await.unwrap().into_inner();
    assert_eq!((lease.granted_ttl, lease.keys.len()), (100_000, 14));
    // A second restore would take the place of what is there.
    let said = restore(&file, restored, &[]);
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("is not empty"), "{said:?}");
}

#[tokio::test]
async fn what_is_cut_off_anywhere_is_refused_without_a_trace() {
    let (cluster, dir) = with_history().await;
    let file = backup(&cluster.members[0]).await;
    let other = Cluster::of(1, &[]);
    let restored = &other.members[0];
    let pages = file.len() - CHECKSUM_BYTES;
    for length in [0, 1, 32, 63, 64, 4095, 4096, 8192, 8193, 12_320, pages / 2, pages - 4096, pages - 1] {
        let cut = written(&dir, &file[..length]);
        for flags in [&[][..], &["--skip-hash-check"]] {
            let said = restore(&cut, restored, flags);
            assert_eq!(said.status.code(), Some(1), "{length} bytes, {flags:?}: {said:?}");
            let text = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(text.contains("backup.db: ") && text.contains("nothing was written"), "{text}");
            assert!(!restored.data_dir.exists(), "{length} bytes, {flags:?}");
        }
    }
}

#[tokio::test]
async fn whoever_leaves_a_backup_leaves_nothing_behind() {
    let (cluster, _dir) = with_history().await;
    let member = &cluster.members[0];
    for _ in 0..20 {
        let mut client = MaintenanceClient::new(member.channel());
        let mut messages = client.snapshot(pb::SnapshotRequest {}).await.unwrap().into_inner();
        messages.message().await.unwrap();
    }
    backup(member).await;
    member.kv().put(put("key", "value")).await.unwrap();
}
