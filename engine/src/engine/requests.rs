//! What becomes of a client's request: refused (`admission`), answered at once, read or proposed.

use super::pending::WaitsFor;
use super::reads::WaitingRead;
use super::{Engine, auth};
use crate::command::Command;
use crate::effects::{Read, ReadQuery};
use crate::ids::RequestId;
use crate::peer_message::LeaseRequest;
use crate::request::{AlarmKind, AlarmRequest, Caller, Request, Response};
use crate::txn;

impl Engine {
    pub(super) fn on_request(
        &mut self,
        id: RequestId,
        require_leader: bool,
        caller: Caller,
        request: Request,
    ) {
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
            Request::Range(range) if range.serializable => {
                self.read_now(id, &caller, ReadQuery::Range(range));
            }
            Request::Txn(txn) if txn::is_read_only(&txn) && txn::is_serializable(&txn) => {
                self.read_now(id, &caller, ReadQuery::Txn(txn));
            }
            Request::MemberList { linearizable: false } => {
                let members = self.state.authorize_somebody(&caller).map(|()| self.member_list());
                self.push_reply(id, members);
            }
            Request::Auth(request) if auth::is_answered_here(&request) => {
                let answer = self.answer_auth(&caller, &request);
                self.push_reply(id, answer);
            }
            request => match self.admit_waiting() {
                Ok(()) => self.on_waiting_request(id, caller, request),
                Err(refusal) => self.push_reply(id, Err(refusal)),
            },
        }
    }

    /// One that is answered once it is confirmed or applied.
    fn on_waiting_request(&mut self, id: RequestId, caller: Caller, request: Request) {
        match request {
            Request::Range(range) => self.read(id, caller, WaitingRead::Query(id, ReadQuery::Range(range))),
            Request::Txn(txn) if txn::is_read_only(&txn) => {
                self.read(id, caller, WaitingRead::Query(id, ReadQuery::Txn(txn)));
            }
            Request::Put(put) => self.propose_request(id, caller, Command::Put(put)),
            Request::DeleteRange(delete) => self.propose_request(id, caller, Command::DeleteRange(delete)),
            Request::Txn(txn) => self.propose_request(id, caller, Command::Txn(txn)),
            Request::Compact(compact) => {
                self.propose_request(id, caller, Command::Compact(compact.revision));
                if compact.physical && self.pending.contains(id) {
                    self.physical_compactions.push(id);
                }
            }
            Request::LeaseGrant(grant) => {
                let command = self.decided_grant(grant);
                self.propose_request(id, caller, command);
            }
            Request::LeaseRevoke(lease) => self.propose_request(id, caller, Command::LeaseRevoke(lease)),
            Request::LeaseKeepAlive(lease) => {
                self.ask_about_lease(id, caller, LeaseRequest::KeepAlive(lease));
            }
            Request::LeaseTimeToLive(request) => {
                self.ask_about_lease(id, caller, LeaseRequest::TimeToLive(request));
            }
            Request::LeaseLeases => self.read(id, caller, WaitingRead::Leases(id)),
            Request::MemberList { linearizable: _ } => self.read(id, caller, WaitingRead::Members(id)),
            Request::Alarm(AlarmRequest::List(kind)) => self.read(id, caller, WaitingRead::Alarms(id, kind)),
            Request::Alarm(AlarmRequest::Activate(alarm)) => {
                self.propose_request(id, caller, Command::AlarmActivate(alarm))
            }
            Request::Alarm(AlarmRequest::Deactivate(alarm)) => {
                self.propose_request(id, caller, Command::AlarmDeactivate(alarm));
            }
            Request::Auth(request) => self.on_waiting_auth(id, caller, request),
        }
    }

    /// From now on this request's client waits, for as long as a request may take.
    pub(super) fn wait_for(&mut self, id: RequestId, what: WaitsFor) {
        self.pending.add(id, self.now, self.now.plus_ms(self.config.request_timeout_ms), what);
    }

    /// A read of the state as it is here.
    fn read_now(&mut self, id: RequestId, caller: &Caller, query: ReadQuery) {
        if let Err(refusal) = self.authorize_query(caller, &query) {
            return self.push_reply(id, Err(refusal));
        }
        self.hand_out(id, query);
    }

    /// A view of the state as it is here, to whoever may read it.
    pub(super) fn hand_out(&mut self, id: RequestId, query: ReadQuery) {
        let read = Read { id, view: self.state.mvcc.view(), query, term: self.raft.term() };
        self.effects.reads.push(read);
    }

    /// A read that must see all that was acknowledged before it.
    pub(super) fn read(&mut self, id: RequestId, caller: Caller, waiting: WaitingRead) {
        self.wait_for(id, WaitsFor::Read(caller));
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
