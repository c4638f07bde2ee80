//! Promises: what a client received stays true; nothing is written that no client requested, and nothing twice.
//!
//! Every reply names a revision: the one that its request created, or the one that it read. So the order of revisions
//! is a serialization of all requests, and none has to be searched for: each request is applied to the reference model
//! at its place in that order and must be answered alike, and what the model then changes must be what the event log
//! has for that revision. (That the order agrees with real time is checked by `real_time`.)
//!
//! A revision that no reply names was created by the end of a lease, or by a request whose outcome its client does not
//! know. A matching finds which one: each such request creates one revision at most.

use super::conversion;
use super::matching::match_each;
use super::promise::Promise;
use super::real_time::writes;
use super::reference_history::{Interest, ReferenceHistory};
use crate::history::{Operation, Outcome};
use crate::watch_response::WatchEvent;
use bytes::Bytes;
use detcd_engine::request::{Reply, Request, Response};
use detcd_proptests::reference::mvcc::Version;
use detcd_proptests::reference::{Cluster, Write};
use std::collections::{BTreeMap, BTreeSet};

/// What follows from the event log and the replies together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The revisions of requests whose outcome no client knows, by their place among the operations.
    pub unknown: BTreeMap<usize, i64>,
    /// Leases that ended with keys, and the revision that this created.
    pub ends: BTreeMap<i64, i64>,
}

/// Checks that every reply fits its place, and that every revision has a cause.
///
/// # Errors
/// The promise, and what breaks it.
pub fn check(operations: &[Operation], reference: &ReferenceHistory) -> Result<Places, String> {
    let mut makers: BTreeMap<i64, &Operation> = BTreeMap::new();
    for operation in operations {
        let Some(reply) = operation.reply() else { continue };
        if reply.revision > reference.head() {
            let how = format!("the store ends at revision {}: {operation:?}", reference.head());
            return Err(Promise::Acknowledged.broken(how));
        }
        let makes = writes(&reply.response);
        if makes && let Some(other) = makers.insert(reply.revision, operation) {
            let how = format!("both received the same revision: {other:?} and {operation:?}");
            return Err(Promise::Acknowledged.broken(how));
        }
        check_reply(operation, reply, makes, reference)?;
    }
    explain(operations, &makers, reference)
}

/// Compares a reply with that of the reference model.
fn check_reply(
    operation: &Operation,
    reply: &Reply,
    makes: bool,
    reference: &ReferenceHistory,
) -> Result<(), String> {
    let base = if makes { reply.revision - 1 } else { reply.revision };
    let right = match (&operation.request, &reply.response) {
        (Request::Range(asked), Response::Range(received)) => {
            if asked.revision > base {
                let how = format!("a revision of the future was read: {operation:?}");
                return Err(Promise::Acknowledged.broken(how));
            }
            let mut asked = conversion::range(asked);
            let at = if asked.revision > 0 { asked.revision } else { base };
            asked.revision = 0;
            let cluster = reference.cluster_at(std::slice::from_ref(&asked.keys), &[], at);
            let found = cluster.store.found(&asked);
            if conversion::found(received) == found {
                return Ok(());
            }
            format!("{found:?}")
        }
        (request, response) => {
            let (Some(write), Some(received)) = (conversion::write(request), conversion::answer(response))
            else {
                return Ok(());
            };
            if matches!(write, Write::LeaseRevoke(_)) {
                return Ok(());
            }
            let (answer, changes) = apply_to_reference(&write, reference, base);
            if makes && !are_recorded(&changes, reference.events(reply.revision)) {
                let recorded = reference.events(reply.revision);
                let how = format!("revision {} is {recorded:?} after {operation:?}", reply.revision);
                return Err(Promise::Acknowledged.broken(how));
            }
            if answer == Ok(received) {
                return Ok(());
            }
            format!("{answer:?}")
        }
    };
    let is_stale = !super::real_time::is_linearizable(&operation.request);
    let promise = if is_stale { Promise::PastState } else { Promise::Acknowledged };
    Err(promise.broken(format!("it is {right}, and not as {operation:?} was answered")))
}

