//! What becomes of a client's request: refused, answered, read or proposed.
//!
//! Whatever depends on this member's flags is settled here, before anything is proposed: the least TTL, the id of a
//! lease, the quota, the largest request.

use super::Engine;
use super::pending::WaitsFor;
use super::reads::Waiting;
use crate::command::Command;
use crate::effects::{Read, ReadQuery};
use crate::ids::RequestId;
use crate::peer_message::LeaseAsk;
use crate::request::{
    Alarm, AlarmKind, AlarmRequest, LeaseGrantRequest, LeaseId, PutValue, Request, RequestError, Response,
    Txn, TxnOp,
};
use crate::state::grows;
use crate::txn;

/// What a put costs beyond its key and value, as etcd's quota counts.
const PUT_COST_BYTES: u64 = 256;

impl Engine {
    pub(super) fn on_request(&mut self, id: RequestId, require_leader: bool, request: Request) {
        assert!(
            id.member == self.config.member && id.boot == self.config.boot && id.counter > 0,
            "request id {id} of member {}, boot {}",
            self.config.member,
            self.config.boot
        );
        if require_leader && self.raft.leader().is_none() {
            return self.push_reply(id, Err(RequestError::NoLeader));
        }
        match request {
            Request::Range(range) if range.serializable => self.read_now(id, ReadQuery::Range(range)),
            Request::Txn(txn) if txn::is_read_only(&txn) && txn::is_serializable(&txn) => {
                self.read_now(id, ReadQuery::Txn(txn));
            }
            Request::MemberList { linearizable: false } => self.push_reply(id, Ok(self.member_list())),
            _ if self.pending.len() >= self.config.pending_requests_max => {
                self.push_reply(id, Err(RequestError::TooManyRequests));
            }
            Request::Range(range) => self.read(id, Waiting::Query(id, ReadQuery::Range(range))),
            Request::Txn(txn) if txn::is_read_only(&txn) => {
                self.read(id, Waiting::Query(id, ReadQuery::Txn(txn)));
            }
            Request::Put(put) => self.propose_request(id, Command::Put(put)),
            Request::DeleteRange(delete) => self.propose_request(id, Command::DeleteRange(delete)),
            Request::Txn(txn) => self.propose_request(id, Command::Txn(txn)),
            Request::Compact(compact) => {
                self.propose_request(id, Command::Compact(compact.revision));
                if compact.physical && self.pending.contains(id) {
                    self.physical_compactions.push(id);
                }
            }
            Request::LeaseGrant(grant) => self.on_grant(id, grant),
            Request::LeaseRevoke(lease) => self.propose_request(id, Command::LeaseRevoke(lease)),
            Request::LeaseKeepAlive(lease) => self.ask_about_lease(id, LeaseAsk::KeepAlive(lease)),
            Request::LeaseTimeToLive(request) => self.ask_about_lease(id, LeaseAsk::TimeToLive(request)),
            Request::LeaseLeases => self.read(id, Waiting::Leases(id)),
            Request::MemberList { linearizable: _ } => self.read(id, Waiting::Members(id)),
            Request::Alarm(AlarmRequest::List(kind)) => self.read(id, Waiting::Alarms(id, kind)),
            Request::Alarm(AlarmRequest::Activate(alarm)) => {
                self.propose_request(id, Command::AlarmActivate(alarm))
            }
            Request::Alarm(AlarmRequest::Deactivate(alarm)) => {
                self.propose_request(id, Command::AlarmDeactivate(alarm));
            }
        }
    }

    /// From now on this request's client waits, for as long as a request may take.
    pub(super) fn wait_for(&mut self, id: RequestId, what: WaitsFor) {
        self.pending.add(id, self.now, self.now.plus_ms(self.config.request_timeout_ms), what);
    }

    /// A read of the state as it is here.
    fn read_now(&mut self, id: RequestId, query: ReadQuery) {
        let read = Read { id, view: self.state.mvcc.view(), query, term: self.raft.term() };
        self.effects.reads.push(read);
    }

    /// A read that must see all that was acknowledged before it.
    fn read(&mut self, id: RequestId, waiting: Waiting) {
        self.wait_for(id, WaitsFor::Read);
        self.reads.push(waiting);
    }

    fn on_grant(&mut self, id: RequestId, grant: LeaseGrantRequest) {
        let lease = if grant.id == LeaseId(0) { self.choose_lease_id() } else { grant.id };
        let ttl_secs = grant.ttl_secs.max(self.config.lease_ttl_secs_min());
        self.propose_request(id, Command::LeaseGrant { id: lease, ttl_secs });
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

    /// The quota is this member's own flag, so it is held against the command here and not in `apply`: the first
    /// one past it raises NOSPACE for the whole cluster, through the log.
    pub(super) fn refuse_growth(&mut self, command: &Command) -> Result<(), RequestError> {
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
        if self.quiet_until.alarm <= self.now {
            self.quiet_until.alarm = self.now.plus_ms(self.config.election_timeout_ms);
            self.propose_own(Command::AlarmActivate(Alarm {
                kind: AlarmKind::NoSpace,
                member: self.config.member,
            }));
        }
        Err(RequestError::NoSpace)
    }

    pub(super) fn member_list(&self) -> Response {
        Response::MemberList(self.state.members().values().cloned().collect())
    }

    pub(super) fn alarm_list(&self, kind: Option<AlarmKind>) -> Response {
        let alarms = self.state.alarms.iter().filter(|alarm| kind.is_none_or(|kind| alarm.kind == kind));
        Response::Alarm(alarms.copied().collect())
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
        | Command::Attributes(_) => 0,
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
