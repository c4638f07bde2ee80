//! The shell: sockets, disk, clock and tasks around one engine.

pub mod config;
pub mod grpc;
pub mod member;
pub mod pb;
pub mod wire;
