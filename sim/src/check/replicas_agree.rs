//! Promise: at every applied index all members have the same state, whether they came to it by applying entries, by
//! reading a snapshot of their own and the log behind it, or by a snapshot of another member's.
//!
//! Looks at every turn of every member, so a difference is found at the entry that made it.

use crate::trace::Trace;
use detcd_engine::effects::Effects;
use detcd_engine::engine::Status;
use detcd_engine::time::Time;
use server_sim::member::Observer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What all members said of their states. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct ReplicasAgree(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Index, the hash and who said it first.
    states: BTreeMap<u64, (u128, String)>,
    /// Who leads in a term.
    leaders: BTreeMap<u64, String>,
    compared: u64,
}

impl ReplicasAgree {
    /// How often a member's state was compared with another's.
    pub fn compared(&self) -> u64 {
        self.lock().compared
    }

    /// The newest index that any member has applied.
    pub fn newest(&self) -> u64 {
        self.lock().states.keys().next_back().copied().unwrap_or(0)
    }

    /// A member says what its state is at an index.
    ///
    /// # Panics
    /// Another said otherwise.
    pub fn say(&self, member: &str, index: u64, hash: u128) {
        let mut inner = self.lock();
        let (first_hash, first) =
            inner.states.entry(index).or_insert_with(|| (hash, member.to_owned())).clone();
        inner.compared += u64::from(first != member);
        drop(inner);
        assert!(
            first_hash == hash,
            "promise broken: members agree on the state at every applied index, but at {index} {first} has \
             {first_hash:032x} and {member} has {hash:032x}"
        );
    }

    /// A member says that it leads.
    ///
    /// # Panics
    /// Another one led in that term.
    pub fn leads(&self, member: &str, term: u64) {
        let leader = self.lock().leaders.entry(term).or_insert_with(|| member.to_owned()).clone();
        assert!(
            leader == member,
            "promise broken: one leader in a term, but in term {term} there are {leader} and {member}"
        );
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic while it is held")
    }
}

/// Looks on at one boot of one member.
#[derive(Debug)]
pub struct Onlooker {
    member: String,
    agreement: ReplicasAgree,
    trace: Trace,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    term: u64,
    committed: u64,
    applied: u64,
    is_leader: bool,
}

impl Onlooker {
    /// At the member of this name.
    pub fn new(member: String, agreement: ReplicasAgree, trace: Trace) -> Onlooker {
        Onlooker { member, agreement, trace, last: Mutex::default() }
    }
}

impl Observer for Onlooker {
    fn turn(&self, _now: Time, effects: &Effects, status: &Status) {
        for (index, hash) in &effects.applied {
            self.trace.event(&self.member, format_args!("has applied {index}: {hash:032x}"), &[]);
            self.agreement.say(&self.member, *index, *hash);
        }
        if status.is_leader {
            self.agreement.leads(&self.member, status.term);
        }
        let Status { term, committed, applied, is_leader, .. } = *status;
        let before = std::mem::replace(
            &mut *self.last.lock().expect("no panic while it is held"),
            Last { term, committed, applied, is_leader },
        );
        match (before.is_leader, is_leader) {
            (false, true) => self.trace.begins(&self.member, "leads", format_args!("leads in term {term}")),
            (true, false) => self.trace.ends(&self.member, "leads", format_args!("follows in term {term}")),
            _ => {}
        }
        assert!(
            term >= before.term
                && committed >= before.committed
                && applied >= before.applied
                && applied <= committed,
            "promise broken: term, commit and applied index only grow, in this order, but {} went from {before:?} \
             to {:?}",
            self.member,
            Last { term, committed, applied, is_leader },
        );
    }
}
