//! An intruder: a process that is no member reaches the peer port and sends a snapshot of a state that no member ever
//! had; or such a snapshot is in a member's directory when it starts, as releases left it there that stored a snapshot
//! before they checked its sender.
//!
//! Most intruders know what every client receives, the ids of cluster and members, and make up incarnation and term.
//! Some have overheard the leader: they send with its incarnation and term, and are admitted; what they send is the
//! snapshot of another cluster. More is not promised: whoever can listen and forge can lead, and only TLS prevents
//! that.
//!
//! A member must refuse the snapshot at its last piece at the latest, and leave no file of it under a snapshot's name;
//! and it must not start from a file that was left. If it does, the hash of its state shows it.

use super::Cluster;
use crate::check::Promise;
use bytes::Bytes;
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use detcd_engine::membership::InitialCluster;
use detcd_engine::peer_message::{PeerBody, PeerMessage};
use detcd_engine::raft::{RaftMessage, RaftMessageKind, SnapshotMeta};
use detcd_engine::request::{Request, Response};
use detcd_engine::snapshot::Writer;
use detcd_engine::state::State;
use madsim::time::timeout;
use server_sim::disk::snapshot_file::SnapshotName;
use server_sim::peer::pb::SnapshotChunk;
use std::path::Path;
use std::time::Duration;

/// No entry of a run is so far out.
const FAR: u64 = 1 << 40;
/// Nor in such a term.
const MADE_UP_TERM: u64 = 1 << 30;
const MADE_UP_LIFE: Incarnation = Incarnation(0xbad);
const NO_MEMBER: MemberId = MemberId(0xbad);
const SNAPSHOTS: &str = "/data/member/snap";
/// How long a member may take to say who is in the cluster.
const ASKS_FOR: Duration = Duration::from_millis(200);

/// Who sends what to whom; as `Fault::SendSnapshot`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intruder {
    pub(crate) member: usize,
    pub(crate) from: usize,
    pub(crate) overhears: bool,
    pub(crate) pieces: usize,
    /// So many of them are sent.
    pub(crate) sent: usize,
}

/// A snapshot of a state that no member had.
struct Planted {
    meta: SnapshotMeta,
    bytes: Bytes,
}

impl Planted {
    /// The first state of a cluster, said to stand here.
    fn of(cluster: &InitialCluster, index: u64, term: u64) -> (Planted, u128) {
        let voters = cluster.members.keys().copied().collect();
        let meta = SnapshotMeta { index, term, voters, learners: Vec::new() };
        let state = State::first(cluster).said_to_stand_at(index, term);
        let hash = state.hash();
        let mut writer = Writer::new(meta.clone(), state.view());
        let pieces: Vec<Vec<u8>> = std::iter::from_fn(|| writer.next_piece()).collect();
        (Planted { meta, bytes: pieces.concat().into() }, hash)
    }
}

impl Cluster {
    /// Sends a member a snapshot, piece by piece. It must be refused, and no file of it may stay.
    pub(crate) async fn snapshot_is_sent(self, intruder: Intruder) {
        let Intruder { member, from, overhears, pieces, sent } = intruder;
        let who = match overhears {
            true => self.who_leads(member).await,
            false => {
                let place = (member + from) % self.size();
                let id = if place == member { NO_MEMBER } else { self.id(place) };
                Some((id, MADE_UP_LIFE, MADE_UP_TERM))
            }
        };
        let Some((from, incarnation, term)) = who else { return };
        // Only the member itself can distinguish a snapshot of another cluster from the leader's.
        let foreign = InitialCluster { id: ClusterId(self.cluster_id().0 ^ 1), ..self.0.initial.clone() };
        let (Planted { meta, bytes }, hash) = Planted::of(&foreign, FAR, term.min(MADE_UP_TERM));
        self.agreement().forbid_state(hash);
        let announcement = PeerMessage {
            from,
            from_incarnation: incarnation,
            to: self.id(member),
            to_incarnation: None,
            body: PeerBody::Raft(RaftMessage {
                kind: RaftMessageKind::Snapshot,
                term,
                snapshot: Some(meta),
                ..RaftMessage::default()
            }),
        };
        let announcement = Bytes::from(frame::encode(&announcement, self.cluster_id()));
        let piece_bytes = bytes.len().div_ceil(pieces);
        let Some((node, inbox)) = self.network().inbox(self.id(member)) else { return };
        let mut at = 0;
        for number in 1..=sent.max(1) {
            let end = bytes.len().min(at + piece_bytes);
            let last = end == bytes.len();
            let chunk = SnapshotChunk {
                announcement: announcement.clone(),
                offset: at as u64,
                piece: bytes.slice(at..end),
                last,
            };
            let inbox = inbox.clone();
            let answer = node.spawn(async move { inbox.deliver_chunk(chunk).await }).await;
            // The member is gone.
            let Ok(ack) = answer else { return };
            let taken = format_args!("piece {number} of {pieces} of a snapshot of {from}'s: {ack:?}");
            self.trace().event("intruder", format_args!("member {member}: {taken}"), &[]);
            let how = || format!("member {member} took {taken}, overheard: {overhears}");
            // Another may have sent a part of the same: then the answer says how far that came.
            let is_whole = last && ack.offset == end as u64;
            assert!(ack.refused || (overhears && !is_whole), "{}", Promise::Planted.broken(how()));
            if ack.refused || ack.offset != end as u64 {
                break;
            }
            at = end;
        }
        self.none_is_named(member);
    }

    /// No file of a snapshot that is out of any run's reach has a name.
    fn none_is_named(&self, member: usize) {
        for name in self.machine(member).names(Path::new(SNAPSHOTS)) {
            let index = name.split_once('-').and_then(|(index, _)| u64::from_str_radix(index, 16).ok());
            let is_planted = index.is_some_and(|index| index >= FAR) && name.ends_with(".snap");
            let how = || format!("member {member} holds {name}");
            assert!(!is_planted, "{}", Promise::Planted.broken(how()));
        }
    }

    /// The machine loses power, and a snapshot is left there that the member never had. Whether the member was up.
    pub(crate) fn snapshot_is_left(&self, member: usize, ahead: u64) -> bool {
        let applied = self.handle(member).map(|handle| handle.status().applied);
        if self.is_lost(member) || !self.kill(member) {
            return false;
        }
        let index = applied.unwrap_or(1) + ahead;
        let (Planted { meta, bytes }, hash) = Planted::of(&self.0.initial, index, MADE_UP_TERM);
        self.agreement().forbid_state(hash);
        let path = SnapshotName::of(&meta).path(Path::new(SNAPSHOTS));
        let is_left = self.machine(member).leave(&path, &bytes);
        self.trace().event("intruder", format_args!("{} is left: {is_left}", path.display()), &[]);
        true
    }

    /// The leader, with its incarnation and term.
    async fn who_leads(&self, member: usize) -> Option<(MemberId, Incarnation, u64)> {
        let (place, term) = self.leader().filter(|(place, _)| *place != member)?;
        let handle = self.handle(place)?;
        let asked = handle.request(Request::MemberList { linearizable: false }, false);
        let answer = timeout(ASKS_FOR, asked).await.map(|answer| answer.map(|reply| reply.response));
        let Ok(Ok(Response::MemberList(members))) = answer else { return None };
        let leader = members.iter().find(|one| one.id == self.id(place))?;
        Some((leader.id, leader.incarnation?, term))
    }
}
