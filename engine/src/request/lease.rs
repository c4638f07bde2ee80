//! Lease requests (docs/etcd-notes.md#leases).

use super::LeaseId;
use bytes::Bytes;

/// Create a lease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaseGrantRequest {
    /// Chosen by the client; 0 lets the receiving member choose.
    pub id: LeaseId,
    /// Seconds. Raised by the receiving member to one and a half election timeouts where it is less.
    pub ttl_secs: i64,
}

/// The lease as created.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaseGrantResponse {
    /// Its id.
    pub id: LeaseId,
    /// Its TTL in seconds, as raised.
    pub ttl_secs: i64,
}

/// Ask what is left of a lease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaseTimeToLiveRequest {
    /// The lease.
    pub id: LeaseId,
    /// List the attached keys too.
    pub keys: bool,
}

/// What is left of a lease.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseTimeToLiveResponse {
    /// The lease asked about.
    pub id: LeaseId,
    /// Whole seconds left, by the leader's clock; −1 where there is no such lease.
    pub ttl_secs: i64,
    /// As granted; 0 where there is no such lease.
    pub granted_ttl_secs: i64,
    /// The attached keys, sorted, where asked.
    pub keys: Vec<Bytes>,
}
