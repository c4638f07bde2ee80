//! Where long reads are evaluated: on a client's thread they would delay all other clients of that thread.

use std::fmt;
use tokio::sync::oneshot;

/// Evaluates one read and sends the answer.
pub type Job = Box<dyn FnOnce() + Send>;

/// The most keys that a client's task looks at for a read: below half a millisecond. A read of more goes to the readers.
pub const KEYS_HERE_MAX: u64 = 2_000;

/// Threads for long reads.
pub trait Readers: Send + Sync + fmt::Debug {
    /// Queues a job. Jobs are started in order and run a few at a time.
    fn run(&self, job: Job);
}

/// A job that does this work, unless whoever waits for it has left before it begins; and where they wait.
pub(crate) fn answering<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> (Job, oneshot::Receiver<T>) {
    let (asker, done) = oneshot::channel();
    let job = Box::new(move || {
        if !asker.is_closed() {
            // Left meanwhile: the answer is nobody's.
            drop(asker.send(work()));
        }
    });
    (job, done)
}

/// Runs each job at once on the calling thread. For the simulator, whose members have one thread.
#[derive(Clone, Copy, Debug)]
pub struct OnTheSpot;

impl Readers for OnTheSpot {
    fn run(&self, job: Job) {
        job();
    }
}
