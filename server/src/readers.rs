//! Where reads are evaluated that would keep everybody else on a client's thread waiting.

use std::fmt;

/// What a read does, answer included.
pub type Job = Box<dyn FnOnce() + Send>;

/// Looks at a key, at most, that the task of a client spends on a read itself: below half a millisecond. What takes more
/// goes to the readers.
pub const KEYS_HERE_MAX: u64 = 2_000;

/// Threads for long reads.
pub trait Readers: Send + Sync + fmt::Debug {
    /// Does it, soon: jobs are done in order, a few at a time.
    fn run(&self, job: Job);
}

/// No threads: done there and then. For a simulation, whose members have one.
#[derive(Clone, Copy, Debug)]
pub struct OnTheSpot;

impl Readers for OnTheSpot {
    fn run(&self, job: Job) {
        job();
    }
}
