//! Committed entries to the state, and what that means for those who wait.

use super::Engine;
use super::pending::WaitsFor;
use crate::command::{Command, Proposal, decode_entry};
use crate::effects::{CompactionStep, ReadQuery};
use crate::ids::RequestId;
use crate::raft::{EntryKind, LogEntry, SnapshotMeta};
use crate::request::{AuthResponse, RequestError, Response};
use crate::state::{Applied, Effect, Outcome};

impl Engine {
    /// Applies what raft has delivered, in order. The state after each entry is a function of the log alone.
    pub(super) fn apply_committed(&mut self, entries: Vec<LogEntry>) {
        let Some(last) = entries.last().map(|entry| (entry.index, entry.term)) else {
            return;
        };
        for entry in entries {
            self.apply_entry(entry);
            self.report_hash();
        }
        let (index, term) = last;
        self.raft.applied(index);
        self.raft.set_snapshot(SnapshotMeta { index, term, ..self.membership.clone() });
    }

    fn apply_entry(&mut self, entry: LogEntry) {
        let LogEntry { term, index, kind, data } = entry;
        assert!(kind == EntryKind::Commands, "entry {index} of term {term} is a {kind:?} change");
        self.state.begin_entry(index, term);
        self.note_committed_term(term);
        self.checkpoints.applied(data.len());
        if data.is_empty() {
            // A new leader's first entry.
            return;
        }
        // Every member has the same bytes and stops at the same entry: a log of a later release, or a disk that lied.
        let proposals = decode_entry(data)
            .unwrap_or_else(|error| panic!("committed entry {index} of term {term} cannot be read: {error}"));
        self.checkpoints.applied_commands(proposals.len() as u64);
        for proposal in &proposals {
            self.apply_proposal(proposal);
        }
    }

    fn apply_proposal(&mut self, proposal: &Proposal) {
        self.proposals.forget(proposal.id);
        let waiting =
            if self.is_own(proposal) { self.pending.take_command(proposal.id.number) } else { None };
        let Some(applied) = self.state.apply(proposal) else {
            // It was applied before and its client, if any, was answered then; or it comes so late that nobody can
            // tell any more.
            if let Some(id) = waiting {
                self.reply(id, Err(RequestError::Timeout));
            }
            return;
        };
        self.counters.note_applied(&proposal.command, &applied);
        let Applied { outcome, effect: Effect { changes, leases, tokens } } = applied;
        self.on_token_changes(tokens);
        for revision in changes.chunk_by(|one, next| one.mod_revision() == next.mod_revision()) {
            self.watches.publish(revision, &self.state.mvcc);
        }
        for change in leases {
            self.on_lease_change(change);
        }
        if let (Command::LeaseExpire(grants), Err(_)) = (&proposal.command, &outcome) {
            grants.iter().for_each(|grant| self.deadlines.refused(*grant, self.now));
        }
        if let (Ok(_), Command::Compact(revision)) = (&outcome, &proposal.command) {
            self.compactions_in_flight.push(*revision);
            self.effects.compactions.push(CompactionStep::Begun(*revision));
        }
        if let (Err(error), Command::LeaseRemaining(notes)) = (&outcome, &proposal.command) {
            self.refuse_clearing(notes, *error);
        }
        if let Some(id) = waiting {
            self.answer_applied(id, &proposal.command, outcome);
        }
    }

    /// Entries that this member skipped over by a snapshot may hold commands that its clients wait for: they were
    /// applied, and nobody here knows with what outcome.
    pub(super) fn answer_skipped(&mut self) {
        let waiting = self.pending.commands();
        let skipped = waiting.filter(|(number, _)| self.state.was_applied(self.own_id(*number)));
        let skipped: Vec<RequestId> = skipped.map(|(_, id)| id).collect();
        for id in skipped {
            self.reply(id, Err(RequestError::Timeout));
        }
    }

    fn is_own(&self, proposal: &Proposal) -> bool {
        let id = proposal.id;
        id.member == self.config.member && id.boot == self.config.boot
    }

    fn answer_applied(&mut self, id: RequestId, command: &Command, outcome: Result<Outcome, RequestError>) {
        let is_physical = matches!(command, Command::Compact(_)) && self.physical_compactions.contains(&id);
        if is_physical && outcome.is_ok() {
            self.pending.change(id, WaitsFor::Compaction);
            return;
        }
        let response = match outcome {
            Ok(Outcome::Put(before)) => Ok(Response::Put(before)),
            Ok(Outcome::DeleteRange(deleted)) => Ok(Response::DeleteRange(deleted)),
            Ok(Outcome::Txn(done)) => Ok(Response::Txn(done)),
            // The state is still as the transaction left it.
            Ok(Outcome::UnfinishedTxn(rest)) => {
                if self.pending.finish(id) {
                    self.hand_out(id, ReadQuery::Rest(rest));
                }
                return;
            }
            Ok(Outcome::Compact) => Ok(Response::Compact),
            Ok(Outcome::LeaseGrant(granted)) => Ok(Response::LeaseGrant(granted)),
            Ok(Outcome::LeaseRevoke) => Ok(Response::LeaseRevoke),
            Ok(Outcome::Alarm(alarms)) => Ok(Response::Alarm(alarms)),
            Ok(Outcome::AuthChange) => Ok(Response::Auth(AuthResponse::Done)),
            Ok(Outcome::Authenticated(told)) => Ok(Response::Auth(AuthResponse::Authenticated(told))),
            Ok(Outcome::OfAMember) => unreachable!("client request {id} waits for {command:?}"),
            Err(refusal) => Err(refusal),
        };
        self.reply(id, response);
    }

    /// A slice of a compaction's physical work; true where more is left.
    pub(super) fn compact_a_slice(&mut self) -> bool {
        let swept_before = self.state.mvcc.swept();
        let has_more = self.state.mvcc.compact_slice(self.config.compaction_slice_keys);
        self.counters.compacted_versions += self.state.mvcc.swept() - swept_before;
        if has_more {
            return true;
        }
        // The work of several is one: the later forgets what the earlier did not come to.
        let finished = self.compactions_in_flight.drain(..).map(CompactionStep::Finished);
        self.effects.compactions.extend(finished);
        // A compaction that is still on its way through the log is not done by this.
        let waiting = std::mem::take(&mut self.physical_compactions);
        for id in waiting {
            if self.pending.waits_for_compaction(id) {
                self.reply(id, Ok(Response::Compact));
            } else if self.pending.contains(id) {
                self.physical_compactions.push(id);
            }
        }
        false
    }
}
