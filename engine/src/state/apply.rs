//! The only function that changes the replicated state.
//!
//! `apply` takes no time, no seed and no configuration: that is the proof that members which apply the same log hold
//! the same state (I5). A refusal is part of the outcome and the same everywhere; there is no third way out but a panic.

use super::{LEASE_TTL_SECS_MAX, State};
use crate::command::{Command, Proposal};
use crate::ids::{Grant, LeaseId};
use crate::key_range::KeyRange;
use crate::membership::MemberAttributes;
use crate::mvcc::RecordRef;
use crate::request::{
    Alarm, AlarmKind, AuthChange, Authenticate, Authenticated, DeleteRangeResponse, LeaseGrantResponse,
    RequestError, Secret, Txn, TxnOp, TxnResponse,
};
use crate::txn::{self, Unfinished};

/// What one command did.
#[derive(Debug)]
pub(crate) struct Applied {
    /// What it came to.
    pub(crate) outcome: Result<Outcome, RequestError>,
    /// What it changed. A refusal changes nothing.
    pub(crate) effect: Effect,
}

/// What a command came to, each its own.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The key as it was before, where that was asked and it was there.
    Put(Option<RecordRef>),
    /// Keys were deleted.
    DeleteRange(DeleteRangeResponse),
    /// A transaction ran.
    Txn(TxnResponse),
    /// A transaction ran, and its large ranges are left to be read.
    UnfinishedTxn(Unfinished),
    /// The store is compacted.
    Compact,
    /// A lease was granted.
    LeaseGrant(LeaseGrantResponse),
    /// A lease was revoked.
    LeaseRevoke,
    /// The alarms that were raised, or disarmed.
    Alarm(Vec<Alarm>),
    /// Users, roles or permissions are changed.
    AuthChange,
    /// A log-in counts.
    Authenticated(Authenticated),
    /// What members propose of their own accord is done, and nobody is answered.
    OfAMember,
}

/// What a command changed.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// Changes of keys, in order: of one revision at most, but for an expiry of several leases.
    pub(crate) changes: Vec<RecordRef>,
    /// Of leases, for the leader's deadlines.
    pub(crate) leases: Vec<LeaseChange>,
    /// Of simple tokens, which every member keeps in memory.
    pub(crate) tokens: Vec<TokenChange>,
}

/// What whoever keeps simple tokens must know. They are no part of the state: a member that starts knows none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// A new token.
    Issued {
        /// Whose.
        user: String,
        /// As the client will send it.
        token: Secret,
    },
    /// This user's tokens are void: it is gone, or its password is another.
    OfUserVoid(String),
    /// All tokens are void.
    AllVoid,
}

/// What the leader's deadlines must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseChange {
    /// A new lease and its TTL in seconds.
    Granted(Grant, i64),
    /// It is gone.
    Ended(LeaseId),
    /// Its recorded remaining time was cleared: it has its whole TTL again.
    Cleared(LeaseId),
}

impl State {
    /// One command; `None` where it was applied before, or came too late to tell.
    pub(crate) fn apply(&mut self, proposal: &Proposal) -> Option<Applied> {
        // I13
        if !self.window.admit(proposal.id) {
            return None;
        }
        let mut effect = Effect::default();
        let outcome = match self.refused_by_alarm(&proposal.command) {
            Some(refusal) => Err(refusal),
            None => match self.authorize(&proposal.caller, &proposal.command) {
                Err(refusal) => Err(refusal),
                Ok(()) => self.run(&proposal.command, &mut effect),
            },
        };
        Some(Applied { outcome, effect })
    }

    /// NOSPACE refuses what grows the state; CORRUPT refuses all that touches keys or leases (etcd's capped and
    /// corrupt appliers).
    fn refused_by_alarm(&self, command: &Command) -> Option<RequestError> {
        let touches_data = match command {
            Command::Put(_)
            | Command::DeleteRange(_)
            | Command::Txn(_)
            | Command::Compact(_)
            | Command::LeaseGrant { .. }
            | Command::LeaseRevoke(_)
            | Command::LeaseExpire(_)
            | Command::LeaseRemaining(_) => true,
            Command::AlarmActivate(_)
            | Command::AlarmDeactivate(_)
            | Command::Attributes(_)
            | Command::Auth(_)
            | Command::Authenticate(_) => false,
        };
        if touches_data && self.has_alarm(AlarmKind::Corrupt) {
            return Some(RequestError::Corrupt);
        }
        if grows(command) && self.has_alarm(AlarmKind::NoSpace) {
            return Some(RequestError::NoSpace);
        }
        None
    }

