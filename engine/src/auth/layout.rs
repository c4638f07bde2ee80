//! Users and roles as bytes: in a snapshot, and in what the state hash adds up (docs/data-format.md).

use super::{Auth, Role, User};
use crate::codec::{DecodeError, Decoder, Encode};
use crate::request::{Access, Caller, Identity, Permission, Secret};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use twox_hash::XxHash3_128;

/// What an item is, as its first byte says. Roles come before users.
const ROLE: u8 = 1;
const USER: u8 = 2;

impl Auth {
    /// What does not grow with users and roles: of a snapshot's header and of the state hash.
    pub(crate) fn put_summary(&self, out: &mut Vec<u8>) {
        out.put_bool_field(self.enabled);
        out.put_u64_field(self.revision);
    }

    /// The sum of the hashes of all users and roles: equal for equal ones, whatever the order they came in.
    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }
}

impl User {
    pub(super) fn hash(&self, name: &str) -> u128 {
        let mut out = Vec::new();
        self.put(&mut out, name);
        XxHash3_128::oneshot(&out)
    }

    fn put(&self, out: &mut Vec<u8>, name: &str) {
        out.put_u8_field(USER);
        out.put_bytes_field(name.as_bytes());
        out.put_bool_field(self.password.is_some());
        out.put_bytes_field(self.password.as_ref().map_or(&[][..], |password| password.expose()));
        out.put_u32_field(u32::try_from(self.roles.len()).expect("fewer than 2^32 roles"));
        for role in &self.roles {
            out.put_bytes_field(role.as_bytes());
        }
    }
}

impl Role {
    pub(super) fn hash(&self, name: &str) -> u128 {
        let mut out = Vec::new();
        self.put(&mut out, name);
        XxHash3_128::oneshot(&out)
    }

    fn put(&self, out: &mut Vec<u8>, name: &str) {
        out.put_u8_field(ROLE);
        out.put_bytes_field(name.as_bytes());
        out.put_u32_field(u32::try_from(self.permissions.len()).expect("fewer than 2^32 permissions"));
        for permission in &self.permissions {
            put_permission(out, permission);
        }
    }
}

/// A user as a backup keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptUser {
    pub(crate) name: String,
    pub(crate) password: Option<Secret>,
    pub(crate) roles: BTreeSet<String>,
}

/// A role as a backup keeps it, its permissions in order of key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptRole {
    pub(crate) name: String,
    pub(crate) permissions: Vec<Permission>,
}

impl Auth {
    /// The users, by name.
    pub(crate) fn kept_users(&self) -> impl Iterator<Item = KeptUser> {
        self.users.iter().map(|(name, user)| {
            let User { password, roles } = &**user;
            KeptUser { name: name.clone(), password: password.clone(), roles: roles.clone() }
        })
    }

    /// The roles, by name.
    pub(crate) fn kept_roles(&self) -> impl Iterator<Item = KeptRole> {
        let kept = |(name, role): (&String, &Arc<Role>)| KeptRole {
            name: name.clone(),
            permissions: role.permissions.clone(),
        };
        self.roles.iter().map(kept)
    }

    /// Of what a backup kept.
    pub(crate) fn kept(enabled: bool, revision: u64, roles: Vec<KeptRole>, users: Vec<KeptUser>) -> Auth {
        let mut auth = Auth { enabled, revision, ..Auth::default() };
        for KeptRole { name, permissions } in roles {
            auth.put_role(&name, Role::of(permissions));
        }
        for KeptUser { name, password, roles } in users {
            auth.put_user(&name, User { password, roles });
        }
        auth
    }
}

/// A permission, here as in a command.
pub(crate) fn put_permission(out: &mut impl Encode, permission: &Permission) {
    out.put_u8_field(permission.access.number());
    out.put_bytes_field(&permission.key);
    out.put_bytes_field(&permission.range_end);
}

/// Such a permission. Whether its range is one is not looked at.
pub(crate) fn read_permission(from: &mut Decoder) -> Result<Permission, DecodeError> {
    let number = from.u8("access")?;
    let access = Access::of_number(i32::from(number))
        .ok_or_else(|| from.error("access", format!("0 to 2 wanted, {number} found")))?;
    Ok(Permission {
        access,
        key: from.bytes("permitted key")?,
        range_end: from.bytes("permitted range end")?,
    })
}

