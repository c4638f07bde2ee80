//! Members in this process, on the real disk: what they come back with.

use super::counting::counted;
use super::{files, real_disk};
use detcd::callers::Callers;
use detcd::clock::{Clock, RealClock};
use detcd::disk::Disk;
use detcd::handle::MemberHandle;
use detcd::member::{self, Deps, Member, MemberConfig, StartError};
use detcd::metrics::Metrics;
use detcd::peer::Transport;
use detcd::peer::grpc::{DialPlain, GrpcTransport};
use detcd::readers::OnTheSpot;
use detcd::wire;
use detcd_engine::config::Config;
use detcd_engine::ids::LeaseId;
use detcd_engine::key_range::KeyRange;
use detcd_engine::membership::InitialCluster;
use detcd_engine::request::{
    CompactRequest, PutLease, PutRequest, PutValue, RangeRequest, Reply, Request, RequestError, Response,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;

/// The cluster of the only member that lives here: its id follows from the directory.
pub(crate) fn cluster_of(dir: &Path) -> InitialCluster {
    InitialCluster::new("test", [vec![format!("http://127.0.0.1:1/{}", dir.display())]])
}

/// Small segments, checkpoints often.
pub(crate) fn config_in(dir: &Path) -> MemberConfig {
    let initial_cluster = cluster_of(dir);
    let me = *initial_cluster.members.keys().next().unwrap();
    let engine = Config { snapshot_commands_min: 20, ..Config::new(me, initial_cluster.id) };
    MemberConfig { engine, data_dir: dir.to_owned(), initial_cluster, wal_segment_bytes: 16 * 1024 }
}

/// Starts a member on the real disk.
pub(crate) async fn starting(config: MemberConfig) -> Result<Member, StartError> {
    starting_on(real_disk(), config).await
}

pub(crate) async fn starting_on(disk: Arc<dyn Disk>, config: MemberConfig) -> Result<Member, StartError> {
    let transport =
        Arc::new(GrpcTransport::new(Arc::new(RealClock::start()), Arc::new(DialPlain), Metrics::new().peers));
    member::start(config, deps_on(disk, transport), 7).await
}

/// The world around a member on this disk, with this way to the others.
pub(crate) fn deps_on(disk: Arc<dyn Disk>, transport: Arc<dyn Transport>) -> Deps {
    let clock: Arc<dyn Clock> = Arc::new(RealClock::start());
    let (encode_events, readers) = (wire::encode_batch, Arc::new(OnTheSpot));
    let callers = Arc::new(Callers::plain(Arc::clone(&clock)));
    let metrics = Metrics::new();
    Deps { disk, clock, transport, encode_events, readers, metrics, callers, observer: None }
}

/// What a member holds, and how it is asked.
struct Keys(MemberHandle);

impl Keys {
    async fn of(member: &Member) -> Keys {
        let handle = member.handle();
        let ready = handle.reaches(|status| status.is_ready);
        assert!(tokio::time::timeout(Duration::from_secs(20), ready).await.expect("ready in time"));
        Keys(handle)
    }

    async fn put(&self, key: String, value: &str) {
        self.try_put(key, value).await.unwrap();
    }

    async fn try_put(&self, key: String, value: &str) -> Result<Reply, RequestError> {
        let (value, lease) = (PutValue::Set(value.to_owned().into()), PutLease::Set(LeaseId(0)));
        let put = PutRequest { key: key.into(), value, lease, prev_kv: false };
        self.0.request(Request::Put(put), true).await
    }

    /// Forgets history, so that the log outweighs the state.
    async fn compact(&self) {
        let revision = self.0.status().revision;
        let compact = Request::Compact(CompactRequest { revision, physical: true });
        self.0.request(compact, true).await.unwrap();
    }

    /// How many keys there are, at which revision.
    async fn count(&self) -> (u64, i64) {
        let range = RangeRequest::of(KeyRange::parse(b"\0".as_slice().into(), b"\0".as_slice().into()));
        let reply = self.0.request(Request::Range(range), true).await.unwrap();
        let Response::Range(found) = reply.response else { panic!("{:?}", reply.response) };
        (found.count, reply.revision)
    }
}

/// Writes ten keys again and again, and restarts, until the log's beginning is gone; answers how many writes that took.
async fn with_removed_segments(dir: &Path) -> i64 {
    let mut written = 0;
    for _ in 0..20 {
        let member = starting(config_in(dir)).await.unwrap();
        let keys = Keys::of(&member).await;
        for _ in 0..150 {
            keys.put(format!("key {}", written % 10), "value").await;
            written += 1;
        }
        keys.compact().await;
        member.stop().await;
        let first_is_gone = !dir.join("member/wal/0000000000000001.wal").exists();
        if first_is_gone && files(&dir.join("member/snap"), ".snap").len() == 2 {
            return written;
        }
    }
    panic!("no segment was removed after {written} writes: {:?}", files(&dir.join("member/wal"), ""));
}

#[tokio::test]
async fn a_member_comes_back_whole_when_a_snapshot_has_replaced_its_first_segments() {
    let dir = TempDir::new().unwrap();
    let written = with_removed_segments(dir.path()).await;
    let member = starting(config_in(dir.path())).await.unwrap();
    let keys = Keys::of(&member).await;
    let inspection = member.peer_inbox().inspect().await.unwrap();
    assert_eq!(keys.count().await, (10, written + 1));
    member.stop().await;
    // The same log, read again, adds up to the same state.
    let member = starting(config_in(dir.path())).await.unwrap();
    let keys = Keys::of(&member).await;
    assert_eq!(keys.count().await, (10, written + 1));
    let again = member.peer_inbox().inspect().await.unwrap();
    assert!(again.applied > inspection.applied && again.revision == inspection.revision, "{again:?}");
    member.stop().await;
}

#[tokio::test]
async fn a_damaged_newest_snapshot_is_set_aside() {
    let source = TempDir::new().unwrap();
    let written = with_removed_segments(source.path()).await;
    let snap = source.path().join("member/snap");
    let [older, newest] = <[String; 2]>::try_from(files(&snap, ".snap")).unwrap();
    let whole = std::fs::read(snap.join(&newest)).unwrap();
    let flipped = |at: usize| {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        damaged
    };
    let damages = (0..whole.len()).step_by(whole.len() / 20).map(flipped);
    for damaged in damages.chain([Vec::new(), whole[..1].to_vec(), whole[..whole.len() - 1].to_vec()]) {
        let dir = TempDir::new().unwrap();
        copy(source.path(), dir.path());
        let (snap, config) = (dir.path().join("member/snap"), config_in(source.path()));
        std::fs::write(snap.join(&newest), &damaged).unwrap();
        let member = starting(MemberConfig { data_dir: dir.path().to_owned(), ..config }).await.unwrap();
        assert_eq!(Keys::of(&member).await.count().await, (10, written + 1));
        member.stop().await;
        assert_eq!(std::fs::read(snap.join(format!("{newest}.damaged"))).unwrap(), damaged);
        // Where the older one is damaged as well, none is left that the log reaches.
        if damaged.len() == whole.len() {
            continue;
        }
        for name in files(&snap, ".snap") {
            std::fs::write(snap.join(name), b"").unwrap();
        }
        let last = snap.join(files(&snap, ".snap").pop().unwrap());
        let config = MemberConfig { data_dir: dir.path().to_owned(), ..config_in(source.path()) };
        let error = starting(config).await.expect_err("a member started").to_string();
        assert!(error.starts_with(&format!("snapshot {} is damaged: ", last.display())), "{error}");
        assert!(error.contains("no older one that the log reaches is whole; it may not go on"), "{error}");
    }
    // The older one alone is no help where it is the damaged one, and none is needed.
    std::fs::write(snap.join(&older), b"").unwrap();
    starting(config_in(source.path())).await.unwrap().stop().await;
}

/// A stopped member's directory, copied whole: what an operator goes back to.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&path, &to);
        } else {
            std::fs::copy(path, to).unwrap();
        }
    }
}

