//! What a driver hands out: raft's `Ready` loop run dry, its pieces sorted by where they go.
//!
//! A `Ready` is of one step; an output gathers as many as there are, so that all their records are one write.
//! What may leave before that write is durable, and what may not, is decided here.

use super::super::convert::{entry_from_raft, hard_state_from_raft, message_from_raft, snapshot_from_raft};
use super::super::{HardState, LogEntry, LogRecord, RaftMessage, RaftMessageKind, SnapshotMeta};
use super::{Driver, ReadTicket};
use crate::ids::{MemberId, PersistId};
use raft::Ready;
use raft::eraftpb::Message;

/// What [`Driver::take_output`] returns.
#[derive(Debug, Default, PartialEq)]
pub struct Output {
    /// To other members, at once.
    pub send: Vec<(MemberId, RaftMessage)>,
    /// To the disk; at most one per call, in order of id over all calls.
    pub persist: Option<PersistRequest>,
    /// Raft took the snapshot given to `install`: its state replaces the applied one, before `committed`.
    pub installed: Option<SnapshotMeta>,
    /// To apply, in order: contiguous over all calls, committed, persisted here.
    pub committed: Vec<LogEntry>,
    /// Reads confirmed by a quorum: apply up to the index, then read.
    pub reads: Vec<(ReadTicket, u64)>,
    /// Reads that will never be confirmed: the role or the term changed. Ask again.
    pub reads_dropped: Vec<ReadTicket>,
    /// Snapshot announcements. They must not travel as messages: the state that was applied at the last
    /// `set_snapshot` goes first, then this. That state is the one before `committed` of this output.
    pub snapshots_to_send: Vec<(MemberId, RaftMessage)>,
}

/// Records to make durable, and what may be said once they are.
#[derive(Debug, Default, PartialEq)]
pub struct PersistRequest {
    /// Counts up by one.
    pub id: PersistId,
    /// In order. Empty where messages only wait for what was handed out before.
    pub records: Vec<LogRecord>,
    /// Votes and acknowledgements that speak of these records or of earlier ones.
    pub then_send: Vec<(MemberId, RaftMessage)>,
}

/// A write handed out and not yet persisted.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) id: PersistId,
    /// Raft's number of the last `Ready` it covers.
    pub(super) ready: u64,
    /// Of the hard state in force when it was handed out.
    pub(super) term: u64,
    /// It changes the log, not only the hard state.
    pub(super) has_log: bool,
}

impl Driver {
    /// What is to be done. Runs until raft has nothing more to say.
    pub fn take_output(&mut self) -> Output {
        self.note_role();
        let mut output =
            Output { reads_dropped: std::mem::take(&mut self.reads_dropped), ..Output::default() };
        let mut write = PersistRequest::default();
        let mut has_log = false;
        let mut last_ready = 0;
        while self.raw.has_ready() {
            let ready = self.raw.ready();
            last_ready = ready.number();
            has_log |= !ready.entries().is_empty() || !ready.snapshot().is_empty();
            self.take_ready(ready, &mut output, &mut write);
        }
        if !write.records.is_empty() || !write.then_send.is_empty() {
            self.last_persist = PersistId(self.last_persist.0 + 1);
            write.id = self.last_persist;
            let term = self.term();
            self.in_flight.push_back(InFlight { id: write.id, ready: last_ready, term, has_log });
            output.persist = Some(write);
        } else if self.in_flight.is_empty() && last_ready > 0 {
            // Nothing to wait for: let raft forget the number.
            self.raw.on_persist_ready(last_ready);
        }
        self.check_committed(&output);
        output
    }

    fn take_ready(&mut self, mut ready: Ready, output: &mut Output, write: &mut PersistRequest) {
        for state in ready.take_read_states() {
            // 4 bytes of boot, 8 of counter: only contexts made by `read_index` come back.
            let counter = state.request_ctx[4..].try_into().expect("12 bytes, as read_index made it");
            let ticket = ReadTicket(u64::from_be_bytes(counter));
            // I15: an answer is to a question that was asked.
            assert!(
                ticket <= self.last_read,
                "{ticket:?} was never asked, the last was {:?}",
                self.last_read
            );
            if self.reads.remove(&ticket) {
                output.reads.push((ticket, state.index));
            }
        }
        self.take_records(&ready, output, write);
        let messages: Vec<Message> =
            ready.take_messages().into_iter().chain(ready.take_persisted_messages()).collect();
        output.committed.extend(ready.take_committed_entries().iter().map(entry_from_raft));
        self.raw.advance_append_async(ready);

        // A candidate that needs no other's vote leads before its term is persisted; if it spoke and crashed it
        // would lead the same term again with other entries.
        let must_wait = match self.is_leader() {
            true => self.persisted_term < self.term(),
            false => !self.in_flight.is_empty() || !write.records.is_empty(),
        };
        for message in &messages {
            let message = message_from_raft(message);
            if message.1.kind == RaftMessageKind::Snapshot {
                if let (to, RaftMessage { snapshot: Some(meta), .. }) = &message {
                    self.pinned.pin_after(meta.index, *to);
                }
                output.snapshots_to_send.push(message);
            } else if must_wait {
                write.then_send.push(message);
            } else {
                self.check_persisted(&message.1);
                output.send.push(message);
            }
        }
    }

