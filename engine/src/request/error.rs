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
        /// `auth enable` without a user `root`.
        #[error("etcdserver: root user does not exist")]
        RootUserNotExist,
        /// `auth enable` where user `root` lacks role `root`.
        #[error("etcdserver: root user does not have root role")]
        RootRoleNotExist,
        /// A user of that name is there.
        #[error("etcdserver: user name already exists")]
        UserExists,
        /// A user without a name is asked for; or auth is on and the caller has not said who it is.
        #[error("etcdserver: user name is empty")]
        UserEmpty,
        /// No user of that name.
        #[error("etcdserver: user name not found")]
        UserNotFound,
        /// A role of that name is there.
        #[error("etcdserver: role name already exists")]
        RoleExists,
        /// No role of that name.
        #[error("etcdserver: role name not found")]
        RoleNotFound,
        /// A role without a name is asked for.
        #[error("etcdserver: role name is empty")]
        RoleEmpty,
        /// A log-in of a user that is not there, or with another password.
        #[error("etcdserver: authentication failed, invalid user ID or password")]
        AuthFailed,
        /// A grant of a permission that is not in the request.
        #[error("etcdserver: permission not given")]
        PermissionNotGiven,
        /// Auth is on, and the caller was not granted what it asks for.
        #[error("etcdserver: permission denied")]
        PermissionDenied,
        /// The user does not have the role that it should lose.
        #[error("etcdserver: role is not granted to the user")]
        RoleNotGranted,
        /// The role does not have the permission that it should lose.
        #[error("etcdserver: permission is not granted to the role")]
        PermissionNotGranted,
        /// A log-in while auth is off.
        #[error("etcdserver: authentication is not enabled")]
        AuthNotEnabled,
        /// A token that this member does not know, or whose time or signature is not good.
        #[error("etcdserver: invalid auth token")]
        InvalidAuthToken,
        /// What would leave nobody who administers; or a permission for a range that is none.
        #[error("etcdserver: invalid auth management")]
        InvalidAuthMgmt,
        /// Users, roles or permissions changed since the caller proved who it is. Proving it again helps.
        #[error("etcdserver: revision of auth store is old")]
        AuthOldRevision,
        /// A log-in with a password, of a user that has none.
        #[error("auth: authentication failed, password was given for no password user")]
        NoPasswordUser,
        /// A log-in at a member that has no key to sign a token with.
        #[error("auth: token signing attempted with verify-only key")]
        VerifyOnly,
        /// bcrypt takes no more.
        #[error("bcrypt: password length exceeds 72 bytes")]
        PasswordTooLong,
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
