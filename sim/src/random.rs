//! Streams of random numbers, one for each concern: one more draw in one place does not change the others' sequences,
//! so that a plan of faults stays the same after a small edit of a workload.

use detcd_engine::random::Random;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;
use twox_hash::XxHash3_128;

/// The seed of all streams of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of a concern. Names are never changed: the seeds that are kept would mean something else.
    pub fn stream(self, concern: &str) -> Stream {
        let hash = XxHash3_128::oneshot_with_seed(self.0, concern.as_bytes());
        Stream(Random::new(u64::try_from(hash >> 64).expect("the high half of 128 bits")))
    }
}

/// The random numbers of one concern.
#[derive(Clone, Debug)]
pub struct Stream(Random);

impl Stream {
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in a range that is not empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.0.below(range.end - range.start)
    }

    /// A place in something of this length, which is not 0.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.0.below(length as u64)).expect("below a usize")
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// True this many times in a million.
    pub fn happens(&mut self, per_million: u32) -> bool {
        self.0.below(1_000_000) < u64::from(per_million)
    }

    /// A delay that is mostly near `typical` and now and then far beyond it: each doubling is half as likely, up to
    /// 64 times as long.
    pub fn delay(&mut self, typical: Duration) -> Duration {
        let micros = u64::try_from(typical.as_micros()).expect("a short delay").max(1);
        let tail = self.any().leading_ones().min(6);
        Duration::from_micros(self.within(micros / 2..micros + micros / 2 + 1) << tail)
    }

    /// Shuffled in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.index(end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concerns_have_streams_of_their_own() {
        let draw = |seed, concern| Seed(seed).stream(concern).any();
        assert_eq!(draw(1, "disk"), draw(1, "disk"));
        assert_ne!(draw(1, "disk"), draw(1, "network"));
        assert_ne!(draw(1, "disk"), draw(2, "disk"));
    }

    #[test]
    fn delays_have_a_tail_and_an_end() {
        let mut stream = Seed(3).stream("test");
        let mut delays: Vec<u128> =
            (0..10_000).map(|_| stream.delay(Duration::from_millis(10)).as_millis()).collect();
        delays.sort_unstable();
        assert!((8..=15).contains(&delays[3_000]), "{}", delays[3_000]);
        assert!(delays[9_900] > 100, "{}", delays[9_900]);
        assert!(delays[9_999] <= 15 * 64, "{}", delays[9_999]);
    }
}
