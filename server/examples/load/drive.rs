//! One client's loop, closed or at a fixed rate, and what it saw.

use crate::Failure;
use std::time::{Duration, Instant};

/// How long after the end a client at a fixed rate may still work off what was due before it.
const GRACE: Duration = Duration::from_secs(10);

/// What a client does over and over.
pub(crate) trait Operation: Send + 'static {
    /// Does it once. False: there is nothing left to do.
    fn once(&mut self) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// The part of the run that counts.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

impl Window {
    pub(crate) fn contains(&self, at: Instant) -> bool {
        self.start <= at && at < self.end
    }
}

/// When a client's requests are due: now and every `interval` after `first`.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) first: Instant,
    /// Zero: as soon as the last answer is there.
    pub(crate) interval: Duration,
}

/// What clients saw.
#[derive(Default)]
pub(crate) struct Tally {
    /// Microseconds, of requests due within the window.
    pub(crate) latencies: Vec<u32>,
    /// Answers that came within the window.
    pub(crate) completed: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

impl Tally {
    pub(crate) fn record(&mut self, window: Window, due: Instant, answered: Instant) {
        if window.contains(answered) {
            self.completed += 1;
        }
        if window.contains(due) {
            let micros = answered.saturating_duration_since(due).as_micros();
            self.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
        }
    }

    pub(crate) fn fail(&mut self, error: &Failure) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        self.latencies.extend(other.latencies);
        self.completed += other.completed;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Runs one client until the window ends.
pub(crate) async fn drive(mut operation: impl Operation, pace: Pace, window: Window) -> Tally {
    let mut tally = Tally::default();
    let mut due = pace.first;
    loop {
        let now = Instant::now();
        if due > now {
            tokio::time::sleep_until(due.into()).await;
        }
        // A request that the timer woke late is timed from when it was sent: that delay is this program's. One that
        // was held up by its predecessor is timed from when it was due: that delay is the server's.
        let begun = if pace.interval.is_zero() || due > now { Instant::now() } else { due };
        if begun >= window.end {
            return tally;
        }
        if now >= window.end + GRACE {
            tally.record(window, begun, now);
        } else {
            match operation.once().await {
                Ok(true) => tally.record(window, begun, Instant::now()),
                Ok(false) => return tally,
                Err(error) => tally.fail(&error),
            }
        }
        due += pace.interval;
        if tally.errors > 1_000 {
            return tally;
        }
    }
}
