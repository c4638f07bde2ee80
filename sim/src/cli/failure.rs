//! Reports a failure: prints it, keeps its case as a file, shrinks it, writes its timeline.

use detcd_sim::case::{Case, save_new};
use detcd_sim::corpus;
use detcd_sim::runner::{Broken, Failure, run_case};
use detcd_sim::shrink::{Size, shrink};
use detcd_sim::timeline::{Heading, page};
use detcd_sim::trace::{Event, Trace};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A failure is made small at once within so many runs; `shrink` takes longer.
const RUNS_AT_ONCE: u64 = 300;
/// Of a promise, so many words name a file.
const WORDS: usize = 7;

/// Whether a failing case is made small before it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shrinks {
    Yes,
    No,
}

/// Where a case comes from.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    /// What runs it again.
    pub(super) command: String,
    /// Its file; `None` where it was drawn from a seed.
    pub(super) file: Option<&'a Path>,
}

/// The report of a failure, with the files that were written.
pub(super) fn report(failure: &Failure, shrinks: Shrinks, source: &Source<'_>) -> String {
    let replayed = source.command.as_str();
    let mut text = format!("{failure}\ncommit: {}\n", commit());
    if shrinks == Shrinks::No {
        add(&mut text, "timeline", timeline(failure, replayed));
        if source.file.is_none() {
            add(&mut text, "case", keep(&failure.case, &failure.broken, &scratch()));
        }
        writeln!(text, "replay: {replayed}").expect("a string takes all");
        return text.trim_end().to_owned();
    }
    let (case, size) = smaller(&failure.case, &failure.broken, RUNS_AT_ONCE);
    let kept = keep(&case, &failure.broken, &corpus::directory());
    writeln!(text, "shrunk: {size}").expect("a string takes all");
    match (&kept, run_case(&case, &Trace::default())) {
        (Ok(path), Err(broken)) => {
            add(&mut text, "timeline", timeline(&Failure::study(&case, broken), &replay(path)));
            add(&mut text, "case", kept.clone());
            writeln!(text, "replay: {}", replay(path)).expect("a string takes all");
        }
        (Err(_), _) => add(&mut text, "case", kept),
        (Ok(_), Ok(_)) => {
            text.push_str("NOT DETERMINISTIC: what was shrunk breaks nothing when it is run again\n")
        }
    }
    write!(text, "replay the whole: {replayed}").expect("a string takes all");
    text
}

fn add(text: &mut String, what: &str, outcome: Result<PathBuf, String>) {
    let outcome =
        outcome.map_or_else(|error| format!("not written: {error}"), |path| path.display().to_string());
    writeln!(text, "{what}: {outcome}").expect("a string takes all");
}

/// The least of a failing case, in a new file beside it.
pub(super) fn shrink_file(path: &Path, runs_max: u64) -> Result<(), String> {
    let case = Case::load(path)?;
    let Err(broken) = run_case(&case, &Trace::default()) else {
        return Err(format!("{}: breaks nothing, so there is nothing to shrink", path.display()));
    };
    println!("breaks: {}", broken.name());
    let (small, size) = smaller(&case, &broken, runs_max);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("case");
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let small = Case { broke: Some(broken.name()), ..small };
    let kept = small.save(directory, &format!("{stem}-small"))?;
    println!("{size}\ncase: {}\nreplay: {}", kept.display(), replay(&kept));
    Ok(())
}

/// The command that runs a seed again.
pub(super) fn rerun(seed: u64, tier: Option<&str>) -> String {
    let tier = tier.map_or(String::new(), |tier| format!(" --tier {tier}"));
    format!("cargo run --release -p detcd-sim -- run {seed}{tier}")
}

fn smaller(case: &Case, broken: &Broken, runs_max: u64) -> (Case, Size) {
    let name = broken.name();
    let mut breaks = |case: &Case| run_case(case, &Trace::default()).is_err_and(|other| other.name() == name);
    shrink(case, runs_max, &mut breaks, &mut |size| println!("shrinks: {size}"))
}

fn keep(case: &Case, broken: &Broken, directory: &Path) -> Result<PathBuf, String> {
    let name = broken.name();
    let letters = name.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), " ");
    let words: Vec<&str> = letters.split_whitespace().take(WORDS).collect();
    let case = Case { broke: Some(name.clone()), ..case.clone() };
    case.save(directory, &format!("{}-{}", words.join("-"), case.swarm.seed.0))
}

/// The timeline of a case that broke nothing.
pub(super) fn timeline_of(case: &Case, replayed: &str, events: &[Event]) -> Result<PathBuf, String> {
    draw(case, String::new(), replayed, events)
}

fn timeline(failure: &Failure, replayed: &str) -> Result<PathBuf, String> {
    draw(&failure.case, failure.broken.text.clone(), replayed, &failure.events)
}

fn draw(case: &Case, promise: String, replayed: &str, events: &[Event]) -> Result<PathBuf, String> {
    let seed = case.swarm.seed.0;
    let bug = case.bug.as_ref().map_or(String::new(), |bug| format!(", with the seeded bug {bug}"));
    let title = format!("seed {seed}{bug}, commit {}", commit());
    let heading = Heading { title, promise, replay: replayed.to_owned() };
    save_new(&scratch(), &format!("seed-{seed}"), "html", &page(&heading, events))
}

/// The command that runs a case again.
pub(super) fn replay(path: &Path) -> String {
    format!("cargo run --release -p detcd-sim -- replay {}", path.display())
}

/// The directory for files that do not belong to the sources: beside the build.
fn scratch() -> PathBuf {
    let built = std::env::current_exe().ok();
    let target = built.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_owned);
    target.unwrap_or_else(std::env::temp_dir).join("simulation")
}

/// Of the sources, where git knows it.
fn commit() -> String {
    let described = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--tags"])
        .output();
    match described {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
