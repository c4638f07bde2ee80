//! The decision.

use super::spans::{End, Spans};
use super::{Auth, ROOT, Role, User};
use crate::key_range::KeyRange;
use crate::request::{Caller, RequestError};
use bytes::Bytes;

/// What somebody would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Read these keys.
    Read(&'a KeyRange),
    /// Write or delete these keys.
    Write(&'a KeyRange),
    /// What only administrators may: users, roles, members, alarms, compactions, maintenance.
    Administer,
    /// What every user may, whatever it was granted.
    BeSomebody,
    /// See which roles a user has: its own matter, and the administrators'.
    SeeUser(&'a str),
    /// See what a role was granted: a matter of those who have it, and the administrators'.
    SeeRole(&'a str),
}

impl Auth {
    /// Whether this caller may do that: the only place where this is decided.
    ///
    /// Whoever has the role `root` may do everything. Everybody else may read or write a range that lies within all
    /// that its roles were granted, taken together.
    ///
    /// # Errors
    /// It may not, with the text that etcd has for the reason.
    pub fn decide(&self, caller: &Caller, asked: Asked<'_>) -> Result<(), RequestError> {
        if !self.enabled {
            return Ok(());
        }
        let identity = match caller {
            Caller::Member => return Ok(()),
            Caller::Anonymous => return Err(RequestError::UserEmpty),
            Caller::User(identity) => identity,
        };
        let user = self.users.get(&identity.name);
        let is_root = user.is_some_and(|user| user.roles.contains(ROOT));
        let allowed = match asked {
            Asked::Read(range) | Asked::Write(range) => {
                if identity.auth_revision < self.revision {
                    return Err(RequestError::AuthOldRevision);
                }
                user.is_some_and(|user| is_root || self.covers(user, asked, range))
            }
            // For these a proof holds until its time is over, as in etcd: what counts is what the user is now.
            Asked::Administer => is_root || self.is_known(user)?,
            Asked::BeSomebody => user.is_some(),
            Asked::SeeUser(name) => is_root || name == identity.name || self.is_known(user)?,
            Asked::SeeRole(name) => {
                is_root || user.is_some_and(|user| user.roles.contains(name)) || self.is_known(user)?
            }
        };
        if allowed { Ok(()) } else { Err(RequestError::PermissionDenied) }
    }

    /// Never allowed: a user that is there and does not administer is told so, one that is not is told that.
    fn is_known(&self, user: Option<&std::sync::Arc<User>>) -> Result<bool, RequestError> {
        if user.is_some() { Ok(false) } else { Err(RequestError::UserNotFound) }
    }

    fn covers(&self, user: &User, asked: Asked<'_>, range: &KeyRange) -> bool {
        let spans = |role: &'_ String| -> Option<&Spans> {
            let role: &Role = self.roles.get(role)?;
            Some(if matches!(asked, Asked::Read(_)) { &role.read } else { &role.write })
        };
        let start = range.start();
        if let KeyRange::Span { end, .. } = range
            && range.is_empty()
        {
            // No key is in it. etcd looks for a grant that goes from below its end to past its start.
            return user.roles.iter().filter_map(spans).any(|spans| spans.surround(start, end));
        }
        // From span to span, each the one that goes furthest, until one goes far enough or none goes on.
        let wanted = End::of(range);
        let mut reached = Bytes::copy_from_slice(start);
        loop {
            let furthest =
                user.roles.iter().filter_map(spans).filter_map(|spans| spans.end_of(&reached)).max();
            match furthest {
                None => return false,
                Some(end) if *end >= wanted => return true,
                Some(End::At(end)) => reached = end.clone(),
                Some(End::Never) => return true,
            }
        }
    }
}
