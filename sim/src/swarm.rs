//! Everything that a run varies, drawn from its seed: the cluster, its settings, the load, and how often which faults
//! are injected. Each concern draws from a stream of its own.

mod knobs;

pub use knobs::Knobs;

use crate::disk::DiskProfile;
use crate::network::NetworkProfile;
use crate::plan::{Plan, Rates};
use crate::random::Seed;
use crate::served::Tier;
use crate::workload::Load;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One run, but for what is drawn while it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swarm {
    /// What it was drawn from.
    pub seed: Seed,
    /// Members: 1, 3 or 5.
    pub members: usize,
    /// The engine's limits and intervals, the same for all members; identities are filled in for each.
    pub knobs: Knobs,
    /// Of each member where they differ; as many as there are members, or none. What belongs to elections is the same
    /// for all.
    pub uneven: Vec<Knobs>,
    /// How many microseconds each member's clock shows in a true second, before any fault; a million for those that
    /// are not listed.
    pub clocks: Vec<u32>,
    /// How long a turn of a main loop takes that has more to do at once.
    #[serde(default)]
    pub busy_turn_us: u64,
    /// The network.
    pub network: NetworkProfile,
    /// The disks.
    pub disk: DiskProfile,
    /// What clients do.
    pub load: Load,
    /// How many faults of each class: what the plan was drawn from.
    pub rates: Rates,
    /// The faults.
    pub plan: Plan,
    /// Whether members serve gRPC.
    #[serde(default)]
    pub tier: Tier,
}

impl Swarm {
    /// The run of a seed.
    pub fn draw(seed: Seed) -> Swarm {
        let mut stream = seed.stream("swarm/members");
        let members = stream.pick(&[1, 3, 3, 3, 3, 5]);
        let rates = Rates::draw(seed);
        let mut knobs = Knobs::draw(&mut seed.stream("swarm/knobs"));
        let (mut load, plan) = (Load::draw(seed), Plan::draw(seed, members, &rates));
        let mut uneven = uneven(seed, members, &knobs);
        if let Some(quota_bytes) = scarce_space(seed) {
            knobs.quota_bytes = quota_bytes;
            uneven.iter_mut().for_each(|knobs| knobs.quota_bytes = quota_bytes);
            load.make_space();
        }
        Swarm {
            seed,
            members,
            knobs,
            uneven,
            clocks: clocks(seed, members),
            busy_turn_us: busy_turn_us(seed),
            network: NetworkProfile::draw(seed, members),
            disk: DiskProfile::draw(seed),
            tier: Tier::draw(seed, members, load.clients.len(), plan.ends_ms),
            load,
            plan,
            rates,
        }
    }

    /// A member's knobs.
    pub fn knobs_of(&self, place: usize) -> Knobs {
        self.uneven.get(place).copied().unwrap_or(self.knobs)
    }

    /// Every knob of the run, by its name, as it was turned; the plan is not in it.
    pub fn table(&self) -> Vec<(String, String)> {
        let mut whole = serde_json::to_value(self).expect("plain data");
        let fields = whole.as_object_mut().expect("a struct");
        for not_a_knob in ["seed", "plan"] {
            fields.remove(not_a_knob);
        }
        let mut rows = Vec::new();
        flatten("", &whole, &mut rows);
        rows
    }
}

/// Values of objects are rows of their own, under their path; lists are one.
fn flatten(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, rows);
            }
        }
        other => rows.push((path.to_owned(), other.to_string())),
    }
}

/// In a quarter of the runs every member has limits of its own, as with different flags.
fn uneven(seed: Seed, members: usize, common: &Knobs) -> Vec<Knobs> {
    let mut stream = seed.stream("swarm/uneven");
    if !stream.happens(250_000) {
        return Vec::new();
    }
    (0..members).map(|_| Knobs::draw(&mut stream).with_elections_of(common)).collect()
}

/// In one run of sixteen the store outgrows its quota, again and again: clients compact and disarm.
fn scarce_space(seed: Seed) -> Option<u64> {
    let mut stream = seed.stream("swarm/space");
    let is_scarce = stream.happens(60_000);
    is_scarce.then(|| stream.pick(&[4 * 1024, 16 * 1024, 64 * 1024]))
}

/// In one run of eight a sweep or a long queue takes time.
fn busy_turn_us(seed: Seed) -> u64 {
    let mut stream = seed.stream("swarm/busy turns");
    let are_slow = stream.happens(125_000);
    if are_slow { stream.pick(&[300, 2000]) } else { 0 }
}

/// In a quarter of the runs no clock is true, by up to 2 %, as with a bad crystal. Faults change the rate by more.
fn clocks(seed: Seed, members: usize) -> Vec<u32> {
    let mut stream = seed.stream("swarm/clocks");
    if !stream.happens(250_000) {
        return Vec::new();
    }
    let rate = |_| u32::try_from(stream.within(980_000..1_020_001)).expect("about a million");
    (0..members).map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn at_least_forty_knobs_are_turned() {
        let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for seed in 0..300 {
            for (name, value) in Swarm::draw(Seed(seed)).table() {
                // What a kind of frames or a class of faults has of its own counts once.
                let name = name.split('.').take_while(|part| *part != "kinds" && *part != "rates");
                seen.entry(name.collect::<Vec<_>>().join(".")).or_default().insert(value);
            }
        }
        let turned: Vec<&String> =
            seen.iter().filter(|(_, values)| values.len() > 1).map(|(name, _)| name).collect();
        assert!(turned.len() >= 50, "{}: {turned:?}", turned.len());
    }

    #[test]
    fn members_with_limits_of_their_own_agree_on_elections() {
        let differ = (0..100).map(|seed| Swarm::draw(Seed(seed))).find(|swarm| !swarm.uneven.is_empty());
        let swarm = differ.expect("one in four");
        for place in 0..swarm.members {
            assert_eq!(swarm.knobs_of(place).election_timeout(), swarm.knobs.election_timeout());
        }
    }
}
