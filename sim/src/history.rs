//! What clients requested and what they received: one format for all workloads, with an order in time on which all
//! agree.
//!
//! Every request of every client is an `Operation`, every watch stream a `StreamLog`. What a client concludes
//! from several replies (that it holds a lock, say) is a `Claim`: no single reply says it, but all of them imply it.

use crate::watch_response::WatchResponse;
use bytes::Bytes;
use detcd_engine::request::{RecordRef, Reply, Request, RequestError};
use detcd_engine::watch::WatchInput;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub use detcd_proptests::reference::KeyValue;

/// A key as a member's store has it.
pub fn key_value(record: &RecordRef) -> KeyValue {
    KeyValue {
        key: Bytes::copy_from_slice(record.key()),
        value: Bytes::copy_from_slice(record.value()),
        create_revision: record.create_revision(),
        mod_revision: record.mod_revision(),
        version: record.version(),
        lease: record.lease().0,
    }
}

/// A point in time. No two events of a history have the same `order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The number of the event in the history.
    pub order: u64,
    /// Simulated time since the run began.
    pub at: Duration,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Unknown: no reply came, or one that says as much. A write may have been done, or be done yet.
    Unknown,
    /// It was not done and will not be.
    NotDone,
    /// It was refused: nothing was changed.
    Refused(RequestError),
    /// It was done.
    Done(Reply),
}

/// One request of one client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Whose.
    pub client: usize,
    /// Asked of which member.
    pub member: usize,
    /// What was asked.
    pub request: Request,
    /// The client had asked the same before and does not know its outcome.
    pub is_retry: bool,
    /// When it was asked.
    pub invoked: Moment,
    /// When the outcome was known; `None` where it never was: a write may come yet.
    pub answered: Option<Moment>,
    /// Its outcome.
    pub outcome: Outcome,
}

impl Operation {
    /// What was answered, if it was done.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.outcome {
            Outcome::Done(reply) => Some(reply),
            Outcome::Unknown | Outcome::NotDone | Outcome::Refused(_) => None,
        }
    }
}

/// One watch stream of one client.
#[derive(Clone, Debug)]
pub struct StreamLog {
    /// Whose.
    pub client: usize,
    /// At which member.
    pub member: usize,
    /// What was asked on it, in order.
    pub asked: Vec<(Moment, WatchInput)>,
    /// What came, in order.
    pub received: Vec<(Moment, WatchResponse)>,
    /// The client still reads it.
    pub is_open: bool,
}

/// What a client concludes from several replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The client wrote while its key was the oldest under a prefix, and compared the fence in that transaction.
    FencedWrite {
        /// Of the keys of all clients that wait.
        prefix: Bytes,
        /// The create revision of its own key.
        fence: i64,
        /// Of the write.
        revision: i64,
    },
    /// It put an element in the queue.
    Enqueued(Bytes),
    /// It took an element out of the queue: no other client may take it.
    Dequeued {
        /// The element's key.
        element: Bytes,
        /// Its value.
        value: Bytes,
    },
}

/// How the requests of one client ended, and what came on its watch streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounts {
    /// Requests that were done.
    pub done: usize,
    /// Requests that a member refused.
    pub refused: usize,
    /// Requests that no member accepted.
    pub not_done: usize,
    /// Requests whose outcome the client does not know.
    pub unknown: usize,
    /// Watch streams that were opened.
    pub streams: usize,
    /// Responses received on them.
    pub responses: usize,
}

impl ClientCounts {
    /// All requests.
    pub fn calls(&self) -> usize {
        let ClientCounts { done, refused, not_done, unknown, streams: _, responses: _ } = self;
        done + refused + not_done + unknown
    }
}

impl AddAssign for ClientCounts {
    fn add_assign(&mut self, other: ClientCounts) {
        let ClientCounts { done, refused, not_done, unknown, streams, responses } = other;
        self.done += done;
        self.refused += refused;
        self.not_done += not_done;
        self.unknown += unknown;
        self.streams += streams;
        self.responses += responses;
    }
}

/// All that clients sent and received in a run. Cheap to clone; all clones are the same history.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    events: u64,
    operations: Vec<Operation>,
    streams: Vec<StreamLog>,
    claims: Vec<(usize, Moment, Claim)>,
    /// When each client was last refused because too many requests wait.
    sent_away: BTreeMap<usize, Moment>,
}

/// A request that waits for its outcome.
#[derive(Debug)]
pub struct Open(usize);

/// A watch stream in the history.
#[derive(Clone, Copy, Debug)]
pub struct StreamPlace(usize);

