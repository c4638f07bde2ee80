//! A cluster of one, with a shell that does at once whatever the engine asks for: writes are durable when they are
//! handed out, reads are evaluated on the spot, snapshots are written in one go.
//!
//! What it writes are bytes, through the engine's own codecs. A restart reads them back.

use bytes::Bytes;
use detcd_engine::config::Config;
use detcd_engine::effects::{Effects, Read, ReadQuery};
use detcd_engine::engine::{Engine, Recovered};
use detcd_engine::ids::{RequestId, StreamId};
use detcd_engine::input::Input;
use detcd_engine::membership::InitialCluster;
use detcd_engine::raft::SnapshotMeta;
use detcd_engine::request::{Reply, Request, RequestError, Response};
use detcd_engine::snapshot::Checkpoint;
use detcd_engine::snapshot::{Reader, Writer};
use detcd_engine::state::State;
use detcd_engine::time::Time;
use detcd_engine::wal::{
    Chain, ExpectedSegment, LogReplay, LogTail, SegmentHeader, encode_batch, encode_header, read_segment,
};
use detcd_engine::watch::WatchInput;
use detcd_engine::watch::{EventBatch, EventRange, WatchResponse};
use std::collections::{BTreeMap, VecDeque};

/// What a data directory holds: one segment, and the newest snapshot if one was written.
struct Disk {
    header: SegmentHeader,
    log: Vec<u8>,
    chain: Chain,
    snapshot: Option<Vec<u8>>,
}

/// A member of a cluster of one, and its shell.
pub(crate) struct Alone {
    engine: Engine,
    cluster: InitialCluster,
    config: Config,
    disk: Disk,
    now_ms: u64,
    asked: u64,
    answers: BTreeMap<u64, Result<Reply, RequestError>>,
    /// What watch streams were sent, each output with the batches it came with.
    pub(crate) watched: VecDeque<(StreamId, WatchResponse<EventRange>, Vec<EventBatch>)>,
    wake_at_ms: u64,
    pub(crate) checkpoints: u64,
}

impl Alone {
    /// A new cluster. `change` sets what differs from the defaults.
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Alone {
        let cluster = InitialCluster::new("alone", [vec!["http://localhost:2380".to_owned()]]);
        let id = *cluster.members.keys().next().expect("one member");
        let mut config = Config::new(id, cluster.id);
        config.reports_hashes = true;
        change(&mut config);
        let header = SegmentHeader {
            cluster: cluster.id,
            member: id,
            incarnation: config.incarnation,
            number: 1,
            previous: 0,
            tail: LogTail { last_index: 1, last_term: 1, ..LogTail::default() },
            segment_bytes: 0,
        };
        let (log, chain) = encode_header(&header);
        let disk = Disk { header, log, chain, snapshot: None };
        let engine = Engine::recover(config.clone(), disk.recover(&cluster), 1, Time::ZERO);
        let mut alone = Alone {
            engine,
            cluster,
            config,
            disk,
            now_ms: 0,
            asked: 0,
            answers: BTreeMap::new(),
            watched: VecDeque::new(),
            wake_at_ms: 0,
            checkpoints: 0,
        };
        alone.lead();
        alone
    }

    /// Ends the process, starts it anew from what is on disk, and waits until it leads.
    pub(crate) fn restart(&mut self) {
        let hash = self.engine.state().store().hash();
        self.config.boot += 1;
        self.asked = 0;
        let recovered = self.disk.recover(&self.cluster);
        let seed = u64::from(self.config.boot);
        self.engine = Engine::recover(self.config.clone(), recovered, seed, Time::from_ms(self.now_ms));
        self.watched.clear();
        self.lead();
        assert_eq!(self.engine.state().store().hash(), hash, "the store after a restart");
    }

    fn lead(&mut self) {
        let at_most_ms = self.now_ms + 10 * self.config.election_timeout_ms;
        // It leads at once, and learns what was committed when it has applied an entry of its own.
        self.turn(Input::Wake);
        while !(self.engine.status().is_leader && self.engine.status().is_ready) {
            assert!(self.now_ms < at_most_ms, "alone and no leader: {:?}", self.engine.status());
            self.now_ms += 10;
            self.turn(Input::Wake);
        }
    }

