//! Promises: a lease does not end before its time, and one that has ended is gone.
//!
//! Whether a lease ended early is measured from when its holder requested it, or its renewal, until a client first
//! received that it is gone: at least its TTL must have passed by the clocks of the leaders that ended it. By how much
//! the clocks of members may have run ahead of true time meanwhile, `Clocks` has recorded: drifts and jumps forward, of
//! any member, in any order of leaders.

use super::promise::Promise;
use super::reference_history::ReferenceHistory;
use super::serialization::Places;
use crate::history::{Moment, Operation, Outcome};
use detcd_engine::request::{PutLease, Request, RequestError, Response};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Rounding: clocks show whole milliseconds.
const SLACK: Duration = Duration::from_millis(5);

/// By how much the members' clocks ran ahead of true time. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Clocks(Arc<Mutex<Vec<(Duration, Duration)>>>);

impl Clocks {
    /// A member's clock has run ahead of true time by so much since it was last read.
    pub fn ran_ahead(&self, now: Duration, by: Duration) {
        let mut all = self.0.lock().expect("no panic while it is held");
        let before = all.last().map_or(Duration::ZERO, |(_, sum)| *sum);
        all.push((now, before + by));
    }

    /// At most so much, all members together, between two moments.
    fn ahead(&self, from: Duration, to: Duration) -> Duration {
        let all = self.0.lock().expect("no panic while it is held");
        let sum = |place: usize| place.checked_sub(1).map_or(Duration::ZERO, |last| all[last].1);
        // What is noted a little later may have come about before.
        let until = all.partition_point(|(at, _)| *at <= to + Duration::from_secs(2));
        sum(until) - sum(all.partition_point(|(at, _)| *at < from))
    }
}

/// One lease, as its holder knows it.
#[derive(Debug)]
struct Lease<'a> {
    grant: &'a Operation,
    ttl: Duration,
    /// When renewals were asked for that were answered, with the answer's moment; the grant is the first.
    renewals: Vec<(Moment, Moment)>,
    /// The first moment at which a client may have revoked it.
    revoked: Option<Moment>,
    /// Known to be gone by then: a client received that.
    gone: Option<(Moment, &'a Operation)>,
}

/// Whether every lease lasted, and was gone when it had ended.
///
/// # Errors
/// The promise, and what breaks it.
pub fn check(
    operations: &[Operation],
    reference: &ReferenceHistory,
    places: &Places,
    clocks: &Clocks,
) -> Result<(), String> {
    let mut leases = granted(operations);
    for operation in operations {
        learn(&mut leases, operation);
    }
    for (id, lease) in &leases {
        let ended = places.ends.get(id).and_then(|revision| reference.from(*revision).next());
        let seen =
            ended.map(|(revision, recorded)| (recorded.seen, format!("it was gone at revision {revision}")));
        let received = lease.gone.map(|(at, by)| (at.at, format!("then came {by:?}")));
        for (at, how) in seen.into_iter().chain(received) {
            lasted(*id, lease, at, &how, clocks)?;
        }
    }
    operations.iter().try_for_each(|operation| is_not_used_when_gone(&leases, operation))
}

fn granted(operations: &[Operation]) -> BTreeMap<i64, Lease<'_>> {
    let mut leases = BTreeMap::new();
    for grant in operations {
        let (Some(Response::LeaseGrant(granted)), Some(answered)) =
            (grant.reply().map(|reply| &reply.response), grant.answered)
        else {
            continue;
        };
        let ttl = Duration::from_secs(granted.ttl_secs.unsigned_abs());
        let renewals = vec![(grant.invoked, answered)];
        leases.insert(granted.id.0, Lease { grant, ttl, renewals, revoked: None, gone: None });
    }
    leases
}

