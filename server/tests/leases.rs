//! What clients do with leases: renew many at once.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

#[path = "leases/keepalives.rs"]
mod keepalives;
mod processes;
