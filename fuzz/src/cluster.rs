//! Members without a world: engines, what their disks keep, and what is under way between them, all in the fuzzer's
//! hand. Whatever docs/invariants.md says that can be seen from outside is asserted as it happens.

mod checks;
mod clients;
mod disk;
mod time;

use clients::evaluate;
use detcd_engine::config::Config;
use detcd_engine::effects::{Effects, Persist, SnapshotVerdict};
use detcd_engine::engine::{Engine, Recovered};
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, MemberId, RequestId, StreamId};
use detcd_engine::input::Input;
use detcd_engine::membership::{InitialCluster, Member};
use detcd_engine::raft::{HardState, LogRecord, RecoveredLog, SnapshotMeta};
use detcd_engine::snapshot::OutgoingSnapshot;
use detcd_engine::peer_message::PeerMessage;
use detcd_engine::request::{Reply, RequestError};
use detcd_engine::state::{FIRST_INDEX, State};
use detcd_engine::time::Time;
use detcd_engine::watch::{Event, WatchResponse};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use disk::{read_snapshot, write_snapshot};

/// Theirs.
pub const CLUSTER: ClusterId = ClusterId(0xc);
/// How long, in milliseconds, a cluster may take to agree once nothing disturbs it.
const SETTLE_MS: u64 = 60_000;

/// The answer to a request.
pub type Answer = Result<Reply, RequestError>;

/// One response on a watch stream.
#[derive(Clone, Debug)]
pub struct Told {
    /// Whose stream.
    pub member: usize,
    /// Which of its.
    pub stream: StreamId,
    /// What is said.
    pub response: WatchResponse<Vec<Event>>,
    /// What it counts against the stream's room.
    pub size_bytes: usize,
}

/// What a member must remember.
#[derive(Debug, Default)]
struct Disk {
    records: Vec<LogRecord>,
    snapshots: BTreeMap<u64, Vec<u8>>,
    hard_state: HardState,
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
    engine: Option<Engine>,
    config: Config,
    disk: Disk,
    unsynced: VecDeque<Persist>,
    checkpoint: Option<(SnapshotMeta, Vec<u8>)>,
    /// Files of snapshots that arrived whole, until the member says what is to become of them.
    arrived: VecDeque<(u64, Vec<u8>)>,
    wake_at: Option<Time>,
    counter: u64,
    asked: BTreeMap<RequestId, Asked>,
    streams: BTreeSet<StreamId>,
    /// Term and applied index as last seen in this life.
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
    told: Vec<Told>,
    /// State hash by applied index, whoever came there first.
    hashes: BTreeMap<u64, u128>,
    /// By term.
    leaders: BTreeMap<u64, usize>,
    /// The highest revision that any client has seen.
    acknowledged: i64,
    /// Frames were made up: members need not agree any more, but none may fall over.
    is_hostile: bool,
}

/// The first state of a cluster of so many.
pub fn first_state(members: u64) -> (SnapshotMeta, State) {
    let member = |id: u64| Member {
        id: MemberId(id),
        name: String::new(),
        peer_urls: vec![format!("http://m{id}:2380")],
        client_urls: Vec::new(),
        is_learner: false,
        incarnation: None,
    };
    let voters = (1..=members).map(MemberId).collect();
    let members = (1..=members).map(|id| (MemberId(id), member(id))).collect();
    let state = State::first(&InitialCluster { members, id: CLUSTER });
    (SnapshotMeta { index: FIRST_INDEX, term: 1, voters, learners: Vec::new() }, state)
}

impl Cluster {
    /// So many members with empty disks, started; `knobs` changes the configuration of each.
    pub fn new(members: usize, knobs: fn(&mut Config)) -> Cluster {
        let (meta, state) = first_state(members as u64);
        Cluster::of_state(members, knobs, &meta, &state)
    }