    /// Whether any member has raised this alarm.
    pub(crate) fn has_alarm(&self, kind: AlarmKind) -> bool {
        self.alarms.iter().any(|alarm| alarm.kind == kind)
    }

    fn run(&mut self, command: &Command, effect: &mut Effect) -> Result<Outcome, RequestError> {
        match command {
            Command::Put(put) => {
                let mut write = self.mvcc.write();
                let prev = txn::put(&mut write, &mut self.leases, put)?;
                effect.add(write.finish());
                Ok(Outcome::Put(prev))
            }
            Command::DeleteRange(delete) => {
                let mut write = self.mvcc.write();
                let response = txn::delete_range(&mut write, &mut self.leases, delete);
                effect.add(write.finish());
                Ok(Outcome::DeleteRange(response))
            }
            Command::Txn(txn) => {
                let mut write = self.mvcc.write();
                let response = txn::run(&mut write, &mut self.leases, txn)?;
                effect.add(write.finish());
                Ok(match response {
                    Ok(response) => Outcome::Txn(response),
                    Err(unfinished) => Outcome::UnfinishedTxn(unfinished),
                })
            }
            Command::Compact(revision) => {
                self.mvcc.compact(*revision)?;
                Ok(Outcome::Compact)
            }
            Command::LeaseGrant { id, ttl_secs } => {
                if *ttl_secs > LEASE_TTL_SECS_MAX {
                    return Err(RequestError::LeaseTtlTooLarge);
                }
                let grant = self.leases.grant(*id, *ttl_secs)?;
                effect.leases.push(LeaseChange::Granted(grant, *ttl_secs));
                Ok(Outcome::LeaseGrant(LeaseGrantResponse { id: *id, ttl_secs: *ttl_secs }))
            }
            Command::LeaseRevoke(id) => {
                self.end_lease(*id, effect)?;
                Ok(Outcome::LeaseRevoke)
            }
            Command::LeaseExpire(grants) => {
                // A client may have revoked a lease, and been granted its id again, while the expiry was on its way.
                for grant in grants {
                    if self.leases.is_granted(*grant) {
                        self.end_lease(grant.lease, effect)?;
                    }
                }
                Ok(Outcome::OfAMember)
            }
            Command::LeaseRemaining(notes) => {
                for (grant, remaining_secs) in notes {
                    self.note_remaining(*grant, *remaining_secs, effect);
                }
                Ok(Outcome::OfAMember)
            }
            Command::AlarmActivate(alarm) => {
                self.alarms.insert(*alarm);
                Ok(Outcome::Alarm(vec![*alarm]))
            }
            Command::AlarmDeactivate(alarm) => {
                let was_raised = self.alarms.remove(alarm);
                Ok(Outcome::Alarm(if was_raised { vec![*alarm] } else { Vec::new() }))
            }
            Command::Attributes(attributes) => {
                self.set_attributes(attributes);
                Ok(Outcome::OfAMember)
            }
            Command::Auth(change) => self.change_auth(change, effect),
            Command::Authenticate(checked) => self.authenticate(checked, effect),
        }
    }

    fn change_auth(&mut self, change: &AuthChange, effect: &mut Effect) -> Result<Outcome, RequestError> {
        self.auth.change(change)?;
        effect.tokens.extend(voided(change));
        Ok(Outcome::AuthChange)
    }

    /// Every member hears of the token here. Its second half is the index of this entry: a member that has not come so
    /// far knows that it must wait.
    fn authenticate(&self, checked: &Authenticate, effect: &mut Effect) -> Result<Outcome, RequestError> {
        let Authenticate { name, token, auth_revision } = checked;
        self.auth.admits_log_in(name, *auth_revision)?;
        let index = self.applied.0;
        let token = [token.expose().as_ref(), format!(".{index}").as_bytes()].concat();
        effect.tokens.push(TokenChange::Issued { user: name.clone(), token: Secret::new(token) });
        Ok(Outcome::Authenticated(Authenticated { index, auth_revision: self.auth.revision() }))
    }

