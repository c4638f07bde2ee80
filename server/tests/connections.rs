//! What the clients of the world do to a connection: many small messages, many cancelled calls, much metadata, compressed
//! messages, deadlines, and frames that no client of gRPC sends. Over real sockets, frame by frame.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

#[path = "connections/cancelled.rs"]
mod cancelled;
#[path = "connections/deadlines.rs"]
mod deadlines;
#[path = "connections/door.rs"]
mod door;
#[path = "connections/http.rs"]
mod http_requests;
#[path = "connections/odd_calls.rs"]
mod odd_calls;
#[path = "connections/peers.rs"]
mod peers;
mod processes;
#[path = "connections/raw.rs"]
mod raw;
#[path = "connections/small_messages.rs"]
mod small_messages;
#[path = "connections/tls.rs"]
mod tls;
