//! Who a member is and who the others are: what its directory says once there is one, and not what it is told.

use super::real_disk;
use super::recovery::deps_on;
use detcd::clock::BoxFuture;
use detcd::disk::data_dir::DataDir;
use detcd::member::{self, Member, MemberConfig, StartError};
use detcd::peer::pb::{SnapshotAck, SnapshotChunk};
use detcd::peer::{PeerInbox, Transport};
use detcd_engine::config::Config;
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::membership::InitialCluster;
use detcd_engine::peer_message::PeerMessage;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Keeps the peers that it was given, and sends nothing.
#[derive(Debug, Default)]
struct Recording(Mutex<Vec<(MemberId, Vec<String>)>>);

impl Transport for Recording {
    fn attach(&self, _: PeerInbox, peers: Vec<(MemberId, Vec<String>)>) {
        *self.0.lock().unwrap() = peers;
    }
    fn send(&self, _: PeerMessage) {}
    fn send_chunk(&self, _: MemberId, _: SnapshotChunk) -> BoxFuture<'static, Option<SnapshotAck>> {
        Box::pin(std::future::ready(None))
    }
    fn detach(&self) {}
}

/// The first member of a cluster of three on these ports.
fn one_of_three(dir: &Path, token: &str, ports: [u16; 3]) -> MemberConfig {
    let urls = ports.map(|port| vec![format!("http://127.0.0.1:{port}")]);
    let initial_cluster = InitialCluster::new(token, urls);
    let me = *initial_cluster.members.keys().next().unwrap();
    let engine = Config::new(me, initial_cluster.id);
    MemberConfig { engine, data_dir: dir.to_owned(), initial_cluster, wal_segment_bytes: 16 * 1024 }
}

/// Cluster, member and peers of a member that is started so, and stopped again.
async fn started_as(config: MemberConfig) -> (ClusterId, MemberId, Vec<(MemberId, Vec<String>)>) {
    let transport = Arc::new(Recording::default());
    let peers = Arc::clone(&transport);
    let member = member::start(config, deps_on(real_disk(), transport), 7).await.unwrap();
    let handle = member.handle();
    member.stop().await;
    (handle.cluster_id(), handle.member_id(), peers.0.lock().unwrap().clone())
}

#[tokio::test]
async fn a_restart_goes_by_what_is_stored_whatever_it_is_told() {
    let dir = TempDir::new().unwrap();
    let config = one_of_three(dir.path(), "test", [1, 2, 3]);
    let (cluster, me) = (config.initial_cluster.id, config.engine.member);
    let others = config.initial_cluster.members.values().filter(|member| member.id != me);
    let others: Vec<_> = others.map(|member| (member.id, member.peer_urls.clone())).collect();
    assert_eq!(started_as(config).await, (cluster, me, others.clone()));
    for (token, ports) in [("test", [1, 2, 3]), ("another", [1, 2, 3]), ("test", [4, 5, 6])] {
        let told = one_of_three(dir.path(), token, ports);
        assert_eq!(started_as(told).await, (cluster, me, others.clone()), "told {token:?} {ports:?}");
    }
    let data_dir = DataDir::lock(&real_disk(), dir.path()).await.unwrap();
    let meta = data_dir.read_meta().await.unwrap().unwrap();
    assert_eq!((meta.cluster, meta.member, meta.boot), (cluster, me, 4));
}

/// A member whose directory is all that it is told.
async fn restarting(dir: &Path) -> Result<Member, StartError> {
    let transport = Arc::new(Recording::default());
    let engine = Config::new(MemberId(0), ClusterId(0));
    member::restart(engine, dir.to_owned(), 16 * 1024, deps_on(real_disk(), transport), 7).await
}

#[tokio::test]
async fn a_restart_needs_its_directory_alone() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("data");
    for _ in ["no directory", "an empty one"] {
        let error = restarting(&dir).await.expect_err("a member started");
        assert!(matches!(error, StartError::NotBegun { .. }), "{error}");
        assert_eq!(error.to_string(), format!("data directory {} holds no member", dir.display()));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), usize::from(dir.exists()));
        std::fs::create_dir_all(&dir).unwrap();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    }
    let config = one_of_three(&dir, "test", [1, 2, 3]);
    let (cluster, me, members) =
        (config.initial_cluster.id, config.engine.member, config.initial_cluster.members.clone());
    started_as(config).await;
    let member = restarting(&dir).await.unwrap();
    assert_eq!((member.handle().cluster_id(), member.handle().member_id()), (cluster, me));
    assert_eq!(*member.membership(), members);
    member.stop().await;
}
