//! What administrators change, and how it is refused. Every change that takes place is one more revision.

use super::layout::unpinned;
use super::{Auth, ROOT, Role, User};
use crate::request::{AuthChange, Permission, RequestError, Secret};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Auth {
    /// Makes a change. The caller has been decided on. A refusal changes nothing.
    ///
    /// # Errors
    /// As etcd refuses it.
    pub fn change(&mut self, change: &AuthChange) -> Result<(), RequestError> {
        match change {
            AuthChange::Enable => self.enable(),
            AuthChange::Disable => {
                if self.enabled {
                    self.enabled = false;
                    self.revision += 1;
                }
                Ok(())
            }
            AuthChange::UserAdd { name, password } => self.user_add(name, password.clone()),
            AuthChange::UserDelete(name) => self.user_delete(name),
            AuthChange::UserChangePassword { name, password } => self.user_change_password(name, password),
            AuthChange::UserGrantRole { user, role } => self.user_grant_role(user, role),
            AuthChange::UserRevokeRole { user, role } => self.user_revoke_role(user, role),
            AuthChange::RoleAdd(name) => self.role_add(name),
            AuthChange::RoleDelete(name) => self.role_delete(name),
            AuthChange::RoleGrantPermission { role, permission } => {
                self.role_grant(role, permission.as_ref())
            }
            AuthChange::RoleRevokePermission { role, key, range_end } => {
                self.role_revoke(role, |granted| granted.key == *key && granted.range_end == *range_end)
            }
        }
    }

    /// Somebody must be able to undo it. Not a revision of its own: no answer of `decide` to one who has proved who it is
    /// depends on an earlier one.
    fn enable(&mut self) -> Result<(), RequestError> {
        if self.enabled {
            return Ok(());
        }
        let root = self.users.get(ROOT).ok_or(RequestError::RootUserNotExist)?;
        if !root.roles.contains(ROOT) {
            return Err(RequestError::RootRoleNotExist);
        }
        self.enabled = true;
        Ok(())
    }

    fn user_add(&mut self, name: &str, password: Option<Secret>) -> Result<(), RequestError> {
        if name.is_empty() {
            return Err(RequestError::UserEmpty);
        }
        if self.users.contains_key(name) {
            return Err(RequestError::UserExists);
        }
        self.put_user(
            name,
            User { password: password.map(|secret| secret.unpinned()), roles: BTreeSet::new() },
        );
        self.revision += 1;
        Ok(())
    }

    fn user_delete(&mut self, name: &str) -> Result<(), RequestError> {
        if self.enabled && name == ROOT {
            return Err(RequestError::InvalidAuthMgmt);
        }
        self.user(name)?;
        self.remove_user(name);
        self.revision += 1;
        Ok(())
    }

    fn user_change_password(&mut self, name: &str, password: &Secret) -> Result<(), RequestError> {
        let mut user = self.user(name)?;
        user.password = user.password.map(|_| password.unpinned());
        self.put_user(name, user);
        self.revision += 1;
        Ok(())
    }

    fn user_grant_role(&mut self, name: &str, role: &str) -> Result<(), RequestError> {
        let mut user = self.user(name)?;
        if role != ROOT && !self.roles.contains_key(role) {
            return Err(RequestError::RoleNotFound);
        }
        if user.roles.insert(role.to_owned()) {
            self.put_user(name, user);
            self.revision += 1;
        }
        Ok(())
    }

    fn user_revoke_role(&mut self, name: &str, role: &str) -> Result<(), RequestError> {
        if self.enabled && name == ROOT && role == ROOT {
            return Err(RequestError::InvalidAuthMgmt);
        }
        let mut user = self.user(name)?;
        if !user.roles.remove(role) {
            return Err(RequestError::RoleNotGranted);
        }
        self.put_user(name, user);
        self.revision += 1;
        Ok(())
    }

    fn role_add(&mut self, name: &str) -> Result<(), RequestError> {
        if name.is_empty() {
            return Err(RequestError::RoleEmpty);
        }
        if self.roles.contains_key(name) {
            return Err(RequestError::RoleExists);
        }
        self.put_role(name, Role::default());
        self.revision += 1;
        Ok(())
    }

    fn role_delete(&mut self, name: &str) -> Result<(), RequestError> {
        if self.enabled && name == ROOT {
            return Err(RequestError::InvalidAuthMgmt);
        }
        self.role(name)?;
        self.remove_role(name);
        let having: Vec<String> = self
            .users
            .iter()
            .filter(|(_, user)| user.roles.contains(name))
            .map(|(user, _)| user.clone())
            .collect();
        for user_name in having {
            let mut user = self.user(&user_name)?;
            user.roles.remove(name);
            self.put_user(&user_name, user);
        }
        self.revision += 1;
        Ok(())
    }

    fn role_grant(&mut self, name: &str, granted: Option<&Permission>) -> Result<(), RequestError> {
        let granted = granted.ok_or(RequestError::PermissionNotGiven)?;
        if !is_range(granted) {
            return Err(RequestError::InvalidAuthMgmt);
        }
        let mut permissions = self.role(name)?.permissions.clone();
        // etcd compares the range with that of the first permission of this key and no other: a second one may be there
        // twice, for two accesses.
        let at = permissions.partition_point(|permission| permission.key < granted.key);
        match permissions.get_mut(at) {
            Some(first) if first.key == granted.key && first.range_end == granted.range_end => {
                first.access = granted.access;
            }
            _ => {
                let after = permissions.partition_point(|permission| permission.key <= granted.key);
                permissions.insert(after, unpinned(granted.clone()));
            }
        }
        self.put_role(name, Role::of(permissions));
        self.revision += 1;
        Ok(())
    }

    fn role_revoke(
        &mut self,
        name: &str,
        is_meant: impl Fn(&Permission) -> bool,
    ) -> Result<(), RequestError> {
        let granted = &self.role(name)?.permissions;
        let left: Vec<Permission> =
            granted.iter().filter(|permission| !is_meant(permission)).cloned().collect();
        if left.len() == granted.len() {
            return Err(RequestError::PermissionNotGranted);
        }
        self.put_role(name, Role::of(left));
        self.revision += 1;
        Ok(())
    }

    fn user(&self, name: &str) -> Result<User, RequestError> {
        self.users.get(name).map(|user| User::clone(user)).ok_or(RequestError::UserNotFound)
    }

    fn role(&self, name: &str) -> Result<&Role, RequestError> {
        self.roles.get(name).map(|role| &**role).ok_or(RequestError::RoleNotFound)
    }

    /// In the place of the one of this name, if there is one.
    pub(super) fn put_user(&mut self, name: &str, user: User) {
        self.remove_user(name);
        self.sum = self.sum.wrapping_add(user.hash(name));
        Arc::make_mut(&mut self.users).insert(name.to_owned(), Arc::new(user));
    }

    fn remove_user(&mut self, name: &str) {
        if let Some(before) = Arc::make_mut(&mut self.users).remove(name) {
            self.sum = self.sum.wrapping_sub(before.hash(name));
        }
    }

    /// In the place of the one of this name, if there is one.
    pub(super) fn put_role(&mut self, name: &str, role: Role) {
        self.remove_role(name);
        self.sum = self.sum.wrapping_add(role.hash(name));
        Arc::make_mut(&mut self.roles).insert(name.to_owned(), Arc::new(role));
    }

    fn remove_role(&mut self, name: &str) {
        if let Some(before) = Arc::make_mut(&mut self.roles).remove(name) {
            self.sum = self.sum.wrapping_sub(before.hash(name));
        }
    }
}

/// Whether a permission is for a key, a range that ends after it begins, or one without an end.
fn is_range(permission: &Permission) -> bool {
    let Permission { access: _, key, range_end } = permission;
    !key.is_empty() && (range_end.is_empty() || key < range_end || range_end.as_ref() == b"\0")
}
