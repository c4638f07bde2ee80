//! One of three members, on the real disk, whose others are this test: what a leader sends it, and what becomes of that.

use super::counting::counted;
use super::{files, real_disk};
use crate::processes::eventually;
use bytes::Bytes;
use detcd::callers::Callers;
use detcd::clock::{BoxFuture, Clock, RealClock};
use detcd::disk::Disk;
use detcd::member::{self, Deps, Member, MemberConfig};
use detcd::metrics::Metrics;
use detcd::peer::pb::{SnapshotAck, SnapshotChunk};
use detcd::peer::{PeerInbox, Transport};
use detcd::readers::OnTheSpot;
use detcd::wire;
use detcd_engine::config::Config;
use detcd_engine::frame;
use detcd_engine::ids::{Incarnation, MemberId};
use detcd_engine::membership::InitialCluster;
use detcd_engine::peer_message::{PeerBody, PeerMessage};
use detcd_engine::raft::{RaftMessage, RaftMessageKind, SnapshotMeta};
use detcd_engine::snapshot::Writer;
use detcd_engine::state::State;
use detcd_engine::time::Time;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

/// Two snapshots of the cluster's first state, as leaders send it to a follower.
struct Sent {
    cluster: InitialCluster,
    meta: SnapshotMeta,
    me: MemberId,
    others: Vec<MemberId>,
    bytes: Vec<u8>,
}

/// Nobody hears what this member says.
#[derive(Debug)]
struct Mute;

impl Transport for Mute {
    fn attach(&self, _: PeerInbox, _: Vec<(MemberId, Vec<String>)>) {}
    fn send(&self, _: PeerMessage) {}
    fn send_chunk(&self, _: MemberId, _: SnapshotChunk) -> BoxFuture<'static, Option<SnapshotAck>> {
        Box::pin(std::future::ready(None))
    }
    fn detach(&self) {}
}

/// One of three members, whose others are this test.
struct Follower {
    sent: Sent,
    member: Member,
    snap: PathBuf,
    _dir: TempDir,
}

impl Follower {
    async fn starting(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Follower {
        let dir = TempDir::new().unwrap();
        let cluster =
            InitialCluster::new("test", (1..=3).map(|place| vec![format!("http://127.0.0.1:{place}")]));
        let voters: Vec<MemberId> = cluster.members.keys().copied().collect();
        let (me, others) = (voters[0], voters[1..].to_vec());
        let meta = SnapshotMeta { index: 1, term: 1, voters, learners: Vec::new() };
        let mut pieces = Writer::new(meta.clone(), State::first(&cluster).view());
        let bytes = std::iter::from_fn(|| pieces.next_piece()).flatten().collect();
        let engine = Config::new(me, cluster.id);
        let config = MemberConfig {
            engine,
            data_dir: dir.path().to_owned(),
            initial_cluster: cluster.clone(),
            wal_segment_bytes: 16 * 1024,
        };
        let transport = Arc::new(Mute);
        let (encode_events, readers) = (wire::encode_batch, Arc::new(OnTheSpot));
        let callers = Arc::new(Callers::plain(Arc::clone(&clock)));
        let metrics = Metrics::new();
        let deps = Deps { disk, clock, transport, encode_events, readers, metrics, callers, observer: None };
        let member = member::start(config, deps, 7).await.unwrap();
        let snap = dir.path().join("member/snap");
        Follower { sent: Sent { cluster, meta, me, others, bytes }, member, snap, _dir: dir }
    }

    /// From here on it follows this member in this term.
    async fn follow(&self, other: usize, term: u64) {
        let heartbeat = RaftMessage { kind: RaftMessageKind::Heartbeat, term, ..RaftMessage::default() };
        let frame = self.sent.frame(other, heartbeat);
        self.member.peer_inbox().deliver(frame.into()).unwrap();
        let leader = Some(self.sent.others[other]);
        let follows = self.member.handle();
        assert!(follows.reaches(move |status| (status.leader, status.term) == (leader, term)).await);
    }

    /// Whether the piece was taken, and how far the snapshot has come.
    async fn deliver(&self, chunk: SnapshotChunk) -> (usize, bool) {
        let SnapshotAck { offset, refused } = self.member.peer_inbox().deliver_chunk(chunk).await;
        (offset as usize, !refused)
    }

    /// What is in its directory of snapshots besides the one that it began with.
    fn others(&self) -> Vec<String> {
        let mut names = files(&self.snap, "");
        names.retain(|name| name != "0000000000000001-0000000000000001.snap");
        names
    }
}

impl Sent {
    fn frame(&self, from: usize, message: RaftMessage) -> Vec<u8> {
        let message = PeerMessage {
            from: self.others[from],
            from_incarnation: Incarnation(1),
            to: self.me,
            to_incarnation: None,
            body: PeerBody::Raft(message),
        };
        frame::encode(&message, self.cluster.id)
    }

