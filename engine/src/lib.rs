//! One deterministic member of a detcd cluster: inputs in, effects out.
//!
//! `Engine::step(now, Input)` any number of times, then `Engine::take_effects()` once: nothing else crosses the
//! line. The engine has no clock, no thread, no socket, no file, no async runtime and no randomness but the seed it
//! is given; `engine/clippy.toml` refuses what a lint can see of that. The same inputs give the same effects, byte for
//! byte, on every machine.

pub mod auth;
pub mod bbolt;
pub mod codec;
pub mod command;
pub mod config;
mod cow_tree;
mod dedup_window;
pub mod effects;
pub mod engine;
pub mod etcd_file;
pub mod frame;
pub mod ids;
pub mod input;
pub mod key_range;
pub mod lease;
pub mod membership;
pub mod memory_member;
pub mod mvcc;
pub mod peer_message;
pub mod raft;
pub mod random;
pub mod request;
pub mod snapshot;
pub mod state;
pub mod time;
pub mod txn;
pub mod wal;
pub mod watch;
