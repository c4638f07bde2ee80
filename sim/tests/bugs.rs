//! Seeded bugs that the simulator found once, it finds again, by the directed plan that was kept of each. Five here;
//! `detcd-sim bugs` looks at all.
#![cfg(madsim)]

use detcd_sim::bugs::named;
use detcd_sim::hunt::record;

/// Five modules: the log on disk, the snapshots, reads, transactions, the window of commands.
const FIVE: [&str; 5] =
    ["ack_before_sync", "index_before_data", "leader_local_read", "compare_at_proposal", "repeat_applied"];

#[test]
fn seeded_bugs_are_found_and_nothing_is_found_without_them() {
    for name in FIVE {
        let bug = named(name).unwrap_or_else(|error| panic!("{error}"));
        record::check(bug, false).unwrap_or_else(|error| panic!("{error}"));
    }
}
