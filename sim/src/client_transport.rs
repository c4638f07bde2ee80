//! What a workload may use of a cluster, and nothing else.
//!
//! There are two implementations: calls into a member's main loop (`in_process`), and gRPC (`grpc`). Workloads, history
//! and checkers know neither; they use this trait. Requests and replies are the engine's own types, which are plain
//! data: `grpc` converts its messages into them, with `RecordRef::new` for a key and its value.

pub mod grpc;
pub mod in_process;

use crate::watch_response::WatchResponse;
use detcd_engine::request::{Reply, Request, RequestError};
use detcd_engine::watch::WatchInput;
use server_sim::clock::BoxFuture;

/// Connects one client to every member of a cluster. Dropping a future of it is a client that hangs up.
pub trait ClientTransport: Send + Sync {
    /// How many members there are, up or down. Members are named by their place.
    fn members(&self) -> usize;

    /// Sends a request to a member, once, and waits for the answer for as long as it takes. `require_leader` is the client's
    /// `hasleader`.
    fn ask(
        &self,
        member: usize,
        request: Request,
        require_leader: bool,
    ) -> BoxFuture<'static, Result<Reply, Loss>>;

    /// Opens a watch stream; `None` where the member is down.
    fn watch(&self, member: usize, require_leader: bool) -> BoxFuture<'static, Option<Box<dyn WatchFeed>>>;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It was not done and will not be: it never reached a member, or was refused before anything was proposed.
    NotDone,
    /// It was refused: nothing was changed.
    Refused(RequestError),
    /// As `NotDone`: too many requests wait at the member.
    SentAway,
    /// Unknown. It may have been done, or be done yet.
    Unknown,
}

impl Loss {
    /// The outcome that an error of a member implies.
    pub fn of(error: RequestError) -> Loss {
        match error {
            // Returned before anything is proposed.
            RequestError::NoLeader => Loss::NotDone,
            RequestError::TooManyRequests => Loss::SentAway,
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
    /// Sends a request; the response comes by `next`, in order.
    fn send(&mut self, ask: WatchInput);

    /// What comes next; `None` when the stream has ended. A client that does not call it is a slow one.
    fn next(&mut self) -> BoxFuture<'_, Option<WatchResponse>>;
}