/// `operations` come in the order in which they were asked.
fn learn<'a>(leases: &mut BTreeMap<i64, Lease<'a>>, operation: &'a Operation) {
    let is_gone = match (&operation.request, &operation.outcome) {
        (Request::LeaseRevoke(id), outcome) if *outcome != Outcome::NotDone => {
            if let Some(lease) = leases.get_mut(&id.0) {
                lease.revoked.get_or_insert(operation.invoked);
            }
            // Revoked now, or by an earlier request.
            let is_gone = matches!(outcome, Outcome::Done(_) | Outcome::Refused(RequestError::LeaseNotFound));
            is_gone.then_some(id.0)
        }
        (Request::LeaseKeepAlive(id), Outcome::Done(reply)) => match reply.response {
            Response::LeaseKeepAlive { ttl_secs: 0, .. } => Some(id.0),
            _ => {
                let renewal = (operation.invoked, operation.answered.expect("it was done"));
                leases.entry(id.0).and_modify(|lease| lease.renewals.push(renewal));
                None
            }
        },
        (Request::LeaseTimeToLive(ask), Outcome::Done(reply)) => match &reply.response {
            Response::LeaseTimeToLive(left) if left.ttl_secs < 0 => Some(ask.id.0),
            _ => None,
        },
        (Request::Put(put), Outcome::Refused(RequestError::LeaseNotFound)) => match put.lease {
            PutLease::Set(id) => Some(id.0),
            PutLease::Keep => None,
        },
        _ => None,
    };
    if let Some(lease) = is_gone.and_then(|id| leases.get_mut(&id)) {
        let at = operation.answered.expect("it was answered");
        let (_, granted) = lease.renewals[0];
        if operation.invoked < granted {
            // Not there yet: an id whose grant had no answer is granted again.
            return;
        }
        if lease.gone.is_none_or(|(before, _)| at < before) {
            lease.gone = Some((at, operation));
        }
    }
}

/// Each renewal that was asked for before the end extends the lease by a whole TTL.
fn lasted(id: i64, lease: &Lease<'_>, ended: Duration, how: &str, clocks: &Clocks) -> Result<(), String> {
    if lease.revoked.is_some_and(|revoked| revoked.at <= ended) {
        return Ok(());
    }
    let bought =
        lease.renewals.iter().filter(|(_, answered)| answered.at < ended).map(|(asked, _)| asked.at).max();
    let Some(asked) = bought else { return Ok(()) };
    let passed = ended.saturating_sub(asked) + clocks.ahead(asked, ended) + SLACK;
    if passed >= lease.ttl {
        return Ok(());
    }
    Err(Promise::LeaseNotEarly.broken(format!(
        "lease {id} of {:?} was last kept alive at {asked:?}, clocks were {:?} ahead in all, and at {ended:?} {how}",
        lease.ttl,
        clocks.ahead(asked, ended),
    )))
}

