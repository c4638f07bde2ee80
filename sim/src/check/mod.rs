//! Checkers: one promise or one kind of promise a file; a failure's text is the promise that was broken.
//!
//! Some check during the run (`replicas_agree`, `raft`, `event_log`), the others at its end: the event log has all
//! revisions, `reference_history` makes a store of it that can be read at any revision, and what clients received is
//! compared with that.

pub mod compaction;
mod conversion;
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

pub use promise::Promise;
