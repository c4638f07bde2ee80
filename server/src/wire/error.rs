//! The gRPC code of every refusal. The text is the error's own: clients compare it, byte by byte.

use detcd_engine::request::RequestError;
use tonic::{Code, Status};

/// etcd's code for a refusal (docs/etcd-notes.md#errors).
///
/// Two come out as `Unknown`: etcd's server sends them in a form that carries no code
/// (docs/etcd-notes.md#errors-without-a-code). Clients go by the text, and whoever goes by the code has seen `Unknown`.
pub fn code(error: RequestError) -> Code {
    use RequestError as E;
    match error {
        E::EmptyKey | E::KeyNotFound | E::ValueProvided | E::LeaseProvided => Code::InvalidArgument,
        E::TooManyOps | E::TooManyKeysCompared | E::DuplicateKey => Code::InvalidArgument,
        E::InvalidSortOption | E::InvalidClientApiVersion | E::RequestTooLarge => Code::InvalidArgument,
        E::Compacted | E::FutureRevision | E::LeaseTtlTooLarge => Code::OutOfRange,
        E::NoSpace => Code::ResourceExhausted,
        E::LeaseNotFound => Code::NotFound,
        E::LeaseExists | E::NotLeader => Code::FailedPrecondition,
        E::NoLeader | E::Stopped => Code::Unavailable,
        E::Timeout | E::TimeoutLeaderFailed | E::TimeoutConnectionLost => Code::Unavailable,
        E::Corrupt => Code::DataLoss,
        E::TooManyRequests | E::UnknownMethod => Code::Unknown,
        E::RootUserNotExist | E::RootRoleNotExist | E::AuthNotEnabled => Code::FailedPrecondition,
        E::UserExists | E::UserNotFound | E::RoleExists | E::RoleNotFound => Code::FailedPrecondition,
        E::RoleNotGranted | E::PermissionNotGranted => Code::FailedPrecondition,
        E::UserEmpty | E::RoleEmpty | E::AuthFailed | E::PermissionNotGiven => Code::InvalidArgument,
        E::InvalidAuthMgmt | E::AuthOldRevision => Code::InvalidArgument,
        E::PermissionDenied => Code::PermissionDenied,
        E::InvalidAuthToken => Code::Unauthenticated,
        E::NoPasswordUser | E::PasswordTooLong | E::VerifyOnly => Code::Unknown,
    }
}

/// A refusal as the client gets it.
pub fn status(error: RequestError) -> Status {
    Status::new(code(error), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has to do with users, of the table below.
    fn of_users() -> Vec<(RequestError, Code, &'static str)> {
        use Code::*;
        use RequestError as E;
        vec![
            (E::RootUserNotExist, FailedPrecondition, "etcdserver: root user does not exist"),
            (E::RootRoleNotExist, FailedPrecondition, "etcdserver: root user does not have root role"),
            (E::UserExists, FailedPrecondition, "etcdserver: user name already exists"),
            (E::UserEmpty, InvalidArgument, "etcdserver: user name is empty"),
            (E::UserNotFound, FailedPrecondition, "etcdserver: user name not found"),
            (E::RoleExists, FailedPrecondition, "etcdserver: role name already exists"),
            (E::RoleNotFound, FailedPrecondition, "etcdserver: role name not found"),
            (E::RoleEmpty, InvalidArgument, "etcdserver: role name is empty"),
            (
                E::AuthFailed,
                InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
            ),
            (E::PermissionNotGiven, InvalidArgument, "etcdserver: permission not given"),
            (E::PermissionDenied, PermissionDenied, "etcdserver: permission denied"),
            (E::RoleNotGranted, FailedPrecondition, "etcdserver: role is not granted to the user"),
            (
                E::PermissionNotGranted,
                FailedPrecondition,
                "etcdserver: permission is not granted to the role",
            ),
            (E::AuthNotEnabled, FailedPrecondition, "etcdserver: authentication is not enabled"),
            (E::InvalidAuthToken, Unauthenticated, "etcdserver: invalid auth token"),
            (E::InvalidAuthMgmt, InvalidArgument, "etcdserver: invalid auth management"),
            (E::AuthOldRevision, InvalidArgument, "etcdserver: revision of auth store is old"),
            (
                E::NoPasswordUser,
                Unknown,
                "auth: authentication failed, password was given for no password user",
            ),
            (E::VerifyOnly, Unknown, "auth: token signing attempted with verify-only key"),
            (E::PasswordTooLong, Unknown, "bcrypt: password length exceeds 72 bytes"),
        ]
    }

    /// The table of docs/etcd-notes.md#errors.
    #[test]
    fn every_refusal_has_the_code_and_text_of_etcd() {
        use Code::*;
        use RequestError as E;
        let table = [
            (E::EmptyKey, InvalidArgument, "etcdserver: key is not provided"),
            (E::KeyNotFound, InvalidArgument, "etcdserver: key not found"),
            (E::ValueProvided, InvalidArgument, "etcdserver: value is provided"),
            (E::LeaseProvided, InvalidArgument, "etcdserver: lease is provided"),
            (E::TooManyOps, InvalidArgument, "etcdserver: too many operations in txn request"),
            // Ours: etcd compares any number of keys.
            (E::TooManyKeysCompared, InvalidArgument, "etcdserver: too many keys compared in txn request"),
            (E::DuplicateKey, InvalidArgument, "etcdserver: duplicate key given in txn request"),
            (E::InvalidSortOption, InvalidArgument, "etcdserver: invalid sort option"),
            (E::InvalidClientApiVersion, InvalidArgument, "etcdserver: invalid client api version"),
            (E::Compacted, OutOfRange, "etcdserver: mvcc: required revision has been compacted"),
            (E::FutureRevision, OutOfRange, "etcdserver: mvcc: required revision is a future revision"),
            (E::NoSpace, ResourceExhausted, "etcdserver: mvcc: database space exceeded"),
            (E::LeaseNotFound, NotFound, "etcdserver: requested lease not found"),
            (E::LeaseExists, FailedPrecondition, "etcdserver: lease already exists"),
            (E::LeaseTtlTooLarge, OutOfRange, "etcdserver: too large lease TTL"),
            (E::RequestTooLarge, InvalidArgument, "etcdserver: request is too large"),
            (E::TooManyRequests, Unknown, "etcdserver: too many requests"),
            (E::NoLeader, Unavailable, "etcdserver: no leader"),
            (E::NotLeader, FailedPrecondition, "etcdserver: not leader"),
            (E::Stopped, Unavailable, "etcdserver: server stopped"),
            (E::Timeout, Unavailable, "etcdserver: request timed out"),
            (
                E::TimeoutLeaderFailed,
                Unavailable,
                "etcdserver: request timed out, possibly due to previous leader failure",
            ),
            (
                E::TimeoutConnectionLost,
                Unavailable,
                "etcdserver: request timed out, possibly due to connection lost",
            ),
            (E::Corrupt, DataLoss, "etcdserver: corrupt cluster"),
            (E::UnknownMethod, Unknown, "etcdserver: unknown method"),
        ];
        let of_users = of_users();
        assert_eq!(table.len() + of_users.len(), E::ALL.len(), "each is in a table");
        for (error, code, text) in table.into_iter().chain(of_users) {
            let status = status(error);
            assert_eq!((status.code(), status.message()), (code, text), "{error:?}");
        }
    }
}
