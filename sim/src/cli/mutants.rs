//! Hunts seeded bugs, and checks that those that were found still are. One bug a thread.

use detcd_engine::seeded::{BUGS, Bug};
use detcd_sim::bugs;
use detcd_sim::case::Case;
use detcd_sim::hunt::record::{self, Hunts};
use detcd_sim::hunt::{self, Hunt};
use detcd_sim::runner::{Broken, run_case};
use detcd_sim::shrink::shrink;
use detcd_sim::trace::Trace;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hunts begin here, far from the seeds of tests.
const FIRST: u64 = 1_000_000;
/// A directed plan is made small within so many runs.
const SHRINK_RUNS: u64 = 120;
const TABLE_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/simulation.md");

/// What is asked.
#[derive(Debug)]
pub(super) struct Mutants {
    /// None for all.
    pub(super) names: Vec<String>,
    /// Seeds for each at most, where that is less than its budget.
    pub(super) seeds_max: u64,
    pub(super) jobs: usize,
    /// Whether what is found is kept, and the table in the documentation written.
    pub(super) writes: bool,
}

/// Hunts.
pub(super) fn hunt(asked: &Mutants) -> Result<(), String> {
    let all = chosen(&asked.names)?;
    let hunts = Mutex::new(Hunts::load()?);
    println!("{}", hunt::HEAD);
    let missed = each(&all, asked.jobs, |bug| {
        let hunt = hunt::hunt(bug, FIRST, u64::from(bug.budget).min(asked.seeds_max));
        println!("{}", hunt::row(&hunt));
        if asked.writes {
            keep(&hunt, &hunts)?;
        }
        match hunt.found {
            Some(_) => Ok(()),
            None => Err(format!("{}: not found in {} seeds", bug.name, hunt.seeds)),
        }
    });
    if asked.writes {
        let table = hunts.into_inner().expect("no panic while it is held").table();
        let failed = |error: std::io::Error| format!("{TABLE_IN}: {error}");
        let text = std::fs::read_to_string(TABLE_IN).map_err(failed)?;
        std::fs::write(TABLE_IN, record::with_table(&text, &table)?).map_err(failed)?;
    }
    joined(missed)
}

/// Keeps a hunt's result at once: a long hunt may be interrupted.
fn keep(hunt: &Hunt, hunts: &Mutex<Hunts>) -> Result<(), String> {
    if let Some((case, broken)) = &hunt.found {
        let path = record::plan_path(hunt.bug);
        let plan = directed(hunt.bug, case, broken)?;
        let dir = path.parent().expect("a file has a directory");
        std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::write(&path, plan.to_text()))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut hunts = hunts.lock().expect("no panic while it is held");
    hunts.note(hunt);
    hunts.save()
}

/// The least of a case that finds a bug, and that passes without the bug.
fn directed(bug: &Bug, case: &Case, broken: &Broken) -> Result<Case, String> {
    let name = broken.name();
    let passes = |case: &Case| run_case(&Case { bug: None, ..case.clone() }, &Trace::default()).is_ok();
    let mut breaks = |case: &Case| {
        run_case(case, &Trace::default()).is_err_and(|other| other.name() == name) && passes(case)
    };
    let (small, size) = shrink(case, SHRINK_RUNS, &mut breaks, &mut |_| {});
    println!("  {}: {size}", bug.name);
    Ok(Case { story: format!("{} {}", bug.origin, bug.story), broke: Some(name), ..small })
}

/// Checks that the bugs that were found still are.
pub(super) fn check(names: &[String], jobs: usize) -> Result<(), String> {
    let all = chosen(names)?;
    let (kept, gaps): (Vec<&Bug>, Vec<&Bug>) =
        all.iter().partition(|bug| Path::exists(&record::plan_path(bug)));
    for gap in gaps {
        println!("{}: never found: the simulator has a gap there", gap.name);
    }
    let count = kept.len();
    joined(each(&kept, jobs, |bug| record::check(bug, true)))?;
    println!("{count} of {} seeded bugs are found by their directed plans and seeds", all.len());
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Bug>, String> {
    if names.is_empty() {
        return Ok(BUGS.iter().collect());
    }
    names.iter().map(|name| bugs::named(name)).collect()
}

fn joined(wrong: Vec<String>) -> Result<(), String> {
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What is wrong with some of them, in any order.
fn each(
    bugs: &[&'static Bug],
    jobs: usize,
    does: impl Fn(&'static Bug) -> Result<(), String> + Sync,
) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = does(bug) {
                        wrong.lock().expect("no panic while it is held").push(problem);
                    }
                }
            });
        }
    });
    wrong.into_inner().expect("no panic while it is held")
}
