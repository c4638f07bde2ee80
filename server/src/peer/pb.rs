//! The messages of `proto/detcd/peer.proto`.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]

tonic::include_proto!("detcd.peer");
