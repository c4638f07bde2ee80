//! Between etcd's protobuf messages and the engine's domain: shapes only, no decisions.
//!
//! `kv`, `txn`, `lease`, `maintenance`, `auth` and `watch` turn requests into the engine's and its answers into responses;
//! `error` gives each refusal its gRPC code; `range_answer` encodes a Range's answer in pieces, `range_chunks` makes
//! messages of it. Three messages are written by hand: `key_value` and `event` are most of the traffic, and encode
//! straight from what the engine holds; `encoded_txn` is a transaction that is not decoded before its operations are
//! counted.

pub mod auth;
mod encoded_txn;
pub mod error;
mod event;
mod field;
mod header;
mod key_value;
pub mod kv;
pub mod lease;
pub mod maintenance;
mod range_answer;
mod range_chunks;
pub mod txn;
pub mod watch;

pub use encoded_txn::EncodedTxn;
pub use event::{DecodedEvent, Event, encode_batch};
pub use header::Headers;
pub use key_value::KeyValue;
pub use range_answer::RangeAnswer;
pub use range_chunks::RangeChunks;
