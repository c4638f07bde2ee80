//! The switch of seeded bugs: one at most is on, for one thread. A seed runs on one thread from its beginning to its
//! end, so runs side by side do not disturb each other.
//!
//! What the bugs are is in `edits/`, each with its story.

use std::cell::Cell;

/// A bug that is known, put in to see whether the simulator finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug {
    /// What it is switched on by.
    pub name: &'static str,
    /// Where it was a real one.
    pub origin: &'static str,
    /// The checker that should find it.
    pub breaks: &'static str,
    /// Within so many random seeds.
    pub budget: u32,
    /// What it does.
    pub story: &'static str,
}

/// All of them, by name.
pub const BUGS: &[Bug] = include!(concat!(env!("OUT_DIR"), "/bugs.rs"));

thread_local! {
    static ON: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Switches a bug on, and the one before off; `None` switches all off. For this thread, until the next call.
///
/// # Panics
/// There is no bug of that name.
pub fn set(name: Option<&'static str>) {
    if let Some(name) = name {
        assert!(BUGS.iter().any(|bug| bug.name == name), "there is no seeded bug {name:?}");
    }
    ON.set(name);
}

/// Which is on.
pub fn on() -> Option<&'static str> {
    ON.get()
}

/// Asked by the edits.
pub fn is_on(name: &str) -> bool {
    ON.get() == Some(name)
}
