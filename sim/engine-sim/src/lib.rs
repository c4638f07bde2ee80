//! The engine as the simulator runs it: a copy of its sources, made by the build script, in which seeded bugs wait to
//! be switched on (`seeded`) and rare states are counted (`probes`). Sizes that no run of twenty seconds would ever fill
//! are smaller. All of that is in `edits/`, by the file of the
//! sources.
//!
//! The sources themselves know nothing of either. Nothing that is shipped depends on this crate, and since it is a
//! crate of its own, no set of cargo features can put a bug into what is.
// The copy is linted where it comes from, and edits need not be pretty.
#![allow(clippy::all, unused)]

pub mod probes;
pub mod seeded;

include!(concat!(env!("OUT_DIR"), "/src/included.rs"));