impl History {
    /// A client sends a request.
    pub fn invoke(&self, client: usize, member: usize, request: Request, is_retry: bool) -> Open {
        let mut inner = self.lock();
        let invoked = inner.moment();
        let (answered, outcome) = (None, Outcome::Unknown);
        inner.operations.push(Operation { client, member, request, is_retry, invoked, answered, outcome });
        Open(inner.operations.len() - 1)
    }

    /// The outcome is known. An unknown one has no time at which it was answered: the write may come yet.
    pub fn answer(&self, open: Open, outcome: Outcome) {
        let mut inner = self.lock();
        let now = inner.moment();
        let operation = &mut inner.operations[open.0];
        operation.answered = (outcome != Outcome::Unknown).then_some(now);
        operation.outcome = outcome;
    }

    /// A client opened a watch stream.
    pub fn open_stream(&self, client: usize, member: usize) -> StreamPlace {
        let mut inner = self.lock();
        let (asked, received) = (Vec::new(), Vec::new());
        inner.streams.push(StreamLog { client, member, asked, received, is_open: true });
        StreamPlace(inner.streams.len() - 1)
    }

    /// The client sends a request on it.
    pub fn watch_asked(&self, stream: StreamPlace, ask: WatchInput) {
        let mut inner = self.lock();
        let now = inner.moment();
        inner.streams[stream.0].asked.push((now, ask));
    }

    /// The client received a response on it.
    pub fn watch_received(&self, stream: StreamPlace, response: WatchResponse) {
        let mut inner = self.lock();
        let now = inner.moment();
        inner.streams[stream.0].received.push((now, response));
    }

    /// It has ended, or is read no more.
    pub fn close_stream(&self, stream: StreamPlace) {
        self.lock().streams[stream.0].is_open = false;
    }

    /// A client draws a conclusion.
    pub fn claim(&self, client: usize, claim: Claim) {
        let mut inner = self.lock();
        let now = inner.moment();
        inner.claims.push((client, now, claim));
    }

    /// Now, as an event of its own.
    pub fn now(&self) -> Moment {
        self.lock().moment()
    }

    /// Whether a client was answered anything that it asked after a moment.
    pub fn is_served(&self, client: usize, after: Moment) -> bool {
        let inner = self.lock();
        let since = inner.operations.iter().rev().take_while(|operation| operation.invoked > after);
        let is_answered = |operation: &Operation| {
            operation.client == client && matches!(operation.outcome, Outcome::Done(_) | Outcome::Refused(_))
        };
        since.into_iter().any(is_answered)
            || inner.streams.iter().any(|stream| {
                stream.client == client && stream.received.last().is_some_and(|(at, _)| *at > after)
            })
    }

    /// A client is refused because too many requests wait.
    pub fn sent_away(&self, client: usize) {
        let mut inner = self.lock();
        let now = inner.moment();
        inner.sent_away.insert(client, now);
    }

    /// Whether a client was refused after a moment because too many requests wait.
    pub fn was_sent_away(&self, client: usize, after: Moment) -> bool {
        self.lock().sent_away.get(&client).is_some_and(|at| *at > after)
    }

    /// All operations, in the order in which they were asked.
    pub fn operations(&self) -> Vec<Operation> {
        self.lock().operations.clone()
    }

    /// All watch streams, in the order in which they were opened.
    pub fn streams(&self) -> Vec<StreamLog> {
        self.lock().streams.clone()
    }

    /// All claims, in the order in which they were made, each with its client.
    pub fn claims(&self) -> Vec<(usize, Moment, Claim)> {
        self.lock().claims.clone()
    }

    /// Counts for each of the first `clients` clients.
    pub fn counts(&self, clients: usize) -> Vec<ClientCounts> {
        let inner = self.lock();
        let mut counts = vec![ClientCounts::default(); clients];
        for Operation { client, outcome, .. } in &inner.operations {
            let Some(counts) = counts.get_mut(*client) else { continue };
            *match outcome {
                Outcome::Done(_) => &mut counts.done,
                Outcome::Refused(_) => &mut counts.refused,
                Outcome::NotDone => &mut counts.not_done,
                Outcome::Unknown => &mut counts.unknown,
            } += 1;
        }
        for StreamLog { client, received, .. } in &inner.streams {
            let Some(counts) = counts.get_mut(*client) else { continue };
            counts.streams += 1;
            counts.responses += received.len();
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic while it is held")
    }
}

impl Inner {
    fn moment(&mut self) -> Moment {
        self.events += 1;
        Moment { order: self.events, at: crate::clock::simulated_now() }
    }
}
