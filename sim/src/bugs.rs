//! Seeded bugs: mistakes that others made, put into the copies of engine and server (`sim/engine-sim/edits`),
//! for the simulator to find. One that it does not find is a gap of the simulator: a fault that it never
//! injects, a state that no workload reaches, a promise that no checker checks.
//!
//! A bug is on for one thread and one run at a time.

use detcd_engine::seeded::{BUGS, Bug};

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

/// The name that a case's bug is switched on by; `None` where there is no such bug, which `Case::check` refuses.
pub(crate) fn name(bug: Option<&str>) -> Option<&'static str> {
    BUGS.iter().find(|known| Some(known.name) == bug).map(|known| known.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Promise;

    #[test]
    fn a_bug_breaks_a_promise_or_an_assertion() {
        for Bug { name, breaks, .. } in BUGS {
            let is_promise = Promise::ALL.iter().any(|promise| promise.name() == *breaks);
            assert!(is_promise || breaks.starts_with("assertion in "), "{name} breaks {breaks:?}");
        }
    }

    #[test]
    fn a_bug_that_does_not_exist_is_named() {
        let text = named("no_such_bug").unwrap_err();
        assert!(text.contains("\"no_such_bug\"") && text.contains(BUGS[0].name), "{text}");
    }
}
