//! Members in this process, on the real disk: what they come back with.

use super::counting::counted;
use super::{files, real_disk};
use detcd::clock::{Clock, RealClock};
use detcd::disk::Disk;
use detcd::disk::snapshot_file::{SnapshotName, SnapshotWriter};
use detcd::handle::MemberHandle;
use detcd::member::{self, Deps, Member, MemberConfig, StartError};
use detcd::peer::grpc::GrpcTransport;
use detcd::peer::pb::SnapshotChunk;
use detcd::readers::OnTheSpot;
use detcd::wire;
use detcd_engine::config::Config;
use detcd_engine::frame;
use detcd_engine::ids::{Incarnation, LeaseId, MemberId};
use detcd_engine::key_range::KeyRange;
use detcd_engine::membership::InitialCluster;
use detcd_engine::raft::{PeerBody, PeerMessage, RaftMessage, RaftMessageKind, SnapshotMeta};
use detcd_engine::request::{
    CompactRequest, PutLease, PutRequest, PutValue, RangeRequest, Reply, Request, RequestError, Response,
};
use detcd_engine::snapshot::{Reader, Writer};
use detcd_engine::state::State;
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
    let clock: Arc<dyn Clock> = Arc::new(RealClock::start());
    let transport = Arc::new(GrpcTransport::new(Arc::clone(&clock)));
    let (encode_events, readers) = (wire::encode_batch, Arc::new(OnTheSpot));
    let deps = Deps { disk, clock, transport, encode_events, readers, observer: None };
    member::start(config, deps, 7).await
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
async fn a_damaged_newest_snapshot_is_an_error_that_names_it() {
    let dir = TempDir::new().unwrap();
    with_removed_segments(dir.path()).await;
    let snap = dir.path().join("member/snap");
    let newest = snap.join(files(&snap, ".snap").pop().unwrap());
    let whole = std::fs::read(&newest).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 50) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&newest, &damaged).unwrap();
        let error = starting(config_in(dir.path())).await.expect_err("a member started").to_string();
        assert!(
            error.starts_with(&format!("snapshot {} is damaged: ", newest.display())),
            "byte {at}: {error}"
        );
    }
    std::fs::write(&newest, &whole[..whole.len() - 1]).unwrap();
    let error = starting(config_in(dir.path())).await.expect_err("a member started").to_string();
    assert!(error.starts_with(&format!("snapshot {} is damaged: ", newest.display())), "cut: {error}");
    std::fs::write(&newest, &whole).unwrap();
    starting(config_in(dir.path())).await.unwrap().stop().await;
}

