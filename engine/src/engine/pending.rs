//! Whose client waits for what, and until when.
//!
//! Every request that is not answered at once is here until it is answered, abandoned or out of time. The counter of
//! a request id only goes up and all wait equally long, so the oldest is always the first to run out of time.
//!
//! Commands have numbers of their own (`CommandId`). A number leads to its request from when the command is queued
//! until it is applied or nobody waits for it any more.

use crate::ids::RequestId;
use crate::peer_message::LeaseRequest;
use crate::request::{Caller, LeaseId};
use crate::time::Time;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The waiting requests of this member's clients.
#[derive(Debug, Default)]
pub(super) struct Pending {
    by_counter: BTreeMap<u64, PendingRequest>,
    /// By the number of a command that waits to be applied: its request's counter.
    commands: BTreeMap<u64, u64>,
}

/// One waiting request.
#[derive(Debug)]
pub(super) struct PendingRequest {
    pub(super) id: RequestId,
    pub(super) since: Time,
    pub(super) until: Time,
    pub(super) what: WaitsFor,
}

/// What a request waits for.
#[derive(Debug)]
pub(super) enum WaitsFor {
    /// Its command to be applied here. Kept to be sent again when a leader is lost.
    Command {
        /// Its own number.
        number: u64,
        /// As encoded.
        command: Bytes,
        /// When it was last proposed or forwarded.
        sent_at: Time,
    },
    /// An index that a quorum confirms.
    Read(Caller),
    /// The leader's answer about a lease.
    Lease {
        /// On whose behalf.
        caller: Caller,
        /// To be asked again when the leader changes.
        request: LeaseRequest,
        /// When it was last asked.
        sent_at: Time,
    },
    /// A compaction's physical work.
    Compaction,
}

