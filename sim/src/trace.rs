//! What happened in a run, as one number: two runs of a seed are the same run if their traces are equal.
//!
//! Every event goes in with its simulated time, its member and its bytes. The last few are kept as text, for the
//! report of a failure.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use twox_hash::xxhash3_128::Hasher;

/// How many events a failure's report ends with.
const KEPT: usize = 40;

/// A run's trace. Cheap to clone; all clones are the same trace.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Inner>>);

struct Inner {
    hash: Hasher,
    events: u64,
    last: VecDeque<String>,
    /// Prints every event as it happens.
    prints: bool,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("events", &self.events()).finish()
    }
}

impl Trace {
    /// An empty one.
    pub fn new(prints: bool) -> Trace {
        let inner = Inner { hash: Hasher::new(), events: 0, last: VecDeque::new(), prints };
        Trace(Arc::new(Mutex::new(inner)))
    }

    /// Something happened, now. `bytes` are hashed and not kept.
    pub fn event(&self, place: &str, what: fmt::Arguments<'_>, bytes: &[u8]) {
        let now = crate::clock::simulated_now();
        let mut inner = self.lock();
        let text = format!("{:>10.4} {place:<7} {what}", now.as_secs_f64());
        inner.hash.write(&now.as_nanos().to_le_bytes());
        inner.hash.write(text.as_bytes());
        inner.hash.write(&(bytes.len() as u64).to_le_bytes());
        inner.hash.write(bytes);
        inner.events += 1;
        if inner.prints {
            println!("{text}");
        }
        if inner.last.len() == KEPT {
            inner.last.pop_front();
        }
        inner.last.push_back(text);
    }

    /// The number.
    pub fn hash(&self) -> u128 {
        self.lock().hash.finish_128()
    }

    /// How many events went in.
    pub fn events(&self) -> u64 {
        self.lock().events
    }

    /// The last few, oldest first.
    pub fn last(&self) -> Vec<String> {
        self.lock().last.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic while it is held")
    }
}
