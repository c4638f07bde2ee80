//! Classes of faults: what a run has much of, or nothing at all. A run in which everything goes wrong a little finds
//! less than one in which one thing goes wrong often.

use super::fault::{Fault, Link};
use crate::random::{Seed, Stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Faults of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// `Fault::Kill`.
    Kills,
    /// `Fault::KillAtOperation`.
    KillsAtOperation,
    /// `Fault::KillAll`.
    KillsOfAll,
    /// `Fault::StopInOrder`.
    Stops,
    /// `Fault::Pause`.
    Pauses,
    /// `Fault::Cut`.
    Cuts,
    /// `Fault::ClockRate`.
    ClockRates,
    /// `Fault::ClockJump`.
    ClockJumps,
}

/// How many faults of each class a run has, on its way. A class that is not there is off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rates(pub BTreeMap<FaultClass, u64>);

impl Rates {
    /// Each class is off in half of all runs.
    pub fn draw(seed: Seed) -> Rates {
        let draw = |class: &FaultClass| {
            let mut stream = seed.stream(&format!("swarm/rates/{}", class.name()));
            let is_on = stream.happens(500_000);
            is_on.then(|| (*class, stream.within(1..class.most() + 1)))
        };
        Rates(FaultClass::ALL.iter().filter_map(draw).collect())
    }
}

impl FaultClass {
    /// All of them.
    pub const ALL: [FaultClass; 8] = [
        FaultClass::Kills,
        FaultClass::KillsAtOperation,
        FaultClass::KillsOfAll,
        FaultClass::Stops,
        FaultClass::Pauses,
        FaultClass::Cuts,
        FaultClass::ClockRates,
        FaultClass::ClockJumps,
    ];

    /// Its name, never changed: streams are seeded by it.
    pub fn name(self) -> &'static str {
        match self {
            FaultClass::Kills => "kills",
            FaultClass::KillsAtOperation => "kills_at_operation",
            FaultClass::KillsOfAll => "kills_of_all",
            FaultClass::Stops => "stops",
            FaultClass::Pauses => "pauses",
            FaultClass::Cuts => "cuts",
            FaultClass::ClockRates => "clock_rates",
            FaultClass::ClockJumps => "clock_jumps",
        }
    }

    /// How many of it a run has at most.
    fn most(self) -> u64 {
        match self {
            FaultClass::Kills | FaultClass::KillsAtOperation | FaultClass::Cuts => 8,
            FaultClass::Pauses | FaultClass::ClockRates => 4,
            FaultClass::KillsOfAll | FaultClass::Stops | FaultClass::ClockJumps => 3,
        }
    }

    /// One fault of this class, for a cluster of so many members.
    pub(super) fn draw(self, stream: &mut Stream, members: usize) -> Fault {
        match self {
            FaultClass::Kills => Fault::Kill { member: stream.index(members), down_ms: down_ms(stream) },
            FaultClass::KillsAtOperation => {
                let most = stream.pick(&[5, 50, 500]);
                let operations = stream.within(0..most);
                Fault::KillAtOperation { member: stream.index(members), operations, down_ms: down_ms(stream) }
            }
            FaultClass::KillsOfAll => Fault::KillAll { down_ms: down_ms(stream) },
            FaultClass::Stops => Fault::StopInOrder { member: stream.index(members) },
            FaultClass::Pauses => Fault::Pause { member: stream.index(members), for_ms: down_ms(stream) },
            FaultClass::Cuts => cut(stream, members),
            FaultClass::ClockRates => Fault::ClockRate {
                member: stream.index(members),
                micros_per_second: u32::try_from(stream.within(800_000..1_200_000)).expect("about a million"),
            },
            FaultClass::ClockJumps => {
                let most = stream.pick(&[100, 10_000, 3_600_000]);
                Fault::ClockJump { member: stream.index(members), by_ms: stream.within(1..most) }
            }
        }
    }
}

fn down_ms(stream: &mut Stream) -> u64 {
    let most = stream.pick(&[50, 1000, 5000]);
    stream.within(1..most)
}

/// Any split, in either direction or both: one member alone is as likely as a split down the middle.
fn cut(stream: &mut Stream, members: usize) -> Fault {
    let mut places: Vec<usize> = (0..members).collect();
    stream.shuffle(&mut places);
    let others = places.split_off(members.min(1 + stream.index(members.max(2) - 1)));
    let mut links = Vec::new();
    let both_ways = stream.happens(600_000);
    for (from, to) in places.iter().flat_map(|from| others.iter().map(move |to| (*from, *to))) {
        links.push(Link { from, to });
        if both_ways {
            links.push(Link { from: to, to: from });
        }
    }
    Fault::Cut { links, for_ms: stream.within(100..6000) }
}
