//! Promise: at every applied index all members have the same state, whether they reached it by applying entries, by
//! a snapshot of their own and the log behind it, or by a snapshot of another member.
//!
//! It is checked at every turn of every member, so a difference is found at the entry that caused it.

use super::leases::Clocks;
use super::promise::Promise;
use super::raft::Raft;
use crate::trace::Trace;
use detcd_engine::effects::Effects;
use detcd_engine::engine::Status;
use detcd_engine::ids::MemberId;
use detcd_engine::time::Time;
use server_sim::member::Observer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The state hashes that all members reported. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct ReplicasAgree {
    inner: Arc<Mutex<Inner>>,
    raft: Raft,
    clocks: Clocks,
}

#[derive(Debug, Default)]
struct Inner {
    /// By index: the hash and the member that reported it first.
    states: BTreeMap<u64, (u128, String)>,
    /// The leader of each term.
    leaders: BTreeMap<u64, String>,
    compared: u64,
    /// Hashes of states that an intruder made up.
    forbidden: BTreeSet<u128>,
}

impl ReplicasAgree {
    /// The checks of raft.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// By how much their clocks ran ahead.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// How often a member's state was compared with another's.
    pub fn compared(&self) -> u64 {
        self.lock().compared
    }

    /// The newest index that any member has applied.
    pub fn newest(&self) -> u64 {
        self.lock().states.keys().next_back().copied().unwrap_or(0)
    }

    /// An intruder made a state up; no member may have it.
    pub fn forbid_state(&self, hash: u128) {
        self.lock().forbidden.insert(hash);
    }

    /// A member reports the hash of its state at an index.
    ///
    /// # Panics
    /// Another reported a different one, or an intruder made that state up.
    pub fn report_state(&self, member: &str, index: u64, hash: u128) {
        let mut inner = self.lock();
        let is_made_up = inner.forbidden.contains(&hash);
        let (first_hash, first) =
            inner.states.entry(index).or_insert_with(|| (hash, member.to_owned())).clone();
        inner.compared += u64::from(first != member);
        drop(inner);
        let adopted = || format!("{member} has adopted one at {index}");
        assert!(!is_made_up, "{}", Promise::Planted.broken(adopted()));
        let how = || format!("at {index} {first} has {first_hash:032x} and {member} has {hash:032x}");
        assert!(first_hash == hash, "{}", Promise::ReplicasAgree.broken(how()));
    }

    /// A member reports that it leads.
    ///
    /// # Panics
    /// Another one led in that term.
    pub fn leads(&self, member: &str, term: u64) {
        let leader = self.lock().leaders.entry(term).or_insert_with(|| member.to_owned()).clone();
        let how = format!("in term {term} there are {leader} and {member}");
        assert!(leader == member, "{}", Promise::OneLeader.broken(how));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic while it is held")
    }
}

/// Observes one boot of one member.
#[derive(Debug)]
pub struct MemberObserver {
    id: MemberId,
    member: String,
    agreement: ReplicasAgree,
    trace: Trace,
    last: Mutex<Option<Last>>,
}

/// The status of a member after its last turn.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    term: u64,
    committed: u64,
    applied: u64,
    is_leader: bool,
    /// What its clock showed when true time was zero, in milliseconds, as far as was noticed.
    clock_offset_ms: i64,
}

/// Less is how a clock is read: in whole milliseconds.
const NOTICED_MS: i64 = 3;

impl MemberObserver {
    /// At the member of this id and name.
    pub fn new(id: MemberId, member: String, agreement: ReplicasAgree, trace: Trace) -> MemberObserver {
        MemberObserver { id, member, agreement, trace, last: Mutex::default() }
    }

    /// The clock's offset to go on with. What it ran ahead since the last turn is recorded for the checker of leases.
    fn update_clock_offset(&self, now: Time, before_ms: Option<i64>) -> i64 {
        let truth = crate::clock::simulated_now();
        let truth_ms = i64::try_from(truth.as_millis()).expect("a run is short");
        let offset_ms = now.as_ms().cast_signed() - truth_ms;
        let Some(before_ms) = before_ms else { return offset_ms };
        let ahead_ms = offset_ms - before_ms;
        if ahead_ms >= NOTICED_MS {
            let by = Duration::from_millis(ahead_ms.unsigned_abs());
            self.agreement.clocks().ran_ahead(truth, by);
        }
        if (0..NOTICED_MS).contains(&ahead_ms) { before_ms } else { offset_ms }
    }
}

impl Observer for MemberObserver {
    fn turn(&self, now: Time, effects: &Effects, status: &Status) {
        for (index, hash) in &effects.applied {
            self.trace.event(&self.member, format_args!("has applied {index}: {hash:032x}"), &[]);
            self.agreement.report_state(&self.member, *index, *hash);
        }
        if status.is_leader {
            self.agreement.leads(&self.member, status.term);
        }
        self.agreement.raft().turn(&self.member, effects, status);
        let mut last = self.last.lock().expect("no panic while it is held");
        if last.is_none() {
            self.agreement.raft().recovers(self.id, &self.member, status);
        }
        let Status { term, committed, applied, is_leader, .. } = *status;
        let clock_offset_ms = self.update_clock_offset(now, last.map(|last| last.clock_offset_ms));
        let is = Last { term, committed, applied, is_leader, clock_offset_ms };
        let was = last.replace(is).unwrap_or_default();
        match (was.is_leader, is_leader) {
            (false, true) => self.trace.begins(&self.member, "leads", format_args!("leads in term {term}")),
            (true, false) => self.trace.ends(&self.member, "leads", format_args!("follows in term {term}")),
            _ => {}
        }
        let grows = term >= was.term && committed >= was.committed && applied >= was.applied;
        let how = format_args!("{} went from {was:?} to {is:?}", self.member);
        assert!(grows && applied <= committed, "{}", Promise::Monotone.broken(how));
    }
}