    fn chunk(&self, from: usize, term: u64, piece: std::ops::Range<usize>) -> SnapshotChunk {
        self.chunk_of(&self.meta, from, term, piece)
    }

    fn chunk_of(
        &self,
        meta: &SnapshotMeta,
        from: usize,
        term: u64,
        piece: std::ops::Range<usize>,
    ) -> SnapshotChunk {
        let (kind, snapshot) = (RaftMessageKind::Snapshot, Some(meta.clone()));
        SnapshotChunk {
            announcement: self
                .frame(from, RaftMessage { kind, term, snapshot, ..RaftMessage::default() })
                .into(),
            offset: piece.start as u64,
            last: piece.end == self.bytes.len(),
            piece: self.bytes[piece].to_vec().into(),
        }
    }
}

fn real_clock() -> Arc<dyn Clock> {
    Arc::new(RealClock::start())
}

/// A leader that was deposed goes on sending beside its successor, who is sending the same: found by the simulator,
/// where each piece of one began the file of the other anew, for ever.
#[tokio::test]
async fn a_deposed_leaders_snapshot_does_not_hold_up_its_successors() {
    let follower = Follower::starting(real_disk(), real_clock()).await;
    let sent = &follower.sent;
    let (half, whole) = (sent.bytes.len() / 2, sent.bytes.len());
    follower.follow(0, 8).await;
    let mut answers = vec![follower.deliver(sent.chunk(0, 8, 0..half)).await];
    follower.follow(1, 9).await;
    for (from, term, piece) in [(1, 9, 0..half), (0, 8, half..whole), (0, 8, 0..half), (1, 9, half..whole)] {
        answers.push(follower.deliver(sent.chunk(from, term, piece)).await);
    }
    let refused = (0, false);
    assert_eq!(answers, [(half, true), (half, true), refused, refused, (whole, true)]);
    assert_eq!(follower.others(), Vec::<String>::new(), "the state here is as new");
    follower.member.stop().await;
}

/// Whoever does not lead is refused before a byte is stored, whatever it announces, and holds nobody up.
#[tokio::test]
async fn only_the_leader_of_the_present_term_sends_a_snapshot() {
    let follower = Follower::starting(real_disk(), real_clock()).await;
    let sent = &follower.sent;
    let (half, whole) = (sent.bytes.len() / 2, sent.bytes.len());
    let refused = (0, false);
    assert_eq!(follower.deliver(sent.chunk(0, 8, 0..half)).await, refused, "nobody leads");
    follower.follow(0, 8).await;
    let far = SnapshotMeta { index: 1 << 61, ..sent.meta.clone() };
    for (meta, from, term) in [(&sent.meta, 1, 8), (&sent.meta, 0, 9), (&sent.meta, 0, 7), (&far, 1, 1 << 61)]
    {
        assert_eq!(follower.deliver(sent.chunk_of(meta, from, term, 0..half)).await, refused);
    }
    assert_eq!(follower.others(), Vec::<String>::new());
    assert_eq!(follower.deliver(sent.chunk(0, 8, 0..half)).await, (half, true));
    assert_eq!(follower.others(), ["received.snap.tmp"]);
    assert_eq!(follower.deliver(sent.chunk_of(&far, 1, 1 << 61, 0..half)).await, refused);
    assert_eq!(follower.deliver(sent.chunk(0, 8, half..whole)).await, (whole, true));
    follower.member.stop().await;
}

/// What is no good leaves nothing behind, and the next one may come.
#[tokio::test]
async fn a_refused_snapshot_leaves_nothing_behind() {
    let follower = Follower::starting(real_disk(), real_clock()).await;
    let sent = &follower.sent;
    let whole = sent.bytes.len();
    follower.follow(0, 8).await;
    let refused = (0, false);
    let none = Vec::<String>::new();
    let announced_elsewhere = SnapshotMeta { index: 70, ..sent.meta.clone() };
    let mut damaged = sent.chunk(0, 8, 0..whole);
    let mut bytes = sent.bytes.clone();
    bytes[whole / 2] ^= 1;
    damaged.piece = bytes.into();
    let mut cut = sent.chunk(0, 8, 0..whole - 1);
    cut.last = true;
    for chunk in [sent.chunk_of(&announced_elsewhere, 0, 8, 0..whole), damaged, cut] {
        assert_eq!(follower.deliver(chunk).await, refused);
        assert_eq!(follower.others(), none);
    }
    assert_eq!(follower.deliver(sent.chunk(0, 8, 0..whole)).await, (whole, true));
    assert_eq!(follower.others(), none, "the state here is as new");
    follower.member.stop().await;
}

/// A clock on which minutes pass at once.
#[derive(Debug)]
struct Hasty(RealClock);

const HASTE: u64 = 300;

impl Clock for Hasty {
    fn now(&self) -> Time {
        Time::from_ms(self.0.now().as_ms() * HASTE)
    }

