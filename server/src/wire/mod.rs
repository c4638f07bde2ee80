//! Between etcd's protobuf messages and the engine's domain: shapes only, no decisions.
//!
//! `kv`, `lease`, `maintenance` and `watch` turn requests into the engine's and its answers into responses; `error`
//! gives each refusal its gRPC code; `key_value` and `event` are the two messages that are most of the traffic,
//! written by hand so that they encode straight from what the engine holds.

mod event;
mod field;
mod key_value;

pub use event::{DecodedEvent, Event, encode_batch};
pub use key_value::KeyValue;
