//! Lease messages, in and out.

use crate::pb;
use detcd_engine::request::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseId, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};

/// As it is: which TTLs and ids can be had is the member's to say.
pub fn grant_request(request: pb::LeaseGrantRequest) -> LeaseGrantRequest {
    LeaseGrantRequest { id: LeaseId(request.id), ttl_secs: request.ttl }
}

/// The lease as created.
pub fn grant_response(
    header: Option<pb::ResponseHeader>,
    response: LeaseGrantResponse,
) -> pb::LeaseGrantResponse {
    pb::LeaseGrantResponse { header, id: response.id.0, ttl: response.ttl_secs, error: String::new() }
}

/// As it is.
pub fn time_to_live_request(request: pb::LeaseTimeToLiveRequest) -> LeaseTimeToLiveRequest {
    LeaseTimeToLiveRequest { id: LeaseId(request.id), keys: request.keys }
}

/// What is left of the lease.
pub fn time_to_live_response(
    header: Option<pb::ResponseHeader>,
    response: LeaseTimeToLiveResponse,
) -> pb::LeaseTimeToLiveResponse {
    pb::LeaseTimeToLiveResponse {
        header,
        id: response.id.0,
        ttl: response.ttl_secs,
        granted_ttl: response.granted_ttl_secs,
        keys: response.keys,
    }
}

/// Every lease.
pub fn leases_response(header: Option<pb::ResponseHeader>, leases: Vec<LeaseId>) -> pb::LeaseLeasesResponse {
    let leases = leases.into_iter().map(|id| pb::LeaseStatus { id: id.0 }).collect();
    pb::LeaseLeasesResponse { header, leases }
}
