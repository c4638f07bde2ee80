//! Who and what: the identities that cross the engine's boundary.
//!
//! `index` and `term` are raft's and stay plain `u64`, always so named; `revision` is the store's and is an `i64`,
//! as in etcd's API. Everything that merely *names* something is a type of its own here.

use std::fmt;

/// A member of the cluster. Never reused; printed as etcd prints it, in hex without a prefix.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// A cluster: the hash of its first members and its token (etcd's SHA-1 rule, see `membership`).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

/// Which data directory of a member it is. Drawn once when the directory is made, so that a member whose disk was wiped
/// cannot vote under its old name: its peers know the old incarnation (raft, figure 2: votes are persistent).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// A lease. Chosen by the client, or by the receiving member where the client gave 0. May be negative, as in etcd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

/// One grant of a lease. A client may have an id granted again once its lease has ended; a command that was proposed
/// for the first lease must not change the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// What clients call the lease.
    pub lease: LeaseId,
    /// Counts the cluster's grants, from 1; no number is used twice.
    pub number: u64,
}

/// One request of one client, unique in the cluster for ever: the member that received it, how often that member
/// had started by then (kept on its disk), and a counter.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// The member that received the request from its client.
    pub member: MemberId,
    /// That member's count of starts.
    pub boot: u32,
    /// Counts up from 1 within a boot.
    pub counter: u64,
}

/// One command of one member, unique in the cluster for ever but for number 0. It travels inside the log entry, so
/// that a command forwarded twice is applied once. Commands are numbered apart from requests: most requests read, and
/// the memory of what was applied, counted in commands, should not fade by that.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId {
    /// The member that made it.
    pub member: MemberId,
    /// That member's count of starts.
    pub boot: u32,
    /// Counts up from 1 within a boot. 0 for what a member proposes without a client, whose outcome nobody waits for.
    pub number: u64,
}

/// One gRPC watch stream of one client of this member. Never leaves the member; chosen by the shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// One watcher within its stream. −1 answers rejected watches and stream-wide progress, as in etcd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub i64);

/// One thing to persist. Counts up; persisting one means that all before it are persisted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub u64);

macro_rules! hex_id {
    ($($id:ident),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:x}", self.0) }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:x}", self.0) }
        }
    )*};
}
hex_id!(MemberId, ClusterId, Incarnation);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.member, self.boot, self.counter)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.member, self.boot, self.number)
    }
}
