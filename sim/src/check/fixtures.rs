//! Histories built for the tests of checkers.

use super::event_log::Revision;
use super::reference_history::ReferenceHistory;
use crate::history::{KeyValue, Moment, Operation, Outcome};
use crate::watch_response::WatchEvent;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::mvcc::RecordHeader;
use detcd_engine::request::{LeaseId, RangeRequest, RecordRef, Reply, Request, Response};
use std::time::Duration;

pub(super) fn moment(order: u64) -> Moment {
    Moment { order, at: Duration::from_millis(order) }
}

pub(super) fn done(times: (u64, u64), request: Request, revision: i64, response: Response) -> Operation {
    Operation {
        client: 0,
        member: 0,
        request,
        is_retry: false,
        invoked: moment(times.0),
        answered: Some(moment(times.1)),
        outcome: Outcome::Done(Reply { revision, term: 2, response }),
    }
}

pub(super) fn unknown(invoked: u64, request: Request) -> Operation {
    Operation {
        answered: None,
        outcome: Outcome::Unknown,
        ..done((invoked, invoked), request, 0, Response::LeaseRevoke)
    }
}

pub(super) fn range(key: &'static str) -> RangeRequest {
    RangeRequest::of(KeyRange::One(Bytes::from(key)))
}

pub(super) fn put(key: &'static str, value: &'static str) -> Request {
    Request::Put(crate::workload::client::put(&Bytes::from(key), Bytes::from(value)))
}

pub(super) fn key_value(
    key: &'static str,
    value: &'static str,
    revisions: (i64, i64),
    version: i64,
) -> KeyValue {
    KeyValue {
        key: Bytes::from(key),
        value: Bytes::from(value),
        create_revision: revisions.0,
        mod_revision: revisions.1,
        version,
        lease: 0,
    }
}

pub(super) fn event(kv: KeyValue) -> WatchEvent {
    WatchEvent { is_delete: kv.version == 0, kv, prev: None }
}

/// An event log of these revisions, from 2 on, received a second after one another.
pub(super) fn reference_history(revisions: Vec<Vec<WatchEvent>>) -> ReferenceHistory {
    let recorded = revisions.into_iter().zip(2..).map(|(events, revision)| {
        let seen = Duration::from_secs(u64::try_from(revision).unwrap());
        (revision, Revision { events, seen })
    });
    ReferenceHistory::new(recorded.collect()).unwrap()
}

/// A key put at a revision for the first time.
pub(super) fn fresh(key: &'static str, value: &'static str, revision: i64) -> KeyValue {
    key_value(key, value, (revision, revision), 1)
}

/// As a member answers with it.
pub(super) fn record(kv: &KeyValue) -> RecordRef {
    let KeyValue { create_revision, mod_revision, version, lease, .. } = *kv;
    let lease = LeaseId(lease);
    RecordRef::new(RecordHeader { create_revision, mod_revision, sub: 0, version, lease }, &kv.key, &kv.value)
}
