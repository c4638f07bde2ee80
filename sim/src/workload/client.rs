//! One client: what all workloads share. It sends a request, waits for its timeout at most, records what it received,
//! and uses another member when it received nothing.

use super::keys::{everything, prefix};
use super::load::Load;
use crate::check::event_log::EventLog;
use crate::client_transport::{ClientTransport, Loss, WatchFeed};
use crate::history::{History, Outcome};
use crate::phase::Phase;
use crate::random::{Seed, Stream};
use crate::trace::Trace;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{
    LeaseId, PutLease, PutRequest, PutValue, RangeRequest, Reply, Request, Response,
};
use madsim::time::{sleep, timeout};
use std::sync::Arc;
use std::time::Duration;

/// How often a client retries a request, at most.
const RETRIES_MAX: usize = 3;
/// Between two checks of the phase.
const WAITS: Duration = Duration::from_millis(100);

/// One client.
pub struct Client {
    /// Its place among the clients.
    pub place: usize,
    /// Connects it to the members.
    pub transport: Arc<dyn ClientTransport>,
    /// Where it records what it received.
    pub history: History,
    /// The event log: nothing may be compacted that is not in it.
    pub event_log: EventLog,
    /// The settings of the workload.
    pub load: Arc<Load>,
    /// Its random numbers.
    pub stream: Stream,
    /// The trace of the run.
    pub trace: Trace,
    /// The phase of the run.
    pub phase: Phase,
    /// The member that it uses.
    pub member: usize,
    /// How many values it has created.
    pub values: u64,
    /// How many more requests it sends while faults are injected; `None` for no limit.
    pub calls_left: Option<u64>,
    /// 0, but for a session that sends requests at the same time as the client's first.
    pub session: u8,
    /// Seeds the random numbers of its concurrent sessions.
    pub sessions: Stream,
}

impl Client {
    /// A session of the same client that sends requests concurrently, to the next member, and has its own random
    /// numbers.
    pub fn concurrent_session(&mut self) -> Client {
        let chance = Seed(self.sessions.any());
        Client {
            place: self.place,
            transport: Arc::clone(&self.transport),
            history: self.history.clone(),
            event_log: self.event_log.clone(),
            load: Arc::clone(&self.load),
            stream: chance.stream("second hand"),
            trace: self.trace.clone(),
            phase: self.phase.clone(),
            member: (self.member + 1) % self.transport.members(),
            values: 0,
            calls_left: self.calls_left,
            session: 1,
            sessions: chance.stream("other hands"),
        }
    }

    /// Draws the first member.
    pub(super) fn choose_member(&mut self) {
        self.member = self.stream.index(self.transport.members());
    }

    /// Waits for the think time. Whether the client is to continue.
    pub async fn goes_on(&mut self) -> bool {
        sleep(self.stream.delay(self.load.think())).await;
        while self.calls_left == Some(0) && self.phase.has_faults() {
            sleep(WAITS).await;
        }
        !self.phase.is_quiet()
    }

    /// Sends a request once. Where the outcome is unknown, it uses another member next time.
    pub async fn ask(&mut self, request: Request) -> Outcome {
        self.ask_again(request, false).await
    }

    /// Sends a request, and where the outcome is unknown, retries it now and then.
    pub async fn ask_with_retries(&mut self, request: Request) -> Outcome {
        let mut outcome = self.ask_again(request.clone(), false).await;
        for _ in 0..RETRIES_MAX {
            if outcome != Outcome::Unknown || !self.stream.happens(self.load.retries_per_million) {
                break;
            }
            outcome = self.ask_again(request.clone(), true).await;
        }
        outcome
    }

    /// The answer, if it was done.
    pub async fn done(&mut self, request: Request) -> Option<Reply> {
        match self.ask_with_retries(request).await {
            Outcome::Done(reply) => Some(reply),
            Outcome::Unknown | Outcome::NotDone | Outcome::Refused(_) => None,
        }
    }

