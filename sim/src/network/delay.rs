//! How long things take: a median and a shape. The tails are what finds things, so they are drawn exactly, and with
//! integers alone: a logarithm of the platform's own could make two machines run one seed differently.
//!
//! A shape is its quantiles at 0, 1/2, 3/4, 7/8 and so on. A draw first takes the level (each is half as
//! likely as the one before), then a value between its quantiles.

use crate::random::Stream;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Nothing takes longer: by then every waiter has given up, as if it had been lost.
const LONGEST: Duration = Duration::from_secs(20);

/// The quantiles of a shape at 1 - 2^-level, in thousandths of the median.
type Quantiles = [u64; 17];

/// -log2 of what is left: a straight line.
const EXPONENTIAL: Quantiles = [
    50, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 11_000, 12_000, 13_000,
    14_000, 15_000, 16_000,
];
/// Sigma 1.
const LOGNORMAL: Quantiles = [
    50, 1_000, 1_963, 3_159, 4_637, 6_441, 8_618, 11_218, 14_297, 17_915, 22_137, 27_037, 32_691, 39_186,
    46_615, 55_079, 64_688,
];
/// Alpha 1.2: one in a hundred takes 20 times the median, one in ten thousand 900 times.
const PARETO: Quantiles = [
    561, 1_000, 1_782, 3_175, 5_657, 10_079, 17_959, 32_000, 57_018, 101_594, 181_019, 322_540, 574_701,
    1_024_000, 1_824_561, 3_250_997, 5_792_619,
];

/// A distribution of delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Half of them are shorter.
    pub median_us: u64,
    /// How they lie around it.
    pub shape: Shape,
}

/// What kind of distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Always the median.
    Fixed,
    /// From half of it to one and a half.
    Uniform,
    /// Waiting for an event of a Poisson process.
    Exponential,
    /// The product of many small delays.
    Lognormal,
    /// Mostly short, and now and then thousands of times as long.
    Pareto,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 5] =
        [Shape::Fixed, Shape::Uniform, Shape::Exponential, Shape::Lognormal, Shape::Pareto];
}

impl Delay {
    /// One delay.
    pub fn draw(self, stream: &mut Stream) -> Duration {
        let Delay { median_us, shape } = self;
        let quantiles = match shape {
            Shape::Fixed => return Duration::from_micros(median_us),
            Shape::Uniform => {
                return Duration::from_micros(stream.within(median_us / 2..median_us * 3 / 2 + 1));
            }
            Shape::Exponential => &EXPONENTIAL,
            Shape::Lognormal => &LOGNORMAL,
            Shape::Pareto => &PARETO,
        };
        let level = (stream.any().leading_ones() as usize).min(quantiles.len() - 2);
        let thousandths = stream.within(quantiles[level]..quantiles[level + 1]);
        Duration::from_micros(median_us.saturating_mul(thousandths) / 1000).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    /// The median, the 99th and the 99.9th of a hundred, and the longest, of 100,000 draws, in milliseconds.
    fn quantiles(shape: Shape) -> [u128; 4] {
        let mut stream = Seed(3).stream("test");
        let delay = Delay { median_us: 10_000, shape };
        let mut drawn: Vec<u128> = (0..100_000).map(|_| delay.draw(&mut stream).as_millis()).collect();
        drawn.sort_unstable();
        [50_000, 99_000, 99_900, 99_999].map(|place| drawn[place])
    }

    #[test]
    fn each_shape_has_its_tail() {
        for (shape, wanted) in [
            (Shape::Fixed, [10..=10, 10..=10, 10..=10, 10..=10]),
            (Shape::Uniform, [9..=11, 14..=15, 14..=15, 14..=15]),
            (Shape::Exponential, [9..=10, 60..=72, 92..=110, 120..=170]),
            (Shape::Lognormal, [9..=10, 90..=120, 190..=260, 350..=700]),
            (Shape::Pareto, [9..=10, 230..=330, 1600..=2800, 10_000..=20_000]),
        ] {
            let found = quantiles(shape);
            for (found, wanted) in found.iter().zip(&wanted) {
                assert!(wanted.contains(found), "{shape:?}: {found} ms, {wanted:?} wanted");
            }
        }
    }
}
