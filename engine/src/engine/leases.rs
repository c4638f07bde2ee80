//! The leader's work on leases: keepalives, remaining times, expiry (the rules are told in `crate::lease`).

use super::Engine;
use super::pending::{WaitsFor, lease_of};
use super::reads::{Asker, WaitingRead};
use crate::command::Command;
use crate::ids::{Grant, RequestId};
use crate::lease::Lease;
use crate::peer_message::{LeaseRequest, LeaseResponse, PeerBody};
use crate::request::{
    Caller, LeaseId, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, RequestError, Response,
};
use crate::state::LeaseChange;
use std::collections::BTreeMap;

/// Leases ended by one command, and remaining times noted by one: a command stays far below an entry's size.
const LEASES_PER_COMMAND: usize = 10_000;

/// Keepalives that wait until a recorded remaining time is cleared through the log.
pub(super) type WaitingForClear = BTreeMap<LeaseId, Vec<Asker>>;

impl Engine {
    /// A client of this member asks about a lease: only the leader has deadlines.
    pub(super) fn ask_about_lease(&mut self, id: RequestId, caller: Caller, request: LeaseRequest) {
        self.wait_for(id, WaitsFor::Lease { caller: caller.clone(), request, sent_at: self.now });
        if self.raft.is_leader() {
            self.reads.push(WaitingRead::Lease(Asker::Client(id), caller, request));
        } else if let Some(leader) = self.raft.leader() {
            let message = self.address(leader, PeerBody::LeaseRequest { id, caller, request });
            self.effects.send.push(message);
        }
    }

    /// The round it waited for is confirmed and applied.
    pub(super) fn answer_about_lease(&mut self, asker: Asker, caller: &Caller, request: LeaseRequest) {
        if !self.leadership.committed_in_term {
            return self.tell_about_lease(asker, Err(RequestError::NotLeader));
        }
        if let Err(refusal) = self.authorize_lease_request(caller, request) {
            return self.tell_about_lease(asker, Err(refusal));
        }
        match request {
            LeaseRequest::KeepAlive(id) => self.keep_alive(asker, id),
            LeaseRequest::TimeToLive(request) => {
                let response = LeaseResponse::TimeToLive(self.time_to_live(request));
                self.tell_about_lease(asker, Ok(response));
            }
        }
    }

    fn keep_alive(&mut self, asker: Asker, id: LeaseId) {
        let grant = self.state.leases.get(id).map(Lease::grant);
        let Some(grant) = grant.filter(|_| !self.deadlines.is_expiring(id)) else {
            return self.tell_about_lease(asker, Ok(LeaseResponse::KeepAlive { ttl_secs: 0 }));
        };
        if self.deadlines.needs_clearing(id) {
            let waiting = self.waiting_for_clear.entry(id).or_default();
            waiting.push(asker);
            if waiting.len() == 1 {
                self.deadlines.clearing(id);
                self.propose_own(Command::LeaseRemaining(vec![(grant, None)]));
            }
            return;
        }
        self.renew(id, &[asker]);
    }

    fn renew(&mut self, id: LeaseId, askers: &[Asker]) {
        let granted = self.state.leases.get(id).map(|lease| lease.granted_ttl_secs);
        let ttl_secs = match granted {
            Some(ttl_secs) if self.deadlines.renewed(id, ttl_secs, self.now) => {
                self.counters.leases_renewed += askers.len() as u64;
                ttl_secs
            }
            Some(_) | None => 0,
        };
        for asker in askers {
            self.tell_about_lease(*asker, Ok(LeaseResponse::KeepAlive { ttl_secs }));
        }
    }

    fn time_to_live(&self, request: LeaseTimeToLiveRequest) -> LeaseTimeToLiveResponse {
        let LeaseTimeToLiveRequest { id, keys: with_keys } = request;
        let (Some(lease), Some(left_ms)) =
            (self.state.leases.get(id), self.deadlines.remaining_ms(id, self.now))
        else {
            return LeaseTimeToLiveResponse { id, ttl_secs: -1, granted_ttl_secs: 0, keys: Vec::new() };
        };
        let keys = if with_keys { self.state.leases.keys(id).cloned().collect() } else { Vec::new() };
        let ttl_secs = (left_ms / 1000).cast_signed();
        LeaseTimeToLiveResponse { id, ttl_secs, granted_ttl_secs: lease.granted_ttl_secs, keys }
    }