    /// What of a `Ready` must be persisted. A snapshot's place, its members and the hard state are one record, so
    /// that no crash can leave one without the other: docs/raft-rs-hazards.md#snapshot-and-hard-state.
    fn take_records(&mut self, ready: &Ready, output: &mut Output, write: &mut PersistRequest) {
        let changed = ready.hs().map(hard_state_from_raft);
        if let Some(hard_state) = changed {
            self.waiting_hard_state = Some(hard_state);
        }
        if !ready.must_sync() {
            return;
        }
        if !ready.snapshot().is_empty() {
            let meta = snapshot_from_raft(ready.snapshot());
            // Entries after the snapshot may be committed already; the record they are in says so.
            let hard_state = hard_state_from_raft(&self.raw.raft.hard_state());
            let hard_state = HardState { commit: meta.index, ..hard_state };
            self.check_hard_state(hard_state);
            write.records.push(LogRecord::Installed { hard_state, meta: meta.clone() });
            self.raw.mut_store().reset(meta.clone());
            self.delivered = meta.index;
            self.applied = meta.index;
            assert!(output.committed.is_empty(), "entries before a snapshot, in one output with it");
            output.installed = Some(meta);
            self.waiting_hard_state = self.waiting_hard_state.take().filter(|waiting| *waiting != hard_state);
        }
        self.raw.mut_store().append(ready.entries());
        let hard_state = self.waiting_hard_state.take();
        if let Some(hard_state) = hard_state {
            self.check_hard_state(hard_state);
        }
        if hard_state.is_some() || !ready.entries().is_empty() {
            let entries = ready.entries().iter().map(entry_from_raft).collect();
            write.records.push(LogRecord::Append { hard_state, entries });
        }
    }

    /// I4: a vote, or an acknowledgement, that leaves at once speaks of nothing that is not persisted here.
    fn check_persisted(&self, message: &RaftMessage) {
        let RaftMessage { kind, term, index, reject, .. } = message;
        match kind {
            RaftMessageKind::AppendResponse if !reject => {
                let persisted = self.persisted_index().max(self.raw.store().first() - 1);
                assert!(*index <= persisted, "acknowledges entry {index}, persisted up to {persisted}");
            }
            RaftMessageKind::Vote | RaftMessageKind::VoteResponse if !reject => {
                assert!(
                    *term <= self.persisted_term,
                    "{kind:?} of term {term}, persisted {}",
                    self.persisted_term
                );
            }
            _ => {}
        }
    }

    /// I11: neither the term nor, within a term, a vote that was given goes back.
    fn check_hard_state(&mut self, next: HardState) {
        let last = self.last_hard_state;
        let is_later = next.term > last.term;
        let is_same = next.term == last.term && (last.vote == next.vote || last.vote == MemberId(0));
        assert!(is_later || is_same, "{next:?} after {last:?}");
        self.last_hard_state = next;
    }

    /// I3: what is delivered is contiguous, committed, and persisted here.
    fn check_committed(&mut self, output: &Output) {
        for entry in &output.committed {
            assert_eq!(entry.index, self.delivered + 1, "delivered entry {} out of order", entry.index);
            self.delivered = entry.index;
        }
        let (delivered, committed) = (self.delivered, self.committed());
        assert!(delivered <= committed, "delivered {delivered} beyond committed {committed}");
        // An installed snapshot's file is durable, and has its name before its record is written; nothing after it is
        // delivered meanwhile.
        let persisted = self.persisted_index().max(self.raw.store().first() - 1);
        assert!(delivered <= persisted, "delivered {delivered} beyond persisted {persisted}");
    }
}
