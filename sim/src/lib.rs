//! A deterministic simulator of detcd clusters.
//!
//! Whole members (engine, main loop, log and snapshots, as the server's own sources have them) run on madsim's
//! scheduler and clock, one thread a seed. Their environment is simulated: `disk`, `network`, `clock`. Faults are drawn
//! from the seed before the run (`swarm`, `plan`) and injected by `nemesis`; what clients do is in `workload`, what
//! they received in `history`, and what is checked in `check`. `run` puts it together. The same seed gives the same
//! run, byte for byte: `trace` is the proof.
//!
//! Members do not use madsim's network and disk: its TCP informs the other end of a crash behind a partition, and its
//! disk loses nothing. Only clients of the whole server (`served`) use it, for gRPC.
#![cfg(any(madsim, doc))]

mod baseline;
pub mod bugs;
pub mod case;
pub mod check;
pub mod client_transport;
pub mod clock;
pub mod cluster;
pub mod corpus;
pub mod disk;
pub mod history;
pub mod hunt;
pub mod last_events;
pub mod nemesis;
pub mod network;
pub mod phase;
pub mod plan;
pub mod random;
pub mod run;
pub mod runner;
pub mod served;
pub mod shrink;
pub mod summary;
pub mod swarm;
pub mod timeline;
pub mod trace;
pub mod watch_response;
pub mod workload;
