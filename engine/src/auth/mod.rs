//! Who may do what: users, their roles, what roles were granted; replicated like everything else.
//!
//! `Auth` is the state, changed by `change` alone, and by commands alone. `decide` is the only function that says yes or
//! no, from the caller, what it asks for, and this state; no flag, clock or member-local thing has a part in it.
//!
//! Where it is asked:
//!
//! - **Commands**: where they are applied, by `state`, on every member alike. The command carries its caller and the auth
//!   revision at which that was proved, so what changed in between is seen. Nothing of a command is decided at its
//!   admission: a member that lags would refuse what was granted elsewhere.
//! - **Reads**: where their view is handed out, in the state that the view is of. Lists of leases, members, alarms, users
//!   and roles likewise.
//! - **Questions about leases**: by the leader, in the state that it answers from; the caller travels in the question.
//! - **Watches**: at their creation, in the state that they begin in. A watcher goes on when the right is lost, as in etcd:
//!   its stream ends with its client's connection.
//!
//! Which of etcd's texts: a caller that is nobody, while auth is on, is told `user name is empty`; one whose proof is
//! older than the last change, `revision of auth store is old`, and proving it again helps; one without the right,
//! `permission denied`. A token that is not good is refused before all that, in the shell (`invalid auth token`).

mod change;
mod decide;
mod layout;
mod spans;
#[cfg(test)]
mod tests;

use crate::request::{Access, AuthIs, AuthRead, AuthResponse, Password, Permission, RequestError, Secret};
#[cfg(test)]
pub(crate) use tests::parsed;

use bytes::Bytes;
use spans::Spans;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use decide::Asked;
pub(crate) use layout::{
    AuthReader, AuthWriter, KeptRole, KeptUser, put_caller, put_permission, read_caller, read_permission,
};

/// The user and the role that administer. Whoever has the role may do everything.
pub const ROOT: &str = "root";

/// Users, roles and permissions. A copy is cheap and does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    enabled: bool,
    /// 1 in a new cluster, and one more with each change: 0 is no revision.
    revision: u64,
    users: Arc<BTreeMap<String, Arc<User>>>,
    roles: Arc<BTreeMap<String, Arc<Role>>>,
    /// The sum of the hashes of all users and roles.
    sum: u128,
}

/// One user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct User {
    /// bcrypt's hash; `None` where there is no password to log in with.
    password: Option<Secret>,
    roles: BTreeSet<String>,
}

/// One role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Role {
    /// In order of key; of one key, in the order they were granted.
    permissions: Vec<Permission>,
    /// What they open for reading, merged.
    read: Spans,
    /// What they open for writing, merged.
    write: Spans,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth { enabled: false, revision: 1, users: Arc::default(), roles: Arc::default(), sum: 0 }
    }
}

impl Auth {
    /// Whether callers are held to what was granted.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Counts the changes.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What a log-in is held against.
    ///
    /// # Errors
    /// Auth is off, there is no such user, or it has no password.
    pub fn password_of(&self, name: &str) -> Result<Password, RequestError> {
        if !self.enabled {
            return Err(RequestError::AuthNotEnabled);
        }
        let user = self.users.get(name).ok_or(RequestError::AuthFailed)?;
        let hash = user.password.clone().ok_or(RequestError::NoPasswordUser)?;
        Ok(Password { hash, auth_revision: self.revision })
    }

    /// A password was checked at `auth_revision`: whether its user may have a token now.
    ///
    /// # Errors
    /// Auth is off, the user is gone or has no password any more; or something changed since, and the password is to be
    /// checked again.
    pub fn admits_log_in(&self, name: &str, auth_revision: u64) -> Result<(), RequestError> {
        match self.password_of(name) {
            Err(RequestError::NoPasswordUser) => Err(RequestError::AuthFailed),
            Err(refusal) => Err(refusal),
            Ok(_) if auth_revision != self.revision => Err(RequestError::AuthOldRevision),
            Ok(_) => Ok(()),
        }
    }

    /// Answers what may be read: the caller has been decided on.
    ///
    /// # Errors
    /// There is no such user or role.
    pub fn read(&self, read: &AuthRead) -> Result<AuthResponse, RequestError> {
        Ok(match read {
            AuthRead::Status => {
                AuthResponse::Status(AuthIs { enabled: self.enabled, auth_revision: self.revision })
            }
            AuthRead::UserList => AuthResponse::Names(self.users.keys().cloned().collect()),
            AuthRead::RoleList => AuthResponse::Names(self.roles.keys().cloned().collect()),
            AuthRead::UserGet(name) => {
                let user = self.users.get(name).ok_or(RequestError::UserNotFound)?;
                AuthResponse::Names(user.roles.iter().cloned().collect())
            }
            AuthRead::RoleGet(name) => {
                let role = self.roles.get(name).ok_or(RequestError::RoleNotFound)?;
                AuthResponse::Permissions(role.shown(name))
            }
        })
    }
}

impl Role {
    /// A role of these permissions, in their order.
    fn of(permissions: Vec<Permission>) -> Role {
        let (read, write) = (Spans::to_read(&permissions), Spans::to_write(&permissions));
        Role { permissions, read, write }
    }

    /// Role `root` shows one permission for everything, whatever it was granted, as in etcd.
    fn shown(&self, name: &str) -> Vec<Permission> {
        if name != ROOT {
            return self.permissions.clone();
        }
        vec![Permission {
            access: Access::ReadWrite,
            key: Bytes::new(),
            range_end: Bytes::from_static(b"\0"),
        }]
    }
}
