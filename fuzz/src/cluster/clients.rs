//! What clients ask and hear.

use super::{Answer, Asked, Cluster, Received, SETTLE_MS};
use detcd_engine::ids::{RequestId, StreamId};
use detcd_engine::input::Input;
use detcd_engine::request::Request;
use detcd_engine::watch::WatchEffects;
use detcd_engine::watch::WatchInput;
use detcd_engine::watch::WatchResponse;

impl Cluster {
    /// Asks a member that runs; what it is asked under.
    pub fn ask(&mut self, at: usize, require_leader: bool, request: Request) -> Option<RequestId> {
        let floor = self.acknowledged;
        self.engine(at)?;
        let is_linearizable = match &request {
            Request::Range(range) => !range.serializable,
            Request::MemberList { linearizable } => *linearizable,
            Request::Txn(txn) => {
                !(detcd_engine::txn::is_read_only(txn) && detcd_engine::txn::is_serializable(txn))
            }
            Request::Put(_) | Request::DeleteRange(_) | Request::LeaseLeases => true,
            _ => false,
        };
        let node = &mut self.nodes[at];
        let id = node.member.ask(self.now, require_leader, request);
        node.asked.insert(id, Asked { floor, is_linearizable });
        self.handle(at);
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
    pub fn take_received(&mut self) -> Vec<Received> {
        std::mem::take(&mut self.received)
    }

    /// Speaks on a watch stream, which this opens if need be.
    pub fn watch(&mut self, at: usize, stream: StreamId, require_leader: bool, input: WatchInput) {
        if self.engine(at).is_none() {
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

    pub(super) fn answered(&mut self, at: usize, id: RequestId, answer: Answer) {
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

    pub(super) fn hear(&mut self, at: usize, watch: WatchEffects) {
        for (stream, response) in watch.responses {
            let size_bytes = response.size_bytes(&watch.batches);
            let response = response.map_events(|events| events.of(&watch.batches).to_vec());
            if matches!(response, WatchResponse::NoLeader) {
                self.nodes[at].streams.remove(&stream);
            }
            self.received.push(Received { member: at, stream, response, size_bytes });
        }
    }
}
