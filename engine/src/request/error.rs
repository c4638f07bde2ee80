//! Every refusal a client can see, with etcd's exact words: clients compare these strings
//! (docs/etcd-notes.md#errors).
//!
//! The gRPC code of each is given by `server/wire/error.rs`. An error that comes out of `apply` is part of the
//! replicated outcome and the same on every member.

use crate::mvcc::RevisionError;

/// An enum that can tell all its variants: a list beside it would be forgotten.
macro_rules! listed {
    ($(#[$of_the_enum:meta])* pub enum $name:ident { $($(#[$of_it:meta])* $variant:ident,)* }) => {
        $(#[$of_the_enum])*
        pub enum $name { $($(#[$of_it])* $variant,)* }

        impl $name {
            /// Each once, in the order above.
            pub const ALL: &[$name] = &[$($name::$variant),*];
        }
    };
}

listed! {
    /// Why a request was refused, or its outcome is not known.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    pub enum RequestError {
        /// A KV request, or an operation or compare of a txn, without a key. Retrying does not help.
        #[error("etcdserver: key is not provided")]
        EmptyKey,
        /// `ignore_value` or `ignore_lease` on a key that does not exist; also an operation of a txn that is none.
        #[error("etcdserver: key not found")]
        KeyNotFound,
        /// `ignore_value` together with a value.
        #[error("etcdserver: value is provided")]
        ValueProvided,
        /// `ignore_lease` together with a lease.
        #[error("etcdserver: lease is provided")]
        LeaseProvided,
        /// A list of a txn is longer than `--max-txn-ops`, or a nested one than what its parent left.
        #[error("etcdserver: too many operations in txn request")]
        TooManyOps,
        /// Two puts of one key, or a put inside a deleted range, on one path through a txn.
        #[error("etcdserver: duplicate key given in txn request")]
        DuplicateKey,
        /// The compares of a transaction that writes look at too many keys (`txn::COMPARE_LOOKS_MAX`). Not of etcd.
        #[error("etcdserver: too many keys compared in txn request")]
        TooManyKeysCompared,
        /// A sort order or target this release does not know.
        #[error("etcdserver: invalid sort option")]
        InvalidSortOption,
        /// The `client-api-version` metadata is not UTF-8.
        #[error("etcdserver: invalid client api version")]
        InvalidClientApiVersion,
        /// A read or a compaction below the compacted revision.
        #[error("etcdserver: mvcc: required revision has been compacted")]
        Compacted,
        /// A read or a compaction above the current revision.
        #[error("etcdserver: mvcc: required revision is a future revision")]
        FutureRevision,
        /// The NOSPACE alarm is raised: only reads, deletes, compactions and revokes go through until it is disarmed.
        #[error("etcdserver: mvcc: database space exceeded")]
        NoSpace,
        /// No lease of that id.
        #[error("etcdserver: requested lease not found")]
        LeaseNotFound,
        /// A grant with an id that is taken.
        #[error("etcdserver: lease already exists")]
        LeaseExists,
        /// A TTL above 9,000,000,000 s.
        #[error("etcdserver: too large lease TTL")]
        LeaseTtlTooLarge,
        /// The encoded request is larger than `--max-request-bytes`.
        #[error("etcdserver: request is too large")]
        RequestTooLarge,
        /// Too much is committed and not yet applied, or waits to be proposed. Retrying later helps.
        #[error("etcdserver: too many requests")]
        TooManyRequests,
        /// No leader, and the client asked not to wait for one (`hasleader`).
        #[error("etcdserver: no leader")]
        NoLeader,
        /// Only the leader can do this.
        #[error("etcdserver: not leader")]
        NotLeader,
        /// The member is stopping.
        #[error("etcdserver: server stopped")]
        Stopped,
        /// No answer in time. The command may still be applied.
        #[error("etcdserver: request timed out")]
        Timeout,
        /// As `Timeout`, and a leader was lost while the request waited.
        #[error("etcdserver: request timed out, possibly due to previous leader failure")]
        TimeoutLeaderFailed,
        /// As `Timeout`, and this follower does not hear its leader.
        #[error("etcdserver: request timed out, possibly due to connection lost")]
        TimeoutConnectionLost,
        /// The CORRUPT alarm is raised.
        #[error("etcdserver: corrupt cluster")]
        Corrupt,
        /// An alarm request with an action this release does not know.
        #[error("etcdserver: unknown method")]
        UnknownMethod,
    }
}

impl From<RevisionError> for RequestError {
    fn from(error: RevisionError) -> RequestError {
        match error {
            RevisionError::Compacted => RequestError::Compacted,
            RevisionError::Future => RequestError::FutureRevision,
        }
    }
}
