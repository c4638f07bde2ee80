//! The shell: sockets, disk, clock and tasks around one engine.

mod background;
pub mod callers;
pub mod clock;
mod compaction_log;
pub mod config;
pub mod disk;
pub mod encoded_events;
mod failure;
pub mod grpc;
pub mod handle;
pub mod line_limit;
mod log_in;
mod log_task;
mod main_loop;
pub mod member;
pub mod metrics;
pub mod pb;
pub mod peer;
pub mod readers;
pub mod recipes;
mod replies;
pub mod url;
pub mod wire;
