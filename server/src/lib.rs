//! The shell: sockets, disk, clock and tasks around one engine.

pub mod member;
pub mod pb;
pub mod wire;