    async fn ask_again(&mut self, request: Request, is_retry: bool) -> Outcome {
        let require_leader = self.stream.happens(self.load.require_leader_per_million);
        self.calls_left = self.calls_left.map(|left| left.saturating_sub(1));
        let lane = match self.session {
            0 => format!("client {}", self.place),
            // The hash of the trace contains an older word for it.
            session => format!("client {}, hand {session}", self.place),
        };
        self.trace.begins(&lane, "call", format_args!("at m{}: {request:?}", self.member));
        let open = self.history.invoke(self.place, self.member, request.clone(), is_retry);
        let answer = self.transport.ask(self.member, request.clone(), require_leader);
        let answer = timeout(self.load.patience(), answer).await;
        let is_lost = self.stream.happens(self.load.lost_answers_per_million);
        let outcome = match answer {
            _ if is_lost => Outcome::Unknown,
            Ok(Ok(reply)) => Outcome::Done(reply),
            Ok(Err(Loss::NotDone)) => Outcome::NotDone,
            Ok(Err(Loss::SentAway)) => {
                self.history.sent_away(self.place);
                Outcome::NotDone
            }
            Ok(Err(Loss::Refused(error))) => Outcome::Refused(error),
            Ok(Err(Loss::Unknown)) | Err(_) => Outcome::Unknown,
        };
        let kind = match outcome {
            Outcome::Done(_) => "done",
            Outcome::Unknown => "unknown",
            Outcome::NotDone | Outcome::Refused(_) => "refused",
        };
        self.trace.ends(&lane, kind, format_args!("{outcome:?}"));
        if matches!(outcome, Outcome::Unknown | Outcome::NotDone) {
            // Another member may know more.
            self.use_next_member();
        }
        self.history.answer(open, outcome.clone());
        outcome
    }

    /// Uses another member from now on.
    pub fn use_next_member(&mut self) {
        self.member = (self.member + 1) % self.transport.members();
    }

    /// Opens a watch stream at the member that it uses. A member that cannot be reached may never answer
    /// that.
    pub async fn open_watch(&mut self) -> Option<Box<dyn WatchFeed>> {
        let require_leader = self.stream.happens(self.load.require_leader_per_million);
        let open = self.transport.watch(self.member, require_leader);
        timeout(self.load.patience(), open).await.ok().flatten()
    }

    /// The keys of a range now, by a linearizable read.
    pub async fn read(&mut self, range: RangeRequest) -> Option<(i64, Vec<crate::history::KeyValue>)> {
        let reply = self.done(Request::Range(range)).await?;
        let Response::Range(found) = reply.response else {
            panic!("a range was answered with {:?}", reply.response)
        };
        Some((reply.revision, found.kvs.iter().map(crate::history::key_value).collect()))
    }

    /// One of the keys that all clients share.
    pub fn key(&mut self) -> Bytes {
        let keys = self.load.keys;
        let draws = 1 + self.load.skew;
        let index = (0..draws).map(|_| self.stream.index(keys)).min().expect("at least one draw");
        Bytes::from(format!("k{index}"))
    }

    /// One key, mostly; else several.
    pub fn some_keys(&mut self) -> KeyRange {
        let (one, other) = (self.key(), self.key());
        match self.stream.index(10) {
            0 => KeyRange::Span { start: one.clone().min(other.clone()), end: one.max(other) },
            1 => KeyRange::From(one),
            2 => prefix(b"k"),
            3 if self.stream.happens(100_000) => everything(),
            _ => KeyRange::One(one),
        }
    }

    /// A value that no client has written before.
    pub fn value(&mut self) -> Bytes {
        self.values += 1;
        let mut value = format!("{}.{}", self.place, self.values);
        let length = self.stream.index(self.load.value_bytes_max);
        while value.len() < length {
            value.push('.');
        }
        Bytes::from(value)
    }
}

/// A put of a value, on no lease.
pub fn put(key: &Bytes, value: Bytes) -> PutRequest {
    PutRequest {
        key: key.clone(),
        value: PutValue::Set(value),
        lease: PutLease::Set(LeaseId(0)),
        prev_kv: false,
    }
}
