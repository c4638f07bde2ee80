//! A client that compacts: to the head, to the last tombstone, to some revision of the past, again to where it was,
//! and beyond the head. Where the store outgrows its quota, it disarms the alarm as well, whether or not there is room.
//!
//! Nothing is compacted that the event log has not seen: its revisions could not be read any more.

use super::client::Client;
use crate::history::Outcome;
use detcd_engine::request::{AlarmKind, AlarmRequest, CompactRequest, Request, Response};
use madsim::time::sleep;
use std::time::Duration;

/// One client, to the end.
pub async fn run(mut client: Client) {
    let mut is_refused = false;
    while client.goes_on().await {
        // Compactions are rare, but a client that an overloaded member refused retries at the rate of the other
        // clients: with one retry a second it would not be served for long beside them.
        if !is_refused {
            let pause = Duration::from_millis(client.stream.within(50..1500));
            sleep(pause).await;
        }
        let head = client.event_log.head();
        // A client may have requested the revision after the head, which need not exist yet.
        let compacted = client.event_log.compacted().min(head);
        let span = (head - compacted).max(1).unsigned_abs();
        let revision = match client.stream.index(8) {
            0 => head,
            1 => compacted,
            // The revision after the head may be created meanwhile; what is below it has been seen.
            2 => head + 1,
            3 => client.event_log.last_delete().unwrap_or(head),
            _ => compacted + client.stream.within(0..span + 1).cast_signed(),
        };
        let physical = client.stream.happens(300_000);
        client.event_log.may_be_compacted(revision);
        let outcome = client.ask_with_retries(Request::Compact(CompactRequest { revision, physical })).await;
        is_refused = outcome == Outcome::NotDone;
        if client.load.frees_space {
            disarm(&mut client).await;
        }
    }
}

async fn disarm(client: &mut Client) {
    let list = AlarmRequest::List(Some(AlarmKind::NoSpace));
    let Some(reply) = client.done(Request::Alarm(list)).await else { return };
    let Response::Alarm(raised) = reply.response else {
        panic!("a list of alarms was answered with {:?}", reply.response)
    };
    for alarm in raised {
        client.ask_with_retries(Request::Alarm(AlarmRequest::Deactivate(alarm))).await;
    }
}
