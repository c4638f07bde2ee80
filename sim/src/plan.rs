//! The plan: which faults a run has, and when. It is drawn before the run, so that it can be run again with fewer
//! faults.
//!
//! A plan is plain data. Every fault has its own duration, so any of them can be left out without a change to the
//! others. Each is drawn from a stream of its own (its class and its ordinal in the class), so that one more class, or
//! one fault less in another class, does not change it.
//!
//! **The fault atlas.** A member whose files are damaged or gone must not start again under its old name: votes and
//! acknowledgements may be missing. So only members of one minority, drawn first (`fragile`), ever lose data, and the
//! liveness phase keeps no other members failed: the rest is always a quorum.

mod class;
mod draw;
mod fault;
mod liveness;

pub use class::{FaultClass, Rates};
pub use fault::{Clog, Fault, PlannedFault};
pub use liveness::Liveness;

use crate::random::Seed;
use draw::Targets;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Faults begin until then; after that the cluster is healed and must recover.
const FAULTS_MS: [u64; 4] = [5000, 20_000, 20_000, 30_000];

/// The faults of a run, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Each with when it happens.
    pub faults: Vec<PlannedFault>,
    /// When the cluster is healed, from the start.
    pub ends_ms: u64,
    /// What is not healed then, but only once every client was served without it.
    #[serde(rename = "aftermath")]
    pub liveness: Liveness,
}

impl Plan {
    /// A plan for so many members.
    pub fn draw(seed: Seed, members: usize, rates: &Rates) -> Plan {
        let mut places: Vec<usize> = (0..members).collect();
        seed.stream("plan/fragile").shuffle(&mut places);
        places.truncate((members - 1) / 2);
        let ends_ms = seed.stream("plan/ends").pick(&FAULTS_MS);
        let targets = Targets { members, fragile: places };
        let mut faults = Vec::new();
        for (class, count) in &rates.0 {
            faults.extend((0..*count).filter_map(|ordinal| targets.planned(*class, seed, ordinal, ends_ms)));
        }
        // Stable: of two at one time, the class that is named first.
        faults.sort_by_key(|planned| planned.at_ms);
        let liveness = Liveness::draw(seed, &targets);
        Plan { faults, ends_ms, liveness }
    }

    /// Whether it can be run with so many members.
    ///
    /// # Errors
    /// The first fault, by its place, that names a member that does not exist; or more members that are lost for
    /// good or kept failed than the others can do without.
    pub fn check(&self, members: usize) -> Result<(), String> {
        let mut lost: BTreeSet<usize> = self.liveness.rest.iter().copied().collect();
        for (place, PlannedFault { fault, .. }) in self.faults.iter().enumerate() {
            let named = fault.members();
            if let Some(member) = named.iter().find(|member| **member >= members) {
                return Err(format!(
                    "plan.faults[{place}] ({}): member {member} of a cluster of {members}, counted from 0",
                    fault.name()
                ));
            }
            if fault.is_final() {
                lost.extend(named);
            }
        }
        self.liveness.check(members)?;
        if lost.len() > (members - 1) / 2 {
            return Err(format!(
                "plan: members {lost:?} of {members} are lost for good or kept failed, and the others are no quorum"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
