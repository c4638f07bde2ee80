//! Promise: the store is linearizable, as far as time goes: the order of revisions agrees with the order in time.
//!
//! No search: an answer's revision says where a request stands in the order of all, so it is enough that a request that
//! began after a reply has a later place. That each reply fits its place is checked by `serialization`.

use super::promise::Promise;
use crate::history::{Moment, Operation};
use detcd_engine::request::{Request, Response, TxnOpResponse, TxnResponse};
use detcd_engine::txn;
use std::collections::BTreeMap;

/// Whether the order of revisions agrees with the order in time. `places` says at which revision a request stands
/// whose outcome no client knows, by its place among the operations.
///
/// # Errors
/// The promise, and the two requests that break it.
pub fn check(operations: &[Operation], places: &BTreeMap<usize, i64>) -> Result<(), String> {
    // What was answered, by when; then all that begins later is at least there.
    let mut ended: Vec<(Moment, &Operation, i64)> = operations
        .iter()
        .filter_map(|operation| Some((operation.answered?, operation, operation.reply()?.revision)))
        .collect();
    ended.sort_by_key(|(answered, ..)| *answered);
    let mut ended = ended.into_iter().peekable();
    let mut newest: Option<(&Operation, i64)> = None;
    // `operations` is in the order of invocation.
    for (place, operation) in operations.iter().enumerate() {
        while let Some((_, earlier, revision)) = ended.next_if(|(answered, ..)| *answered < operation.invoked)
        {
            if newest.is_none_or(|(_, highest)| revision > highest) {
                newest = Some((earlier, revision));
            }
        }
        let (Some((earlier, floor)), Some((revision, writes))) =
            (newest, stands_at(operation, place, places))
        else {
            continue;
        };
        if revision < floor || (writes && revision == floor) {
            return Err(Promise::Linearizable.broken(format!(
                "at revision {floor} there was {earlier:?} and only then, at revision {revision}, began {operation:?}"
            )));
        }
    }
    Ok(())
}

/// Where a request stands, and whether it is what made that revision; `None` where it has no place, or any
/// place is right.
fn stands_at(operation: &Operation, place: usize, places: &BTreeMap<usize, i64>) -> Option<(i64, bool)> {
    let Some(reply) = operation.reply() else {
        return places.get(&place).map(|revision| (*revision, true));
    };
    is_linearizable(&operation.request).then(|| (reply.revision, writes(&reply.response)))
}

/// Whether a request sees all that was answered before it. Not so a serializable read; and what only the leader
/// knows of a lease comes with the revision of the member that passes it on.
pub fn is_linearizable(request: &Request) -> bool {
    match request {
        Request::Range(range) => !range.serializable,
        Request::Txn(txn) => !(txn::is_read_only(txn) && txn::is_serializable(txn)),
        Request::LeaseKeepAlive(_) | Request::LeaseTimeToLive(_) => false,
        Request::MemberList { linearizable } => *linearizable,
        _ => true,
    }
}

/// Whether an answer says that its request made the revision that it names. The answer to a revoked lease does not
/// say.
pub fn writes(response: &Response) -> bool {
    match response {
        Response::Put(_) => true,
        Response::DeleteRange(deleted) => deleted.deleted > 0,
        Response::Txn(txn) => txn_writes(txn),
        _ => false,
    }
}

fn txn_writes(txn: &TxnResponse) -> bool {
    txn.responses.iter().any(|response| match response {
        TxnOpResponse::Range { .. } => false,
        TxnOpResponse::Put { .. } => true,
        TxnOpResponse::DeleteRange { response, .. } => response.deleted > 0,
        TxnOpResponse::Txn(txn) => txn_writes(txn),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixtures::{self, done};
    use detcd_engine::request::RangeResponse;

    fn read(times: (u64, u64), serializable: bool) -> Operation {
        let found = RangeResponse { kvs: Vec::new(), keys_only: false, more: false, count: 0 };
        let mut range = fixtures::range("k");
        range.serializable = serializable;
        done(times, Request::Range(range), 1, Response::Range(found))
    }

    #[test]
    fn a_read_that_begins_after_a_write_ended_sees_it() {
        let write = |times| done(times, fixtures::put("k", "a"), 2, Response::Put(None));
        let check = |operations: &[Operation]| check(operations, &BTreeMap::new());
        assert_eq!(check(&[write((1, 3)), read((2, 4), false)]), Ok(()));
        assert_eq!(check(&[read((1, 2), false), write((3, 4))]), Ok(()));
        assert_eq!(check(&[write((1, 2)), read((3, 4), true)]), Ok(()));
        let found = check(&[write((1, 2)), read((3, 4), false)]).unwrap_err();
        assert_eq!(Promise::of(&found), Some(Promise::Linearizable), "{found}");
    }

    #[test]
    fn a_write_does_not_stand_where_another_did_that_ended_before_it_began() {
        let write = |times, value| done(times, fixtures::put("k", value), 2, Response::Put(None));
        let twice = [write((1, 2), "a"), write((3, 4), "b")];
        assert!(check(&twice, &BTreeMap::new()).is_err());
        let mut late = fixtures::unknown(3, fixtures::put("k", "b"));
        assert_eq!(check(&[write((1, 2), "a"), late.clone()], &BTreeMap::from([(1, 3)])), Ok(()));
        late.invoked.order = 5;
        assert!(check(&[write((1, 2), "a"), late], &BTreeMap::from([(1, 2)])).is_err());
    }
}
