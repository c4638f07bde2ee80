//! The shell as the simulator runs it: a copy of server/src, made by the build script, against the simulated tokio
//! and tonic and the engine's twin.
// The copy is linted where it comes from, and edits need not be pretty.
#![allow(clippy::all, unused)]

include!(concat!(env!("OUT_DIR"), "/src/included.rs"));
