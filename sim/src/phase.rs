//! The phases of a run: faults are injected, the cluster recovers, clients are quiet, all have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The phase of a run, for its clients. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Phase(Arc<AtomicU8>);

impl Phase {
    /// No more faults are injected.
    pub fn recover(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// Clients send no new requests; watchers read on.
    pub fn quiet(&self) {
        self.0.store(2, Ordering::Relaxed);
    }

    /// Watchers end too.
    pub fn end(&self) {
        self.0.store(3, Ordering::Relaxed);
    }

    /// Whether faults may still be injected.
    pub fn has_faults(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether clients are to send no new requests.
    pub fn is_quiet(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }

    /// Whether all is over.
    pub fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 2
    }
}