type Answer = Result<detcd_proptests::reference::Answer, detcd_proptests::reference::Refusal>;

/// What a write is answered on the store as it was at `base`, and what it then changes.
fn apply_to_reference(write: &Write, reference: &ReferenceHistory, base: i64) -> (Answer, Vec<Version>) {
    let interest = Interest::of(write);
    let mut cluster: Cluster = reference.cluster_at(&interest.ranges, &interest.revisions, base);
    for lease in interest.leases {
        // Whether a lease is there, no revision says: `leases` checks that.
        cluster.leases.grant(lease, 1).expect("each once");
    }
    let answer = cluster.apply(write);
    let versions = cluster.store.versions();
    let changes = versions.iter().filter(|version| version.is.mod_revision > base).cloned().collect();
    (answer, changes)
}

fn are_recorded(changes: &[Version], events: &[WatchEvent]) -> bool {
    changes.len() == events.len() && changes.iter().zip(events).all(|(change, event)| change.is == event.kv)
}

/// The revisions that no answer names.
fn explain(
    operations: &[Operation],
    makers: &BTreeMap<i64, &Operation>,
    reference: &ReferenceHistory,
) -> Result<Places, String> {
    let open = Open::of(operations);
    let latest = latest_invocations(operations, reference.head());
    let mut places = Places::default();
    let mut wanted: Vec<(i64, Vec<usize>)> = Vec::new();
    for (revision, recorded) in reference.from(2).filter(|(revision, _)| !makers.contains_key(revision)) {
        let makes = |place: &usize| {
            let operation = &operations[*place];
            let in_time = operation.invoked.order < latest[usize::try_from(revision).expect("positive")];
            let write = conversion::write(&operation.request).expect("only writes are open");
            in_time && are_recorded(&apply_to_reference(&write, reference, revision - 1).1, &recorded.events)
        };
        let candidates: Vec<usize> = open.for_events(&recorded.events).into_iter().filter(makes).collect();
        match (ended_lease(&recorded.events, revision, reference), candidates.is_empty()) {
            (Some(lease), true) => drop(places.ends.insert(lease, revision)),
            // Either is possible: nothing follows.
            (Some(_), false) => {}
            (None, false) => wanted.push((revision, candidates)),
            (None, true) => return Err(unexplained(revision, &recorded.events, reference)),
        }
    }
    let choices: Vec<&[usize]> = wanted.iter().map(|(_, candidates)| candidates.as_slice()).collect();
    match match_each(&choices) {
        Ok(chosen) => {
            let revisions = wanted.iter().map(|(revision, _)| *revision);
            places.unknown = chosen.into_iter().zip(revisions).collect();
            Ok(places)
        }
        Err(place) => {
            let (revision, candidates) = &wanted[place];
            let asked = candidates.iter().map(|place| &operations[*place]);
            let how = format!(
                "at revision {revision} one of these was done again: {:?}",
                asked.collect::<Vec<_>>()
            );
            Err(Promise::Once.broken(how))
        }
    }
}

fn unexplained(revision: i64, events: &[WatchEvent], reference: &ReferenceHistory) -> String {
    let lease = events
        .first()
        .and_then(|event| reference.get(&event.kv.key, revision - 1))
        .map_or(0, |was| was.lease);
    if lease != 0 && events.iter().all(|event| event.is_delete) {
        let keys = reference.keys_of(lease, revision - 1);
        let how = format!("at revision {revision}, of the keys {keys:?} on lease {lease}, went: {events:?}");
        return Promise::LeaseAtomic.broken(how);
    }
    Promise::OnlyAsked.broken(format!("no client requested revision {revision}: {events:?}"))
}

/// The lease whose keys these deletions are: all of them, and no others.
fn ended_lease(events: &[WatchEvent], revision: i64, reference: &ReferenceHistory) -> Option<i64> {
    let first = events.first().filter(|event| event.is_delete)?;
    let lease = reference.get(&first.kv.key, revision - 1)?.lease;
    let gone: BTreeSet<Bytes> = events.iter().map(|event| event.kv.key.clone()).collect();
    let is_whole =
        events.iter().all(|event| event.is_delete) && gone == reference.keys_of(lease, revision - 1);
    (lease != 0 && is_whole).then_some(lease)
}

