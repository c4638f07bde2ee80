//! Users, roles and who asks (docs/etcd-notes.md#users-and-roles). What is allowed is decided by `auth` alone.
//!
//! No secret here can be printed: a command in a panic message, or an effect in a log line, says `<secret>`.

use bytes::Bytes;
use std::fmt;

/// On whose behalf something is asked or applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A member, of its own accord: expiry, alarms, attributes. Never a client.
    Member,
    /// A client that has not said who it is.
    Anonymous,
    /// A client that proved who it is, by a token or a certificate.
    User(Identity),
}

/// Who a client has proved to be, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name. Nothing says that there (still) is such a user.
    pub name: String,
    /// The auth revision that the proof holds for: that of a signed token, or of the member that looked the proof up.
    pub auth_revision: u64,
}

/// A password's hash, or a token: what must not be seen in a log line, an error or a panic message.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Bytes);

impl Secret {
    /// Keeps it.
    pub fn new(bytes: impl Into<Bytes>) -> Secret {
        Secret(bytes.into())
    }

    /// Bytes of its own: not a slice of what it came in.
    pub fn unpinned(&self) -> Secret {
        Secret(Bytes::copy_from_slice(&self.0))
    }

    /// The bytes: for the log, and for whoever compares.
    pub fn expose(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// What a permission opens its range for: etcd's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
}

impl Access {
    /// Each once.
    pub const ALL: &[Access] = &[Access::Read, Access::Write, Access::ReadWrite];

    /// etcd's number, which is also what is written.
    pub fn number(self) -> u8 {
        match self {
            Access::Read => 0,
            Access::Write => 1,
            Access::ReadWrite => 2,
        }
    }

    /// Of such a number.
    pub fn of_number(number: i32) -> Option<Access> {
        Access::ALL.iter().copied().find(|access| i32::from(access.number()) == number)
    }
}

/// One permission of a role, with its range as etcd writes it: (key, range_end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// What for.
    pub access: Access,
    /// The first key.
    pub key: Bytes,
    /// Empty for the key alone, one zero byte for no end.
    pub range_end: Bytes,
}

/// What an administrator changes. All of it goes through the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthChange {
    /// From now on everybody is held to what was granted.
    Enable,
    /// From now on nobody is.
    Disable,
    /// A new user, without roles.
    UserAdd {
        /// Not empty, or it is refused.
        name: String,
        /// bcrypt's hash; `None` for a user without a password, who comes with a certificate.
        password: Option<Secret>,
    },
    /// A user goes.
    UserDelete(String),
    /// A user's password becomes another; one without a password stays without.
    UserChangePassword {
        /// The user.
        name: String,
        /// bcrypt's hash; empty where the client sent an empty password, which nothing matches.
        password: Secret,
    },
    /// A user gets a role.
    UserGrantRole {
        /// The user.
        user: String,
        /// The role; `root` may be granted before it is there.
        role: String,
    },
    /// A user loses a role.
    UserRevokeRole {
        /// The user.
        user: String,
        /// The role.
        role: String,
    },
    /// A new role, without permissions.
    RoleAdd(String),
    /// A role goes, from all its users too.
    RoleDelete(String),
    /// A role gets a permission, or one that it has is for another access.
    RoleGrantPermission {
        /// The role.
        role: String,
        /// `None` where the request carried none, which is refused.
        permission: Option<Permission>,
    },
    /// A role loses a permission, which is named exactly.
    RoleRevokePermission {
        /// The role.
        role: String,
        /// The first key.
        key: Bytes,
        /// As it was granted.
        range_end: Bytes,
    },
}

/// A user's password was checked: every member is told of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate {
    /// The user.
    pub name: String,
    /// The random half of a simple token.
    pub token: Secret,
    /// The auth revision at which the password was checked.
    pub auth_revision: u64,
}

/// The answer to `Authenticate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The log index at which every member heard of the token: the token's other half.
    pub index: u64,
    /// The auth revision then.
    pub auth_revision: u64,
}

/// Whether auth is on. Anybody may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthStatus;

/// The answer to `AuthStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthIs {
    /// It is on.
    pub enabled: bool,
    /// Counts every change of users, roles and permissions.
    pub auth_revision: u64,
}

/// The names of all users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserList;

/// The names of all roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleList;

/// The roles of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGet(pub String);

/// The permissions of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGet(pub String);

/// What a log-in of this user is held against, as this member knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordOf(pub String);

/// The answer to `PasswordOf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// bcrypt's hash.
    pub hash: Secret,
    /// The auth revision it was read at.
    pub auth_revision: u64,
}

/// Whether the caller administers the cluster, as this member knows it: for what is no request of the engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MayAdminister;

/// Whether the caller is somebody, as this member knows it: likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsSomebody;

/// Everything that is asked about users and roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthRequest {
    /// Through the log.
    Change(AuthChange),
    /// Through the log.
    Authenticate(Authenticate),
    /// A linearizable read.
    Read(AuthRead),
    /// From this member's state as it is.
    PasswordOf(String),
    /// From this member's state as it is.
    MayAdminister,
    /// From this member's state as it is.
    IsSomebody,
}

/// What is read of users and roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthRead {
    /// Whether auth is on.
    Status,
    /// All users.
    UserList,
    /// All roles.
    RoleList,
    /// One user's roles.
    UserGet(String),
    /// One role's permissions.
    RoleGet(String),
}

/// The answers, by request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthResponse {
    /// It is changed, or allowed.
    Done,
    /// To `Authenticate`.
    Authenticated(Authenticated),
    /// To `AuthRead::Status`.
    Status(AuthIs),
    /// Names, in order: users, roles, or a user's roles.
    Names(Vec<String>),
    /// To `AuthRead::RoleGet`: in order of key.
    Permissions(Vec<Permission>),
    /// To `PasswordOf`.
    Password(Password),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let password = Secret::new(Bytes::from_static(b"$2a$10$hash"));
        let change = AuthChange::UserAdd { name: "alice".to_owned(), password: Some(password) };
        assert_eq!(format!("{change:?}"), "UserAdd { name: \"alice\", password: Some(<secret>) }");
    }
}
