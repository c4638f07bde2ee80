//! What time makes due.

use super::Engine;
use super::pending::{PendingRequest, WaitsFor};
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
            self.proposals.cancel(late.command());
            self.counters.proposals_failed += u64::from(late.command().is_some());
            self.counters.reads_failed += u64::from(matches!(late.what, WaitsFor::Read(_)));
            self.push_reply(late.id, Err(error));
        }
        self.run_lease_timers();
        self.repeat_forwards();
        self.publish_attributes();
        let has_leader = self.raft.leader().is_some();
        self.watches.leader_seen(self.now, has_leader, self.config.election_timeout_ms);
        let compact_to = self.auto_compaction.due(self.now, self.state.mvcc.revision());
        if let Some(revision) = compact_to
            && self.leadership.committed_in_term
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
            self.leadership.committed_in_term.then(|| self.deadlines.next_at()).flatten(),
            self.auto_compaction.next_at(),
            self.next_read_retry_at(),
            self.leadership.transfer_until,
        ];
        others.into_iter().flatten().fold(tick, Time::min).max(self.now)
    }

    /// Which of etcd's three timeouts this is: after a leader was lost, without hearing one, or plain.
    fn timeout_error(&self, late: &PendingRequest) -> RequestError {
        let looked_back = Time::from_ms(late.since.as_ms().saturating_sub(self.config.election_timeout_ms));
        let is_after_loss = self.leadership.was_lost_since(looked_back);
        match late.what {
            WaitsFor::Command { .. } if is_after_loss => RequestError::TimeoutLeaderFailed,
            WaitsFor::Command { .. } if self.raft.leader().is_none() => RequestError::TimeoutConnectionLost,
            WaitsFor::Command { .. } | WaitsFor::Read(_) | WaitsFor::Lease { .. } | WaitsFor::Compaction => {
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
        if is_known || self.raft.leader().is_none() || self.now < self.backoff.attributes {
            return;
        }
        self.backoff.attributes = self.now.plus_ms(self.config.election_timeout_ms);
        self.propose_own(Command::Attributes(MemberAttributes {
            id: self.config.member,
            name: self.config.name.clone(),
            client_urls: self.config.client_urls.clone(),
            incarnation: self.config.incarnation,
        }));
    }
}