    fn sleep_until(&self, when: Time) -> BoxFuture<'static, ()> {
        self.0.sleep_until(Time::from_ms(when.as_ms().div_ceil(HASTE)))
    }
}

#[tokio::test]
async fn a_snapshot_that_stops_coming_is_given_up() {
    let follower = Follower::starting(real_disk(), Arc::new(Hasty(RealClock::start()))).await;
    let sent = &follower.sent;
    follower.follow(0, 8).await;
    let half = sent.bytes.len() / 2;
    assert_eq!(follower.deliver(sent.chunk(0, 8, 0..half)).await, (half, true));
    assert_eq!(follower.others(), ["received.snap.tmp"]);
    eventually("the half to go", || async { follower.others().is_empty().then_some(()) }).await;
    follower.member.stop().await;
}

/// An older copy of a directory was put in place, or the disk lost the log's end: the leader sends nothing older again.
#[tokio::test]
async fn a_member_that_lost_what_it_acknowledged_ends_with_advice() {
    let mut follower = Follower::starting(real_disk(), Arc::new(Hasty(RealClock::start()))).await;
    let heartbeat =
        RaftMessage { kind: RaftMessageKind::Heartbeat, term: 8, commit: 50, ..RaftMessage::default() };
    let (said, beat) = (follower.sent.others[0], Bytes::from(follower.sent.frame(0, heartbeat)));
    let inbox = follower.member.peer_inbox();
    let beats = async {
        loop {
            // Where the queue is full, it is a beat that was lost.
            inbox.deliver(beat.clone()).unwrap();
            tokio::task::yield_now().await;
        }
    };
    let failure = tokio::select! {
        failure = follower.member.failed() => failure.to_string(),
        () = beats => unreachable!("they never end"),
    };
    let says = format!(
        "this member acknowledged entries that its log does not hold: leader {said} counts on entry 50, the log here \
         ends at 1"
    );
    assert!(failure.starts_with(&says) && failure.contains("leave it stopped"), "{failure}");
    follower.member.stop().await;
}

/// The last piece of a snapshot comes in and cannot be synced: no less the end than a log that cannot be.
#[tokio::test]
async fn a_snapshot_that_cannot_be_synced_as_it_arrives_ends_the_member() {
    let (disk, counts) = counted(real_disk());
    let mut follower = Follower::starting(disk, real_clock()).await;
    let before = counts.now().1;
    follower.follow(0, 8).await;
    let chunk = follower.sent.chunk(0, 8, 0..follower.sent.bytes.len());
    // The term that it has just learned is on disk.
    eventually("its sync", || async { (counts.now().1 > before).then_some(()) }).await;
    counts.syncs_fail.store(true, Ordering::SeqCst);
    assert_eq!(follower.deliver(chunk).await, (0, false));
    let failure = follower.member.failed().await.to_string();
    assert!(failure.starts_with("cannot sync ") && failure.contains("/snap/"), "{failure}");
    follower.member.stop().await;
}
