//! The client's API in domain types: what may be asked of a member, and what it answers.
//!
//! `server/wire` turns etcd's protobuf messages into these and back. A value of these types is well formed: ranges
//! are parsed, enums are known, a transaction has passed `txn::check`. Whether it is *allowed* is decided by
//! `engine/admission.rs`; whether it *succeeds*, by `state`.

mod auth;
mod call;
mod error;
mod kv;
mod lease;
mod maintenance;

pub use auth::*;
pub use call::{Call, LeaseKeepAlive, LeaseLeases, LeaseRevoke, MemberList};
pub use error::RequestError;
pub use kv::*;
pub use lease::*;
pub use maintenance::*;

/// Everything a client may ask, watches apart (see `watch::WatchInput`).
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Read keys.
    Range(RangeRequest),
    /// Write one key.
    Put(PutRequest),
    /// Delete a range of keys.
    DeleteRange(DeleteRangeRequest),
    /// Compare, then one branch or the other, as one revision.
    Txn(Txn),
    /// Forget history below a revision.
    Compact(CompactRequest),
    /// Create a lease.
    LeaseGrant(LeaseGrantRequest),
    /// End a lease and delete its keys.
    LeaseRevoke(LeaseId),
    /// Start a lease's time again.
    LeaseKeepAlive(LeaseId),
    /// How long a lease has left, and which keys are attached to it.
    LeaseTimeToLive(LeaseTimeToLiveRequest),
    /// Every lease.
    LeaseLeases,
    /// The members, as the quorum knows them (`linearizable`) or as this member does.
    MemberList {
        /// Confirm with the leader first.
        linearizable: bool,
    },
    /// List, raise or disarm alarms.
    Alarm(AlarmRequest),
    /// Users, roles and permissions.
    Auth(AuthRequest),
}

/// The answer to a `Request`, and where the store stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<R = Response> {
    /// The store's current main revision: not the revision that was read.
    pub revision: i64,
    /// Raft's term at this member.
    pub term: u64,
    /// What was asked for.
    pub response: R,
}

/// What was asked for, by request.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// To `Request::Range`.
    Range(RangeResponse),
    /// To `Request::Put`: the key as it was before, where `prev_kv` was asked and it was there.
    Put(Option<RecordRef>),
    /// To `Request::DeleteRange`.
    DeleteRange(DeleteRangeResponse),
    /// To `Request::Txn`.
    Txn(TxnResponse),
    /// To `Request::Compact`.
    Compact,
    /// To `Request::LeaseGrant`.
    LeaseGrant(LeaseGrantResponse),
    /// To `Request::LeaseRevoke`.
    LeaseRevoke,
    /// To `Request::LeaseKeepAlive`: the TTL in seconds, 0 where there is no such lease.
    LeaseKeepAlive {
        /// The lease asked about.
        id: LeaseId,
        /// Seconds until it would end now.
        ttl_secs: i64,
    },
    /// To `Request::LeaseTimeToLive`.
    LeaseTimeToLive(LeaseTimeToLiveResponse),
    /// To `Request::LeaseLeases`: ids, the soonest to end first where this member knows, else by id.
    LeaseLeases(Vec<LeaseId>),
    /// To `Request::MemberList`.
    MemberList(Vec<Member>),
    /// To `Request::Alarm`: the alarms that are (or were, when disarmed) raised.
    Alarm(Vec<Alarm>),
    /// To `Request::Auth`.
    Auth(AuthResponse),
}

pub use crate::ids::LeaseId;
pub use crate::membership::Member;
pub use crate::mvcc::{RangeRequest, RangeResponse, RecordRef, SortOrder, SortTarget};
