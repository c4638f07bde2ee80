//! Everything a client, a peer or an operator can get wrong: each has its exact code and text, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

#[path = "bad_input/alarms.rs"]
mod alarms;
#[path = "bad_input/frames.rs"]
mod frames;
mod processes;
#[path = "bad_input/requests.rs"]
mod requests;
#[path = "bad_input/starting.rs"]
mod starting;
#[path = "bad_input/strangers.rs"]
mod strangers;

use detcd::pb;
use processes::Process;

/// What a refused request must not change.
#[derive(Debug, PartialEq)]
struct Holdings {
    revision: i64,
    keys: i64,
    leases: usize,
    alarms: usize,
}

impl Holdings {
    async fn of(member: &Process) -> Holdings {
        let all = pb::RangeRequest {
            key: b"\0".as_slice().into(),
            range_end: b"\0".as_slice().into(),
            count_only: true,
            ..Default::default()
        };
        let found = member.kv().range(all).await.unwrap().into_inner();
        let mut leases = pb::lease_client::LeaseClient::new(member.channel());
        let leases = leases.lease_leases(pb::LeaseLeasesRequest {}).await.unwrap().into_inner().leases;
        let mut maintenance = pb::maintenance_client::MaintenanceClient::new(member.channel());
        let alarms = maintenance.alarm(pb::AlarmRequest::default()).await.unwrap().into_inner().alarms;
        let revision = found.header.unwrap_or_default().revision;
        Holdings { revision, keys: found.count, leases: leases.len(), alarms: alarms.len() }
    }
}
