//! Hunts for seeded bugs: random seeds, as `many` runs them, with a bug in them until one fails. A hunt uses nothing
//! of its bug but the budget.

pub mod record;

use crate::case::Case;
use crate::run::Report;
use crate::runner::{Broken, run_case};
use crate::trace::Trace;
use detcd_engine::seeded::Bug;
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
    pub found: Option<(Case, Broken)>,
}

/// Runs seeds from `first` on with a bug in them until one fails, `budget` seeds at most.
pub fn hunt(bug: &'static Bug, first: u64, budget: u64) -> Hunt {
    let mut hunt = Hunt { bug, seeds: 0, simulated: Duration::ZERO, found: None };
    for seed in first..first + budget {
        hunt.seeds += 1;
        let case = Case { bug: Some(bug.name.to_owned()), ..Case::draw(seed) };
        match run_case(&case, &Trace::default()) {
            Ok(Report { simulated, .. }) => hunt.simulated += simulated,
            // A seed that fails anyway has found something else.
            Err(_) if run_case(&Case { bug: None, ..case.clone() }, &Trace::default()).is_err() => {}
            Err(broken) => {
                hunt.found = Some((case, broken));
                break;
            }
        }
    }
    hunt
}

/// A hunt's line, as it ends; the table in docs/simulation.md is `record`'s.
pub fn row(hunt: &Hunt) -> String {
    let Bug { name, origin, .. } = hunt.bug;
    let simulated = hunt.simulated.as_secs();
    match &hunt.found {
        Some((_, broken)) => {
            format!("| {name} | {origin} | {} | {simulated} | {} |", hunt.seeds, broken.name())
        }
        None => format!("| {name} | {origin} | not in {} | {simulated} | |", hunt.seeds),
    }
}

/// What the lines of `row` begin with.
pub const HEAD: &str =
    "| Bug | Origin | Seeds | Simulated seconds | Promise that it broke |\n| --- | --- | --- | --- | --- |";