/// What docs/operating.md says of a member that is alone: a copy of the whole directory brings back what it held then.
#[tokio::test]
async fn a_member_alone_goes_on_from_a_copy_of_its_directory() {
    let (dir, backup) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let with_keys = async |count: u64| {
        let member = starting(config_in(dir.path())).await.unwrap();
        let keys = Keys::of(&member).await;
        for key in 0..count {
            keys.put(format!("key {key}"), "value").await;
        }
        let found = keys.count().await;
        member.stop().await;
        found
    };
    let before = with_keys(5).await;
    copy(dir.path(), backup.path());
    with_keys(9).await;
    let log = dir.path().join("member/wal/0000000000000001.wal");
    std::fs::write(&log, &std::fs::read(&log).unwrap()[..200]).unwrap();
    let error = starting(config_in(dir.path())).await.expect_err("a member started").to_string();
    assert!(
        error.contains("bytes long, but made") && error.contains("a copy of its whole data directory"),
        "{error}"
    );
    std::fs::remove_dir_all(dir.path().join("member")).unwrap();
    copy(backup.path(), dir.path());
    assert_eq!(with_keys(0).await, before);
}

/// The leader's snapshot is on disk under its name, and the process dies before the log says that it is installed; or
/// somebody else put it there. The member comes back at what its log knows, and nothing is left of the file.
#[tokio::test]
async fn a_snapshot_that_the_log_does_not_know_is_not_where_the_member_comes_back() {
    let (from, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    with_removed_segments(from.path()).await;
    let source = from.path().join("member/snap");
    let name = files(&source, ".snap").pop().unwrap();
    // Another history of the same member: the same cluster, a log that ends long before the snapshot.
    let config = || MemberConfig { data_dir: dir.path().to_owned(), ..config_in(from.path()) };
    let member = starting(config()).await.unwrap();
    let keys = Keys::of(&member).await;
    for number in 0..5 {
        keys.put(format!("honest {number}"), "value").await;
    }
    member.stop().await;
    let snap = dir.path().join("member/snap");
    let before = files(&snap, "");
    std::fs::copy(source.join(&name), snap.join(&name)).unwrap();
    // Half of one was on its way as well.
    std::fs::write(snap.join("received.snap.tmp"), b"half").unwrap();
    for round in 0..3_u64 {
        let member = starting(config()).await.unwrap();
        assert_eq!(files(&snap, ""), before);
        let keys = Keys::of(&member).await;
        assert_eq!(keys.count().await, (5 + round, 6 + round.cast_signed()));
        keys.put(format!("later {round}"), "value").await;
        member.stop().await;
    }
}

/// The name that a rename gave is lost with the power when the sync of its directory had failed; the process that
/// ended there is started again before that, and goes on by what it finds. Found by the simulator.
#[tokio::test]
async fn names_that_are_found_are_made_durable_before_anything_counts_on_them() {
    let dir = TempDir::new().unwrap();
    starting(config_in(dir.path())).await.unwrap().stop().await;
    let (disk, counts) = counted(real_disk());
    let member = starting_on(disk, config_in(dir.path())).await.unwrap();
    let synced = counts.synced_dirs.lock().unwrap().clone();
    assert!(["wal", "snap"].iter().all(|name| synced.iter().any(|dir| dir == name)), "{synced:?}");
    member.stop().await;
}

/// After a sync that failed nobody knows what the disk holds: the member ends and says where; what waited for that
/// sync is not acknowledged; and the next start goes on from what is really there.
#[tokio::test]
async fn a_failed_sync_ends_the_member_and_acknowledges_nothing() {
    let dir = TempDir::new().unwrap();
    let (disk, counts) = counted(real_disk());
    let mut member = starting_on(disk, config_in(dir.path())).await.unwrap();
    let keys = Keys::of(&member).await;
    keys.put("before".to_owned(), "value").await;
    counts.syncs_fail.store(true, Ordering::SeqCst);
    let (failure, answer) = tokio::join!(
        async {
            let failure = member.failed().await;
            member.stop().await;
            failure
        },
        keys.try_put("after".to_owned(), "value")
    );
    let log = dir.path().join("member/wal/0000000000000001.wal");
    let says =
        format!("cannot sync {}: the disk is on fire; mend that and start the member again", log.display());
    assert!(failure.to_string().starts_with(&says), "{failure}");
    assert_eq!(answer, Err(RequestError::Stopped));
    let member = starting(config_in(dir.path())).await.unwrap();
    let (count, revision) = Keys::of(&member).await.count().await;
    // The write itself went through, so it may be there; that nobody was told is all that counts.
    assert!([(1, 2), (2, 3)].contains(&(count, revision)), "{count} keys at {revision}");
    member.stop().await;
}
