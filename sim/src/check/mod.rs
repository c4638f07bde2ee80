//! One promise or one kind of promise a file; a failure's text is the promise that was broken.
//!
//! Some look on while the run goes (`replicas_agree`, `raft`, `event_log`), the others at the end: the event log tells
//! what happened, `reference_history` turns it into a store that can be asked about any revision, and what clients were told is
//! held against that.

pub mod compaction;
pub mod event_log;
pub mod fencing;
#[cfg(test)]
mod fixtures;
pub mod leases;
mod matching;
mod promise;
pub mod raft;
pub mod real_time;
pub mod reference_history;
pub mod replicas_agree;
pub mod serialization;
pub mod watches;
mod words;

pub use promise::Promise;
