//! The state as etcd keeps it on disk: what its hashes are made of.
//!
//! `key_bucket` is the largest part of it: every version of every key under its revision. `protobuf` is the little of that
//! encoding that its values need. `hash_kv` is etcd's checksum of the versions.

mod hash_kv;
mod key_bucket;
mod protobuf;

pub use hash_kv::{HashKv, KvHash};