    /// Tells whoever asked, here or at another member.
    pub(super) fn tell_about_lease(&mut self, asker: Asker, response: Result<LeaseResponse, RequestError>) {
        match asker {
            Asker::Client(id) => self.on_lease_response(id, response),
            Asker::Member(to, id) => {
                let message = self.address(to, PeerBody::LeaseResponse { id, response });
                self.effects.send.push(message);
            }
        }
    }

    /// The leader has answered, if the client still waits. Where that member leads no more, the next leader is asked.
    pub(super) fn on_lease_response(&mut self, id: RequestId, response: Result<LeaseResponse, RequestError>) {
        let Some(request) = self.pending.asked(id) else {
            return;
        };
        let answer = match (response, request) {
            (Err(RequestError::NotLeader), _) => return self.pending.ask_again(id, self.now),
            (Err(error), _) => Err(error),
            (Ok(LeaseResponse::KeepAlive { ttl_secs }), LeaseRequest::KeepAlive(lease)) => {
                Ok(Response::LeaseKeepAlive { id: lease, ttl_secs })
            }
            (Ok(LeaseResponse::TimeToLive(response)), LeaseRequest::TimeToLive(_)) => {
                Ok(Response::LeaseTimeToLive(response))
            }
            (Ok(response), request) => {
                let reason =
                    format!("an answer about lease {} that was not asked: {response:?}", lease_of(request).0);
                self.effects.refused.push((id.member, reason));
                return;
            }
        };
        self.reply(id, answer);
    }

    /// The leases, the soonest to end first where this member knows.
    pub(super) fn lease_list(&self) -> Response {
        let leases = if self.leadership.committed_in_term {
            self.deadlines.soonest_first()
        } else {
            self.state.leases.iter().map(|lease| lease.id).collect()
        };
        Response::LeaseLeases(leases)
    }

    /// What an applied command means for the leader's deadlines.
    pub(super) fn on_lease_change(&mut self, change: LeaseChange) {
        if !self.leadership.committed_in_term {
            return;
        }
        match change {
            LeaseChange::Granted(grant, ttl_secs) => self.deadlines.granted(grant, ttl_secs, self.now),
            LeaseChange::Ended(id) => {
                self.deadlines.removed(id);
                for asker in self.waiting_for_clear.remove(&id).unwrap_or_default() {
                    self.tell_about_lease(asker, Ok(LeaseResponse::KeepAlive { ttl_secs: 0 }));
                }
            }
            LeaseChange::Cleared(id) => {
                let askers = self.waiting_for_clear.remove(&id).unwrap_or_default();
                self.renew(id, &askers);
            }
        }
    }

    /// A remaining time could not be cleared: whoever waits for that is told, and the next keepalive tries again.
    pub(super) fn refuse_clearing(&mut self, notes: &[(Grant, Option<i64>)], error: RequestError) {
        for (grant, _) in notes.iter().filter(|(_, remaining_secs)| remaining_secs.is_none()) {
            for asker in self.waiting_for_clear.remove(&grant.lease).unwrap_or_default() {
                self.tell_about_lease(asker, Err(error));
            }
        }
    }

    /// Ends what is due and notes what is left, by commands like any other.
    pub(super) fn run_lease_timers(&mut self) {
        if !self.leadership.committed_in_term {
            return;
        }
        let due = self.deadlines.take_due(self.now, LEASES_PER_COMMAND);
        if !due.is_empty() {
            self.propose_own(Command::LeaseExpire(due));
        }
        let left = self.deadlines.take_checkpoints(self.now, LEASES_PER_COMMAND);
        if !left.is_empty() {
            let notes = left.into_iter().map(|(grant, secs)| (grant, Some(secs))).collect();
            self.propose_own(Command::LeaseRemaining(notes));
        }
    }

    /// This member does not lead any more: what only a leader can say is left to the next one.
    pub(super) fn give_up_leases(&mut self) {
        self.deadlines.demote();
        let waiting = std::mem::take(&mut self.waiting_for_clear);
        for asker in waiting.into_values().flatten() {
            self.tell_about_lease(asker, Err(RequestError::NotLeader));
        }
    }
}
