//! Between etcd's protobuf messages and the engine's domain: shapes only, no decisions.
//!
//! `kv`, `txn`, `lease`, `maintenance` and `watch` turn requests into the engine's and its answers into responses;
//! `error` gives each refusal its gRPC code; `key_value` and `event` are the two messages that are most of the
//! traffic, written by hand so that they encode straight from what the engine holds.

pub mod error;
mod event;
mod field;
mod header;
mod key_value;
pub mod kv;
pub mod lease;
pub mod maintenance;
pub mod txn;
pub mod watch;

pub use event::{DecodedEvent, Event, encode_batch};
pub use header::Headers;
pub use key_value::KeyValue;
