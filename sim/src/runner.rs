//! Runs a case and returns its outcome.
//!
//! Each run has a thread of its own, so that no state of a thread passes from one run to the next: neither the keys
//! of the standard library's hash maps nor a seeded bug nor the counts of probes. A panic of a run is the
//! promise that it broke.

use crate::bugs;
use crate::case::Case;
use crate::check::Promise;
use crate::history::ClientCounts;
use crate::last_events::last_events;
use crate::network::FrameCounts;
use crate::run::{Report, RunHandles, execute};
use crate::trace::{Event, Trace};
use detcd_engine::{probes, seeded};
use madsim::runtime::{Handle, NodeHandle, Runtime};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

/// A run that takes longer, in simulated time, hangs.
const LONGEST: Duration = Duration::from_secs(900);
/// As a process's first thread has.
const STACK_BYTES: usize = 8 * 1024 * 1024;
/// What every checker's text begins with.
const BROKEN: &str = "promise broken: ";
/// Between an assertion's words and its place.
const PANICKED: &str = "\nasserted at ";

/// A promise that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The promise, and how it was broken.
    pub text: String,
}

impl Broken {
    /// The promise alone: the same for every run that breaks it, whatever the values. Of an assertion, its file and
    /// its words up to the first value.
    pub fn name(&self) -> String {
        if let Some(promise) = Promise::of(&self.text) {
            return promise.name().to_owned();
        }
        if let Some(text) = self.text.strip_prefix(BROKEN) {
            return text.split(", but").next().unwrap_or(text).trim().to_owned();
        }
        let (text, place) = self.text.rsplit_once(PANICKED).unwrap_or((&self.text, ""));
        let file = place.split(':').next().unwrap_or(place);
        let file = file.rsplit_once("src/").map_or(file, |(_, file)| file);
        let is_value = |letter: char| letter.is_ascii_digit() || ":([{\n".contains(letter);
        let words = text.split(is_value).next().unwrap_or(text).trim();
        format!("assertion in {file}: {words}")
    }
}

/// What was counted in a run, whether or not it kept its promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Rare states (`detcd_engine::probes`), and how often each was reached.
    pub probes: BTreeMap<&'static str, u64>,
    /// One for each client, by its place.
    pub clients: Vec<ClientCounts>,
    /// Frames between members.
    pub frames: FrameCounts,
}

/// Runs a case; the trace records it.
///
/// # Errors
/// A promise was broken, or an assertion did not hold.
pub fn run_case(case: &Case, trace: &Trace) -> Result<Report, Broken> {
    run_observed(case, trace).0
}

/// Runs a case as `run_case` does. What was counted is there even if a promise was broken.
pub fn run_observed(case: &Case, trace: &Trace) -> (Result<Report, Broken>, Observed) {
    capture_panics();
    let (case, trace) = (case.clone(), trace.clone());
    let name = format!("seed {}", case.swarm.seed.0);
    let run = std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || {
        IN_RUN.set(true);
        seeded::set(bugs::name(case.bug.as_deref()));
        let seed = case.swarm.seed.0;
        let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        runtime.set_time_limit(LONGEST);
        let clients = case.swarm.load.clients.len();
        let (world, handles) = (runtime.create_node().name("world").build(), RunHandles::default());
        let task = world.spawn(execute(case, trace, handles.clone()));
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(task)));
        let outcome = match outcome {
            Ok(verdict) => {
                verdict.unwrap_or_else(|_| Err(format!("{BROKEN}a run comes to its end, but it was ended")))
            }
            Err(panic) => Err(words(panic.as_ref())),
        };
        let observed = observe(&outcome, clients, &handles);
        clear(&runtime, &world, &handles);
        (outcome, observed)
    });
    let (outcome, observed) = run.expect("a thread can be started").join().expect("panics were caught");
    (outcome.map_err(|text| Broken { text }), observed)
}

/// Probes are counted by thread, so this must run on the thread of the run.
fn observe(outcome: &Result<Report, String>, clients: usize, handles: &RunHandles) -> Observed {
    // The report of a run that succeeded has taken them.
    let probes = outcome.as_ref().map_or_else(|_| probes::take(), |report| report.probes.clone());
    // A panic of the run may have poisoned a lock.
    let counts = catch_unwind(AssertUnwindSafe(|| handles.counts(clients)));
    let (clients, frames) = counts.unwrap_or_default();
    Observed { probes, clients, frames }
}

