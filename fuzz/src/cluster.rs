//! Members without a world: engines, what their disks keep, and what is under way between them, all in the fuzzer's
//! hand. Whatever docs/invariants.md says that can be seen from outside is asserted as it happens.

mod checks;
mod time;

use detcd_engine::config::Config;
use detcd_engine::effects::{Effects, Persist, Read, ReadQuery, WatchEffects};
use detcd_engine::engine::{Engine, Recovered};
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, MemberId, RequestId, StreamId};
use detcd_engine::input::{Input, WatchInput};
use detcd_engine::membership::{InitialCluster, Member};
use detcd_engine::raft::{
    HardState, LogRecord, OutgoingSnapshot, PeerMessage, ReceivedSnapshot, RecoveredLog, SnapshotMeta,
};
use detcd_engine::request::{Reply, Request, RequestError, Response};
use detcd_engine::snapshot::{Reader, SnapshotError, Writer};
use detcd_engine::state::{FIRST_INDEX, State, StateView};
use detcd_engine::time::Time;
use detcd_engine::wal::LogReplay;
use detcd_engine::watch::{Event, WatchOutput};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Theirs.
pub const CLUSTER: ClusterId = ClusterId(0xc);
/// How long, in milliseconds, a cluster may take to agree once nothing disturbs it.
const SETTLE_MS: u64 = 60_000;

/// The answer to a request.
pub type Answer = Result<Reply, RequestError>;

/// One response on a watch stream, its events in it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Whose stream.
    pub member: usize,
    /// Which of its.
    pub stream: StreamId,
    /// What is said.
    pub output: WatchOutput,
    /// With these events.
    pub events: Vec<Event>,
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

/// A state as the bytes of a snapshot.
pub fn write_snapshot(meta: SnapshotMeta, state: StateView) -> Vec<u8> {
    let mut writer = Writer::new(meta, state);
    let mut bytes = Vec::new();
    while let Some(piece) = writer.next_piece() {
        bytes.extend(piece);
    }
    bytes
}

