//! What is decided before anything is proposed, by the member that the client asked: who is refused, and what of a
//! command depends on this member's own flags.
//!
//! None of it may be decided where commands are applied: flags differ from member to member, the state does not. What
//! all members refuse alike is in `state::apply`.

use super::Engine;
use crate::command::Command;
use crate::request::{Alarm, AlarmKind, LeaseGrantRequest, LeaseId, PutValue, RequestError, Txn, TxnOp};
use crate::state::grows;

/// What a put costs beyond its key and value, as etcd's quota counts.
const PUT_COST_BYTES: u64 = 256;

impl Engine {
    /// Some clients would rather not be answered by a member without a leader (`hasleader`).
    pub(super) fn admit_caller(&self, require_leader: bool) -> Result<(), RequestError> {
        let is_refused = require_leader && self.raft.leader().is_none();
        if is_refused { Err(RequestError::NoLeader) } else { Ok(()) }
    }

    /// Only so many requests wait at once.
    pub(super) fn admit_waiting(&self) -> Result<(), RequestError> {
        let is_full = self.pending.len() >= self.config.pending_requests_max;
        if is_full { Err(RequestError::TooManyRequests) } else { Ok(()) }
    }

    /// A command as it would stand in the log.
    pub(super) fn admit_size(&self, command_bytes: usize) -> Result<(), RequestError> {
        let is_too_large = command_bytes > self.config.request_bytes_max;
        if is_too_large { Err(RequestError::RequestTooLarge) } else { Ok(()) }
    }

    /// The quota is this member's own flag, so it is held against the command here and not in `apply`: the first
    /// one past it raises NOSPACE for the whole cluster, through the log.
    pub(super) fn admit_growth(&mut self, command: &Command) -> Result<(), RequestError> {
        if !grows(command) {
            return Ok(());
        }
        // Beside a CORRUPT alarm the command goes on, to be refused for that when it applies, as in etcd.
        if self.state.has_alarm(AlarmKind::NoSpace) && !self.state.has_alarm(AlarmKind::Corrupt) {
            return Err(RequestError::NoSpace);
        }
        if self.state.mvcc.state_bytes() + cost(command) <= self.config.quota_bytes {
            return Ok(());
        }
        if self.backoff.alarm <= self.now {
            self.backoff.alarm = self.now.plus_ms(self.config.election_timeout_ms);
            self.propose_own(Command::AlarmActivate(Alarm {
                kind: AlarmKind::NoSpace,
                member: self.config.member,
            }));
        }
        Err(RequestError::NoSpace)
    }

    /// The command of a grant: its id, chosen here where the client leaves that to us, and the least TTL that this
    /// member's election timeout allows.
    pub(super) fn decided_grant(&mut self, grant: LeaseGrantRequest) -> Command {
        let id = if grant.id == LeaseId(0) { self.choose_lease_id() } else { grant.id };
        Command::LeaseGrant { id, ttl_secs: grant.ttl_secs.max(self.config.lease_ttl_secs_min()) }
    }

    /// Positive and free here. Taken elsewhere meanwhile it may be, with odds of one in 2^63 a lease: then the
    /// grant is refused like any other of a taken id.
    fn choose_lease_id(&mut self) -> LeaseId {
        loop {
            let id = LeaseId((self.random.next_u64() >> 1).cast_signed());
            if id != LeaseId(0) && !self.state.leases.contains(id) {
                return id;
            }
        }
    }
}

/// What a command may add to the state, in bytes, as this member reckons. Whether it can add anything is `grows`, apart
/// from this: members of two releases may reckon differently, but what `apply` refuses must be the same on all.
fn cost(command: &Command) -> u64 {
    match command {
        Command::Put(put) => put_cost(&put.key, &put.value),
        Command::Txn(txn) => txn_cost(txn),
        Command::LeaseGrant { .. } => 64,
        Command::DeleteRange(_)
        | Command::Compact(_)
        | Command::LeaseRevoke(_)
        | Command::LeaseExpire(_)
        | Command::LeaseRemaining(_)
        | Command::AlarmActivate(_)
        | Command::AlarmDeactivate(_)
        | Command::Attributes(_)
        | Command::Auth(_)
        | Command::Authenticate(_) => 0,
    }
}

fn put_cost(key: &[u8], value: &PutValue) -> u64 {
    let value_bytes = match value {
        PutValue::Set(value) => value.len(),
        PutValue::Keep => 0,
    };
    PUT_COST_BYTES + (key.len() + value_bytes) as u64
}

fn txn_cost(txn: &Txn) -> u64 {
    let ops = txn.success.iter().chain(&txn.failure);
    ops.map(|op| match op {
        TxnOp::Put(put) => put_cost(&put.key, &put.value),
        TxnOp::Txn(nested) => txn_cost(nested),
        TxnOp::Range(_) | TxnOp::DeleteRange(_) => 0,
    })
    .sum()
}
