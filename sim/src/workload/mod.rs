//! What clients do while faults are injected: one file a workload. Each client does one of them, one request at a time,
//! and draws from a stream of its own. All use a `client_transport::ClientTransport` and write into one `History`.

pub mod client;
pub mod compactions;
pub mod fencing;
pub mod keys;
pub mod leases;
mod load;
pub mod queues;
pub mod ranges;
pub mod registers;
pub mod sets;
pub mod txns;
pub mod watches;

pub use load::{Load, Role};

use client::Client;

/// One client does the work of its role until the run ends.
pub async fn run(mut client: Client, role: Role) {
    client.choose_member();
    match role {
        Role::Registers => registers::run(client).await,
        Role::Txns => txns::run(client).await,
        Role::Sets => sets::run(client).await,
        Role::Ranges => ranges::run(client).await,
        Role::Compactions => compactions::run(client).await,
        Role::Watches => watches::run(client).await,
        Role::Leases => leases::run(client).await,
        Role::Locks => fencing::run(client, fencing::Kind::Lock).await,
        Role::Elections => fencing::run(client, fencing::Kind::Election).await,
        Role::Queues => queues::run(client).await,
    }
}
