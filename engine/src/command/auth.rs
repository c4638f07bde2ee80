//! Commands about users, roles and permissions: their bytes.

use crate::auth::{put_permission, read_permission};
use crate::codec::{DecodeError, Decoder, Encode};
use crate::request::{AuthChange, Authenticate, Secret};
use bytes::BytesMut;

pub(super) fn put_change(out: &mut BytesMut, change: &AuthChange) {
    match change {
        AuthChange::Enable => out.put_u8_field(1),
        AuthChange::Disable => out.put_u8_field(2),
        AuthChange::UserAdd { name, password } => {
            put_names(out, 3, &[name]);
            out.put_bool_field(password.is_some());
            out.put_bytes_field(password.as_ref().map_or(&[][..], |password| password.expose()));
        }
        AuthChange::UserDelete(name) => put_names(out, 4, &[name]),
        AuthChange::UserChangePassword { name, password } => {
            put_names(out, 5, &[name]);
            out.put_bytes_field(password.expose());
        }
        AuthChange::UserGrantRole { user, role } => put_names(out, 6, &[user, role]),
        AuthChange::UserRevokeRole { user, role } => put_names(out, 7, &[user, role]),
        AuthChange::RoleAdd(name) => put_names(out, 8, &[name]),
        AuthChange::RoleDelete(name) => put_names(out, 9, &[name]),
        AuthChange::RoleGrantPermission { role, permission } => {
            put_names(out, 10, &[role]);
            out.put_bool_field(permission.is_some());
            if let Some(permission) = permission {
                put_permission(out, permission);
            }
        }
        AuthChange::RoleRevokePermission { role, key, range_end } => {
            put_names(out, 11, &[role]);
            out.put_bytes_field(key);
            out.put_bytes_field(range_end);
        }
    }
}

fn put_names(out: &mut BytesMut, kind: u8, names: &[&String]) {
    out.put_u8_field(kind);
    for name in names {
        out.put_bytes_field(name.as_bytes());
    }
}

pub(super) fn decode_change(from: &mut Decoder) -> Result<AuthChange, DecodeError> {
    Ok(match from.u8("auth change, kind")? {
        1 => AuthChange::Enable,
        2 => AuthChange::Disable,
        3 => AuthChange::UserAdd { name: from.text("user")?, password: decode_password(from)? },
        4 => AuthChange::UserDelete(from.text("user")?),
        5 => AuthChange::UserChangePassword {
            name: from.text("user")?,
            password: Secret::new(from.bytes("password")?),
        },
        6 => AuthChange::UserGrantRole { user: from.text("user")?, role: from.text("role")? },
        7 => AuthChange::UserRevokeRole { user: from.text("user")?, role: from.text("role")? },
        8 => AuthChange::RoleAdd(from.text("role")?),
        9 => AuthChange::RoleDelete(from.text("role")?),
        10 => AuthChange::RoleGrantPermission {
            role: from.text("role")?,
            permission: if from.bool("permission given")? { Some(read_permission(from)?) } else { None },
        },
        11 => AuthChange::RoleRevokePermission {
            role: from.text("role")?,
            key: from.bytes("permitted key")?,
            range_end: from.bytes("permitted range end")?,
        },
        other => return Err(from.error("auth change, kind", format!("1 to 11 wanted, {other} found"))),
    })
}

fn decode_password(from: &mut Decoder) -> Result<Option<Secret>, DecodeError> {
    let is_given = from.bool("password given")?;
    let password = from.bytes("password")?;
    if !is_given && !password.is_empty() {
        return Err(from.error("password", "not given, yet not empty"));
    }
    Ok(is_given.then(|| Secret::new(password)))
}

pub(super) fn put_authenticate(out: &mut BytesMut, checked: &Authenticate) {
    let Authenticate { name, token, auth_revision } = checked;
    out.put_bytes_field(name.as_bytes());
    out.put_bytes_field(token.expose());
    out.put_u64_field(*auth_revision);
}

pub(super) fn decode_authenticate(from: &mut Decoder) -> Result<Authenticate, DecodeError> {
    Ok(Authenticate {
        name: from.text("user")?,
        token: Secret::new(from.bytes("token")?),
        auth_revision: from.u64("auth revision")?,
    })
}
