//! The members of a script, their disks and what is under way between them.

mod time;

use super::words;
use crate::config::Config;
use crate::effects::{Effects, Persist, Read, ReadQuery, SnapshotVerdict};
use crate::engine::{Engine, Recovered};
use crate::frame;
use crate::ids::{ClusterId, Incarnation, MemberId, RequestId, StreamId};
use crate::input::Input;
use crate::membership::{InitialCluster, Member};
use crate::peer_message::{PeerBody, PeerMessage};
use crate::raft::{HardState, LogRecord, RaftMessage, RaftMessageKind, SnapshotMeta};
use crate::request::{Reply, Request, RequestError, Response};
use crate::snapshot::{OutgoingSnapshot, ReceivedSnapshot};
use crate::snapshot::{Reader, Writer};
use crate::state::{FIRST_INDEX, State};
use crate::time::Time;
use crate::txn;
use crate::wal::LogReplay;
use crate::watch::WatchInput;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;

pub(super) const CLUSTER: ClusterId = ClusterId(0xc);

/// A member, its shell and its disk.
pub(super) struct Node {
    pub(super) engine: Option<Engine>,
    pub(super) config: Config,
    pub(super) counter: u64,
    disk: Disk,
    /// As it was when it was copied.
    backup: Disk,
    unsynced: VecDeque<Persist>,
    pub(super) is_stalled: bool,
    /// `take_effects` waits.
    pub(super) gathers: bool,
    pub(super) wake_at: Option<Time>,
    checkpoint: Option<(SnapshotMeta, Vec<u8>)>,
    /// Files of snapshots that arrived whole, until the member says what is to become of them.
    arrived: VecDeque<(u64, Vec<u8>)>,
    pub(super) streams: BTreeSet<StreamId>,
    /// Streams whose client does not read, and what they owe.
    pub(super) slow: BTreeMap<StreamId, usize>,
    leads: Option<u64>,
    leader: Option<MemberId>,
}

/// What a crash leaves.
#[derive(Clone, Default)]
struct Disk {
    records: Vec<LogRecord>,
    snapshots: BTreeMap<u64, Vec<u8>>,
}

#[derive(Default)]
pub(super) struct Cluster {
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) now: Time,
    pub(super) queue: VecDeque<PeerMessage>,
    pub(super) held: VecDeque<PeerMessage>,
    pub(super) snapshots: VecDeque<OutgoingSnapshot>,
    pub(super) holds_snapshots: bool,
    pub(super) cut: BTreeSet<(u64, u64)>,
    /// A snapshot that somebody kept; outlives its cluster.
    pub(super) kept: Option<(SnapshotMeta, Vec<u8>)>,
    pub(super) is_traced: bool,
    pub(super) out: String,
    /// State hash by applied index, whoever came there first.
    hashes: BTreeMap<u64, u128>,
}

impl Node {
    fn new(config: Config) -> Node {
        Node {
            engine: None,
            config,
            counter: 0,
            disk: Disk::default(),
            backup: Disk::default(),
            unsynced: VecDeque::new(),
            is_stalled: false,
            gathers: false,
            wake_at: None,
            checkpoint: None,
            arrived: VecDeque::new(),
            streams: BTreeSet::new(),
            slow: BTreeMap::new(),
            leads: None,
            leader: None,
        }
    }
}

pub(super) fn write_snapshot(meta: SnapshotMeta, state: crate::state::StateView) -> Vec<u8> {
    let mut writer = Writer::new(meta, state);
    let mut bytes = Vec::new();
    while let Some(piece) = writer.next_piece() {
        bytes.extend(piece);
    }
    bytes
}

fn read_snapshot(bytes: &[u8]) -> Result<(SnapshotMeta, State), Box<dyn Error>> {
    let mut reader = Reader::new();
    for piece in bytes.chunks(1000) {
        reader.push(piece)?;
    }
    Ok(reader.finish()?)
}