    /// Deletes the lease and its keys, in one revision. I10: only a command that is committed calls it, with the lease
    /// that it names, or whose very grant it names.
    fn end_lease(&mut self, id: LeaseId, effect: &mut Effect) -> Result<(), RequestError> {
        let keys = self.leases.revoke(id)?;
        let mut write = self.mvcc.write();
        for key in keys {
            let deleted = write.delete_range(&KeyRange::One(key.clone()));
            // I9
            assert_eq!(deleted.len(), 1, "key {key:?} attached to lease {id:?} exists");
        }
        effect.add(write.finish());
        effect.leases.push(LeaseChange::Ended(id));
        Ok(())
    }

    fn note_remaining(&mut self, grant: Grant, remaining_secs: Option<i64>, effect: &mut Effect) {
        if !self.leases.is_granted(grant) {
            return;
        }
        match remaining_secs {
            Some(secs) => self.leases.checkpoint(grant.lease, secs),
            None => {
                self.leases.clear_remaining(grant.lease);
                effect.leases.push(LeaseChange::Cleared(grant.lease));
            }
        }
    }

    /// The first incarnation stays: one that comes later speaks for a disk that was replaced.
    fn set_attributes(&mut self, attributes: &MemberAttributes) {
        // I20
        // A member that was removed meanwhile has nothing to say any more.
        if let Some(member) = self.members.get_mut(&attributes.id)
            && member.incarnation.is_none_or(|known| known == attributes.incarnation)
        {
            member.name.clone_from(&attributes.name);
            member.client_urls.clone_from(&attributes.client_urls);
            member.incarnation = Some(attributes.incarnation);
        }
    }
}

impl Effect {
    /// The changes of one more revision.
    fn add(&mut self, changes: Vec<RecordRef>) {
        if self.changes.is_empty() {
            self.changes = changes;
        } else {
            self.changes.extend(changes);
        }
    }
}

/// Whether a command can make the state larger, as etcd's quota counts it: puts (anywhere in a transaction) and
/// grants.
pub(crate) fn grows(command: &Command) -> bool {
    match command {
        Command::Put(_) | Command::LeaseGrant { .. } => true,
        Command::Txn(txn) => puts(txn),
        Command::DeleteRange(_)
        | Command::Compact(_)
        | Command::LeaseRevoke(_)
        | Command::LeaseExpire(_)
        | Command::LeaseRemaining(_)
        | Command::AlarmActivate(_)
        | Command::AlarmDeactivate(_)
        | Command::Attributes(_)
        | Command::Auth(_)
        | Command::Authenticate(_) => false,
    }
}

/// The tokens that a change makes void.
fn voided(change: &AuthChange) -> Option<TokenChange> {
    match change {
        AuthChange::Disable => Some(TokenChange::AllVoid),
        AuthChange::UserDelete(name) | AuthChange::UserChangePassword { name, .. } => {
            Some(TokenChange::OfUserVoid(name.clone()))
        }
        AuthChange::Enable
        | AuthChange::UserAdd { .. }
        | AuthChange::UserGrantRole { .. }
        | AuthChange::UserRevokeRole { .. }
        | AuthChange::RoleAdd(_)
        | AuthChange::RoleDelete(_)
        | AuthChange::RoleGrantPermission { .. }
        | AuthChange::RoleRevokePermission { .. } => None,
    }
}

fn puts(txn: &Txn) -> bool {
    txn.success.iter().chain(&txn.failure).any(|op| match op {
        TxnOp::Put(_) => true,
        TxnOp::Txn(nested) => puts(nested),
        TxnOp::Range(_) | TxnOp::DeleteRange(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Caller;
    use crate::ids::{CommandId, Incarnation, MemberId};
    use crate::memory_member::first_state;

    fn publish(state: &mut State, incarnation: u64, name: &str) {
        let id = CommandId { member: MemberId(1), boot: 1, number: 0 };
        let command = Command::Attributes(MemberAttributes {
            id: MemberId(1),
            name: name.to_owned(),
            client_urls: vec![format!("http://{name}:2379")],
            incarnation: Incarnation(incarnation),
        });
        state
            .apply(&Proposal { id, caller: Caller::Member, command })
            .expect("what a member proposes itself is applied each time");
    }

    #[test]
    fn a_replaced_disk_publishes_nothing_over_the_first() {
        let mut state = first_state(3).1;
        publish(&mut state, 7, "first");
        publish(&mut state, 8, "imposter");
        publish(&mut state, 7, "renamed");
        let member = &state.members()[&MemberId(1)];
        assert_eq!((member.incarnation, member.name.as_str()), (Some(Incarnation(7)), "renamed"));
        publish(&mut state, 8, "imposter");
        assert_eq!(state.members()[&MemberId(1)].name, "renamed");
    }
}
