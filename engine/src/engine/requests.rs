//! What becomes of a client's request: refused (`admission`), answered at once, read or proposed.

use super::Engine;
use super::pending::WaitsFor;
use super::reads::WaitingRead;
use crate::command::Command;
use crate::effects::{Read, ReadQuery};
use crate::ids::RequestId;
use crate::peer_message::LeaseRequest;
use crate::request::{AlarmKind, AlarmRequest, Request, Response};
use crate::txn;

impl Engine {
    pub(super) fn on_request(&mut self, id: RequestId, require_leader: bool, request: Request) {
        assert!(
            id.member == self.config.member && id.boot == self.config.boot && id.counter > 0,
            "request id {id} of member {}, boot {}",
            self.config.member,
            self.config.boot
        );
        if let Err(refusal) = self.admit_caller(require_leader) {
            return self.push_reply(id, Err(refusal));
        }
        match request {
            Request::Range(range) if range.serializable => self.read_now(id, ReadQuery::Range(range)),
            Request::Txn(txn) if txn::is_read_only(&txn) && txn::is_serializable(&txn) => {
                self.read_now(id, ReadQuery::Txn(txn));
            }
            Request::MemberList { linearizable: false } => self.push_reply(id, Ok(self.member_list())),
            request => match self.admit_waiting() {
                Ok(()) => self.on_waiting_request(id, request),
                Err(refusal) => self.push_reply(id, Err(refusal)),
            },
        }
    }

    /// One that is answered once it is confirmed or applied.
    fn on_waiting_request(&mut self, id: RequestId, request: Request) {
        match request {
            Request::Range(range) => self.read(id, WaitingRead::Query(id, ReadQuery::Range(range))),
            Request::Txn(txn) if txn::is_read_only(&txn) => {
                self.read(id, WaitingRead::Query(id, ReadQuery::Txn(txn)));
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
            Request::LeaseGrant(grant) => {
                let command = self.decided_grant(grant);
                self.propose_request(id, command);
            }
            Request::LeaseRevoke(lease) => self.propose_request(id, Command::LeaseRevoke(lease)),
            Request::LeaseKeepAlive(lease) => self.ask_about_lease(id, LeaseRequest::KeepAlive(lease)),
            Request::LeaseTimeToLive(request) => self.ask_about_lease(id, LeaseRequest::TimeToLive(request)),
            Request::LeaseLeases => self.read(id, WaitingRead::Leases(id)),
            Request::MemberList { linearizable: _ } => self.read(id, WaitingRead::Members(id)),
            Request::Alarm(AlarmRequest::List(kind)) => self.read(id, WaitingRead::Alarms(id, kind)),
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
    fn read(&mut self, id: RequestId, waiting: WaitingRead) {
        self.wait_for(id, WaitsFor::Read);
        self.reads.push(waiting);
    }

    pub(super) fn member_list(&self) -> Response {
        Response::MemberList(self.state.members().values().cloned().collect())
    }

    pub(super) fn alarm_list(&self, kind: Option<AlarmKind>) -> Response {
        let alarms = self.state.alarms.iter().filter(|alarm| kind.is_none_or(|kind| alarm.kind == kind));
        Response::Alarm(alarms.copied().collect())
    }
}
