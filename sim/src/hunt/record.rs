//! The kept results of hunts: for each bug the seed that found it, and a small case that finds it at once.
//!
//! `corpus/bugs/BUG.json` is the directed plan, a case like any other. `corpus/bugs/hunts.json` holds the seeds, and is
//! what the table in docs/simulation.md is written from. Both are written by `detcd-sim mutants --write` and by nothing
//! else. A seed means another run as soon as one draw is added anywhere; then its bug is hunted anew. A directed plan
//! outlives that.

use super::Hunt;
use crate::case::Case;
use crate::runner::run_case;
use crate::trace::Trace;
use detcd_engine::seeded::{BUGS, Bug};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The table stands between these lines.
pub const MARKS: (&str, &str) = ("<!-- bugs: written by `mutants --write` -->", "<!-- end of bugs -->");

/// How the last hunt of a bug ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// That found it.
    pub seed: u64,
    /// So many were run until it did.
    pub seeds: u64,
    /// How long these runs were for their clusters, without that which found it.
    pub simulated_secs: u64,
    /// The promise that it broke.
    pub broke: String,
}

/// The last hunts, by bug. A bug that is not there was never found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hunts(BTreeMap<String, Found>);

/// Where directed plans and hunts are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/bugs")
}

/// A bug's directed plan.
pub fn plan_path(bug: &Bug) -> PathBuf {
    directory().join(format!("{}.json", bug.name))
}

impl Hunts {
    fn path() -> PathBuf {
        directory().join("hunts.json")
    }

    /// As they are kept; none where there is no file.
    ///
    /// # Errors
    /// The file and what is wrong with it.
    pub fn load() -> Result<Hunts, String> {
        let path = Hunts::path();
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Hunts::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Keeps them.
    ///
    /// # Errors
    /// The file that could not be written, and why.
    pub fn save(&self) -> Result<(), String> {
        let path = Hunts::path();
        let text = serde_json::to_string_pretty(self).expect("plain data") + "\n";
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// A hunt ended. One that found nothing removes the result of an earlier one: the simulator has become weaker.
    pub fn note(&mut self, hunt: &Hunt) {
        let Some((case, broken)) = &hunt.found else {
            self.0.remove(hunt.bug.name);
            return;
        };
        let found = Found {
            seed: case.swarm.seed.0,
            seeds: hunt.seeds,
            simulated_secs: hunt.simulated.as_secs(),
            broke: broken.name(),
        };
        self.0.insert(hunt.bug.name.to_owned(), found);
    }

    /// What found a bug last.
    pub fn of(&self, bug: &Bug) -> Option<&Found> {
        self.0.get(bug.name)
    }

    /// All bugs as a table.
    pub fn table(&self) -> String {
        let rows = BUGS.iter().map(|bug| {
            let Bug { name, origin, budget, .. } = bug;
            match self.of(bug) {
                Some(Found { seeds, simulated_secs, broke, .. }) => {
                    format!("| {name} | {origin} | {seeds} of {budget} | {simulated_secs} | {broke} |\n")
                }
                None => format!("| {name} | {origin} | not found yet | | |\n"),
            }
        });
        let head = "| Bug | Origin | Seeds, of its budget | Simulated s | Promise that it broke |\n| --- | --- | --- | --- | --- |\n";
        head.to_owned() + &rows.collect::<String>()
    }
}

/// `text` with the table in place of what stood between the marks.
///
/// # Errors
/// The marks are not there.
pub fn with_table(text: &str, table: &str) -> Result<String, String> {
    let (begin, end) = MARKS;
    let lacks = || format!("the lines {begin:?} and {end:?} are to be there, in this order");
    let (before, rest) = text.split_once(begin).ok_or_else(lacks)?;
    let (_, after) = rest.split_once(end).ok_or_else(lacks)?;
    Ok(format!("{before}{begin}\n{table}{end}{after}"))
}

/// Whether a bug is still found by what is kept of it: its directed plan, which passes without the bug and breaks with it
/// what the bug says, and, where `with_seed`, the seed.
///
/// # Errors
/// What is not as it was, and what to do about it.
pub fn check(bug: &'static Bug, with_seed: bool) -> Result<(), String> {
    let name = bug.name;
    let again = format!("hunt it again: cargo run --release -p detcd-sim -- mutants {name} --write");
    let case = Case::load(&plan_path(bug)).map_err(|error| format!("{error}\n{again}"))?;
    if case.bug.as_deref() != Some(name) {
        return Err(format!("the directed plan of {name} switches {:?} on", case.bug));
    }
    if let Err(broken) = run_case(&Case { bug: None, ..case.clone() }, &Trace::default()) {
        return Err(format!(
            "without a bug the directed plan of {name} breaks a promise too:\n{}",
            broken.text
        ));
    }
    match run_case(&case, &Trace::default()) {
        Ok(_) => return Err(format!("the directed plan of {name} does not find it any more; {again}")),
        Err(broken) if broken.name() != bug.breaks => {
            let (found, breaks) = (broken.name(), bug.breaks);
            return Err(format!(
                "the directed plan of {name} breaks {found}, not {breaks} as its file says: write that there, or {again}"
            ));
        }
        Err(_) => {}
    }
    let hunts = Hunts::load()?;
    let Some(Found { seed, .. }) = hunts.of(bug).filter(|_| with_seed) else { return Ok(()) };
    let case = Case { bug: Some(name.to_owned()), ..Case::draw(*seed) };
    match run_case(&case, &Trace::default()) {
        Ok(_) => Err(format!("seed {seed} does not find {name} any more; {again}")),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_between_its_marks() {
        let text = format!("before\n{}\nold\n{}\nafter\n", MARKS.0, MARKS.1);
        let expected = format!("before\n{}\n| new |\n{}\nafter\n", MARKS.0, MARKS.1);
        assert_eq!(with_table(&text, "| new |\n"), Ok(expected));
        assert!(with_table("no marks", "").unwrap_err().contains(MARKS.0));
    }

    #[test]
    fn what_is_kept_speaks_of_bugs_that_there_are() {
        let hunts = Hunts::load().unwrap();
        for name in hunts.0.keys() {
            crate::bugs::named(name).unwrap();
        }
        assert_eq!(hunts.table().lines().count(), BUGS.len() + 2);
    }
}
