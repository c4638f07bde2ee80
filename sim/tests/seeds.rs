//! Seeds, each a cluster with troubles of its own. A failure prints the command that replays it.
#![cfg(madsim)]

use detcd_sim::run::{Report, run};

fn passes(seed: u64) -> Report {
    run(seed, false).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Over two threads, as many as the smallest machine has: a seed takes one.
fn all_pass(seeds: std::ops::Range<u64>) {
    let middle = seeds.start + (seeds.end - seeds.start) / 2;
    let (first, second) = (seeds.start..middle, middle..seeds.end);
    let second = std::thread::spawn(move || second.map(passes).map(|report| report.answered).sum::<usize>());
    let answered = first.map(|seed| passes(seed).answered).sum::<usize>();
    let answered = answered + second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(answered > 1000, "only {answered} calls were answered in all: the seeds test nothing");
}

#[test]
fn a_cluster_keeps_its_promises() {
    all_pass(0..40);
}

/// Seeds that broke a promise once, each with what it found.
#[test]
fn what_was_mended_stays_mended() {
    for (seed, found) in [
        (1220, "a log whose removed segments ended with entries that were replaced was refused"),
        (1477, "the same, after a snapshot of the leader's"),
    ] {
        assert!(passes(seed).events > 0, "{found}");
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in 100..104 {
        assert_eq!(passes(seed), passes(seed), "seed {seed} ran differently the second time");
    }
}