/// The leader's snapshot is on disk under its name, and the process dies before the log says that it is installed:
/// it stands for committed entries, so the member comes back at it and its log starts over there.
#[tokio::test]
async fn a_received_snapshot_that_the_log_does_not_know_is_where_the_member_comes_back() {
    let (from, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let starts = with_removed_segments(from.path()).await / 150;
    let source = from.path().join("member/snap");
    let name = files(&source, ".snap").pop().unwrap();
    // Another life of the same member: the same cluster, a log that ends long before the snapshot.
    let config = || MemberConfig { data_dir: dir.path().to_owned(), ..config_in(from.path()) };
    // The snapshot knows requests of this member; a lower boot count would say that they are still to come.
    for _ in 0..starts {
        starting(config()).await.unwrap().stop().await;
    }
    let member = starting(config()).await.unwrap();
    let keys = Keys::of(&member).await;
    for number in 0..5 {
        keys.put(format!("key {number:04}"), "value").await;
    }
    member.stop().await;
    let mut reader = Reader::new();
    reader.push(&std::fs::read(source.join(&name)).unwrap()).unwrap();
    let (meta, state) = reader.finish().unwrap();
    let disk = real_disk();
    let mut file = SnapshotWriter::create(&disk, &dir.path().join("member/snap"), "received").await.unwrap();
    let mut pieces = Writer::new(meta.clone(), state.view());
    while let Some(piece) = pieces.next_piece() {
        file.push(piece).await.unwrap();
    }
    file.finish(SnapshotName::of(&meta)).await.unwrap();
    for round in 0..3 {
        let member = starting(config()).await.unwrap();
        let keys = Keys::of(&member).await;
        assert_eq!(keys.count().await.1, state.store().revision() + round);
        keys.put(format!("later {round}"), "value").await;
        member.stop().await;
    }
}

/// A snapshot of the cluster's first state, as leaders send it to its only member.
struct Sent {
    cluster: InitialCluster,
    meta: SnapshotMeta,
    bytes: Vec<u8>,
}

impl Sent {
    fn to(config: &MemberConfig) -> Sent {
        let cluster = config.initial_cluster.clone();
        let meta =
            SnapshotMeta { index: 1, term: 1, voters: vec![config.engine.member], learners: Vec::new() };
        let mut pieces = Writer::new(meta.clone(), State::first(&cluster).view());
        let bytes = std::iter::from_fn(|| pieces.next_piece()).flatten().collect();
        Sent { cluster, meta, bytes }
    }

    fn chunk(&self, from: u64, term: u64, piece: std::ops::Range<usize>) -> SnapshotChunk {
        let snapshot = Some(self.meta.clone());
        let raft = RaftMessage { kind: RaftMessageKind::Snapshot, term, snapshot, ..RaftMessage::default() };
        let announcement = PeerMessage {
            from: MemberId(from),
            from_incarnation: Incarnation(1),
            to: self.meta.voters[0],
            to_incarnation: None,
            body: PeerBody::Raft(raft),
        };
        SnapshotChunk {
            announcement: frame::encode(&announcement, self.cluster.id).into(),
            offset: piece.start as u64,
            last: piece.end == self.bytes.len(),
            piece: self.bytes[piece].to_vec().into(),
        }
    }
}

/// A leader that was deposed goes on sending beside its successor, who is sending the same: found by the simulator,
/// where each piece of one began the file of the other anew, for ever.
#[tokio::test]
async fn a_deposed_leaders_snapshot_does_not_hold_up_its_successors() {
    let dir = TempDir::new().unwrap();
    let config = config_in(dir.path());
    let sent = Sent::to(&config);
    let member = starting(config).await.unwrap();
    Keys::of(&member).await;
    let (half, whole) = (sent.bytes.len() / 2, sent.bytes.len());
    let inbox = member.peer_inbox();
    let (deposed, leader) = ((7, 8), (8, 9));
    let mut answers = Vec::new();
    for ((from, term), piece) in [
        (deposed, 0..half),
        (leader, 0..half),
        (deposed, half..whole),
        (deposed, 0..half),
        (leader, half..whole),
    ] {
        let answer = inbox.deliver_chunk(sent.chunk(from, term, piece)).await;
        answers.push((answer.offset as usize, answer.refused));
    }
    let taken = |offset| (offset, false);
    let refused = (0, true);
    assert_eq!(answers, [taken(half), taken(half), refused, refused, taken(whole)]);
    member.stop().await;
}

/// The last piece of a snapshot comes in and cannot be synced: no less the end than a log that cannot be.
#[tokio::test]
async fn a_snapshot_that_cannot_be_synced_as_it_arrives_ends_the_member() {
    let dir = TempDir::new().unwrap();
    let (disk, counts) = counted(real_disk());
    let config = config_in(dir.path());
    let sent = Sent::to(&config);
    let mut member = starting_on(disk, config).await.unwrap();
    Keys::of(&member).await;
    counts.syncs_fail.store(true, Ordering::SeqCst);
    let chunk = sent.chunk(7, 9, 0..sent.bytes.len());
    assert!(member.peer_inbox().deliver_chunk(chunk).await.refused);
    let failure = member.failed().await.to_string();
    assert!(failure.starts_with("cannot sync ") && failure.contains("/snap/"), "{failure}");
    member.stop().await;
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
    assert_eq!(failure.to_string(), format!("cannot sync {}: the disk is on fire", log.display()));
    assert_eq!(answer, Err(RequestError::Stopped));
    let member = starting(config_in(dir.path())).await.unwrap();
    let (count, revision) = Keys::of(&member).await.count().await;
    // The write itself went through, so it may be there; that nobody was told is all that counts.
    assert!([(1, 2), (2, 3)].contains(&(count, revision)), "{count} keys at {revision}");
    member.stop().await;
}
