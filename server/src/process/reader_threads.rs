//! The threads that evaluate long reads: few, so that their memory is bounded, and of a lower priority than the threads
//! of clients and the main loop, which answer everybody else meanwhile.

use detcd::readers::{Job, Readers};
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use tracing::warn;

/// Added to the niceness of the process: a thread that always has work gets about a third of the time of one of ours
/// that has work too.
const NICENESS: i32 = 5;

/// See the module.
#[derive(Debug)]
pub(crate) struct ReaderThreads {
    jobs: mpsc::Sender<Job>,
}

impl ReaderThreads {
    /// Starts one for two cores, named after what they do.
    pub(crate) fn start(what: &str) -> io::Result<ReaderThreads> {
        let count = thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..count {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("{what}-{number}")).spawn(move || {
                // On Linux this is the calling thread's alone.
                if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
                    warn!(%error, "failed to lower the priority of a thread for long work");
                }
                loop {
                    let job = queue.lock().expect("no job runs while it is held").recv();
                    match job {
                        Ok(job) => job(),
                        Err(mpsc::RecvError) => return,
                    }
                }
            })?;
        }
        Ok(ReaderThreads { jobs })
    }
}

impl Readers for ReaderThreads {
    fn run(&self, job: Job) {
        // The threads live as long as this does, unless a job panicked on all of them: then who waits is told by the
        // answer that does not come.
        drop(self.jobs.send(job));
    }
}
