//! The command line: one seed with all that happens, or many with what they come to.

use detcd_engine::seeded::{BUGS, Bug};
use detcd_sim::bugs;
use detcd_sim::run::{Report, run};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "\
detcd-sim run SEED            one seed, every event printed
detcd-sim many N [FIRST]      N seeds from FIRST on (0 by default); ends at the first that fails
detcd-sim mutants [BUG..]       hunts seeded bugs, all by default";

/// Hunts begin here, far from the seeds of tests.
const FIRST: u64 = 1_000_000;

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u64>().map_err(|_| format!("{word:?} is not a number\n{USAGE}"));
    let outcome = match words[..] {
        ["run", seed] => number(seed).and_then(one),
        ["many", count] => number(count).and_then(|count| many(count, 0)),
        ["many", count, first] => {
            number(count).and_then(|count| number(first).and_then(|first| many(count, first)))
        }
        ["mutants", ref names @ ..] => mutants(names),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: u64) -> Result<(), String> {
    let report = run(seed, true).map_err(|failure| failure.to_string())?;
    println!("{report:#?}");
    Ok(())
}

fn mutants(names: &[&str]) -> Result<(), String> {
    let named: Result<Vec<&Bug>, String> = names.iter().map(|name| bugs::named(name)).collect();
    let all: Vec<&Bug> = if names.is_empty() { BUGS.iter().collect() } else { named? };
    // Every failure is a find: nobody wants their panics.
    std::panic::set_hook(Box::new(|_| {}));
    println!("{}", bugs::HEAD);
    let mut missed = Vec::new();
    for bug in all {
        let hunt = bugs::hunt(bug, FIRST, u64::from(bug.budget));
        println!("{}", bugs::row(&hunt));
        if hunt.found.is_none() {
            missed.push(bug.name);
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("not found: {}", missed.join(", "))) }
}

fn many(count: u64, first: u64) -> Result<(), String> {
    let start = Instant::now();
    let mut said = start;
    let mut sum = Sum::default();
    for seed in first..first + count {
        sum.add(&run(seed, false).map_err(|failure| failure.to_string())?);
        if said.elapsed() > Duration::from_secs(5) {
            said = Instant::now();
            println!("{} of {count} seeds, {}", sum.seeds, sum.told(start.elapsed()));
        }
    }
    println!("{count} seeds kept every promise: {}", sum.told(start.elapsed()));
    Ok(())
}

#[derive(Default)]
struct Sum {
    seeds: u32,
    simulated: Duration,
    calls: usize,
    answered: usize,
    faults: usize,
    compared: u64,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.simulated += report.simulated;
        self.calls += report.calls;
        self.answered += report.answered;
        self.faults += report.faults;
        self.compared += report.compared;
    }

    fn told(&self, wall: Duration) -> String {
        let Sum { seeds, simulated, calls, answered, faults, compared } = self;
        let wall = wall.as_secs_f64();
        format!(
            "{:.1} seeds/s, simulated:wall {:.0}:1, {calls} calls ({answered} answered), {faults} faults, {compared} \
             states compared",
            f64::from(*seeds) / wall,
            simulated.as_secs_f64() / wall,
        )
    }
}
