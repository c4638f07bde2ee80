//! The command line and its exit codes. 0: every promise was kept. 1: one was broken, or the command is wrong.

mod failure;
mod many;
mod mutants;
mod progress;
mod speed;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use detcd_sim::case::Case;
use detcd_sim::runner::{Failure, run_observed};
use detcd_sim::summary::Summary;
use detcd_sim::trace::Trace;
use failure::{Shrinks, Source};
use many::Many;
use mutants::Mutants;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The default of `shrink --runs`.
const SHRINK_RUNS: &str = "2000";

pub(crate) fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let is_wrong = error.use_stderr();
            // Where printing fails, the exit code is left.
            let _ = error.print();
            return if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match done(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let seed = Arg::new("SEED").required(true).value_parser(value_parser!(u64));
    let file = Arg::new("FILE").required(true).value_parser(value_parser!(PathBuf)).help("a case");
    let verbose =
        flag("verbose", "print the case, every event as it happens, and every probe that was reached");
    Command::new("detcd-sim")
        .about("runs simulated detcd clusters under faults that are drawn from a seed, and checks promises")
        .subcommand_required(true)
        .subcommand(Command::new("run").about("one seed, and a summary of it").args([
            seed,
            verbose.clone(),
            flag("timeline", "write its timeline even if all is well"),
            tier(),
        ]))
        .subcommand(many_command())
        .subcommand(Command::new("replay").about("one case, and a summary of it").args([
            file.clone(),
            verbose,
            flag("timeline", "write its timeline even if all is well"),
        ]))
        .subcommand(
            Command::new("shrink").about("the least of a failing case that breaks the same promise").args([
                file,
                Arg::new("runs")
                    .long("runs")
                    .value_name("N")
                    .default_value(SHRINK_RUNS)
                    .value_parser(value_parser!(u64))
                    .help("at most"),
            ]),
        )
        .subcommand(mutants_command())
        .subcommand(
            Command::new("bugs")
                .about("whether seeded bugs are still found by their directed plans and recorded seeds")
                .args([names(), counted("jobs", "J", "0").help("so many at once; 0 for one a core")]),
        )
        .subcommand(
            Command::new("speed")
                .about("simulated to wall time of three members, about ten operations a second, one core")
                .arg(tier()),
        )
}

fn many_command() -> Command {
    let number = counted;
    Command::new("many").about("many seeds; ends at the first that breaks a promise").args([
        Arg::new("N").required(true).value_parser(value_parser!(u64)),
        number("first", "SEED", "0").help("the first of them"),
        number("minutes", "M", "0").help("no new seed after so long; 0 for no end"),
        number("jobs", "J", "0").help("so many at once; 0 for one a core"),
        flag("twice", "run each twice and compare the runs event by event"),
        flag("hashes", "print every seed's trace hash"),
        flag("no-shrink", "leave a failing case as it is"),
        tier(),
    ])
}

fn mutants_command() -> Command {
    Command::new("mutants").about("hunts seeded bugs with random seeds").args([
        names(),
        counted("seeds", "N", "100000").help("for each at most, where that is less than its budget"),
        counted("jobs", "J", "0").help("so many at once; 0 for one a core"),
        flag("write", "keep what is found under sim/corpus/bugs and write the table in docs/simulation.md"),
    ])
}

fn tier() -> Arg {
    let help =
        "members alone, or the whole server with clients that speak gRPC; drawn from the seed by default";
    Arg::new("tier").long("tier").value_name("TIER").value_parser(["members", "server"]).help(help)
}

/// The case of a seed, in the tier that was asked for.
fn drawn(seed: u64, tier: Option<&str>) -> Case {
    match tier {
        Some(tier) => Case::draw_in(seed, tier == "server"),
        None => Case::draw(seed),
    }
}

fn named_tier(matches: &ArgMatches) -> Option<String> {
    matches.get_one::<String>("tier").cloned()
}

fn names() -> Arg {
    Arg::new("BUG").num_args(0..).help("all by default")
}

fn bugs(matches: &ArgMatches) -> Vec<String> {
    matches.get_many::<String>("BUG").unwrap_or_default().cloned().collect()
}

fn counted(name: &'static str, value: &'static str, default: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).default_value(default).value_parser(value_parser!(u64))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn done(matches: &ArgMatches) -> Result<(), String> {
    let (name, matches) = matches.subcommand().expect("one is required");
    match name {
        "run" => {
            let (seed, tier) = (number(matches, "SEED"), named_tier(matches));
            let command = failure::rerun(seed, tier.as_deref());
            one(&drawn(seed, tier.as_deref()), &Source { command, file: None }, matches)
        }
        "replay" => {
            let path = file(matches);
            let source = Source { command: failure::replay(path), file: Some(path) };
            one(&Case::load(path)?, &source, matches)
        }
        "many" => many::run(&Many {
            count: number(matches, "N"),
            first: number(matches, "first"),
            time: Some(number(matches, "minutes"))
                .filter(|minutes| *minutes > 0)
                .map(|minutes| Duration::from_secs(60 * minutes)),
            jobs: jobs(number(matches, "jobs")),
            twice: matches.get_flag("twice"),
            hashes: matches.get_flag("hashes"),
            shrinks: !matches.get_flag("no-shrink"),
            tier: named_tier(matches),
        }),
        "shrink" => failure::shrink_file(file(matches), number(matches, "runs")),
        "mutants" => mutants::hunt(&Mutants {
            names: bugs(matches),
            seeds_max: number(matches, "seeds"),
            jobs: jobs(number(matches, "jobs")),
            writes: matches.get_flag("write"),
        }),
        "bugs" => mutants::check(&bugs(matches), jobs(number(matches, "jobs"))),
        "speed" => speed::run(named_tier(matches).as_deref() == Some("server")),
        other => unreachable!("{other} has no arm"),
    }
}

fn number(matches: &ArgMatches, name: &str) -> u64 {
    *matches.get_one(name).expect("required, or with a default")
}

fn file(matches: &ArgMatches) -> &PathBuf {
    matches.get_one("FILE").expect("required")
}

fn jobs(asked: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    usize::try_from(asked).ok().filter(|jobs| *jobs > 0).unwrap_or(cores)
}

fn one(case: &Case, source: &Source<'_>, matches: &ArgMatches) -> Result<(), String> {
    let is_verbose = matches.get_flag("verbose");
    if is_verbose {
        println!("{}", case.to_text());
    }
    let trace = if is_verbose { Trace::printing() } else { Trace::keeping() };
    let (outcome, observed) = run_observed(case, &trace);
    let events = trace.kept();
    print!("{}", Summary { case, outcome: &outcome, observed: &observed, events: &events }.text());
    if is_verbose {
        observed.probes.iter().for_each(|(name, count)| println!("probe {name} {count}"));
    }
    if let Err(broken) = outcome {
        return Err(format!("\n{}", failure::report(&Failure::study(case, broken), Shrinks::No, source)));
    }
    if matches.get_flag("timeline") {
        println!("timeline: {}", failure::timeline_of(case, &source.command, &events)?.display());
    }
    Ok(())
}
