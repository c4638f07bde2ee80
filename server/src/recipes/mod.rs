//! etcd's recipes, as members run them for their clients: locks and elections.
//!
//! ```text
//!    lock ──┐
//!           ├─ claim ── queue        observe
//! election ─┴───────────┘
//! ```
//!
//! They ask of the member what any client could ask, and know nothing that a client could not: a recipe holds no state
//! that others rely on. Both rest on one queue (`queue`): keys below a prefix, each attached to the lease of whoever
//! waits, of which the one that was created first holds what is waited for. `claim` is a place in it from the request to
//! the answer, with all that can happen meanwhile.

mod claim;
mod election;
mod lock;
mod observe;
mod queue;

use crate::handle::MemberHandle;
use detcd_engine::request::{Call, Reply, RequestError};
use detcd_engine::watch::WatchRefusal;

pub use claim::Held;
pub use election::{Leadership, campaign, leader, proclaim, resign};
pub use lock::{lock, unlock};
pub use observe::Observer;

/// Why a recipe ended without what was asked for. The texts are etcd's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The member refused one of its requests.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The claim to a lock went with its lease, or was deleted, before the lock was free.
    #[error("mutex: session is expired")]
    SessionExpired,
    /// The leadership is another's now, or nobody's; or the candidate's claim went with its lease.
    #[error("election: not leader")]
    NotLeader,
    /// Nobody leads.
    #[error("election: no leader")]
    NoLeader,
    /// The request does not say which leadership it is about.
    #[error("\"leader\" field must be provided")]
    LeaderMissing,
}

/// A watch of a recipe's was refused: its caller may not read there, or not any more.
fn refused(reason: WatchRefusal) -> RequestError {
    match reason {
        WatchRefusal::InvalidAuthToken => RequestError::InvalidAuthToken,
        WatchRefusal::AuthOldRevision => RequestError::AuthOldRevision,
        WatchRefusal::UserEmpty => RequestError::UserEmpty,
        WatchRefusal::PermissionDenied => RequestError::PermissionDenied,
        WatchRefusal::EmptyRange | WatchRefusal::DuplicateId | WatchRefusal::Compacted => {
            unreachable!("no recipe asks for such a watch: {reason}")
        }
    }
}

async fn ask<C: Call>(member: &MemberHandle, call: C) -> Result<Reply<C::Response>, RequestError> {
    member.request(call.into_request(), false).await.map(Reply::to::<C>)
}
