//! Users, roles and permissions, as etcd keeps them: three buckets, of flags, of roles and of users by name.

use super::Entry;
use super::protobuf::{Field, Fields, PutField, Value};
use crate::auth::{Auth, KeptRole, KeptUser};
use crate::request::{Access, Permission, Secret};
use bytes::Bytes;
use std::collections::BTreeSet;

/// The bucket `auth`: whether callers are held to what was granted, and how often that was changed.
pub(super) fn flags(auth: &Auth) -> Vec<Entry> {
    vec![
        (b"authEnabled".to_vec(), vec![u8::from(auth.is_enabled())]),
        (b"authRevision".to_vec(), auth.revision().to_be_bytes().to_vec()),
    ]
}

/// The bucket `authRoles`: `authpb.Role` by name.
pub(super) fn roles(auth: &Auth) -> Vec<Entry> {
    let roles = auth.kept_roles().map(|KeptRole { name, permissions }| {
        let mut role = Vec::new();
        role.put_length_field(1, name.as_bytes());
        for permission in &permissions {
            let mut encoded = Vec::new();
            encoded.put_varint_field(1, u64::from(permission.access.number()));
            encoded.put_length_field(2, &permission.key);
            encoded.put_length_field(3, &permission.range_end);
            role.put_message_field(2, &encoded);
        }
        (name.into_bytes(), role)
    });
    roles.collect()
}

/// The bucket `authUsers`: `authpb.User` by name.
pub(super) fn users(auth: &Auth) -> Vec<Entry> {
    let users = auth.kept_users().map(|KeptUser { name, password, roles }| {
        let mut user = Vec::new();
        user.put_length_field(1, name.as_bytes());
        user.put_length_field(2, password.as_ref().map_or(&[][..], |hash| hash.expose()));
        for role in &roles {
            user.put_length_field(3, role.as_bytes());
        }
        let mut options = Vec::new();
        options.put_varint_field(1, u64::from(password.is_none()));
        user.put_message_field(4, &options);
        (name.into_bytes(), user)
    });
    users.collect()
}

/// What is read of the three buckets.
#[derive(Debug, Default)]
pub(super) struct ReadUsers {
    enabled: bool,
    revision: Option<u64>,
    roles: Vec<KeptRole>,
    users: Vec<KeptUser>,
}

impl ReadUsers {
    /// An entry of the bucket `auth`.
    pub(super) fn flag(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match key {
            b"authEnabled" => self.enabled = value == [1],
            b"authRevision" => {
                let revision = value.try_into().map_err(|_| "authRevision is not a number".to_owned())?;
                self.revision = Some(u64::from_be_bytes(revision));
            }
            _ => {}
        }
        Ok(())
    }

    /// An entry of the bucket `authRoles`.
    pub(super) fn role(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let mut permissions = Vec::new();
        for field in Fields(value) {
            if let Field { number: 2, value: Value::Bytes(permission) } = field? {
                permissions.push(permission_of(permission)?);
            }
        }
        permissions.sort_by(|one, next| one.key.cmp(&next.key));
        self.roles.push(KeptRole { name: text("role", key)?, permissions });
        Ok(())
    }

    /// An entry of the bucket `authUsers`.
    pub(super) fn user(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let (mut password, mut roles) = (None, BTreeSet::new());
        for field in Fields(value) {
            match field? {
                Field { number: 2, value: Value::Bytes(hash) } if !hash.is_empty() => {
                    password = Some(Secret::new(Bytes::copy_from_slice(hash)));
                }
                Field { number: 3, value: Value::Bytes(role) } => {
                    _ = roles.insert(text("role of a user", role)?)
                }
                _ => {}
            }
        }
        self.users.push(KeptUser { name: text("user", key)?, password, roles });
        Ok(())
    }

    /// All of it.
    pub(super) fn into_auth(self) -> Auth {
        let ReadUsers { enabled, revision, roles, users } = self;
        // A file of an etcd that never had users need not say.
        Auth::kept(enabled, revision.unwrap_or(1).max(1), roles, users)
    }
}

/// `authpb.Permission`.
fn permission_of(encoded: &[u8]) -> Result<Permission, String> {
    let (mut access, mut key, mut range_end) = (0, Bytes::new(), Bytes::new());
    for field in Fields(encoded) {
        match field? {
            Field { number: 1, value: Value::Varint(number) } => access = number,
            Field { number: 2, value: Value::Bytes(bytes) } => key = Bytes::copy_from_slice(bytes),
            Field { number: 3, value: Value::Bytes(bytes) } => range_end = Bytes::copy_from_slice(bytes),
            _ => {}
        }
    }
    let access = i32::try_from(access).ok().and_then(Access::of_number);
    let access =
        access.ok_or_else(|| "a permission is of a kind that this release does not know".to_owned())?;
    Ok(Permission { access, key, range_end })
}

fn text(what: &str, bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| format!("{what} {} is not text", bytes.escape_ascii()))
}