/// Writes roles and users piece by piece.
#[derive(Debug)]
pub(crate) struct AuthWriter {
    auth: Auth,
    /// The last ones written.
    role: Option<String>,
    user: Option<String>,
}

impl AuthWriter {
    pub(crate) fn new(auth: Auth) -> AuthWriter {
        AuthWriter { auth, role: None, user: None }
    }

    /// The next piece, which ends with the item that makes it so large; `None` after the last.
    pub(crate) fn next_piece(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let after = self.role.clone().map_or(Unbounded, Excluded);
        for (name, role) in self.auth.roles.range((after, Unbounded)) {
            if out.len() >= bytes {
                return Some(out);
            }
            role.put(&mut out, name);
            self.role = Some(name.clone());
        }
        let after = self.user.clone().map_or(Unbounded, Excluded);
        for (name, user) in self.auth.users.range((after, Unbounded)) {
            if out.len() >= bytes {
                return Some(out);
            }
            user.put(&mut out, name);
            self.user = Some(name.clone());
        }
        (!out.is_empty()).then_some(out)
    }
}

/// Reads what `AuthWriter` wrote, whatever it is.
#[derive(Debug, Default)]
pub(crate) struct AuthReader {
    auth: Auth,
}

impl AuthReader {
    /// Takes a piece in.
    pub(crate) fn piece(&mut self, mut from: Decoder) -> Result<(), DecodeError> {
        while from.remaining() > 0 {
            match from.u8("role or user")? {
                ROLE => self.role(&mut from)?,
                USER => self.user(&mut from)?,
                other => return Err(from.error("role or user", format!("1 or 2 wanted, {other} found"))),
            }
        }
        Ok(())
    }

    /// All of it, with the summary of the header.
    pub(crate) fn finish(self, enabled: bool, revision: u64) -> Auth {
        Auth { enabled, revision, ..self.auth }
    }

    fn role(&mut self, from: &mut Decoder) -> Result<(), DecodeError> {
        let name = from.text("role")?;
        let is_next = self.auth.users.is_empty()
            && self.auth.roles.last_key_value().is_none_or(|(last, _)| *last < name);
        if !is_next {
            return Err(from.error("role", "not in order"));
        }
        let count = from.count("permissions", 9)?;
        let permissions =
            (0..count).map(|_| read_permission(from).map(unpinned)).collect::<Result<_, _>>()?;
        self.auth.put_role(&name, Role::of(permissions));
        Ok(())
    }

    fn user(&mut self, from: &mut Decoder) -> Result<(), DecodeError> {
        let name = from.text("user")?;
        if self.auth.users.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(from.error("user", "not in order"));
        }
        let has_password = from.bool("password given")?;
        let password = from.bytes("password")?;
        if !has_password && !password.is_empty() {
            return Err(from.error("password", "not given, yet not empty"));
        }
        let password = has_password.then(|| Secret::new(password).unpinned());
        let count = from.count("roles of a user", 4)?;
        let roles = (0..count).map(|_| from.text("role of a user")).collect::<Result<BTreeSet<_>, _>>()?;
        self.auth.put_user(&name, User { password, roles });
        Ok(())
    }
}

/// Not a slice of what it came in.
pub(super) fn unpinned(permission: Permission) -> Permission {
    Permission {
        access: permission.access,
        key: Bytes::copy_from_slice(&permission.key),
        range_end: Bytes::copy_from_slice(&permission.range_end),
    }
}

/// Who asks: one byte for a client that is nobody.
pub(crate) fn put_caller(out: &mut impl Encode, caller: &Caller) {
    match caller {
        Caller::Member => out.put_u8_field(0),
        Caller::Anonymous => out.put_u8_field(1),
        Caller::User(Identity { name, auth_revision }) => {
            out.put_u8_field(2);
            out.put_bytes_field(name.as_bytes());
            out.put_u64_field(*auth_revision);
        }
    }
}

/// Such a caller.
pub(crate) fn read_caller(from: &mut Decoder) -> Result<Caller, DecodeError> {
    Ok(match from.u8("caller")? {
        0 => Caller::Member,
        1 => Caller::Anonymous,
        2 => Caller::User(Identity {
            name: from.text("caller, name")?,
            auth_revision: from.u64("caller, auth revision")?,
        }),
        other => return Err(from.error("caller", format!("unknown kind {other}"))),
    })
}
