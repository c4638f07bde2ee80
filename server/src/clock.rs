//! The machine's clock as engine time: the only place of the shell that reads one.

use detcd_engine::time::Time;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A future behind a pointer, as the traits of the shell return it: the simulator's clock, disk and network are
/// other types behind the same traits.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Monotonic time and a way to wait for it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds since the member started. Never goes back.
    fn now(&self) -> Time;
    /// Ends at `when`, or at once where that has passed. May end late, never early.
    fn sleep_until(&self, when: Time) -> BoxFuture<'static, ()>;
}

/// How long something took, finer than the clock tells: for metrics alone.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// Since it began.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The operating system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct RealClock {
    start: Instant,
}

impl RealClock {
    /// A clock that stands at zero now.
    pub fn start() -> RealClock {
        RealClock { start: Instant::now() }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Time {
        let ms = self.start.elapsed().as_millis();
        Time::from_ms(u64::try_from(ms).expect("a process runs for less than 500 million years"))
    }

    fn sleep_until(&self, when: Time) -> BoxFuture<'static, ()> {
        // From the start in full precision: from `now`, which is rounded down, a sleep could end a millisecond early.
        let left = Duration::from_millis(when.as_ms()).saturating_sub(self.start.elapsed());
        Box::pin(tokio::time::sleep(left))
    }
}
