//! Seeds, each a cluster with faults of its own. A failure prints what happened last, and what was broken.
#![cfg(madsim)]

use detcd_sim::case::Case;
use detcd_sim::corpus;
use detcd_sim::run::Report;
use detcd_sim::runner::{run, run_case, run_twice};
use detcd_sim::trace::Trace;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Every item, on all cores: a run takes one.
fn each<T: Sync>(items: &[T], does: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                does(item);
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

fn passes(seed: u64) -> Report {
    run(seed)
        .unwrap_or_else(|failure| panic!("{failure}\nreplay: cargo run --release -p detcd-sim -- run {seed}"))
}

#[test]
fn a_cluster_keeps_its_promises() {
    let answered = AtomicUsize::new(0);
    let seeds: Vec<u64> = (0..200).collect();
    each(&seeds, |seed| {
        answered.fetch_add(passes(*seed).answered, Ordering::Relaxed);
    });
    let answered = answered.into_inner();
    assert!(answered > 10_000, "only {answered} calls were answered in all: the seeds test nothing");
}

#[test]
fn what_was_mended_stays_mended() {
    let files = corpus::files().unwrap();
    each(&files, |path| {
        let case = Case::load(path).unwrap_or_else(|error| panic!("{error}"));
        corpus::check(&case).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    });
}

#[test]
fn det_a_seed_is_the_same_run_every_time() {
    let seeds: Vec<u64> = (1000..1030).collect();
    each(&seeds, |seed| {
        let report = run_twice(&Case::draw(*seed)).unwrap_or_else(|broken| panic!("{}", broken.text));
        assert!(report.events > 0, "seed {seed} did nothing");
    });
}

/// What a trace remembers is for who reads it: it must not change the run.
#[test]
fn det_a_run_that_is_watched_is_the_same_run() {
    let case = Case::draw(1);
    let plain = run_case(&case, &Trace::default());
    assert!(plain.is_ok(), "{plain:?}");
    assert_eq!(run_case(&case, &Trace::keeping()), plain);
    assert_eq!(run_case(&case, &Trace::linking()), plain);
}
