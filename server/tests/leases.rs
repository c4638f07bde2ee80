//! What clients do with leases: renew many at once, lock, and elect.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

#[path = "leases/elections.rs"]
mod elections;
#[path = "leases/keepalives.rs"]
mod keepalives;
#[path = "leases/locks.rs"]
mod locks;
mod processes;
#[path = "leases/sessions.rs"]
mod sessions;

use detcd::pb::lease_client::LeaseClient;
use detcd::pb::{LeaseGrantRequest, LeaseRevokeRequest};
use processes::{Process, eventually, local_range};
use tonic::{Code, Status};

/// Longer than any test.
const TTL_SECS: i64 = 3_600;

async fn grant(member: &Process, ttl: i64) -> i64 {
    let granted = LeaseClient::new(member.channel()).lease_grant(LeaseGrantRequest { ttl, id: 0 }).await;
    granted.unwrap().into_inner().id
}

async fn revoke(member: &Process, id: i64) {
    LeaseClient::new(member.channel()).lease_revoke(LeaseRevokeRequest { id }).await.unwrap();
}

/// Waits until so many keys with this prefix are there: those who hold and those who wait.
async fn queued(member: &Process, prefix: &str, count: i64) {
    eventually(&format!("{count} keys at {prefix}"), || async {
        let found = member.kv().range(local_range(prefix)).await.ok()?.into_inner();
        (found.count == count).then_some(())
    })
    .await;
}

/// As etcd's recipes refuse: their errors carry no code.
fn refusal(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}
