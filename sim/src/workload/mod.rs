//! What clients do while things go wrong: one file a workload. Each client does one of them, one request at a time,
//! and draws from a stream of its own. All of them go through a `client_transport::Door` and write into one `History`.

pub mod client;
pub mod compactions;
pub mod keys;
pub mod leases;
pub mod lines;
mod load;
pub mod queues;
pub mod ranges;
pub mod registers;
pub mod sets;
pub mod txns;
pub mod watches;

pub use load::{Load, Role};
