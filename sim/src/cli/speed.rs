//! How much time one core simulates: three members without faults, about ten operations a second, every
//! checker on.

use detcd_sim::case::Case;
use detcd_sim::runner::run_case;
use detcd_sim::served::{Served, Tier};
use detcd_sim::trace::Trace;
use std::time::Instant;

/// So long a run, so many times: the fastest counts, as what disturbs a machine only ever makes it slower.
const RUN_MS: u64 = 300_000;
const RUNS: u64 = 5;

pub(super) fn run(is_served: bool) -> Result<(), String> {
    let mut best = 0.0_f64;
    for seed in 0..RUNS {
        let mut case = Case::standard(seed, RUN_MS);
        if is_served {
            case.swarm.tier = Tier::Server(Served::baseline());
        }
        let started = Instant::now();
        let report = run_case(&case, &Trace::default()).map_err(|broken| broken.text)?;
        let (wall, simulated) = (started.elapsed().as_secs_f64(), report.simulated.as_secs_f64());
        let calls = u32::try_from(report.calls).expect("a short run");
        println!(
            "{simulated:.0} s in {wall:.2} s: {:.0}:1, {:.1} operations/s, {} events",
            simulated / wall,
            f64::from(calls) / simulated,
            report.events
        );
        best = best.max(simulated / wall);
    }
    println!(
        "simulated:wall on one core, {} members, every checker on: {best:.0}:1",
        Case::standard(0, RUN_MS).swarm.members
    );
    Ok(())
}