/// By revision: the request that created it was sent before this point of the history, for then a client received it or
/// of a later one.
fn latest_invocations(operations: &[Operation], head: i64) -> Vec<u64> {
    let length = usize::try_from(head + 1).expect("positive");
    let mut latest = vec![u64::MAX; length];
    for operation in operations {
        if let (Some(reply), Some(answered)) = (operation.reply(), operation.answered) {
            let place = usize::try_from(reply.revision).expect("positive");
            latest[place] = latest[place].min(answered.order);
        }
    }
    for place in (1..length).rev() {
        latest[place - 1] = latest[place - 1].min(latest[place]);
    }
    latest
}

/// Requests that may have been done, by what they may have changed.
#[derive(Default)]
struct Open {
    /// By a value that they put.
    by_value: BTreeMap<Bytes, Vec<usize>>,
    /// Those that may change something and put no value.
    others: Vec<usize>,
}

impl Open {
    fn of(operations: &[Operation]) -> Open {
        let mut open = Open::default();
        for (place, operation) in operations.iter().enumerate() {
            if operation.outcome != Outcome::Unknown || matches!(operation.request, Request::LeaseRevoke(_)) {
                continue;
            }
            let Some(write) = conversion::write(&operation.request) else { continue };
            let mut values = BTreeSet::new();
            let may_delete = collect_values(&write, &mut values);
            if may_delete {
                open.others.push(place);
            }
            for value in values {
                open.by_value.entry(value).or_default().push(place);
            }
        }
        open
    }

    fn for_events(&self, events: &[WatchEvent]) -> Vec<usize> {
        let by_value = events.iter().filter_map(|event| self.by_value.get(&event.kv.value));
        let all: BTreeSet<usize> = by_value.flatten().chain(&self.others).copied().collect();
        all.into_iter().collect()
    }
}

