//! Many seeds, on all cores: one run a thread. Ends at the first that breaks a promise.

use super::failure::{self, Shrinks, Source};
use super::progress::{Progress, Sum};
use detcd_sim::run::Report;
use detcd_sim::runner::{Broken, Failure, run_case, run_twice};
use detcd_sim::trace::Trace;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// A seed that takes so long is named: it may never end.
const LONG: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// What is asked.
#[derive(Debug)]
pub(super) struct Many {
    pub(super) count: u64,
    pub(super) first: u64,
    /// No new seed after so long.
    pub(super) time: Option<Duration>,
    pub(super) jobs: usize,
    pub(super) twice: bool,
    pub(super) hashes: bool,
    /// Whether a failing case is made small.
    pub(super) shrinks: bool,
    /// Only in this tier.
    pub(super) tier: Option<String>,
}

/// What the workers share.
struct Work<'a> {
    asked: &'a Many,
    started: Instant,
    next: AtomicU64,
    /// What runs, since when.
    running: Mutex<BTreeMap<u64, Instant>>,
}

type Outcome = (u64, Result<Report, Broken>);

pub(super) fn run(asked: &Many) -> Result<(), String> {
    let mut progress = Progress::new(asked.count);
    let (mut sum, mut hashes) = (Sum::default(), BTreeMap::new());
    let work =
        Work { asked, started: Instant::now(), next: AtomicU64::new(asked.first), running: Mutex::default() };
    let broken = std::thread::scope(|scope| {
        let (sender, outcomes) = channel::<Outcome>();
        for _ in 0..asked.jobs {
            let (work, sender) = (&work, sender.clone());
            scope.spawn(move || work.until_done(&sender));
        }
        drop(sender);
        let mut first_broken: Option<(u64, Broken)> = None;
        loop {
            match outcomes.recv_timeout(LOOKS_EVERY) {
                Ok((seed, Ok(report))) => {
                    sum.add(&report, if asked.twice { 2 } else { 1 });
                    hashes.insert(seed, report.trace);
                }
                Ok((seed, Err(broken))) => {
                    work.stop();
                    if first_broken.as_ref().is_none_or(|(first, _)| seed < *first) {
                        first_broken = Some((seed, broken));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return first_broken,
            }
            progress.print(&sum, || work.long_ones());
        }
    });
    progress.clear();
    if asked.hashes {
        hashes.iter().for_each(|(seed, hash)| println!("seed {seed} trace {hash:032x}"));
    }
    let twice = if asked.twice { ", each twice" } else { "" };
    let mut done = format!(
        "{} seeds{twice}, {}\n{}\n{}",
        sum.seeds,
        sum.pace(progress.wall()),
        sum.work(),
        sum.reached()
    );
    if !sum.never_reached().is_empty() {
        write!(done, "; never: {}", sum.never_reached().join(", ")).expect("a string takes all");
    }
    let Some((seed, broken)) = broken else {
        println!("every promise was kept: {done}");
        return Ok(());
    };
    println!("before it broke: {done}");
    let shrinks = if asked.shrinks { Shrinks::Yes } else { Shrinks::No };
    let source = Source { command: failure::rerun(seed, asked.tier.as_deref()), file: None };
    Err(failure::report(
        &Failure::study(&super::drawn(seed, asked.tier.as_deref()), broken),
        shrinks,
        &source,
    ))
}

impl Work<'_> {
    fn until_done(&self, outcomes: &Sender<Outcome>) {
        let last = self.asked.first.saturating_add(self.asked.count);
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= last || self.asked.time.is_some_and(|time| self.started.elapsed() >= time) {
                return;
            }
            self.running.lock().expect("no panic while it is held").insert(seed, Instant::now());
            let case = super::drawn(seed, self.asked.tier.as_deref());
            let outcome =
                if self.asked.twice { run_twice(&case) } else { run_case(&case, &Trace::default()) };
            self.running.lock().expect("no panic while it is held").remove(&seed);
            if outcomes.send((seed, outcome)).is_err() {
                return;
            }
        }
    }

    /// No new seeds.
    fn stop(&self) {
        self.next.store(u64::MAX / 2, Ordering::Relaxed);
    }

    fn long_ones(&self) -> String {
        let running = self.running.lock().expect("no panic while it is held");
        let long = running.iter().filter(|(_, since)| since.elapsed() > LONG);
        long.fold(String::new(), |mut text, (seed, since)| {
            write!(text, ", seed {seed} for {} s", since.elapsed().as_secs()).expect("a string takes all");
            text
        })
    }
}
