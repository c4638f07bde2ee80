//! Who leads, and what it means for this member: what it gains by leading, what it must wait for, and what it gives back.
//!
//! A member that has won an election *leads*: it proposes, and answers questions for a read index. Only once an entry
//! of its own term was applied does it know all that earlier leaders committed (raft §5.4.2, §8): then it has
//! *committed in its term*, and only then has leases' deadlines and answers questions about them. A member that does
//! not lead any more gives back what only a leader can answer.

use super::Engine;
use super::reads::{Asker, WaitingRead};
use crate::ids::MemberId;
use crate::request::RequestError;
use crate::time::Time;

/// What was last seen of who leads, to notice changes.
#[derive(Debug, Default)]
pub(super) struct Leadership {
    term: u64,
    leader: Option<MemberId>,
    is_leader: bool,
    /// This member leads, and an entry of its own term was applied: all that earlier leaders committed is too.
    pub(super) committed_in_term: bool,
    /// When a leader was last lost.
    lost_at: Option<Time>,
    /// Leadership is being transferred until then.
    pub(super) transfer_until: Option<Time>,
}

impl Leadership {
    /// Whether a leader was lost at this time or later.
    pub(super) fn was_lost_since(&self, time: Time) -> bool {
        self.lost_at.is_some_and(|lost_at| lost_at >= time)
    }
}

impl Engine {
    /// Notices a new term, a new leader, or none.
    pub(super) fn note_leadership(&mut self) {
        let (term, leader, is_leader) = (self.raft.term(), self.raft.leader(), self.raft.is_leader());
        let before = &self.leadership;
        if (before.term, before.leader, before.is_leader) == (term, leader, is_leader) {
            return;
        }
        let has_lost_leader = before.leader.is_some() && before.leader != leader;
        let lost_at = if has_lost_leader { Some(self.now) } else { before.lost_at };
        let has_new_leader = leader.is_some() && leader != before.leader;
        self.counters.leader_changes += u64::from(has_new_leader);
        let was_leader = before.is_leader;
        let transfer_until = before.transfer_until;
        self.leadership =
            Leadership { term, leader, is_leader, committed_in_term: false, lost_at, transfer_until };
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
                WaitingRead::Member { from, attempt } => self.answer_read_index(from, attempt, None),
                WaitingRead::Lease(asker, ..) => self.tell_about_lease(asker, Err(RequestError::NotLeader)),
                WaitingRead::Query(..)
                | WaitingRead::Leases(_)
                | WaitingRead::Members(_)
                | WaitingRead::Alarms(..)
                | WaitingRead::Auth(..) => {
                    unreachable!("only what is for the leader is taken")
                }
            }
        }
        self.give_up_leases();
    }

    /// Questions about leases that this member's clients asked before it led.
    fn take_over_lease_questions(&mut self) {
        for (id, caller, request) in self.pending.take_unsent_lease_requests(self.now, self.now) {
            self.reads.push(WaitingRead::Lease(Asker::Client(id), caller, request));
        }
    }

    /// An entry of this term was applied. Where it is this leader's own, it knows now all that may be committed, and
    /// the deadlines of leases are its own to keep.
    pub(super) fn note_committed_term(&mut self, term: u64) {
        if self.raft.is_leader() && term == self.raft.term() && !self.leadership.committed_in_term {
            self.leadership.committed_in_term = true;
            self.deadlines.promote(self.now, self.config.election_timeout_ms, &self.state.leases);
        }
    }

    /// Begins to transfer leadership to the best of the others, if this member leads and there is one.
    pub(super) fn transfer_leadership(&mut self) {
        let until = match self.raft.best_transferee() {
            Some(to) => {
                self.raft.transfer_leader(to);
                self.now.plus_ms(self.config.election_timeout_ms)
            }
            None => self.now,
        };
        self.leadership.transfer_until = Some(until);
    }

    /// Says so once leadership is elsewhere, or could not be transferred in time.
    pub(super) fn finish_transfer(&mut self) {
        if let Some(until) = self.leadership.transfer_until
            && (!self.raft.is_leader() || self.now >= until)
        {
            self.leadership.transfer_until = None;
            self.effects.transfer_finished = true;
        }
    }
}
