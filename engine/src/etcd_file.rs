//! The state as etcd keeps it on disk: what its hashes are made of, and its snapshot files.
//!
//! etcd's database is a file of bbolt's (`bbolt`) with a bucket for each part of the state. `key_bucket` is the largest:
//! every version of every key under its revision; `small_buckets` are all but that one and the leases, `users` the three of them about who may do what. `protobuf` is the
//! little of that encoding that their values need. `export` makes such a file of a state, `import` a state of such a file.
//! `hash_kv` is etcd's checksum of the versions.

mod export;
mod hash_kv;
mod import;
mod key_bucket;
mod protobuf;
mod small_buckets;
#[cfg(test)]
mod tests;
mod users;

pub use export::Export;
pub use hash_kv::{HashKv, KvHash};
pub use import::{Contents, ImportError};
pub use small_buckets::Release;

/// Of a bucket: key and value.
type Entry = (Vec<u8>, Vec<u8>);
