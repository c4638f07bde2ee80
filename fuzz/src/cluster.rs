//! Members without a world: engines, what their disks keep, and what is under way between them, all in the fuzzer's
//! hand. Whatever docs/invariants.md says that can be seen from outside is asserted as it happens.

mod checks;
mod clients;
mod disk;
mod time;

use detcd_engine::config::Config;
use detcd_engine::effects::Effects;
use detcd_engine::engine::Engine;
use detcd_engine::ids::{MemberId, RequestId, StreamId};
use detcd_engine::input::Input;
use detcd_engine::memory_member::{self, MemoryMember, first_state};
use detcd_engine::peer_message::PeerMessage;
use detcd_engine::raft::SnapshotMeta;
use detcd_engine::request::{Reply, RequestError};
use detcd_engine::snapshot::OutgoingSnapshot;
use detcd_engine::state::State;
use detcd_engine::time::Time;
use detcd_engine::watch::{Event, WatchResponse};
use std::collections::{BTreeMap, BTreeSet};

/// How long, in milliseconds, a cluster may take to agree once nothing disturbs it.
const SETTLE_MS: u64 = 60_000;

/// The answer to a request.
pub type Answer = Result<Reply, RequestError>;

/// One response on a watch stream.
#[derive(Clone, Debug)]
pub struct Received {
    /// Whose stream.
    pub member: usize,
    /// Which of its.
    pub stream: StreamId,
    /// What is said.
    pub response: WatchResponse<Vec<Event>>,
    /// What it counts against the stream's room.
    pub size_bytes: usize,
}

/// A request that was not answered yet.
#[derive(Debug)]
struct Asked {
    /// What the cluster had told somebody by then: a linearizable answer must not be older.
    floor: i64,
    is_linearizable: bool,
}

#[derive(Debug)]
struct Node {
    member: MemoryMember,
    asked: BTreeMap<RequestId, Asked>,
    streams: BTreeSet<StreamId>,
    /// Term, applied index and compacted revision as last seen in this life.
    seen: (u64, u64, i64),
}

/// Members 1 to n, numbered from 0 here.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    now: Time,
    network: Vec<PeerMessage>,
    snapshots: Vec<OutgoingSnapshot>,
    /// By request, until somebody takes them.
    answers: BTreeMap<RequestId, Answer>,
    received: Vec<Received>,
    /// State hash by applied index, whoever came there first.
    hashes: BTreeMap<u64, u128>,
    /// By term.
    leaders: BTreeMap<u64, usize>,
    /// The highest revision that any client has seen.
    acknowledged: i64,
    /// Frames were made up: members need not agree any more, but none may fall over.
    is_hostile: bool,
}

impl Cluster {
    /// So many members with empty disks, started; `knobs` changes the configuration of each.
    pub fn new(members: usize, knobs: fn(&mut Config)) -> Cluster {
        let (meta, state) = first_state(members as u64);
        Cluster::of_state(members, knobs, &meta, &state)
    }

    /// The same, each with this snapshot and nothing else on its disk.
    pub fn of_state(members: usize, knobs: fn(&mut Config), meta: &SnapshotMeta, state: &State) -> Cluster {
        let node = |at: usize| {
            let id = at as u64 + 1;
            let mut config = memory_member::config(id);
            config.reports_hashes = true;
            knobs(&mut config);
            let mut member = MemoryMember::new(config, meta, state);
            member.start(id, Time::ZERO);
            Node { member, asked: BTreeMap::new(), streams: BTreeSet::new(), seen: (0, 0, -1) }
        };
        let mut cluster = Cluster {
            nodes: (0..members).map(node).collect(),
            now: Time::ZERO,
            network: Vec::new(),
            snapshots: Vec::new(),
            answers: BTreeMap::new(),
            received: Vec::new(),
            hashes: BTreeMap::new(),
            leaders: BTreeMap::new(),
            acknowledged: 0,
            is_hostile: false,
        };
        (0..members).for_each(|at| cluster.handle(at));
        cluster
    }

    /// From here on frames are made up.
    pub fn turn_hostile(&mut self) {
        self.is_hostile = true;
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Milliseconds since the cluster was made.
    pub fn now_ms(&self) -> u64 {
        self.now.as_ms()
    }

    /// A member that runs.
    pub fn engine(&self, at: usize) -> Option<&Engine> {
        self.nodes[at].member.engine.as_ref()
    }

    /// Who leads, as the leader sees it.
    pub fn leader(&self) -> Option<usize> {
        (0..self.len()).find(|at| self.engine(*at).is_some_and(|engine| engine.status().is_leader))
    }

    /// How many messages are under way.
    pub fn messages(&self) -> usize {
        self.network.len()
    }

    /// The message at a place.
    pub fn message(&self, place: usize) -> &PeerMessage {
        &self.network[place]
    }

    /// Whether writes of this member wait for its disk.
    pub fn has_unsynced(&self, at: usize) -> bool {
        !self.nodes[at].member.unsynced.is_empty()
    }

    /// Something happens to a member, if it runs.
    pub fn step(&mut self, at: usize, input: Input) {
        let now = self.now;
        let member = &mut self.nodes[at].member;
        if member.engine.is_some() {
            member.step(now, input);
            self.handle(at);
        }
    }

    /// A message under way arrives.
    pub fn deliver(&mut self, place: usize) {
        let message = self.network.remove(place);
        let to = member_at(message.to);
        if let Some(node) = self.nodes.get_mut(to).filter(|node| node.member.engine.is_some()) {
            node.member.receive(self.now, &message);
            self.handle(to);
        }
    }

    /// A message is lost.
    pub fn lose(&mut self, place: usize) {
        let lost = self.network.remove(place);
        self.step(member_at(lost.from), Input::PeerUnreachable(lost.to));
    }

    /// A message will arrive twice.
    pub fn repeat(&mut self, place: usize) {
        let message = self.network[place].clone();
        self.network.push(message);
    }

    fn handle(&mut self, at: usize) {
        let Effects { send, replies, watch, send_snapshots, applied, .. } =
            self.nodes[at].member.take_effects();
        self.check_status(at);
        self.check_hashes(at, &applied);
        self.network.extend(send);
        self.snapshots.extend(send_snapshots);
        replies.into_iter().for_each(|(id, answer)| self.answered(at, id, answer));
        self.hear(at, watch);
    }
}

fn member_at(id: MemberId) -> usize {
    usize::try_from(id.0).expect("a small number").wrapping_sub(1)
}
