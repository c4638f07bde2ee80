//! What a log entry asks the state to do, and the bytes it is written as.
//!
//! An entry is a version byte and many commands, drained from the queue of whoever leads: group commit is many
//! commands in one entry, not many entries. Each command carries its id, its caller and its kind.
//! Whatever depends on a member's flags (a raised TTL, a chosen lease id) is already decided in it: `apply` reads no
//! flag. The layout is drawn in docs/data-format.md.

mod auth;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

use crate::ids::{CommandId, Grant, LeaseId};
use crate::membership::MemberAttributes;
use crate::request::{Alarm, AuthChange, Authenticate, DeleteRangeRequest, PutRequest, Txn};

pub use crate::request::Caller;
pub(crate) use decode::decode_alarm;
pub use decode::{decode, decode_entry};
pub(crate) use encode::put_alarm;
pub use encode::{EntryBuilder, encode};

/// The first byte of every entry. Another value is an entry of a later release, which this one must not guess at.
pub const ENTRY_VERSION: u8 = 1;

/// Transactions nest at most so deep. Each level needs an operation of its parent's budget, so that no accepted
/// client request comes near it; it bounds the recursion that bytes from outside can cause.
pub const TXN_DEPTH_MAX: usize = 200;

/// A command and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Which command of which member; number 0 for what a member proposes of its own accord. Those commands do
    /// nothing when they come twice.
    pub id: CommandId,
    /// On whose behalf.
    pub caller: Caller,
    /// What to do.
    pub command: Command,
}

/// What the state can be asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Write one key.
    Put(PutRequest),
    /// Delete a range of keys.
    DeleteRange(DeleteRangeRequest),
    /// Compare, then one branch.
    Txn(Txn),
    /// Forget history below this revision.
    Compact(i64),
    /// Create a lease; id and TTL as decided by the receiving member.
    LeaseGrant {
        /// Never 0.
        id: LeaseId,
        /// Seconds.
        ttl_secs: i64,
    },
    /// End a lease because a client asked for it.
    LeaseRevoke(LeaseId),
    /// End leases whose time is up, each in a revision of its own. Those that are gone already are passed over, also
    /// where another lease has their id by then.
    LeaseExpire(Vec<Grant>),
    /// Note the time that leases have left (seconds), so that the next leader does not give them all of it again;
    /// `None` clears the note. Those that are gone already are passed over.
    LeaseRemaining(Vec<(Grant, Option<i64>)>),
    /// Raise an alarm.
    AlarmActivate(Alarm),
    /// Disarm it.
    AlarmDeactivate(Alarm),
    /// A member says who it is.
    Attributes(MemberAttributes),
    /// Change users, roles or permissions.
    Auth(AuthChange),
    /// Tell every member of a token.
    Authenticate(Authenticate),
}
