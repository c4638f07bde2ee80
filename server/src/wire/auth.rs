//! Users, roles and permissions: messages, in and out.

use crate::pb;
use detcd_engine::request::{Access, AuthChange, Permission, RequestError};

/// A permission to grant; `None` where the request carries none, which the engine refuses.
///
/// # Errors
/// `InvalidAuthMgmt` for a type of permission that this release does not know: etcd keeps such a one, and opens nothing
/// by it.
pub fn grant_permission(request: pb::AuthRoleGrantPermissionRequest) -> Result<AuthChange, RequestError> {
    let permission = request.perm.map(|perm| {
        let access = Access::of_number(perm.perm_type).ok_or(RequestError::InvalidAuthMgmt)?;
        Ok::<_, RequestError>(Permission { access, key: perm.key, range_end: perm.range_end })
    });
    Ok(AuthChange::RoleGrantPermission { role: request.name, permission: permission.transpose()? })
}

/// A permission to take away.
pub fn revoke_permission(request: pb::AuthRoleRevokePermissionRequest) -> AuthChange {
    let pb::AuthRoleRevokePermissionRequest { role, key, range_end } = request;
    AuthChange::RoleRevokePermission { role, key, range_end }
}

/// A role's permissions.
pub fn permissions(found: Vec<Permission>) -> Vec<pb::authpb::Permission> {
    let permission = |Permission { access, key, range_end }| pb::authpb::Permission {
        perm_type: i32::from(access.number()),
        key,
        range_end,
    };
    found.into_iter().map(permission).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_permission_survives_the_way_in_and_out() {
        for perm_type in 0..=2 {
            let (key, range_end) = (Bytes::from_static(b"a"), Bytes::from_static(b"\0"));
            let perm = pb::authpb::Permission { perm_type, key, range_end };
            let request =
                pb::AuthRoleGrantPermissionRequest { name: "reader".to_owned(), perm: Some(perm.clone()) };
            let Ok(AuthChange::RoleGrantPermission { permission, .. }) = grant_permission(request) else {
                panic!("type {perm_type} is known");
            };
            assert_eq!(permissions(permission.into_iter().collect()), [perm]);
        }
    }

    #[test]
    fn an_unknown_type_is_refused_and_none_at_all_is_left_to_the_engine() {
        let perm = pb::authpb::Permission { perm_type: 3, ..Default::default() };
        let request = pb::AuthRoleGrantPermissionRequest { name: "reader".to_owned(), perm: Some(perm) };
        assert_eq!(grant_permission(request.clone()), Err(RequestError::InvalidAuthMgmt));
        let none = pb::AuthRoleGrantPermissionRequest { perm: None, ..request };
        let expected = AuthChange::RoleGrantPermission { role: "reader".to_owned(), permission: None };
        assert_eq!(grant_permission(none), Ok(expected));
    }
}
