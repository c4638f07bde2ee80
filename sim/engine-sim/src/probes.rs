//! Counters of rare states, for one thread as `seeded` is. A simulator that never comes to a state proves nothing of
//! it: what was never reached is told at the end of a long run.
//!
//! What the probes are is in `edits/`, each with its meaning.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// All of them: name and meaning.
pub const PROBES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/probes.rs"));

thread_local! {
    static REACHED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// The state was reached.
pub fn reached(name: &'static str) {
    REACHED.with_borrow_mut(|reached| *reached.entry(name).or_default() += 1);
}

/// How often each was reached since the last call: none is in it with 0.
pub fn take() -> BTreeMap<&'static str, u64> {
    REACHED.take()
}
