//! Progress of many runs: a bar on a terminal, elsewhere a line now and then.

use detcd_engine::probes::PROBES;
use detcd_sim::run::Report;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines where the output is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(20);
/// Between two updates of the bar.
const BAR_EVERY: Duration = Duration::from_millis(200);
const BAR_WIDTH: usize = 24;

/// The sums of many runs.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) seeds: u64,
    runs: u64,
    simulated: Duration,
    calls: usize,
    answered: usize,
    faults: usize,
    compared: u64,
    events: u64,
    /// Rare states, and how often each was reached.
    reached: BTreeMap<&'static str, u64>,
}

impl Sum {
    /// One seed more, run so many times.
    pub(super) fn add(&mut self, report: &Report, times: u32) {
        self.seeds += 1;
        self.runs += u64::from(times);
        self.simulated += report.simulated * times;
        self.calls += report.calls;
        self.answered += report.answered;
        self.faults += report.faults;
        self.compared += report.compared;
        self.events += report.events;
        for (probe, count) in &report.probes {
            *self.reached.entry(probe).or_default() += count;
        }
    }

    /// Runs a second, and simulated to wall time.
    pub(super) fn pace(&self, wall: Duration) -> String {
        let wall = wall.as_secs_f64();
        let per_second = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / wall;
        format!(
            "{:.1} runs/s, simulated:wall {:.0}:1",
            per_second(self.runs),
            self.simulated.as_secs_f64() / wall
        )
    }

    /// How many of the rare states that are looked for were reached.
    pub(super) fn reached(&self) -> String {
        format!("{} of {} probes reached", self.reached.len(), PROBES.len())
    }

    /// Those that were not, by name.
    pub(super) fn never_reached(&self) -> Vec<&'static str> {
        PROBES.iter().map(|(name, _)| *name).filter(|name| !self.reached.contains_key(name)).collect()
    }

    /// What was done.
    pub(super) fn work(&self) -> String {
        let Sum { calls, answered, faults, compared, events, .. } = self;
        format!(
            "{calls} calls ({answered} answered), {faults} faults, {compared} states compared, {events} events"
        )
    }
}

/// The bar.
pub(super) struct Progress {
    started: Instant,
    printed: Instant,
    is_terminal: bool,
    total: u64,
}

impl Progress {
    /// Of so many seeds.
    pub(super) fn new(total: u64) -> Progress {
        let now = Instant::now();
        Progress { started: now, printed: now, is_terminal: std::io::stdout().is_terminal(), total }
    }

    /// Since the beginning.
    pub(super) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    /// Prints, if it is time to. `besides` is called only then.
    pub(super) fn print(&mut self, sum: &Sum, besides: impl FnOnce() -> String) {
        if self.printed.elapsed() < if self.is_terminal { BAR_EVERY } else { LINE_EVERY } {
            return;
        }
        self.printed = Instant::now();
        let text = format!(
            "{} of {} seeds, {}, {}{}",
            sum.seeds,
            self.total,
            sum.pace(self.wall()),
            sum.reached(),
            besides()
        );
        if !self.is_terminal {
            println!("{text}");
            return;
        }
        let done = usize::try_from(sum.seeds * BAR_WIDTH as u64 / self.total.max(1)).unwrap_or(BAR_WIDTH);
        let (done, left) = ("█".repeat(done), "░".repeat(BAR_WIDTH.saturating_sub(done)));
        print!("\r\x1b[K{done}{left} {text}");
        flush();
    }

    /// Removes the bar.
    pub(super) fn clear(&self) {
        if self.is_terminal {
            print!("\r\x1b[K");
            flush();
        }
    }
}

fn flush() {
    // A bar that cannot be printed is no failure of the run.
    let _ = std::io::stdout().flush();
}
