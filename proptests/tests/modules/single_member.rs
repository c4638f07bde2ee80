//! A cluster of one, whose disk is memory and has at once whatever is written: nothing has to wait for anything but time.
//!
//! What it writes are bytes, through the engine's own codecs. A restart reads them back.

use detcd_engine::config::Config;
use detcd_engine::effects::Effects;
use detcd_engine::engine::Engine;
use detcd_engine::ids::StreamId;
use detcd_engine::input::Input;
use detcd_engine::memory_member::{self, MemoryMember, first_state, meta_of, write_snapshot};
use detcd_engine::request::{Reply, Request, RequestError};
use detcd_engine::time::Time;
use detcd_engine::watch::WatchInput;
use detcd_engine::watch::{EventBatch, EventRange, WatchResponse};
use std::collections::{BTreeMap, VecDeque};

/// A member of a cluster of one, and its clients.
pub(crate) struct SingleMember {
    member: MemoryMember,
    now: Time,
    /// By the counters of the requests.
    answers: BTreeMap<u64, Result<Reply, RequestError>>,
    /// What watch streams were sent, each response with the batches it came with.
    pub(crate) watched: VecDeque<(StreamId, WatchResponse<EventRange>, Vec<EventBatch>)>,
    pub(crate) checkpoints: u64,
}

impl SingleMember {
    /// A new cluster. `change` sets what differs from the defaults.
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> SingleMember {
        let mut config = memory_member::config(1);
        config.reports_hashes = true;
        change(&mut config);
        let (meta, state) = first_state(1);
        let mut single = SingleMember {
            member: MemoryMember::new(config, &meta, &state),
            now: Time::ZERO,
            answers: BTreeMap::new(),
            watched: VecDeque::new(),
            checkpoints: 0,
        };
        single.lead();
        single
    }

    /// Ends the process, starts it anew from what is on disk, and waits until it leads.
    pub(crate) fn restart(&mut self) {
        let hash = self.engine().state().store().hash();
        self.member.crash(0);
        self.watched.clear();
        self.lead();
        assert_eq!(self.engine().state().store().hash(), hash, "the store after a restart");
    }

    fn lead(&mut self) {
        self.member.start(u64::from(self.member.config.boot), self.now);
        let at_most = self.now.plus_ms(10 * self.member.config.election_timeout_ms);
        // It leads at once, and learns what was committed when it has applied an entry of its own.
        self.pass(0);
        while !(self.engine().status().is_leader && self.engine().status().is_ready) {
            assert!(self.now < at_most, "a single member and no leader: {:?}", self.engine().status());
            self.pass(10);
        }
    }

    /// Milliseconds by this member's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now.as_ms()
    }

    /// The state as it is, as a snapshot's bytes.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let state = self.engine().state();
        write_snapshot(meta_of(state), state.view())
    }

    /// When the engine wants to be woken.
    pub(crate) fn wake_at_ms(&self) -> u64 {
        self.member.wake_at.expect("there is always a next time").as_ms()
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        self.member.engine.as_ref().expect("it runs")
    }

    /// Time goes on, all at once.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.turn(Input::Wake);
    }

    /// Asks, and is answered at once: nothing here has to wait.
    pub(crate) fn ask(&mut self, request: Request) -> Result<Reply, RequestError> {
        self.ask_together(vec![request]).pop().expect("one for each request")
    }

    /// Asks all before the engine is let go on, so that they share an entry. Answers in order.
    pub(crate) fn ask_together(&mut self, requests: Vec<Request>) -> Vec<Result<Reply, RequestError>> {
        let ask = |request| self.member.ask(self.now, false, request).counter;
        let ids: Vec<u64> = requests.into_iter().map(ask).collect();
        self.settle();
        let answer = |id| self.answers.remove(&id).unwrap_or_else(|| panic!("request {id} was not answered"));
        ids.into_iter().map(answer).collect()
    }

    /// Something of a watch stream.
    pub(crate) fn watch(&mut self, stream: StreamId, input: WatchInput) {
        self.turn(Input::Watch(stream, input));
    }

    fn turn(&mut self, input: Input) {
        self.member.step(self.now, input);
        self.settle();
    }

    /// Does what the engine asks for until it asks for nothing more.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let Effects { send, replies, watch, send_snapshots, refused, .. } = self.member.take_effects();
            assert!(
                send.is_empty() && send_snapshots.is_empty() && refused.is_empty(),
                "nobody else is there"
            );
            for (id, answer) in replies {
                let before = self.answers.insert(id.counter, answer);
                assert!(before.is_none(), "request {id} was answered twice, first with {before:?}");
            }
            for (stream, response) in watch.responses {
                self.watched.push_back((stream, response, watch.batches.clone()));
            }
            let then_send = self.member.persist_one(self.now);
            assert!(then_send.iter().all(Vec::is_empty), "nobody else is there");
            let took_checkpoint = self.member.finish_checkpoint(self.now, true);
            self.checkpoints += u64::from(took_checkpoint);
            if then_send.is_none() && !took_checkpoint && self.wake_at_ms() > self.now_ms() {
                return;
            }
        }
        panic!("it wants to go on at {} for ever", self.now_ms());
    }
}
