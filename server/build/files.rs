//! Which .proto files are compiled, besides those that they import.

pub(crate) const FILES: [&str; 5] = [
    "detcd/peer.proto",
    "etcd/api/etcdserverpb/rpc.proto",
    "etcd/api/etcdserverpb/auth.proto",
    "v3lock.proto",
    "v3election.proto",
];