impl PendingRequest {
    /// The number of the command that it waits for.
    pub(super) fn command(&self) -> Option<u64> {
        match self.what {
            WaitsFor::Command { number, .. } => Some(number),
            WaitsFor::Read(_) | WaitsFor::Lease { .. } | WaitsFor::Compaction => None,
        }
    }
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.by_counter.len()
    }

    pub(super) fn add(&mut self, id: RequestId, since: Time, until: Time, what: WaitsFor) {
        if let WaitsFor::Command { number, .. } = &what {
            let before = self.commands.insert(*number, id.counter);
            assert_eq!(before, None, "command number {number} of request {id} was used before");
        }
        let before = self.by_counter.insert(id.counter, PendingRequest { id, since, until, what });
        assert!(before.is_none(), "request id {id} was used before");
    }

    /// The client left: the number of its command, if it waited for one. If that is in the log, it is applied all the
    /// same.
    pub(super) fn forget(&mut self, id: RequestId) -> Option<u64> {
        self.take(id)?.command()
    }

    /// Whether its client still waits.
    pub(super) fn contains(&self, id: RequestId) -> bool {
        self.waiting(id).is_some()
    }

    /// It is being answered: whether its client still waits for that.
    pub(super) fn finish(&mut self, id: RequestId) -> bool {
        self.take(id).is_some()
    }

    fn waiting(&self, id: RequestId) -> Option<&PendingRequest> {
        self.by_counter.get(&id.counter).filter(|waiting| waiting.id == id)
    }

    fn take(&mut self, id: RequestId) -> Option<PendingRequest> {
        let Entry::Occupied(waiting) = self.by_counter.entry(id.counter) else {
            return None;
        };
        if waiting.get().id != id {
            return None;
        }
        let taken = waiting.remove();
        forget_command(&mut self.commands, &taken);
        Some(taken)
    }

    /// The command of this number was applied: the request that waits for it, if there still is one. Asked again, as
    /// when the command comes a second time, there is none.
    pub(super) fn take_command(&mut self, number: u64) -> Option<RequestId> {
        let counter = self.commands.remove(&number)?;
        let waiting = self.by_counter.get(&counter);
        Some(waiting.expect("a request that no longer waits leaves no command behind").id)
    }

    /// It waits for something else from now on.
    pub(super) fn change(&mut self, id: RequestId, what: WaitsFor) {
        if let Some(waiting) = self.by_counter.get_mut(&id.counter).filter(|waiting| waiting.id == id) {
            forget_command(&mut self.commands, waiting);
            waiting.what = what;
        }
    }

    /// A request that has run out of time.
    pub(super) fn take_expired(&mut self, now: Time) -> Option<PendingRequest> {
        let oldest = self.by_counter.first_entry()?;
        if oldest.get().until > now {
            return None;
        }
        let expired = oldest.remove();
        forget_command(&mut self.commands, &expired);
        Some(expired)
    }

    /// When the next one does.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.by_counter.values().next().map(|waiting| waiting.until)
    }

    /// Whether a client waits for the command of this number.
    pub(super) fn waits_for_command(&self, number: u64) -> bool {
        self.commands.contains_key(&number)
    }

    /// How many commands are waited for.
    pub(super) fn commands_waiting(&self) -> u64 {
        self.commands.len() as u64
    }

    /// The numbers of all commands that are waited for, with their requests.
    pub(super) fn commands(&self) -> impl Iterator<Item = (u64, RequestId)> {
        self.commands.iter().map(|(number, counter)| (*number, self.by_counter[counter].id))
    }

    /// Commands last sent at or before `sent_by`, with their numbers, in the order they came; each counts as sent at
    /// `now`.
    pub(super) fn take_unsent_commands(&mut self, sent_by: Time, now: Time) -> Vec<(u64, Bytes)> {
        let mut unsent = Vec::new();
        for waiting in self.by_counter.values_mut() {
            if let WaitsFor::Command { number, command, sent_at } = &mut waiting.what
                && *sent_at <= sent_by
            {
                *sent_at = now;
                unsent.push((*number, command.clone()));
            }
        }
        unsent
    }

    /// Questions about leases last asked at or before `sent_by`; each counts as asked at `now`.
    pub(super) fn take_unsent_lease_requests(
        &mut self,
        sent_by: Time,
        now: Time,
    ) -> Vec<(RequestId, Caller, LeaseRequest)> {
        let mut unsent = Vec::new();
        for waiting in self.by_counter.values_mut() {
            if let WaitsFor::Lease { caller, request, sent_at } = &mut waiting.what
                && *sent_at <= sent_by
            {
                *sent_at = now;
                unsent.push((waiting.id, caller.clone(), *request));
            }
        }
        unsent
    }

    /// Whether only a compaction's physical work keeps its client waiting.
    pub(super) fn waits_for_compaction(&self, id: RequestId) -> bool {
        self.waiting(id).is_some_and(|waiting| matches!(waiting.what, WaitsFor::Compaction))
    }

    /// On whose behalf a read waits, where its client still does.
    pub(super) fn reader(&self, id: RequestId) -> Option<Caller> {
        match &self.waiting(id)?.what {
            WaitsFor::Read(caller) => Some(caller.clone()),
            WaitsFor::Command { .. } | WaitsFor::Lease { .. } | WaitsFor::Compaction => None,
        }
    }

    /// The leader could not answer about a lease: the next one is asked.
    pub(super) fn ask_again(&mut self, id: RequestId, now: Time) {
        if let Some(waiting) = self.by_counter.get_mut(&id.counter).filter(|waiting| waiting.id == id)
            && let WaitsFor::Lease { sent_at, .. } = &mut waiting.what
        {
            *sent_at = now;
        }
    }

    /// What a lease's answer was asked for, where its client still waits.
    pub(super) fn asked(&self, id: RequestId) -> Option<LeaseRequest> {
        match self.waiting(id)?.what {
            WaitsFor::Lease { request, .. } => Some(request),
            WaitsFor::Command { .. } | WaitsFor::Read(_) | WaitsFor::Compaction => None,
        }
    }
}

/// Nobody waits for its command any more.
fn forget_command(commands: &mut BTreeMap<u64, u64>, waiting: &PendingRequest) {
    if let Some(number) = waiting.command() {
        commands.remove(&number);
    }
}

/// The lease that is asked about.
pub(super) fn lease_of(request: LeaseRequest) -> LeaseId {
    match request {
        LeaseRequest::KeepAlive(id) => id,
        LeaseRequest::TimeToLive(request) => request.id,
    }
}
