//! The settings of a run that say what it was like, a line for each part.

use super::counted;
use super::table::{Side, Table};
use crate::case::Case;
use crate::network::NetworkProfile;
use crate::served::Tier;
use crate::swarm::Swarm;

/// All lines, each with a newline.
pub(super) fn text(case: &Case) -> String {
    let Case { swarm, bug, calls_max, .. } = case;
    let Swarm { knobs, disk, load, .. } = swarm;
    let mut table = Table::new([Side::Left; 2]);
    let mut row = |what: &str, text: String| table.row([what.to_owned(), text]);
    row("cluster", cluster(swarm));
    row(
        "raft",
        format!(
            "heartbeats {} ms, election timeout {} ms; an entry {} and {}; {} at once",
            knobs.heartbeat_interval_ms,
            knobs.election_timeout().as_millis(),
            counted(knobs.entry_commands_max, "command"),
            bytes(knobs.entry_bytes_max as u64),
            counted(knobs.persists_in_flight_max, "log write"),
        ),
    );
    row(
        "storage",
        format!(
            "snapshots after {}, log in memory {}, segments {}, quota {}",
            counted(usize::try_from(knobs.snapshot_commands_min).unwrap_or(usize::MAX), "command"),
            bytes(knobs.log_bytes_max as u64),
            bytes(knobs.wal_segment_bytes),
            bytes(knobs.quota_bytes),
        ),
    );
    row(
        "disk",
        format!(
            "syncs {} us ({} slow), snapshot writes {} us, restarts after {} ms",
            disk.sync_us,
            share(disk.slow_syncs_per_million),
            disk.snapshot_write_us,
            disk.restart_ms,
        ),
    );
    row("network", network(&swarm.network));
    row(
        "load",
        format!(
            "{}, a call every {} ms, patience {} ms, lease TTL {} s, answers lost {}",
            counted(load.keys, "key"),
            load.think_ms,
            load.patience_ms,
            load.lease_ttl_secs,
            share(load.lost_answers_per_million),
        ),
    );
    if let Some(calls) = calls_max {
        row(
            "",
            format!(
                "each client stops after {} until the faults end",
                counted(usize::try_from(*calls).unwrap_or(usize::MAX), "call")
            ),
        );
    }
    if let Some(bug) = bug {
        row("bug", bug.clone());
    }
    table.text("")
}

fn cluster(swarm: &Swarm) -> String {
    let (members, clients) = (counted(swarm.members, "member"), counted(swarm.load.clients.len(), "client"));
    let tier = match &swarm.tier {
        Tier::Members => "called directly".to_owned(),
        Tier::Server(served) => format!("over gRPC, cut off {} times", served.cuts.len()),
    };
    let mut text = format!("{members}, {clients} {tier}; faults for {} s", swarm.plan.ends_ms.div_ceil(1000));
    for (is_so, words) in [
        (!swarm.uneven.is_empty(), "; limits differ by member"),
        (!swarm.clocks.is_empty(), "; clocks run at different rates"),
        (swarm.busy_turn_us > 0, "; slow turns of the main loop"),
        (!swarm.plan.liveness.rest.is_empty(), "; a minority stays failed for a while"),
    ] {
        text.push_str(if is_so { words } else { "" });
    }
    text
}

fn network(network: &NetworkProfile) -> String {
    let usual = &network.usual;
    let mut text = format!(
        "median delay {} us ({:?}), lost {}, duplicated {}, corrupted {}, misrouted {}",
        usual.delay.median_us,
        usual.delay.shape,
        share(usual.drops_per_million),
        share(usual.duplicates_per_million),
        share(network.corrupts_per_million),
        share(network.cross_wires_per_million),
    )
    .to_lowercase();
    if network.bytes_per_ms > 0 {
        text += &format!(", {} bytes/ms", network.bytes_per_ms);
    }
    if !network.kinds.is_empty() {
        text += &format!(", {} treated differently", counted(network.kinds.len(), "kind"));
    }
    if !network.slow_links.is_empty() {
        text += &format!(", {}", counted(network.slow_links.len(), "slow link"));
    }
    text
}

fn share(per_million: u32) -> String {
    format!("{} %", f64::from(per_million) / 10_000.0)
}

/// With the largest unit that leaves a whole number.
fn bytes(bytes: u64) -> String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{} {unit}", bytes / size);
        }
    }
    format!("{bytes} B")
}
