//! What goes wrong in a run, and when: drawn before it begins, so that the same plan can be run again with less in it.
//!
//! A plan is plain data. Every fault says itself for how long it lasts, so any of them can be left out and the rest
//! still means what it meant; each is drawn from a stream of its own (its class and its place in the class), so that
//! a class more, or a fault less in another class, leaves it as it was.

mod class;
mod fault;

pub use class::{FaultClass, Rates};
pub use fault::{Fault, Link};

use crate::random::Seed;
use serde::{Deserialize, Serialize};

/// Faults begin before this; then everything is made whole and all must go well.
pub const TROUBLE_MS: u64 = 20_000;

/// The faults of a run, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Each with when it happens.
    pub faults: Vec<PlannedFault>,
    /// When all is made whole, from the start.
    pub ends_ms: u64,
}

/// A fault and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// From the start.
    pub at_ms: u64,
    /// What happens.
    pub fault: Fault,
}

impl Plan {
    /// A plan for so many members.
    pub fn draw(seed: Seed, members: usize, rates: &Rates) -> Plan {
        let mut faults = Vec::new();
        for (class, count) in &rates.0 {
            for ordinal in 0..*count {
                let mut stream = seed.stream(&format!("plan/{}/{ordinal}", class.name()));
                let at_ms = stream.within(0..TROUBLE_MS);
                faults.push(PlannedFault { at_ms, fault: class.draw(&mut stream, members) });
            }
        }
        // Stable: of two at one time, the class that is named first.
        faults.sort_by_key(|planned| planned.at_ms);
        Plan { faults, ends_ms: TROUBLE_MS }
    }

    /// Whether it can be run with so many members.
    ///
    /// # Errors
    /// The first fault, by its place, that names a member that does not exist.
    pub fn check(&self, members: usize) -> Result<(), String> {
        for (place, planned) in self.faults.iter().enumerate() {
            let named = planned.fault.members();
            if let Some(member) = named.iter().find(|member| **member >= members) {
                let name = planned.fault.name();
                return Err(format!(
                    "plan.faults[{place}] ({name}): member {member} of a cluster of {members}, counted from 0"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(each: u64) -> Rates {
        Rates(FaultClass::ALL.iter().map(|class| (*class, each)).collect())
    }

    #[test]
    fn a_fault_stays_what_it_was_when_others_go() {
        let full = Plan::draw(Seed(5), 3, &rates(4));
        let mut without = rates(4);
        without.0.remove(&FaultClass::Cuts);
        let less = Plan::draw(Seed(5), 3, &without);
        let kept: Vec<_> = full
            .faults
            .iter()
            .filter(|planned| !matches!(planned.fault, Fault::Cut { .. }))
            .cloned()
            .collect();
        assert_eq!(kept, less.faults);
        assert!(less.faults.len() < full.faults.len());
    }

    #[test]
    fn a_plan_is_the_same_after_a_file() {
        let plan = Plan::draw(Seed(9), 5, &rates(10));
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }

    #[test]
    fn a_fault_that_does_not_exist_or_has_another_field_is_refused() {
        let read = |text: &str| serde_json::from_str::<Fault>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"kill":{"member":1,"down_ms":5}}"#), Ok(Fault::Kill { member: 1, down_ms: 5 }));
        let unknown = read(r#"{"meteor":{"member":1}}"#).unwrap_err();
        assert!(unknown.contains("unknown variant `meteor`"), "{unknown}");
        let field = read(r#"{"kill":{"member":1,"down_ms":5,"up_ms":1}}"#).unwrap_err();
        assert!(field.contains("unknown field `up_ms`"), "{field}");
    }

    #[test]
    fn a_member_that_does_not_exist_is_named() {
        let plan = Plan {
            faults: vec![PlannedFault { at_ms: 0, fault: Fault::Kill { member: 3, down_ms: 1 } }],
            ends_ms: 1,
        };
        assert_eq!(plan.check(5), Ok(()));
        let error = plan.check(3).unwrap_err();
        assert_eq!(error, "plan.faults[0] (kill): member 3 of a cluster of 3, counted from 0");
    }
}
