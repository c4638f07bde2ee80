//! Classes of faults, each of which a run has often or not at all. A run with a few faults of every class finds less
//! than one with many of a few classes.

use crate::random::Seed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Faults of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each has the name of its `Fault`")]
pub enum FaultClass {
    Kills,
    KillsAtOperation,
    KillsOfAll,
    Aborts,
    Storms,
    Stops,
    Pauses,
    Cuts,
    CutOffLeaders,
    RepeatedAnswers,
    Swizzles,
    Losses,
    SlowSyncs,
    SlowSnapshots,
    DiskErrors,
    FullDisks,
    Rot,
    Wipes,
    SentSnapshots,
    LeftSnapshots,
    ClockRates,
    ClockJumps,
    ClockStalls,
}

/// How many faults of each class a run has. A class that is not there is off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rates(pub BTreeMap<FaultClass, u64>);

/// Of each class: its name, never changed, as streams are seeded by it; and how many a run has at most.
const CLASSES: [(FaultClass, &str, u64); 23] = [
    (FaultClass::Kills, "kills", 8),
    (FaultClass::KillsAtOperation, "kills_at_operation", 8),
    (FaultClass::KillsOfAll, "kills_of_all", 3),
    (FaultClass::Aborts, "aborts", 8),
    (FaultClass::Storms, "storms", 3),
    (FaultClass::Stops, "stops", 3),
    (FaultClass::Pauses, "pauses", 4),
    (FaultClass::Cuts, "cuts", 8),
    (FaultClass::CutOffLeaders, "cut_off_leaders", 6),
    (FaultClass::RepeatedAnswers, "repeated_answers", 6),
    (FaultClass::Swizzles, "swizzles", 3),
    (FaultClass::Losses, "losses", 6),
    (FaultClass::SlowSyncs, "slow_syncs", 4),
    (FaultClass::SlowSnapshots, "slow_snapshots", 3),
    (FaultClass::DiskErrors, "disk_errors", 8),
    (FaultClass::FullDisks, "full_disks", 3),
    (FaultClass::Rot, "rot", 3),
    (FaultClass::Wipes, "wipes", 1),
    (FaultClass::SentSnapshots, "sent_snapshots", 6),
    (FaultClass::LeftSnapshots, "left_snapshots", 3),
    (FaultClass::ClockRates, "clock_rates", 4),
    (FaultClass::ClockJumps, "clock_jumps", 3),
    (FaultClass::ClockStalls, "clock_stalls", 3),
];

impl Rates {
    /// Each class is on with a probability that is drawn for the run: from one in ten to one in two.
    pub fn draw(seed: Seed) -> Rates {
        let on_per_million = seed.stream("swarm/rates").pick(&[100_000, 250_000, 500_000]);
        let draw = |(class, name, most): &(FaultClass, &str, u64)| {
            let mut stream = seed.stream(&format!("swarm/rates/{name}"));
            let is_on = stream.happens(on_per_million);
            is_on.then(|| (*class, stream.within(1..most + 1)))
        };
        Rates(CLASSES.iter().filter_map(draw).collect())
    }
}

impl FaultClass {
    /// All of them.
    pub fn all() -> impl Iterator<Item = FaultClass> {
        CLASSES.iter().map(|(class, ..)| *class)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let named = CLASSES.iter().find(|(class, ..)| *class == self);
        named.expect("the table has every class").1
    }
}
