//! `--feature-gates`: what can be switched on and off by a name of its own, and what becomes of each here.

use super::go_syntax;
use super::table::Kind;
use std::collections::BTreeMap;

/// One gate of etcd 3.7.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) name: &'static str,
    /// `ALPHA` or `BETA`: which of `AllAlpha` and `AllBeta` switches it.
    pub(crate) stage: &'static str,
    pub(crate) default: bool,
    pub(crate) meaning: &'static str,
    pub(crate) kind: Kind,
}

const ALL_ALPHA: &str = "AllAlpha";
const ALL_BETA: &str = "AllBeta";
const LEASES: &str = "remaining times of leases are always recorded, and survive a restart";

/// All of them, by name.
pub(crate) const GATES: [Gate; 9] = [
    not_built(
        "CompactHashCheck",
        false,
        "Compare members' hashes after compactions",
        "comparing members' data",
    ),
    means_nothing(
        "FastLeaseKeepAlive",
        "BETA",
        true,
        "Renew leases without waiting for what is being applied",
        "the leader renews a lease without writing anything, and waits for nothing else",
    ),
    means_nothing(
        "InitialCorruptCheck",
        "ALPHA",
        false,
        "Look for damage before serving",
        "every start verifies the checksums of all that it reads; data of other members is not compared",
    ),
    means_nothing("LeaseCheckpoint", "ALPHA", false, "Record the remaining times of leases", LEASES),
    means_nothing("LeaseCheckpointPersist", "ALPHA", false, "Keep those records over a restart", LEASES),
    not_built(
        "PriorityRequest",
        false,
        "Apply some requests before others",
        "an order of requests by their kind",
    ),
    not_built(
        "SetMemberLocalAddr",
        false,
        "Call members from an address of --initial-advertise-peer-urls",
        "choosing the address that members are called from",
    ),
    means_nothing(
        "StopGRPCServiceOnDefrag",
        "ALPHA",
        false,
        "Serve nobody while defragmenting",
        "nothing is ever defragmented",
    ),
    means_nothing(
        "TxnModeWriteWithSharedBuffer",
        "BETA",
        true,
        "Share a buffer between writing transactions and reads",
        "reads of a transaction see the state itself",
    ),
];

const fn means_nothing(
    name: &'static str,
    stage: &'static str,
    default: bool,
    meaning: &'static str,
    why: &'static str,
) -> Gate {
    Gate { name, stage, default, meaning, kind: Kind::MeansNothing(why) }
}

const fn not_built(name: &'static str, default: bool, meaning: &'static str, what: &'static str) -> Gate {
    Gate { name, stage: "ALPHA", default, meaning, kind: Kind::NotBuilt { what, also: &[] } }
}

/// What a text sets, gate by gate; the later of two wins. The error is etcd's.
pub(super) fn parse(text: &str) -> Result<BTreeMap<&'static str, bool>, String> {
    let mut set = BTreeMap::new();
    let mut all: [(&str, &str, Option<bool>); 2] = [(ALL_ALPHA, "ALPHA", None), (ALL_BETA, "BETA", None)];
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!("missing bool value for {part}"));
        };
        let (name, value) = (name.trim(), value.trim());
        let Some(on) = go_syntax::boolean(value) else {
            return Err(format!("invalid value of {name}={value}, true or false was expected"));
        };
        if let Some(found) = GATES.iter().find(|gate| gate.name == name) {
            set.insert(found.name, on);
        } else if let Some((_, _, all)) = all.iter_mut().find(|(all, ..)| *all == name) {
            *all = Some(on);
        } else {
            return Err(format!("unrecognized feature gate: {name}"));
        }
    }
    for (_, stage, on) in all {
        let Some(on) = on else { continue };
        // Of those that are meant by their stage alone, what there is not stays as it is.
        let meant = |gate: &&Gate| gate.stage == stage && !matches!(gate.kind, Kind::NotBuilt { .. });
        for gate in GATES.iter().filter(meant) {
            set.entry(gate.name).or_insert(on);
        }
    }
    Ok(set)
}

/// The gate of this name.
pub(super) fn find(name: &str) -> &'static Gate {
    GATES.iter().find(|gate| gate.name == name).expect("a gate of GATES")
}
