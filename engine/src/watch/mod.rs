//! Watches: cursors into the store's history.
//!
//! A watcher is a range, filters and a cursor: the next revision it has not been sent. Everything follows from that.
//! A watcher that is up to date gets each new revision as it is published. One that is not (it asked for the past,
//! its stream had no room, a snapshot jumped ahead) keeps its cursor and reads the store's history from there, in
//! slices, until it is up to date. There is no other mechanism.
//!
//! What etcd promises on its API page, and where it comes from here:
//!
//! * **Ordered**: a cursor only goes forward, and a stream's responses leave in the order they were made.
//! * **Unique**: nothing below the cursor is sent, and sending moves it.
//! * **Reliable**: nothing but sending moves it past an event; if compaction overtakes it, the watcher ends and says so.
//! * **Atomic**: windows, slices and responses hold whole revisions; only a watcher that takes fragments sees parts.
//! * **Resumable**: a new watcher with a past start is a cursor like any other.
//! * **Bookmarkable**: progress goes through the same queue as events and speaks only of what was sent.

mod catch_up;
mod counts;
mod fan_out;
mod hub;
mod input;
mod progress;
mod range_map;
mod response;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod watcher;

pub use hub::Hub;
pub use input::{WatchCreate, WatchInput};
pub use response::{
    DRAINED_BYTES_DUE, Event, EventBatch, EventRange, WatchEffects, WatchRefusal, WatchResponse,
};