    /// The same, each with this snapshot and nothing else on its disk.
    pub fn of_state(members: usize, knobs: fn(&mut Config), meta: &SnapshotMeta, state: &State) -> Cluster {
        let snapshot = write_snapshot(meta.clone(), state.view());
        let node = |at: usize| {
            let id = at as u64 + 1;
            let mut config = Config::new(MemberId(id), CLUSTER);
            config.name = format!("m{id}");
            config.client_urls = vec![format!("http://m{id}:2379")];
            config.reports_hashes = true;
            knobs(&mut config);
            let hard_state = HardState { term: meta.term, vote: MemberId(0), commit: meta.index };
            let log = RecoveredLog { hard_state, entries: Vec::new() };
            let recovered = Recovered { state: state.clone(), meta: meta.clone(), log };
            let mut disk = Disk { hard_state, ..Disk::default() };
            disk.records.push(LogRecord::Installed { hard_state, meta: meta.clone() });
            disk.snapshots.insert(meta.index, snapshot.clone());
            Node {
                engine: Some(Engine::recover(config.clone(), recovered, id, Time::ZERO)),
                config,
                disk,
                unsynced: VecDeque::new(),
                checkpoint: None,
                arrived: VecDeque::new(),
                wake_at: Some(Time::ZERO),
                counter: 0,
                asked: BTreeMap::new(),
                streams: BTreeSet::new(),
                seen: (0, 0, -1),
            }
        };
        let mut cluster = Cluster {
            nodes: (0..members).map(node).collect(),
            now: Time::ZERO,
            network: Vec::new(),
            snapshots: Vec::new(),
            answers: BTreeMap::new(),
            told: Vec::new(),
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
        self.nodes[at].engine.as_ref()
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
        !self.nodes[at].unsynced.is_empty()
    }

    /// Something happens to a member, if it runs.
    pub fn step(&mut self, at: usize, input: Input) {
        let now = self.now;
        if let Some(engine) = &mut self.nodes[at].engine {
            engine.step(now, input);
            self.handle(at);
        }
    }

    /// A message under way arrives, as the frame it travels in.
    pub fn deliver(&mut self, place: usize) {
        let message = self.network.remove(place);
        let to = member_at(message.to);
        if self.nodes.get(to).is_some_and(|node| node.engine.is_some()) {
            let bytes = frame::encode(&message, CLUSTER);
            let decoded = frame::decode(bytes.into(), CLUSTER, message.to).expect("a member's own frame");
            assert_eq!(decoded, message, "a message survives its frame");
            self.step(to, Input::Peer(decoded));
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
        let Some(engine) = &mut self.nodes[at].engine else { return };
        let effects = engine.take_effects();
        self.check_status(at);
        self.check_hashes(at, &effects.applied);
        let Effects {
            send, persist, replies, reads, watch, checkpoint, send_snapshots, received, wake_at, ..
        } = effects;
        self.network.extend(send);
        self.snapshots.extend(send_snapshots);
        let node = &mut self.nodes[at];
        node.wake_at = wake_at;
        for verdict in received {
            let (index, bytes) = node.arrived.pop_front().expect("one for each that arrived");
            if verdict == SnapshotVerdict::Installed {
                node.disk.snapshots.insert(index, bytes);
            }
        }
        node.unsynced.extend(persist);
        if let Some(checkpoint) = checkpoint {
            assert!(node.checkpoint.is_none(), "one checkpoint at a time");
            let bytes = write_snapshot(checkpoint.meta.clone(), checkpoint.state);
            node.checkpoint = Some((checkpoint.meta, bytes));
        }
        replies.into_iter().for_each(|(id, answer)| self.answered(at, id, answer));
        reads.into_iter().for_each(|read| self.answered(at, read.id, evaluate(read)));
        self.hear(at, watch);
    }
}

fn member_at(id: MemberId) -> usize {
    usize::try_from(id.0).expect("a small number").wrapping_sub(1)
}
