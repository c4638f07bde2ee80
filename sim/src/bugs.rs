//! Seeded bugs: mistakes that others made, put into the twins of engine and server (`sim/engine-sim/bugs`, a file
//! each), for the simulator to find. One that it does not find is a gap of the simulator's: a fault that it never
//! makes, a workload that never goes there, a promise that nobody checks.
//!
//! A bug is on for one thread and one run at a time. Hunting takes random seeds, as `many` does, and knows nothing of
//! the bug but its budget.

use crate::run::{Failure, Report, run};
use detcd_engine::seeded::{self, BUGS, Bug};
use std::time::Duration;

/// How a hunt ended.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// What was hunted.
    pub bug: &'static Bug,
    /// Seeds run, that which found it included.
    pub seeds: u64,
    /// How long these runs were for their clusters, that which found it not included.
    pub simulated: Duration,
    /// What found it; `None` where nothing did within the budget.
    pub found: Option<Failure>,
}

/// The seeded bug of this name.
///
/// # Errors
/// There is none; says which there are.
pub fn named(name: &str) -> Result<&'static Bug, String> {
    let found = BUGS.iter().find(|bug| bug.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = BUGS.iter().map(|bug| bug.name).collect();
        format!("there is no seeded bug {name:?}; there are {}", names.join(", "))
    })
}

/// Does something with a bug switched on, on this thread.
pub fn with<T>(bug: &'static Bug, work: impl FnOnce() -> T) -> T {
    /// Whatever becomes of the work, the next run has no bug.
    struct SwitchOff;
    impl Drop for SwitchOff {
        fn drop(&mut self) {
            seeded::set(None);
        }
    }
    let _off = SwitchOff;
    seeded::set(Some(bug.name));
    work()
}

/// Runs seeds from `first` on with a bug in them until one fails, `budget` seeds at most.
pub fn hunt(bug: &'static Bug, first: u64, budget: u64) -> Hunt {
    let mut hunt = Hunt { bug, seeds: 0, simulated: Duration::ZERO, found: None };
    for seed in first..first + budget {
        hunt.seeds += 1;
        match with(bug, || run(seed, false)) {
            Ok(Report { simulated, .. }) => hunt.simulated += simulated,
            Err(failure) => {
                hunt.found = Some(*failure);
                break;
            }
        }
    }
    hunt
}

/// The promise that was broken, in short: without what broke it.
pub fn promise(failure: &Failure) -> String {
    let text = failure.promise.lines().next().unwrap_or_default();
    match text.split_once("promise broken: ") {
        Some((_, promise)) => promise.split(", but").next().unwrap_or_default().to_owned(),
        None => format!("assertion: {}", text.chars().take(80).collect::<String>()),
    }
}

/// A line of the table in docs/simulation.md.
pub fn row(hunt: &Hunt) -> String {
    let Bug { name, origin, .. } = hunt.bug;
    let simulated = hunt.simulated.as_secs();
    match &hunt.found {
        Some(failure) => {
            format!("| {name} | {origin} | {} | {simulated} | {} |", hunt.seeds, promise(failure))
        }
        None => format!("| {name} | {origin} | not in {} | {simulated} | |", hunt.seeds),
    }
}

/// The table's head.
pub const HEAD: &str =
    "| Bug | Origin | Seeds | Simulated seconds | Promise that it broke |\n| --- | --- | --- | --- | --- |";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_on_while_the_work_lasts() {
        let bug = &BUGS[0];
        assert_eq!(with(bug, seeded::on), Some(bug.name));
        assert_eq!(seeded::on(), None);
        assert!(std::panic::catch_unwind(|| with(bug, || panic!("as a run that fails"))).is_err());
        assert_eq!(seeded::on(), None);
    }

    #[test]
    fn a_bug_that_does_not_exist_is_named() {
        let told = named("no_such_bug").unwrap_err();
        assert!(told.contains("\"no_such_bug\"") && told.contains(BUGS[0].name), "{told}");
    }
}
