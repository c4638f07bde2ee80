//! One file a room.

pub mod mvcc;
