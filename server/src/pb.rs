//! etcd's messages and services, generated from `proto/`.

/// Messages and services of package `etcdserverpb`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub mod etcdserverpb {
    tonic::include_proto!("etcdserverpb");
}

pub use etcdserverpb::*;

/// Messages of package `authpb`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub mod authpb {
    tonic::include_proto!("authpb");
}

/// Messages and service of package `v3lockpb`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub mod v3lockpb {
    tonic::include_proto!("v3lockpb");
}

/// Messages and service of package `v3electionpb`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]
pub mod v3electionpb {
    tonic::include_proto!("v3electionpb");
}

/// The encoded `FileDescriptorSet` of all of them, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/etcdserverpb.descriptors"));
