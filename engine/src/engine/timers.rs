//! What time makes due, and what a change of leader means.

use super::pending::{Waiting as PendingRequest, WaitsFor};
use super::reads::Waiting;
use super::{Engine, Leadership};
use crate::command::Command;
use crate::membership::MemberAttributes;
use crate::request::RequestError;
use crate::time::Time;

impl Engine {
    /// Everything that is due by now.
    pub(super) fn run_timers(&mut self) {
        self.raft.tick(self.now);
        self.note_leadership();
        while let Some(late) = self.pending.take_expired(self.now) {
            let error = self.timeout_error(&late);
            self.proposals.given_up(late.command());
            self.push_reply(late.id, Err(error));
        }
        self.run_lease_timers();
        self.repeat_forwards();
        self.publish_attributes();
        let has_leader = self.raft.leader().is_some();
        self.watches.leader_seen(self.now, has_leader, self.config.election_timeout_ms);
        let compact_to = self.auto_compaction.due(self.now, self.state.mvcc.revision());
        if let Some(revision) = compact_to
            && self.leadership.is_settled
            && revision > self.state.mvcc.compacted_revision()
        {
            self.propose_own(Command::Compact(revision));
        }
    }

    /// When something may be due next.
    pub(super) fn next_timer(&self) -> Time {
        let tick = self.raft.next_tick_at();
        let others = [
            self.pending.next_at(),
            self.watches.next_at(),
            self.leadership.is_settled.then(|| self.deadlines.next_at()).flatten(),
            self.auto_compaction.next_at(),
            self.next_read_retry_at(),
            self.transfer_until,
        ];
        others.into_iter().flatten().fold(tick, Time::min).max(self.now)
    }

    /// Notices a new term, a new leader, or none.
    pub(super) fn note_leadership(&mut self) {
        let (term, leader, is_leader) = (self.raft.term(), self.raft.leader(), self.raft.is_leader());
        let before = &self.leadership;
        if (before.term, before.leader, before.is_leader) == (term, leader, is_leader) {
            return;
        }
        let has_lost_leader = before.leader.is_some() && before.leader != leader;
        let lost_at = if has_lost_leader { Some(self.now) } else { before.lost_at };
        let was_leader = before.is_leader;
        self.leadership = Leadership { term, leader, is_leader, is_settled: false, lost_at };
        if was_leader {
            self.step_down();
        }
        if leader.is_some() {
            // Whatever the last leader did with them, this one is asked.
            self.proposals.clear();
            self.send_again(0);
            self.reads.leader_changed();
        }
        if is_leader {
            self.take_over_lease_questions();
        }
    }

    /// What only a leader can answer goes back to who asked; what others forwarded here they forward again.
    fn step_down(&mut self) {
        self.proposals.clear();
        for read in self.reads.take_for_leader() {
            match read {
                Waiting::Member { from, attempt } => self.answer_read_index(from, attempt, None),
                Waiting::Lease(asker, _) => self.tell_about_lease(asker, Err(RequestError::NotLeader)),
                Waiting::Query(..) | Waiting::Leases(_) | Waiting::Members(_) | Waiting::Alarms(..) => {
                    unreachable!("only what is for the leader is taken")
                }
            }
        }
        self.give_up_leases();
    }

    /// Questions about leases that this member's clients asked before it led.
    fn take_over_lease_questions(&mut self) {
        for (id, ask) in self.pending.take_unsent_asks(self.now, self.now) {
            self.reads.push(Waiting::Lease(super::reads::Asker::Client(id), ask));
        }
    }

    /// Which of etcd's three timeouts this is: after a leader was lost, without hearing one, or plain.
    fn timeout_error(&self, late: &PendingRequest) -> RequestError {
        let looked_back = Time::from_ms(late.since.as_ms().saturating_sub(self.config.election_timeout_ms));
        let is_after_loss = self.leadership.lost_at.is_some_and(|lost_at| lost_at >= looked_back);
        match late.what {
            WaitsFor::Command { .. } if is_after_loss => RequestError::TimeoutLeaderFailed,
            WaitsFor::Command { .. } if self.raft.leader().is_none() && !self.is_alone() => {
                RequestError::TimeoutConnectionLost
            }
            WaitsFor::Command { .. } | WaitsFor::Read | WaitsFor::Lease { .. } | WaitsFor::Compaction => {
                RequestError::Timeout
            }
        }
    }

    /// Says through the log who this member is, until the log has it.
    fn publish_attributes(&mut self) {
        let Some(me) = self.state.members().get(&self.config.member) else {
            return;
        };
        let is_known = me.name == self.config.name
            && me.client_urls == self.config.client_urls
            && me.incarnation == Some(self.config.incarnation);
        if is_known || self.raft.leader().is_none() || self.now < self.quiet_until.attributes {
            return;
        }
        self.quiet_until.attributes = self.now.plus_ms(self.config.election_timeout_ms);
        self.propose_own(Command::Attributes(MemberAttributes {
            id: self.config.member,
            name: self.config.name.clone(),
            client_urls: self.config.client_urls.clone(),
            incarnation: self.config.incarnation,
        }));
    }

    /// Begins to hand leadership on; the moment after which a stop no longer waits for it.
    pub(super) fn hand_leadership_on(&mut self) -> Time {
        match self.raft.best_transferee() {
            Some(to) => {
                self.raft.transfer_leader(to);
                self.now.plus_ms(self.config.election_timeout_ms)
            }
            None => self.now,
        }
    }

    /// Says so once leadership is elsewhere, or could not be handed on in time.
    pub(super) fn settle_transfer(&mut self) {
        if let Some(until) = self.transfer_until
            && (!self.raft.is_leader() || self.now >= until)
        {
            self.transfer_until = None;
            self.effects.leadership_settled = true;
        }
    }
}
