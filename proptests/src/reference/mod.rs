//! The references: each module again, as the dumbest thing that could be right.
//!
//! No type of the engine appears here, so that the simulator, whose engine is a twin crate, holds its members against
//! the very same words. A request is what a client may send: well formed (no empty key, no unknown enum, no value
//! beside `ignore_value`), since what is not is refused before it reaches an engine. Nothing here is fast: a read
//! looks through all that ever happened.

pub mod auth;
mod cluster;
mod hash;
pub mod key_range;
pub mod lease;
pub mod mvcc;
pub mod request;
pub mod snapshot;
pub mod txn;
pub mod wal;
pub mod watch;

pub use cluster::Cluster;
pub use key_range::KeyRange;
pub use request::*;
