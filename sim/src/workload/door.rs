//! The client's way to a member: what a workload may use, and nothing else.
//!
//! Two ways lead in: straight into a member's main loop (`InProcess`), and gRPC. Workloads, history and checkers know
//! neither; they see this trait. Requests and answers are the engine's own types, for they are plain data: a way over
//! gRPC turns its messages into them, with `RecordRef::new` for a key and its value.

mod grpc;
mod in_process;

pub use grpc::Grpc;
pub use in_process::InProcess;

use crate::history::KeyValue;
use detcd_engine::ids::WatchId;
use detcd_engine::request::{Reply, Request, RequestError};
use detcd_engine::watch::WatchInput;
use server_sim::clock::BoxFuture;
use server_sim::wire;

/// A way to every member of a cluster. Dropping a future of it is a client that hangs up.
pub trait Door: Send + Sync {
    /// How many members there are, up or down. Members are named by their place.
    fn members(&self) -> usize;

    /// Asks a member, once, and waits for the answer for as long as it takes. `require_leader` is the client's
    /// `hasleader`.
    fn ask(
        &self,
        member: usize,
        request: Request,
        require_leader: bool,
    ) -> BoxFuture<'static, Result<Reply, Loss>>;

    /// Opens a watch stream; `None` where nobody is there to open it.
    fn watch(&self, member: usize, require_leader: bool) -> BoxFuture<'static, Option<Box<dyn WatchFeed>>>;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It was not done and will not be: it never reached a member, or was turned away at the door.
    NotDone,
    /// It was looked at and refused: nothing was changed.
    Refused(RequestError),
    /// Nobody knows. It may have been done, or be done yet.
    Unknown,
}

impl Loss {
    /// What an error of a member's says of the request's fate.
    pub fn of(error: RequestError) -> Loss {
        match error {
            // Said before anything is proposed.
            RequestError::NoLeader | RequestError::TooManyRequests => Loss::NotDone,
            RequestError::NotLeader
            | RequestError::Stopped
            | RequestError::Timeout
            | RequestError::TimeoutLeaderFailed
            | RequestError::TimeoutConnectionLost => Loss::Unknown,
            other => Loss::Refused(other),
        }
    }
}

/// One watch stream. Dropping it closes it.
pub trait WatchFeed: Send {
    /// Asks for something; the answer comes by `next`, in order.
    fn send(&mut self, ask: WatchInput);

    /// What comes next; `None` when the stream has ended. A client that does not call it is a slow one.
    fn next(&mut self) -> BoxFuture<'_, Option<News>>;
}

/// A watch response, as the client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The watcher exists.
    Created {
        /// Its id.
        id: WatchId,
        /// The header's.
        revision: i64,
    },
    /// It was refused.
    Rejected {
        /// The header's.
        revision: i64,
        /// Why.
        reason: String,
    },
    /// What happened.
    Events {
        /// Whose.
        id: WatchId,
        /// The header's.
        revision: i64,
        /// In order.
        events: Vec<WatchEvent>,
        /// More of the same revision follows.
        fragment: bool,
    },
    /// Nothing more happened up to here. Id −1 speaks for all watchers of the stream.
    Progress {
        /// Whose.
        id: WatchId,
        /// The header's.
        revision: i64,
    },
    /// It is gone as asked.
    Canceled {
        /// Its id.
        id: WatchId,
    },
    /// It is gone: what it needs was compacted.
    Compacted {
        /// Its id.
        id: WatchId,
        /// The oldest revision a watch may start from.
        compact_revision: i64,
    },
    /// The stream ends: there is no leader.
    NoLeader,
}

/// One change of one key, as a watcher is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// A delete: of `kv` the key and the mod revision are told.
    pub is_delete: bool,
    /// The key as the change left it.
    pub kv: KeyValue,
    /// The key before.
    pub prev: Option<KeyValue>,
}

impl WatchEvent {
    /// As a client reads it from its message.
    ///
    /// # Panics
    /// It is of no key.
    pub fn of(event: &wire::Event) -> WatchEvent {
        let fields = event.decoded();
        let kv = fields.kv.as_ref().expect("promise broken: an event is of a key");
        WatchEvent {
            is_delete: fields.kind == 1,
            kv: key_value(kv),
            prev: fields.prev_kv.as_ref().map(key_value),
        }
    }
}

fn key_value(kv: &wire::KeyValue) -> KeyValue {
    KeyValue {
        key: kv.key().to_vec().into(),
        value: kv.value().to_vec().into(),
        create_revision: kv.create_revision(),
        mod_revision: kv.mod_revision(),
        version: kv.version(),
        lease: kv.lease(),
    }
}
