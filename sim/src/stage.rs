//! How far a run is: things go wrong, all is whole, clients rest, watchers end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far a run is, for its clients. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Stage(Arc<AtomicU8>);

impl Stage {
    /// Nothing goes wrong any more.
    pub fn whole(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// Clients ask for nothing new; watchers read on.
    pub fn rest(&self) {
        self.0.store(2, Ordering::Relaxed);
    }

    /// Watchers end too.
    pub fn end(&self) {
        self.0.store(3, Ordering::Relaxed);
    }

    /// Whether things may go wrong.
    pub fn is_troubled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether clients are to ask for nothing new.
    pub fn is_at_rest(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }

    /// Whether all is over.
    pub fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 2
    }
}
