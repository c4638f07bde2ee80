//! A clock for each member: it shows zero when the member starts, runs a little too fast or too slow, stalls
//! for a while, and jumps forward now and then, as after a suspend. There is no wall clock: a member reads none.

use detcd_engine::time::Time;
use madsim::time::sleep;
use server_sim::clock::{BoxFuture, Clock};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MILLION: u128 = 1_000_000;

/// Simulated time since the run began.
pub(crate) fn simulated_now() -> Duration {
    madsim::time::TimeHandle::try_current().map_or(Duration::ZERO, |time| time.elapsed())
}

/// One boot's clock. Cheap to clone; all clones are the same clock.
#[derive(Clone, Debug)]
pub struct SimClock {
    reading: Arc<Mutex<Reading>>,
    /// How long a turn of a main loop takes that has more to do at once.
    busy_turn: Duration,
}

/// What the clock showed when its rate last changed.
#[derive(Debug)]
struct Reading {
    /// In the future where the clock is stalled until then.
    at: Duration,
    shown_micros: u128,
    /// A million is true.
    micros_per_second: u32,
}

impl Reading {
    fn shown_micros(&self, now: Duration) -> u128 {
        let passed = now.saturating_sub(self.at).as_micros();
        self.shown_micros + passed * u128::from(self.micros_per_second) / MILLION
    }
}

impl SimClock {
    /// At zero. It shows this many microseconds for every true second.
    pub fn start(micros_per_second: u32) -> SimClock {
        assert!(micros_per_second > 0, "a clock that stands still does so for a while");
        let reading = Reading { at: simulated_now(), shown_micros: 0, micros_per_second };
        SimClock { reading: Arc::new(Mutex::new(reading)), busy_turn: Duration::ZERO }
    }

    /// Of a machine on which a turn takes so long when the main loop has more to do at once; zero for no time at all.
    /// Work that takes many turns is then interleaved with other events.
    pub fn with_busy_turn(self, busy_turn: Duration) -> SimClock {
        SimClock { busy_turn, ..self }
    }

    /// Changes the rate from now on.
    pub fn set_rate(&self, micros_per_second: u32) {
        let now = simulated_now();
        self.change(|reading| {
            let shown_micros = reading.shown_micros(now);
            *reading = Reading { at: now, shown_micros, micros_per_second };
        });
    }

    /// Stalls until then, and continues from the value it had.
    pub fn stall(&self, until: Duration) {
        let now = simulated_now();
        self.change(|reading| {
            let shown_micros = reading.shown_micros(now);
            *reading = Reading { at: until.max(reading.at), shown_micros, ..*reading };
        });
    }

    /// Jumps forward.
    pub fn jump(&self, by: Duration) {
        self.change(|reading| reading.shown_micros += by.as_micros());
    }

    fn change<T>(&self, change: impl FnOnce(&mut Reading) -> T) -> T {
        change(&mut self.reading.lock().expect("no panic while it is held"))
    }

    /// True time until the clock shows `when`, if it does not jump.
    fn true_time_until(&self, when: Time) -> Duration {
        let now = simulated_now();
        self.change(|reading| {
            let left = (u128::from(when.as_ms()) * 1000).saturating_sub(reading.shown_micros(now));
            if left == 0 {
                return Duration::ZERO;
            }
            let micros = (left * MILLION).div_ceil(u128::from(reading.micros_per_second));
            let stands = reading.at.saturating_sub(now);
            stands + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX / 2))
        })
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        let micros = self.change(|reading| reading.shown_micros(simulated_now()));
        Time::from_ms(u64::try_from(micros / 1000).expect("a run is short"))
    }

    fn sleep_until(&self, when: Time) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            if !clock.busy_turn.is_zero() && clock.true_time_until(when).is_zero() {
                return sleep(clock.busy_turn).await;
            }
            // Again where the rate went down meanwhile: a sleep may end late, never early.
            loop {
                let left = clock.true_time_until(when);
                if left.is_zero() {
                    return;
                }
                sleep(left).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(test: impl Future<Output = ()> + 'static) {
        madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(test);
    }

    #[test]
    fn a_clock_that_stands_still_goes_on_from_there() {
        run(async {
            let start = simulated_now();
            let clock = SimClock::start(1_000_000);
            let sleeper = clock.sleep_until(Time::from_ms(100));
            clock.stall(start + Duration::from_millis(500));
            sleep(Duration::from_millis(300)).await;
            assert_eq!(clock.now(), Time::from_ms(0));
            sleeper.await;
            assert_eq!(clock.now(), Time::from_ms(100));
            assert!(simulated_now() - start >= Duration::from_millis(600));
        });
    }

    #[test]
    fn a_turn_of_a_busy_member_takes_its_time() {
        run(async {
            let clock = SimClock::start(1_000_000).with_busy_turn(Duration::from_millis(2));
            let start = simulated_now();
            clock.sleep_until(Time::from_ms(0)).await;
            assert!(simulated_now() - start >= Duration::from_millis(2));
            clock.sleep_until(Time::from_ms(10)).await;
            assert!(simulated_now() - start < Duration::from_millis(12), "it had time to wait for");
        });
    }

    #[test]
    fn a_clock_keeps_its_rate_and_jumps_only_forward() {
        run(async {
            let clock = SimClock::start(1_200_000);
            sleep(Duration::from_secs(10)).await;
            assert_eq!(clock.now().as_ms(), 12_000);
            clock.jump(Duration::from_secs(3600));
            clock.set_rate(800_000);
            sleep(Duration::from_secs(10)).await;
            assert_eq!(clock.now().as_ms(), 3_620_000);
        });
    }
}