impl Cluster {
    pub(super) fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    pub(super) fn node(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).expect("a member of the cluster")
    }

    pub(super) fn engine(&mut self, id: u64) -> &mut Engine {
        self.node(id).engine.as_mut().expect("the member runs")
    }

    /// Members 1 to `count`, all with the same knobs; the first one is given time to be elected.
    pub(super) fn create(&mut self, count: u64, knobs: impl Fn(&mut Config)) -> Result<(), Box<dyn Error>> {
        *self = Cluster { kept: self.kept.take(), ..Cluster::default() };
        for id in 1..=count {
            let mut config = Config::new(MemberId(id), CLUSTER);
            config.name = format!("m{id}");
            config.client_urls = vec![format!("http://m{id}:2379")];
            knobs(&mut config);
            self.nodes.insert(id, Node::new(config));
        }
        for id in 1..=count {
            self.start(id)?;
        }
        Ok(())
    }

    fn first_state(&self) -> (SnapshotMeta, State) {
        let member = |id: u64| Member {
            id: MemberId(id),
            name: String::new(),
            peer_urls: vec![format!("http://m{id}:2380")],
            client_urls: Vec::new(),
            is_learner: false,
            incarnation: None,
        };
        let members = self.nodes.keys().map(|id| (MemberId(*id), member(*id))).collect();
        let voters = self.nodes.keys().map(|id| MemberId(*id)).collect();
        let state = State::first(&InitialCluster { members, id: CLUSTER });
        (SnapshotMeta { index: FIRST_INDEX, term: 1, voters, learners: Vec::new() }, state)
    }

    /// Starts a member from its disk.
    pub(super) fn start(&mut self, id: u64) -> Result<(), Box<dyn Error>> {
        let now = self.now;
        let first = self.first_state();
        let node = self.node(id);
        if node.disk.records.is_empty() {
            let hard_state = HardState { term: 1, vote: MemberId(0), commit: FIRST_INDEX };
            node.disk.records.push(LogRecord::Installed { hard_state, meta: first.0.clone() });
        }
        let mut replay = LogReplay::new();
        for record in &node.disk.records {
            replay.push(record.clone())?;
        }
        let mut recovered = first;
        for bytes in node.disk.snapshots.values() {
            let (meta, state) = read_snapshot(bytes)?;
            if replay.vouches_for(meta.index, meta.term) {
                recovered = (meta, state);
            }
        }
        let (meta, state) = recovered;
        let log = replay.finish(&meta)?;
        let seed = id * 1000 + u64::from(node.config.boot);
        node.engine = Some(Engine::recover(node.config.clone(), Recovered { state, meta, log }, seed, now));
        node.wake_at = Some(now);
        self.handle(id);
        Ok(())
    }

    /// The process ends: what was not persisted is lost.
    pub(super) fn crash(&mut self, id: u64) {
        let fresh = Node::new(self.node(id).config.clone());
        let node = self.node(id);
        let (disk, backup) = (std::mem::take(&mut node.disk), std::mem::take(&mut node.backup));
        *node = Node { disk, backup, ..fresh };
        node.config.boot += 1;
    }

    /// The disk is replaced by an empty one.
    pub(super) fn wipe(&mut self, id: u64) {
        let node = self.node(id);
        node.disk = Disk::default();
        node.config.boot = 1;
        node.config.incarnation = Incarnation(node.config.incarnation.0 + 1);
    }

    /// A stopped member's disk is copied.
    pub(super) fn back_up(&mut self, id: u64) {
        let node = self.node(id);
        node.backup = node.disk.clone();
    }

    /// The copy takes the place of the disk.
    pub(super) fn restore(&mut self, id: u64) {
        let node = self.node(id);
        node.disk = node.backup.clone();
    }

    pub(super) fn step(&mut self, id: u64, input: Input) {
        let now = self.now;
        self.engine(id).step(now, input);
        if !self.node(id).gathers {
            self.handle(id);
        }
    }

    pub(super) fn ask(&mut self, id: u64, require_leader: bool, request: Request) {
        let node = self.node(id);
        node.counter += 1;
        let request_id = RequestId { member: MemberId(id), boot: node.config.boot, counter: node.counter };
        self.step(id, Input::Request { id: request_id, require_leader, request });
    }

    fn answer_reads(&mut self, id: u64, reads: Vec<Read>) {
        for read in reads {
            let response = match read.query {
                ReadQuery::Range(range) => {
                    read.view.range(&range).map(Response::Range).map_err(RequestError::from)
                }
                ReadQuery::Txn(txn) => txn::evaluate(&read.view, &txn).map(Response::Txn),
                ReadQuery::Rest(rest) => Ok(Response::Txn(rest.finish(&read.view))),
            };
            let revision = read.view.revision();
            let answer = response.map(|response| Reply { revision, term: read.term, response });
            self.say(&format!("{id}#{}: {}", read.id.counter, words::answer(&answer)));
        }
    }

    /// Takes a member's effects and does those that need neither disk nor network.
    pub(super) fn handle(&mut self, id: u64) {
        let Effects {
            send,
            persist,
            replies,
            reads,
            watch,
            checkpoint,
            send_snapshots,
            received,
            refused,
            log_lost,
            compactions,
            installed: _,
            applied: _,
            transfer_finished,
            wake_at,
        } = self.engine(id).take_effects();
        self.node(id).wake_at = wake_at;
        self.check_hash(id);
        self.note_leader(id);
        for message in send {
            self.send(message);
        }
        if let Some(persist) = persist {
            if self.is_traced {
                self.say(&format!("{id} writes {}", words::persist(&persist)));
            }
            self.node(id).unsynced.push_back(persist);
        }
        self.settle_arrived(id, received);
        for (request, answer) in replies {
            self.say(&format!("{id}#{}: {}", request.counter, words::answer(&answer)));
        }
        self.answer_reads(id, reads);
        for (stream, response) in &watch.responses {
            self.say(&format!("{id}~{}: {}", stream.0, words::watch(response, &watch.batches)));
            let bytes = response.size_bytes(&watch.batches);
            if matches!(response, crate::watch::WatchResponse::NoLeader) {
                self.node(id).streams.remove(stream);
            } else if let Some(owed) = self.node(id).slow.get_mut(stream) {
                *owed += bytes;
            } else {
                let now = self.now;
                self.engine(id).step(now, Input::Watch(*stream, WatchInput::Drained { bytes }));
                self.node(id).wake_at = Some(now);
            }
        }
        for step in compactions {
            self.say(&format!("{id} {}", words::compaction(step)));
        }
        if let Some(checkpoint) = checkpoint {
            self.say(&format!("{id} is to write its state at index {}", checkpoint.meta.index));
            let bytes = write_snapshot(checkpoint.meta.clone(), checkpoint.state);
            self.node(id).checkpoint = Some((checkpoint.meta, bytes));
        }
        for snapshot in send_snapshots {
            self.say(&format!(
                "{id} sends its state at index {} to {}",
                snapshot.meta.index, snapshot.message.to
            ));
            self.snapshots.push_back(snapshot);
        }
        for (from, reason) in refused {
            self.say(&format!("{id} refuses {from}: {reason}"));
        }
        log_lost.iter().for_each(|lost| self.say(&format!("{id} must end: {lost}")));
        if transfer_finished {
            self.say(&format!("{id} may stop"));
        }
    }

    /// A snapshot's file counts once the member has taken it.
    fn settle_arrived(&mut self, id: u64, verdicts: Vec<SnapshotVerdict>) {
        for verdict in verdicts {
            let (index, bytes) = self.node(id).arrived.pop_front().expect("one for each that arrived");
            if verdict == SnapshotVerdict::Installed {
                self.node(id).disk.snapshots.insert(index, bytes);
            }
        }
    }

    fn check_hash(&mut self, id: u64) {
        let state = self.engine(id).state();
        let (index, hash) = (state.applied().0, state.hash());
        let first = *self.hashes.entry(index).or_insert(hash);
        assert_eq!(hash, first, "member {id} disagrees at index {index}");
    }

    fn note_leader(&mut self, id: u64) {
        let status = self.engine(id).status();
        let leads = status.is_leader.then_some(status.term);
        let before = std::mem::replace(&mut self.node(id).leads, leads);
        self.node(id).leader = status.leader;
        match (before, leads) {
            (_, Some(term)) if before != leads => self.say(&format!("{id} leads term {term}")),
            (Some(term), None) => self.say(&format!("{id} leads term {term} no more")),
            _ => {}
        }
    }

    fn is_cut(&self, from: MemberId, to: MemberId) -> bool {
        self.cut.contains(&(from.0, to.0))
    }

    pub(super) fn send(&mut self, message: PeerMessage) {
        if self.is_cut(message.from, message.to) {
            return;
        }
        if self.is_traced && !words::is_idle(&message) {
            self.say(&words::message(&message));
        }
        self.queue.push_back(message);
    }

    /// Hands a message over as the frame it travels in.
    pub(super) fn deliver(&mut self, message: &PeerMessage) {
        let (from, to) = (message.from, message.to);
        if self.is_cut(from, to) || self.nodes.get(&to.0).is_none_or(|node| node.engine.is_none()) {
            return;
        }
        let bytes = frame::encode(message, CLUSTER);
        let decoded = frame::decode(bytes.into(), CLUSTER, to).expect("a frame of a member's own making");
        assert_eq!(decoded, *message, "a message survives its frame");
        self.step(to.0, Input::Peer(decoded));
    }

    /// The outstanding writes of a member become durable, and it hears of it. True where there were any.
    pub(super) fn persist(&mut self, id: u64) -> bool {
        let mut done = false;
        while let Some(write) = self.node(id).unsynced.pop_front() {
            done = true;
            self.node(id).disk.records.extend(write.records);
            for message in write.then_send {
                self.send(message);
            }
            self.step(id, Input::Persisted(write.id));
        }
        if let Some((meta, bytes)) = self.node(id).checkpoint.take() {
            done = true;
            self.node(id).disk.snapshots.insert(meta.index, bytes);
            self.step(id, Input::CheckpointWritten { index: meta.index });
        }
        done
    }

    /// The oldest snapshot under way arrives, or does not.
    pub(super) fn deliver_snapshot(&mut self) -> Result<bool, Box<dyn Error>> {
        let Some(OutgoingSnapshot { message, meta, state }) = self.snapshots.pop_front() else {
            return Ok(false);
        };
        let (from, to) = (message.from, message.to);
        let delivered = !self.is_cut(from, to) && self.node(to.0).engine.is_some();
        if delivered {
            let bytes = write_snapshot(meta.clone(), state);
            let (_, state) = read_snapshot(&bytes)?;
            self.node(to.0).arrived.push_back((meta.index, bytes));
            let received = ReceivedSnapshot { message, state: Box::new(state) };
            self.step(to.0, Input::SnapshotReceived(received));
        }
        if self.node(from.0).engine.is_some() {
            self.step(from.0, Input::SnapshotSent { to, delivered });
        }
        Ok(true)
    }

    /// Somebody keeps a member's state as it is.
    pub(super) fn keep(&mut self, id: u64) {
        let first = self.first_state().0;
        let state = self.engine(id).state();
        let (index, term) = state.applied();
        let meta = SnapshotMeta { index, term, ..first };
        let bytes = write_snapshot(meta.clone(), state.view());
        self.say(&format!("kept: index {index} of term {term}"));
        self.kept = Some((meta, bytes));
    }

    /// An announcement of what was kept, at another index and by other voters if need be.
    pub(super) fn announcement(&self, stranger: &Stranger) -> PeerMessage {
        let Stranger { member, from, life, term, index, voters } = *stranger;
        let (mut meta, _) = self.kept.clone().expect("something was kept");
        meta.index = index.unwrap_or(meta.index);
        meta.voters.truncate(voters.unwrap_or(usize::MAX));
        let kind = RaftMessageKind::Snapshot;
        let raft = RaftMessage { kind, term, snapshot: Some(meta), ..RaftMessage::default() };
        PeerMessage {
            from: MemberId(from),
            from_incarnation: Incarnation(life),
            to: MemberId(member),
            to_incarnation: None,
            body: PeerBody::Raft(raft),
        }
    }

    /// What was kept arrives whole, as if it had been let in.
    pub(super) fn plant(&mut self, stranger: &Stranger) -> Result<(), Box<dyn Error>> {
        let message = self.announcement(stranger);
        let (meta, bytes) = self.kept.clone().expect("something was kept");
        let (_, state) = read_snapshot(&bytes)?;
        self.node(stranger.member).arrived.push_back((meta.index, bytes));
        let received = ReceivedSnapshot { message, state: Box::new(state) };
        self.step(stranger.member, Input::SnapshotReceived(received));
        Ok(())
    }
}

/// Who sends what was kept, and what it says.
pub(super) struct Stranger {
    pub(super) member: u64,
    pub(super) from: u64,
    pub(super) life: u64,
    pub(super) term: u64,
    pub(super) index: Option<u64>,
    pub(super) voters: Option<usize>,
}