/// What was asked after a client had received the end finds no lease. Ids are not granted twice.
fn is_not_used_when_gone(leases: &BTreeMap<i64, Lease<'_>>, operation: &Operation) -> Result<(), String> {
    let Some(reply) = operation.reply() else { return Ok(()) };
    let used = match (&operation.request, &reply.response) {
        (Request::Put(put), _) => match put.lease {
            PutLease::Set(id) => id.0,
            PutLease::Keep => return Ok(()),
        },
        (Request::LeaseKeepAlive(id), Response::LeaseKeepAlive { ttl_secs, .. }) if *ttl_secs > 0 => id.0,
        (Request::LeaseTimeToLive(_), Response::LeaseTimeToLive(left)) if left.ttl_secs > 0 => left.id.0,
        _ => return Ok(()),
    };
    let gone = leases.get(&used).and_then(|lease| lease.gone);
    match gone {
        // An expiring lease is beyond renewal, but its end may not be applied yet.
        Some((at, by)) if at < operation.invoked && !matches!(by.request, Request::LeaseKeepAlive(_)) => {
            let grant = leases[&used].grant;
            Err(Promise::LeaseGone.broken(format!("of {grant:?}, first was {by:?} and then {operation:?}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixtures::{self, done, event, fresh};
    use crate::history::KeyValue;
    use detcd_engine::request::{
        LeaseGrantRequest, LeaseGrantResponse, LeaseId, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
    };

    const LEASE: LeaseId = LeaseId(7);

    /// Moments are milliseconds.
    fn grant() -> Operation {
        let ask = LeaseGrantRequest { id: LEASE, ttl_secs: 2 };
        done(
            (1, 2),
            Request::LeaseGrant(ask),
            1,
            Response::LeaseGrant(LeaseGrantResponse { id: LEASE, ttl_secs: 2 }),
        )
    }

    fn keep_alive(at: u64, ttl_secs: i64) -> Operation {
        let kept = Response::LeaseKeepAlive { id: LEASE, ttl_secs };
        done((at, at + 1), Request::LeaseKeepAlive(LEASE), 1, kept)
    }

    fn time_to_live(at: u64, ttl_secs: i64) -> Operation {
        let left = LeaseTimeToLiveResponse { id: LEASE, ttl_secs, granted_ttl_secs: 2, keys: Vec::new() };
        let ask = Request::LeaseTimeToLive(LeaseTimeToLiveRequest { id: LEASE, keys: false });
        done((at, at + 1), ask, 1, Response::LeaseTimeToLive(left))
    }

    fn broken(operations: &[Operation], clocks: &Clocks) -> Option<Promise> {
        let checked = check(operations, &ReferenceHistory::default(), &Places::default(), clocks);
        checked.err().map(|text| Promise::of(&text).unwrap())
    }

    #[test]
    fn a_lease_lasts_from_its_last_renewal_on() {
        let right = Clocks::default();
        assert_eq!(broken(&[grant(), time_to_live(2100, -1)], &right), None);
        assert_eq!(broken(&[grant(), time_to_live(1900, -1)], &right), Some(Promise::LeaseNotEarly));
        assert_eq!(
            broken(&[grant(), keep_alive(1000, 2), keep_alive(2900, 0)], &right),
            Some(Promise::LeaseNotEarly)
        );
        assert_eq!(broken(&[grant(), keep_alive(1000, 2), keep_alive(3100, 0)], &right), None);
        let fast = Clocks::default();
        fast.ran_ahead(Duration::from_millis(500), Duration::from_millis(300));
        assert_eq!(broken(&[grant(), time_to_live(1900, -1)], &fast), None, "a clock jumped");
        let revoked = done((10, 11), Request::LeaseRevoke(LEASE), 1, Response::LeaseRevoke);
        assert_eq!(broken(&[grant(), revoked, time_to_live(20, -1)], &right), None);
    }

    #[test]
    fn a_lease_that_has_ended_is_gone() {
        let right = Clocks::default();
        let operations = [grant(), time_to_live(2100, -1), time_to_live(2200, 1)];
        assert_eq!(broken(&operations, &right), Some(Promise::LeaseGone));
        let revoked = |at| done((at, at + 2), Request::LeaseRevoke(LEASE), 1, Response::LeaseRevoke);
        assert_eq!(broken(&[grant(), revoked(10), keep_alive(13, 2)], &right), Some(Promise::LeaseGone));
        assert_eq!(broken(&[grant(), revoked(10), keep_alive(11, 2)], &right), None, "at the same time");
        assert_eq!(broken(&[revoked(0), grant(), keep_alive(13, 2)], &right), None, "granted again");
        assert_eq!(broken(&[grant(), time_to_live(1000, 1), time_to_live(2200, -1)], &right), None);
    }

    #[test]
    fn keys_that_go_too_early_are_seen() {
        // Received at 2 s and 3 s of simulated time.
        let on_lease = KeyValue { lease: LEASE.0, ..fresh("k", "a", 2) };
        let reference = fixtures::reference_history(vec![
            vec![event(on_lease)],
            vec![event(fixtures::key_value("k", "", (0, 3), 0))],
        ]);
        let places = Places { ends: BTreeMap::from([(LEASE.0, 3)]), ..Places::default() };
        let check = |operations: &[Operation]| check(operations, &reference, &places, &Clocks::default());
        assert_eq!(check(&[grant()]), Ok(()));
        let found = check(&[grant(), keep_alive(1500, 2)]).unwrap_err();
        assert_eq!(Promise::of(&found), Some(Promise::LeaseNotEarly), "{found}");
    }
}