/// The values that a write may put, and whether it may change something without putting one of them.
fn collect_values(write: &Write, values: &mut BTreeSet<Bytes>) -> bool {
    match write {
        Write::Put(put) => match &put.value {
            Some(value) => {
                values.insert(value.clone());
                false
            }
            None => true,
        },
        Write::Txn(txn) => {
            use detcd_proptests::reference::Op;
            let mut others = false;
            for op in txn.success.iter().chain(&txn.failure) {
                others |= match op {
                    Op::Range(_) => false,
                    Op::Put(put) => collect_values(&Write::Put(put.clone()), values),
                    Op::DeleteRange(_) => true,
                    Op::Txn(nested) => collect_values(&Write::Txn(nested.clone()), values),
                };
            }
            others
        }
        Write::DeleteRange(_) => true,
        Write::Compact(_) | Write::LeaseGrant(..) | Write::LeaseRevoke(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixtures::{self, done, event, fresh, key_value, record, unknown};
    use crate::history::KeyValue;
    use detcd_engine::key_range::KeyRange;
    use detcd_engine::request::{DeleteRangeRequest, LeaseId, RangeResponse};

    fn put(value: &'static str, revision: i64) -> Operation {
        done((1, 2), fixtures::put("k", value), revision, Response::Put(None))
    }

    fn read(revision: i64, found: Option<KeyValue>) -> Operation {
        let kvs: Vec<_> = found.iter().map(record).collect();
        let count = kvs.len() as u64;
        let found = RangeResponse { kvs, keys_only: false, more: false, count };
        done((1, 2), Request::Range(fixtures::range("k")), revision, Response::Range(found))
    }

    fn delete() -> Request {
        let range = KeyRange::One(Bytes::from("k"));
        Request::DeleteRange(DeleteRangeRequest { range, prev_kv: false })
    }

    fn gone(key: &'static str, revision: i64) -> WatchEvent {
        event(key_value(key, "", (0, revision), 0))
    }

    fn a_then_b() -> ReferenceHistory {
        fixtures::reference_history(vec![
            vec![event(fresh("k", "a", 2))],
            vec![event(key_value("k", "b", (2, 3), 2))],
        ])
    }

    fn broken(operations: &[Operation], reference: &ReferenceHistory) -> Option<Promise> {
        check(operations, reference).err().map(|text| Promise::of(&text).unwrap())
    }

    #[test]
    fn what_was_received_fits_its_place() {
        let both = [put("a", 2), put("b", 3)];
        for (third, expected) in [
            (read(1, None), None),
            (read(2, Some(fresh("k", "a", 2))), None),
            (read(3, Some(fresh("k", "a", 2))), Some(Promise::Acknowledged)),
            (read(2, Some(key_value("k", "a", (2, 2), 2))), Some(Promise::Acknowledged)),
            (put("b", 4), Some(Promise::Acknowledged)),
            (put("c", 3), Some(Promise::Acknowledged)),
        ] {
            let operations = [both[0].clone(), both[1].clone(), third];
            assert_eq!(broken(&operations, &a_then_b()), expected, "{:?}", operations[2]);
        }
        assert_eq!(broken(&[put("b", 2), put("a", 3)], &a_then_b()), Some(Promise::Acknowledged));
        let mut stale = read(3, Some(fresh("k", "a", 2)));
        let Request::Range(range) = &mut stale.request else { panic!() };
        range.serializable = true;
        assert_eq!(broken(&[both[0].clone(), both[1].clone(), stale], &a_then_b()), Some(Promise::PastState));
    }

    #[test]
    fn what_nobody_received_was_asked_for_and_once() {
        let reference = a_then_b();
        let (a, b) = (unknown(1, fixtures::put("k", "a")), unknown(1, fixtures::put("k", "b")));
        let places = check(&[a.clone(), b.clone()], &reference).unwrap();
        assert_eq!(places.unknown, BTreeMap::from([(0, 2), (1, 3)]));
        assert_eq!(broken(std::slice::from_ref(&a), &reference), Some(Promise::OnlyAsked));
        let twice = fixtures::reference_history(vec![
            vec![event(fresh("k", "a", 2))],
            vec![event(key_value("k", "a", (2, 3), 2))],
        ]);
        assert_eq!(broken(std::slice::from_ref(&a), &twice), Some(Promise::Once));
        assert_eq!(broken(&[a.clone(), a.clone()], &twice), None, "a retry may be done too");
        let too_late = unknown(9, fixtures::put("k", "a"));
        assert_eq!(broken(&[too_late, put("b", 3)], &reference), Some(Promise::OnlyAsked));
    }

    #[test]
    fn a_delete_that_may_have_been_one_of_two_is_matched() {
        let reference =
            fixtures::reference_history(vec![vec![event(fresh("k", "a", 2))], vec![gone("k", 3)]]);
        let deletes = [put("a", 2), unknown(3, delete()), unknown(4, delete())];
        assert_eq!(broken(&deletes, &reference), None);
        assert_eq!(broken(&deletes[..1], &reference), Some(Promise::OnlyAsked));
    }

    #[test]
    fn a_lease_ends_with_all_of_its_keys() {
        let on_lease = |key, revision| KeyValue { lease: 7, ..fresh(key, "a", revision) };
        let first = vec![vec![event(on_lease("k", 2))], vec![event(on_lease("l", 3))]];
        let whole =
            fixtures::reference_history([first.clone(), vec![vec![gone("k", 4), gone("l", 4)]]].concat());
        let asked = |key, revision| {
            let Request::Put(mut put) = fixtures::put(key, "a") else { panic!() };
            put.lease = detcd_engine::request::PutLease::Set(LeaseId(7));
            done((1, 2), Request::Put(put), revision, Response::Put(None))
        };
        let operations = [asked("k", 2), asked("l", 3)];
        assert_eq!(check(&operations, &whole).unwrap().ends, BTreeMap::from([(7, 4)]));
        let half = fixtures::reference_history([first, vec![vec![gone("k", 4)]]].concat());
        assert_eq!(broken(&operations, &half), Some(Promise::LeaseAtomic));
    }
}
