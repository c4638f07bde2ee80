//! Whose client waits for what, and until when.
//!
//! Every request that is not answered at once is here until it is answered, abandoned or out of time. The counter of
//! a request id only goes up and all wait equally long, so the oldest is always the first to run out of time.

use crate::ids::RequestId;
use crate::raft::LeaseAsk;
use crate::request::LeaseId;
use crate::time::Time;
use bytes::Bytes;
use std::collections::BTreeMap;

/// The waiting requests of this member's clients.
#[derive(Debug, Default)]
pub(super) struct Pending {
    by_counter: BTreeMap<u64, Waiting>,
}

/// One waiting request.
#[derive(Debug)]
pub(super) struct Waiting {
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
        /// As encoded.
        command: Bytes,
        /// When it was last proposed or forwarded.
        sent_at: Time,
    },
    /// An index that a quorum confirms.
    Read,
    /// The leader's word on a lease.
    Lease {
        /// To be asked again when the leader changes.
        ask: LeaseAsk,
        /// When it was last asked.
        sent_at: Time,
    },
    /// A compaction's physical work.
    Compaction,
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.by_counter.len()
    }

    pub(super) fn add(&mut self, id: RequestId, since: Time, until: Time, what: WaitsFor) {
        let before = self.by_counter.insert(id.counter, Waiting { id, since, until, what });
        assert!(before.is_none(), "request id {id} was used before");
    }

    /// The client left. Its command, if it was proposed, is applied all the same.
    pub(super) fn forget(&mut self, id: RequestId) {
        self.by_counter.remove(&id.counter);
    }

    /// Whether its client still waits.
    pub(super) fn contains(&self, id: RequestId) -> bool {
        self.by_counter.get(&id.counter).is_some_and(|waiting| waiting.id == id)
    }

    /// It is being answered: whether its client still waits for that.
    pub(super) fn finish(&mut self, id: RequestId) -> bool {
        let is_here = self.contains(id);
        if is_here {
            self.by_counter.remove(&id.counter);
        }
        is_here
    }

    /// It waits for something else from now on.
    pub(super) fn change(&mut self, id: RequestId, what: WaitsFor) {
        if let Some(waiting) = self.by_counter.get_mut(&id.counter).filter(|waiting| waiting.id == id) {
            waiting.what = what;
        }
    }

    /// A request that has run out of time.
    pub(super) fn take_expired(&mut self, now: Time) -> Option<Waiting> {
        let oldest = self.by_counter.first_entry()?;
        (oldest.get().until <= now).then(|| oldest.remove())
    }

    /// When the next one does.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.by_counter.values().next().map(|waiting| waiting.until)
    }

    /// Commands last sent at or before `sent_by`, in the order they came; each counts as sent at `now`.
    pub(super) fn take_unsent_commands(&mut self, sent_by: Time, now: Time) -> Vec<Bytes> {
        let mut unsent = Vec::new();
        for waiting in self.by_counter.values_mut() {
            if let WaitsFor::Command { command, sent_at } = &mut waiting.what
                && *sent_at <= sent_by
            {
                *sent_at = now;
                unsent.push(command.clone());
            }
        }
        unsent
    }

    /// Questions about leases last asked at or before `sent_by`; each counts as asked at `now`.
    pub(super) fn take_unsent_asks(&mut self, sent_by: Time, now: Time) -> Vec<(RequestId, LeaseAsk)> {
        let mut unsent = Vec::new();
        for waiting in self.by_counter.values_mut() {
            if let WaitsFor::Lease { ask, sent_at } = &mut waiting.what
                && *sent_at <= sent_by
            {
                *sent_at = now;
                unsent.push((waiting.id, *ask));
            }
        }
        unsent
    }

    /// Whether only a compaction's physical work keeps its client waiting.
    pub(super) fn waits_for_compaction(&self, id: RequestId) -> bool {
        let waiting = self.by_counter.get(&id.counter).filter(|waiting| waiting.id == id);
        waiting.is_some_and(|waiting| matches!(waiting.what, WaitsFor::Compaction))
    }

    /// What a lease's answer was asked for, where its client still waits.
    pub(super) fn asked(&self, id: RequestId) -> Option<LeaseAsk> {
        match self.by_counter.get(&id.counter).filter(|waiting| waiting.id == id)?.what {
            WaitsFor::Lease { ask, .. } => Some(ask),
            WaitsFor::Command { .. } | WaitsFor::Read | WaitsFor::Compaction => None,
        }
    }
}

/// The lease that is asked about.
pub(super) fn lease_of(ask: LeaseAsk) -> LeaseId {
    match ask {
        LeaseAsk::KeepAlive(id) => id,
        LeaseAsk::TimeToLive(request) => request.id,
    }
}