    /// Milliseconds by this member's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The state as it is, as a snapshot's bytes.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let state = self.engine.state();
        let (index, term) = state.applied();
        let meta = SnapshotMeta { index, term, voters: vec![self.config.member], learners: Vec::new() };
        write_snapshot(meta, state.view())
    }

    /// When the engine wants to be woken.
    pub(crate) fn wake_at_ms(&self) -> u64 {
        self.wake_at_ms
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Time goes on, all at once.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.turn(Input::Wake);
    }

    /// Asks, and is answered at once: nothing here has to wait.
    pub(crate) fn ask(&mut self, request: Request) -> Result<Reply, RequestError> {
        let id = self.hand_in(request);
        self.settle();
        self.answers.remove(&id).unwrap_or_else(|| panic!("request {id} was not answered"))
    }

    /// Asks all before the engine is let go on, so that they share an entry. Answers in order.
    pub(crate) fn ask_together(&mut self, requests: Vec<Request>) -> Vec<Result<Reply, RequestError>> {
        let ids: Vec<u64> = requests.into_iter().map(|request| self.hand_in(request)).collect();
        self.settle();
        let answer = |id| self.answers.remove(&id).unwrap_or_else(|| panic!("request {id} was not answered"));
        ids.into_iter().map(answer).collect()
    }

    fn hand_in(&mut self, request: Request) -> u64 {
        self.asked += 1;
        let id = RequestId { member: self.config.member, boot: self.config.boot, counter: self.asked };
        self.engine.step(Time::from_ms(self.now_ms), Input::Request { id, require_leader: false, request });
        self.asked
    }

    /// Something of a watch stream.
    pub(crate) fn watch(&mut self, stream: StreamId, input: WatchInput) {
        self.turn(Input::Watch(stream, input));
    }

    fn turn(&mut self, input: Input) {
        self.engine.step(Time::from_ms(self.now_ms), input);
        self.settle();
    }

    /// Does what the engine asks for until it asks for nothing more.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let effects = self.engine.take_effects();
            let wake_at = effects.wake_at.expect("there is always a next time");
            self.wake_at_ms = wake_at.as_ms();
            let has_more = self.perform(effects);
            if !has_more && self.wake_at_ms > self.now_ms {
                return;
            }
        }
        panic!("it wants to go on at {} for ever", self.now_ms);
    }

    /// True where something was handed back to the engine.
    fn perform(&mut self, effects: Effects) -> bool {
        let Effects { send, persist, replies, reads, watch, checkpoint, send_snapshots, refused, .. } =
            effects;
        assert!(send.is_empty() && send_snapshots.is_empty() && refused.is_empty(), "nobody else is there");
        for (id, answer) in replies {
            self.answered(id, answer);
        }
        for read in reads {
            let (id, answer) = evaluate(read);
            self.answered(id, answer);
        }
        let now = Time::from_ms(self.now_ms);
        for (stream, response) in watch.responses {
            self.watched.push_back((stream, response, watch.batches.clone()));
        }
        let has_more = persist.is_some() || checkpoint.is_some();
        if let Some(persist) = persist {
            assert!(persist.then_send.is_empty(), "nobody else is there");
            let synced = self.disk.log.len() as u64;
            encode_batch(&mut self.disk.chain, &persist.records, synced, &mut self.disk.log);
            self.engine.step(now, Input::Persisted(persist.id));
        }
        if let Some(Checkpoint { meta, state }) = checkpoint {
            let index = meta.index;
            self.disk.snapshot = Some(write_snapshot(meta, state));
            self.checkpoints += 1;
            self.engine.step(now, Input::CheckpointWritten { index });
        }
        has_more
    }

    fn answered(&mut self, id: RequestId, answer: Result<Reply, RequestError>) {
        let before = self.answers.insert(id.counter, answer);
        assert!(before.is_none(), "request {id} was answered twice, first with {before:?}");
    }
}

fn evaluate(read: Read) -> (RequestId, Result<Reply, RequestError>) {
    let Read { id, view, query, term } = read;
    let response = match query {
        ReadQuery::Range(range) => view.range(&range).map(Response::Range).map_err(RequestError::from),
        ReadQuery::Txn(txn) => detcd_engine::txn::evaluate(&view, &txn).map(Response::Txn),
        ReadQuery::Rest(rest) => Ok(Response::Txn(rest.finish(&view))),
    };
    (id, response.map(|response| Reply { revision: view.revision(), term, response }))
}

/// All of a snapshot's bytes.
pub(crate) fn write_snapshot(meta: SnapshotMeta, state: detcd_engine::state::StateView) -> Vec<u8> {
    let mut writer = Writer::new(meta, state);
    std::iter::from_fn(|| writer.next_piece()).flatten().collect()
}

impl Disk {
    fn recover(&self, cluster: &InitialCluster) -> Recovered {
        let SegmentHeader { cluster: id, member, incarnation, number, .. } = self.header;
        let expected = ExpectedSegment { cluster: id, member, incarnation, number, previous: None };
        let contents =
            read_segment(Bytes::from(self.log.clone()), &expected, true).expect("as it was written");
        assert_eq!(contents.torn, None, "nothing was torn");
        let mut replay = LogReplay::new();
        replay.begin_segment(&contents.header).expect("the first one");
        for record in contents.records {
            replay.push(record).expect("as it was written");
        }
        let (meta, state) = match &self.snapshot {
            Some(bytes) => {
                let mut reader = Reader::new();
                reader.push(bytes).expect("as it was written");
                reader.finish().expect("as it was written")
            }
            None => {
                let state = State::first(cluster);
                let (index, term) = state.applied();
                (SnapshotMeta { index, term, voters: vec![member], learners: Vec::new() }, state)
            }
        };
        let log = replay.finish(&meta).expect("a snapshot of this log");
        Recovered { state, meta, log }
    }
}
