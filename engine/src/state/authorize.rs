//! Which decisions a command or a read needs. `Auth::decide` makes them; here is only what is asked of it.
//!
//! A lease is a way to keys: whoever ends it deletes them. So whoever revokes or renews a lease, or attaches a key to it,
//! must be allowed to write all that is attached; who asks for its keys, to read them; who lists leases, to read the keys of
//! all of them. Administrators are spared the look.

use super::State;
use crate::auth::Asked;
use crate::command::{Caller, Command};
use crate::ids::LeaseId;
use crate::key_range::KeyRange;
use crate::request::{
    AuthRead, DeleteRangeRequest, PutLease, PutRequest, RangeRequest, RequestError, Txn, TxnOp,
};

type Decision = Result<(), RequestError>;

impl State {
    /// Whether a command's caller may have all of it done.
    pub(super) fn authorize(&self, caller: &Caller, command: &Command) -> Decision {
        match command {
            Command::Put(put) => self.authorize_put(caller, put),
            Command::DeleteRange(delete) => self.authorize_delete(caller, delete),
            Command::Txn(txn) => self.authorize_txn(caller, txn),
            Command::LeaseGrant { .. } => self.auth.decide(caller, Asked::BeSomebody),
            Command::LeaseRevoke(lease) => {
                self.auth.decide(caller, Asked::BeSomebody)?;
                self.authorize_lease_write(caller, *lease)
            }
            Command::Compact(_)
            | Command::LeaseExpire(_)
            | Command::LeaseRemaining(_)
            | Command::AlarmActivate(_)
            | Command::AlarmDeactivate(_)
            | Command::Attributes(_)
            | Command::Auth(_) => self.auth.decide(caller, Asked::Administer),
            // Whoever knows the password is let in.
            Command::Authenticate(_) => Ok(()),
        }
    }

    /// Whether this range may be read.
    pub(crate) fn authorize_range(&self, caller: &Caller, range: &RangeRequest) -> Decision {
        self.auth.decide(caller, Asked::Read(&range.range))
    }

    /// Whether all of a transaction may be done: what it compares is read, nested transactions and the branch that is not
    /// taken included.
    pub(crate) fn authorize_txn(&self, caller: &Caller, txn: &Txn) -> Decision {
        if !self.auth.is_enabled() {
            return Ok(());
        }
        for compare in &txn.compares {
            self.auth.decide(caller, Asked::Read(&compare.range))?;
        }
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Range(range) => self.authorize_range(caller, range)?,
                TxnOp::Put(put) => self.authorize_put(caller, put)?,
                TxnOp::DeleteRange(delete) => self.authorize_delete(caller, delete)?,
                TxnOp::Txn(nested) => self.authorize_txn(caller, nested)?,
            }
        }
        Ok(())
    }

    fn authorize_put(&self, caller: &Caller, put: &PutRequest) -> Decision {
        if !self.auth.is_enabled() {
            return Ok(());
        }
        let key = KeyRange::One(put.key.clone());
        self.auth.decide(caller, Asked::Write(&key))?;
        if let PutLease::Set(lease) = put.lease {
            self.authorize_lease_write(caller, lease)?;
        }
        if put.prev_kv { self.auth.decide(caller, Asked::Read(&key)) } else { Ok(()) }
    }

    fn authorize_delete(&self, caller: &Caller, delete: &DeleteRangeRequest) -> Decision {
        self.auth.decide(caller, Asked::Write(&delete.range))?;
        if delete.prev_kv { self.auth.decide(caller, Asked::Read(&delete.range)) } else { Ok(()) }
    }

    /// Whether a lease may be renewed.
    pub(crate) fn authorize_renewal(&self, caller: &Caller, lease: LeaseId) -> Decision {
        self.auth.decide(caller, Asked::BeSomebody)?;
        self.authorize_lease_write(caller, lease)
    }

    /// Whether what is left of a lease may be told, and its keys where these are asked for.
    pub(crate) fn authorize_time_to_live(&self, caller: &Caller, lease: LeaseId, keys: bool) -> Decision {
        self.auth.decide(caller, Asked::BeSomebody)?;
        if keys { self.authorize_lease_read(caller, lease) } else { Ok(()) }
    }

    /// Whether all leases may be listed.
    pub(crate) fn authorize_lease_list(&self, caller: &Caller) -> Decision {
        self.auth.decide(caller, Asked::BeSomebody)?;
        if self.auth.decide(caller, Asked::Administer).is_ok() {
            return Ok(());
        }
        self.leases.iter().try_for_each(|lease| self.authorize_lease_read(caller, lease.id))
    }

    /// What every user may: to see members and alarms.
    pub(crate) fn authorize_somebody(&self, caller: &Caller) -> Decision {
        self.auth.decide(caller, Asked::BeSomebody)
    }

    /// What only administrators may.
    pub(crate) fn authorize_administrator(&self, caller: &Caller) -> Decision {
        self.auth.decide(caller, Asked::Administer)
    }

    /// Whether these keys may be watched.
    pub(crate) fn authorize_watch(&self, caller: &Caller, range: &KeyRange) -> Decision {
        self.auth.decide(caller, Asked::Read(range))
    }

    /// Whether this may be read of users and roles.
    pub(crate) fn authorize_auth_read(&self, caller: &Caller, read: &AuthRead) -> Decision {
        match read {
            // Clients ask it to find out whether they must log in.
            AuthRead::Status => Ok(()),
            AuthRead::UserList | AuthRead::RoleList => self.auth.decide(caller, Asked::Administer),
            AuthRead::UserGet(name) => self.auth.decide(caller, Asked::SeeUser(name)),
            AuthRead::RoleGet(name) => self.auth.decide(caller, Asked::SeeRole(name)),
        }
    }

    fn authorize_lease_write(&self, caller: &Caller, lease: LeaseId) -> Decision {
        if self.auth.decide(caller, Asked::Administer).is_ok() {
            return Ok(());
        }
        let keys = self.leases.keys(lease).map(|key| KeyRange::One(key.clone()));
        keys.into_iter().try_for_each(|key| self.auth.decide(caller, Asked::Write(&key)))
    }

    fn authorize_lease_read(&self, caller: &Caller, lease: LeaseId) -> Decision {
        if self.auth.decide(caller, Asked::Administer).is_ok() {
            return Ok(());
        }
        let keys = self.leases.keys(lease).map(|key| KeyRange::One(key.clone()));
        keys.into_iter().try_for_each(|key| self.auth.decide(caller, Asked::Read(&key)))
    }
}