/// Ends all tasks once a run is over. A task that sleeps keeps the timer that keeps the task: the memory of the run
/// would never be freed.
fn clear(runtime: &Runtime, world: &NodeHandle, handles: &RunHandles) {
    // A task may panic again for the reason of the failure.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            Handle::current().kill(world.id());
            handles.clear();
        });
    }));
}

thread_local! {
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic of this thread was.
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic of a run is a verdict and is reported once, with all that belongs to it; others are reported as usual.
fn capture_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IN_RUN.get() {
                PANICKED_AT.set(info.location().map(ToString::to_string).unwrap_or_default());
            } else {
                usual(info);
            }
        }));
    });
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => *text,
        (None, None) => "a panic without words",
    };
    if text.starts_with(BROKEN) {
        return text.to_owned();
    }
    format!("{text}{PANICKED}{}", PANICKED_AT.take())
}

/// A case that failed, and what happened in it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub case: Case,
    /// What it broke.
    pub broken: Broken,
    /// Everything that happened, from a second run of it.
    pub events: Vec<Event>,
    /// What the second run broke, where that was something else: the run is not determined by its case.
    pub otherwise: Option<String>,
}

impl Failure {
    /// Runs a case that failed once more, to see what happens.
    pub fn study(case: &Case, broken: Broken) -> Box<Failure> {
        let trace = Trace::keeping();
        let again = run_case(case, &trace);
        let otherwise = match again {
            Err(again) if again == broken => None,
            Err(again) => Some(again.text),
            Ok(_) => Some("nothing".to_owned()),
        };
        Box::new(Failure { case: case.clone(), broken, events: trace.kept(), otherwise })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} failed; {}", self.case.swarm.seed.0, last_events(&self.events))?;
        write!(f, "{}", self.broken.text)?;
        if let Some(otherwise) = &self.otherwise {
            write!(f, "\nNOT DETERMINISTIC: run again, the same case broke {otherwise}")?;
        }
        Ok(())
    }
}

/// Runs the case of a seed.
///
/// # Errors
/// A promise was broken, or an assertion did not hold.
pub fn run(seed: u64) -> Result<Report, Box<Failure>> {
    let case = Case::draw(seed);
    run_case(&case, &Trace::default()).map_err(|broken| Failure::study(&case, broken))
}

/// Runs a case twice and compares the runs event by event.
///
/// # Errors
/// What it broke, or the first event that differed.
pub fn run_twice(case: &Case) -> Result<Report, Broken> {
    let first_trace = Trace::linking();
    let first = run_case(case, &first_trace)?;
    let second_trace = Trace::comparing(first_trace.links());
    let second = run_case(case, &second_trace);
    if second.as_ref() == Ok(&first) {
        return Ok(first);
    }
    Err(Broken { text: difference(case, &first_trace, &second_trace) })
}

/// Where two runs of a case differed first, in words. The first was not kept: a third run shows what it was, if it goes
/// the same way.
fn difference(case: &Case, first: &Trace, second: &Trace) -> String {
    let seed = case.swarm.seed.0;
    let broken = format!("{BROKEN}a case is the same run every time, but seed {seed} was not:");
    let Some(parted) = second.parted() else {
        return format!(
            "{broken} the second run ended after {} events of {}",
            second.events(),
            first.events()
        );
    };
    let third = Trace::keeping();
    // Its outcome is not needed, only its events.
    let _ = run_case(case, &third);
    let place = usize::try_from(parted.number).expect("events fit in memory");
    let kept = third.kept();
    let before = kept.get(place).filter(|event| Some(&event.link) == first.links().get(place));
    let before = before.map_or("unknown: a third run went another way".to_owned(), ToString::to_string);
    format!("{broken} event {} was\n  {before}\nand the second time\n  {parted}", parted.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_has_one_name_whatever_the_values() {
        for (text, name) in [
            ("promise broken: one leader in a term, but in term 3 there are m0 and m1", "one_leader"),
            (
                "applied 7 is beyond committed 5\nasserted at /t/out/src/raft/driver/output.rs:91:9",
                "assertion in raft/driver/output.rs: applied",
            ),
            (
                "time limit exceeded: 900s\nasserted at /r/src/sim/task/mod.rs:2:1",
                "assertion in sim/task/mod.rs: time limit exceeded",
            ),
        ] {
            assert_eq!(Broken { text: text.to_owned() }.name(), name, "{text}");
        }
    }
}
