//! Which .proto files are compiled, besides those that they import.

pub(crate) const FILES: [&str; 4] =
    ["detcd/peer.proto", "etcd/api/etcdserverpb/rpc.proto", "v3lock.proto", "v3election.proto"];