/// The bytes of a snapshot as a state, in pieces that do not fit its sections.
pub fn read_snapshot(bytes: &[u8]) -> Result<(SnapshotMeta, State), SnapshotError> {
    let mut reader = Reader::new();
    bytes.chunks(10_000).try_for_each(|piece| reader.push(piece))?;
    reader.finish()
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

    /// Asks a member that runs; what it is asked under.
    pub fn ask(&mut self, at: usize, require_leader: bool, request: Request) -> Option<RequestId> {
        let floor = self.acknowledged;
        let node = &mut self.nodes[at];
        node.engine.as_ref()?;
        node.counter += 1;
        let id = RequestId { member: node.config.member, boot: node.config.boot, counter: node.counter };
        let is_linearizable = match &request {
            Request::Range(range) => !range.serializable,
            Request::MemberList { linearizable } => *linearizable,
            Request::Txn(txn) => {
                !(detcd_engine::txn::is_read_only(txn) && detcd_engine::txn::is_serializable(txn))
            }
            Request::Put(_) | Request::DeleteRange(_) | Request::LeaseLeases => true,
            _ => false,
        };
        node.asked.insert(id, Asked { floor, is_linearizable });
        self.step(at, Input::Request { id, require_leader, request });
        Some(id)
    }

    /// Asks and waits, with everything delivered, for as long as it takes.
    pub fn ask_and_wait(&mut self, at: usize, request: Request) -> Answer {
        let id = self.ask(at, false, request).expect("the member runs");
        let until = self.now.plus_ms(SETTLE_MS);
        self.run();
        while !self.answers.contains_key(&id) {
            assert!(self.now < until, "request {id} was never answered");
            self.pass_to_next();
        }
        self.answers.remove(&id).expect("just seen")
    }

    /// The client stops waiting.
    pub fn abandon(&mut self, at: usize) {
        if let Some((id, _)) = self.nodes[at].asked.pop_first() {
            self.step(at, Input::Abandon(id));
        }
    }

    /// The answer, if it came.
    pub fn take_answer(&mut self, id: RequestId) -> Option<Answer> {
        self.answers.remove(&id)
    }

    /// What watch streams were told since it was asked last.
    pub fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// Speaks on a watch stream, which this opens if need be.
    pub fn watch(&mut self, at: usize, stream: StreamId, require_leader: bool, input: WatchInput) {
        if self.nodes[at].engine.is_none() {
            return;
        }
        if self.nodes[at].streams.insert(stream) {
            self.step(at, Input::Watch(stream, WatchInput::Open { require_leader }));
        }
        if input == WatchInput::Close {
            self.nodes[at].streams.remove(&stream);
        }
        self.step(at, Input::Watch(stream, input));
    }

    /// The client of a stream that is still open took so many bytes in.
    pub fn drained(&mut self, at: usize, stream: StreamId, bytes: usize) {
        if self.nodes[at].streams.contains(&stream) {
            self.step(at, Input::Watch(stream, WatchInput::Drained { bytes }));
        }
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

    /// The oldest write of a member becomes durable.
    pub fn persist_one(&mut self, at: usize) -> bool {
        let Some(write) = self.nodes[at].unsynced.pop_front() else { return false };
        write.records.into_iter().for_each(|record| self.keep(at, record));
        self.network.extend(write.then_send);
        self.step(at, Input::Persisted(write.id));
        true
    }

    fn keep(&mut self, at: usize, record: LogRecord) {
        let disk = &mut self.nodes[at].disk;
        let hard_state = match &record {
            LogRecord::Append { hard_state, .. } => *hard_state,
            LogRecord::Installed { hard_state, .. } => Some(*hard_state),
        };
        if let Some(found) = hard_state {
            let before = disk.hard_state;
            assert!(found.term >= before.term, "member {at} went from {before:?} back to {found:?}");
            let has_voted = found.term == before.term && before.vote != MemberId(0);
            assert!(
                !has_voted || found.vote == before.vote,
                "member {at} voted twice: {before:?}, {found:?}"
            );
            disk.hard_state = found;
        }
        disk.records.push(record);
    }

    /// A checkpoint under way becomes durable, or is given up.
    pub fn finish_checkpoint(&mut self, at: usize, is_written: bool) -> bool {
        let Some((meta, bytes)) = self.nodes[at].checkpoint.take() else { return false };
        if is_written {
            self.nodes[at].disk.snapshots.insert(meta.index, bytes);
            self.step(at, Input::CheckpointWritten { index: meta.index });
        } else {
            self.step(at, Input::CheckpointAbandoned);
        }
        true
    }

    /// The oldest snapshot under way arrives, or does not.
    pub fn finish_snapshot(&mut self, arrives: bool) -> bool {
        if self.snapshots.is_empty() {
            return false;
        }
        let OutgoingSnapshot { message, meta, state } = self.snapshots.remove(0);
        let (from, to) = (member_at(message.from), message.to);
        let delivered = arrives && self.nodes[member_at(to)].engine.is_some();
        if delivered {
            let bytes = write_snapshot(meta.clone(), state);
            let (_, state) = read_snapshot(&bytes).expect("a member's own snapshot");
            self.nodes[member_at(to)].disk.snapshots.insert(meta.index, bytes);
            let received = ReceivedSnapshot { message, state: Box::new(state) };
            self.step(member_at(to), Input::SnapshotReceived(received));
        }
        self.step(from, Input::SnapshotSent { to, delivered });
        true
    }

    /// A member's process ends. Of what waited for its disk, so many records are there all the same.
    pub fn crash(&mut self, at: usize, survivors: usize) {
        let node = &mut self.nodes[at];
        node.engine = None;
        node.asked.clear();
        node.streams.clear();
        node.checkpoint = None;
        node.wake_at = None;
        node.config.boot += 1;
        node.counter = 0;
        node.seen = (0, 0, -1);
        let written = std::mem::take(&mut node.unsynced).into_iter().flat_map(|write| write.records);
        written.take(survivors).collect::<Vec<_>>().into_iter().for_each(|record| self.keep(at, record));
    }

    /// A member starts from its disk, if it does not run.
    pub fn start(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if node.engine.is_some() {
            return;
        }
        let newest = node.disk.snapshots.last_key_value().expect("the first one at least").1;
        let (meta, state) = read_snapshot(newest).expect("a member's own snapshot");
        let mut replay = LogReplay::new();
        for record in &node.disk.records {
            replay.push(record.clone()).expect("a member's own log");
        }
        let log = replay.finish(&meta).expect("a member's own log and snapshot");
        let seed = (at as u64 + 1) * 1000 + u64::from(node.config.boot);
        node.engine = Some(Engine::recover(node.config.clone(), Recovered { state, meta, log }, seed, now));
        self.handle(at);
    }

    fn handle(&mut self, at: usize) {
        let Some(engine) = &mut self.nodes[at].engine else { return };
        let effects = engine.take_effects();
        self.check_status(at);
        self.check_hashes(at, &effects.applied);
        let Effects { send, persist, replies, reads, watch, checkpoint, send_snapshots, wake_at, .. } =
            effects;
        self.network.extend(send);
        self.snapshots.extend(send_snapshots);
        let node = &mut self.nodes[at];
        node.wake_at = wake_at;
        node.unsynced.extend(persist);
        if let Some(checkpoint) = checkpoint {
            assert!(node.checkpoint.is_none(), "one checkpoint at a time");
            let bytes = write_snapshot(checkpoint.meta.clone(), checkpoint.state);
            node.checkpoint = Some((checkpoint.meta, bytes));
        }
        replies.into_iter().for_each(|(id, answer)| self.answered(at, id, answer));
        reads.into_iter().for_each(|read| self.answered(at, read.id, evaluate(&read)));
        self.hear(at, watch);
    }

    fn answered(&mut self, at: usize, id: RequestId, answer: Answer) {
        let asked = self.nodes[at].asked.remove(&id);
        let asked = asked.unwrap_or_else(|| panic!("{id} was answered twice or never asked: {answer:?}"));
        if let Ok(reply) = &answer {
            assert!(
                self.is_hostile || !asked.is_linearizable || reply.revision >= asked.floor,
                "{id} was answered at revision {}, {} was seen before it was asked",
                reply.revision,
                asked.floor
            );
            self.acknowledged = self.acknowledged.max(reply.revision);
        }
        self.answers.insert(id, answer);
    }

    fn hear(&mut self, at: usize, watch: WatchEffects) {
        for (stream, output) in watch.outputs {
            let size_bytes = output.size_bytes(&watch.batches);
            let events = match &output {
                WatchOutput::Events { batch, first, end, .. } => {
                    watch.batches[*batch].events[*first..*end].to_vec()
                }
                _ => Vec::new(),
            };
            if matches!(output, WatchOutput::NoLeader) {
                self.nodes[at].streams.remove(&stream);
            }
            self.told.push(Told { member: at, stream, output, events, size_bytes });
        }
    }
}

fn member_at(id: MemberId) -> usize {
    usize::try_from(id.0).expect("a small number").wrapping_sub(1)
}

fn evaluate(read: &Read) -> Answer {
    let response = match &read.query {
        ReadQuery::Range(range) => Response::Range(read.view.range(range)?),
        ReadQuery::Txn(txn) => Response::Txn(detcd_engine::txn::evaluate(&read.view, txn)?),
    };
    Ok(Reply { revision: read.view.revision(), term: read.term, response })
}
