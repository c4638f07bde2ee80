//! Promise: what is compacted is gone, and nothing else; and no refusal without its reason.
//!
//! A compaction creates no revision, so revisions do not order it and reads of old revisions. Real time does: a read
//! that began after a compaction was acknowledged must not see below it, and one that was answered before any client
//! requested a compaction must not be refused for it.

use super::conversion;
use super::promise::Promise;
use super::real_time::is_linearizable;
use super::reference_history::Interest;
use crate::history::{Moment, Operation, Outcome};
use detcd_engine::request::{Request, RequestError};

/// Checks refusals and reads of old revisions against the compactions.
///
/// # Errors
/// The promise, and the request that breaks it.
pub fn check(operations: &[Operation]) -> Result<(), String> {
    let asked = Highest::of(operations.iter().filter_map(|operation| {
        let Request::Compact(compact) = &operation.request else { return None };
        (operation.outcome != Outcome::NotDone).then_some((operation.invoked, compact.revision))
    }));
    let acknowledged = Highest::of(operations.iter().filter_map(|operation| {
        let Request::Compact(compact) = &operation.request else { return None };
        Some((operation.answered.filter(|_| operation.reply().is_some())?, compact.revision))
    }));
    let heads = Highest::of(
        operations.iter().filter_map(|operation| Some((operation.answered?, operation.reply()?.revision))),
    );
    for operation in operations {
        let Some(answered) = operation.answered else { continue };
        let revisions = revisions_read(&operation.request);
        let (least, most) = (revisions.iter().min().copied(), revisions.iter().max().copied());
        let is_right = match &operation.outcome {
            Outcome::Done(_) => {
                let compacted = acknowledged.before(operation.invoked);
                !is_linearizable(&operation.request)
                    || matches!(operation.request, Request::Txn(_))
                    || least.is_none_or(|least| least >= compacted)
            }
            Outcome::Refused(RequestError::Compacted) => {
                let compacted = asked.before(answered);
                let repeats = matches!(operation.request, Request::Compact(_));
                least.is_some_and(|least| least < compacted || (repeats && least <= compacted))
            }
            Outcome::Refused(RequestError::FutureRevision) => {
                let head = heads.before(operation.invoked);
                !is_linearizable(&operation.request) || most.is_some_and(|most| most > head)
            }
            Outcome::Refused(
                RequestError::KeyNotFound
                | RequestError::LeaseNotFound
                | RequestError::LeaseExists
                | RequestError::NoSpace
                | RequestError::RequestTooLarge,
            )
            | Outcome::NotDone
            | Outcome::Unknown => true,
            Outcome::Refused(_) => return Err(Promise::NoRefusal.broken(format!("{operation:?}"))),
        };
        if !is_right {
            let (asked, acknowledged) = (asked.before(answered), acknowledged.before(operation.invoked));
            return Err(Promise::Compaction.broken(format!(
                "with {asked} as the highest revision that anybody had asked to compact to, {acknowledged} as the \
                 highest acknowledged before, and {} as the newest received: {operation:?}",
                heads.before(operation.invoked)
            )));
        }
    }
    Ok(())
}

/// Revisions that a request names to be read, or to be compacted to.
fn revisions_read(request: &Request) -> Vec<i64> {
    match request {
        Request::Range(range) => Some(range.revision).filter(|revision| *revision > 0).into_iter().collect(),
        Request::Compact(compact) => vec![compact.revision],
        Request::Txn(_) => {
            conversion::write(request).map_or_else(Vec::new, |write| Interest::of(&write).revisions)
        }
        _ => Vec::new(),
    }
}

/// The highest of some numbers by a moment.
struct Highest(Vec<(Moment, i64)>);

impl Highest {
    fn of(numbers: impl Iterator<Item = (Moment, i64)>) -> Highest {
        let mut numbers: Vec<(Moment, i64)> = numbers.collect();
        numbers.sort_unstable();
        for place in 1..numbers.len() {
            numbers[place].1 = numbers[place].1.max(numbers[place - 1].1);
        }
        Highest(numbers)
    }

    fn before(&self, moment: Moment) -> i64 {
        let until = self.0.partition_point(|(at, _)| *at < moment);
        self.0[..until].last().map_or(-1, |(_, highest)| *highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixtures::{self, done, moment, unknown};
    use detcd_engine::request::{CompactRequest, RangeResponse, Response};

    fn compact(revision: i64) -> Request {
        Request::Compact(CompactRequest { revision, physical: false })
    }

    fn read(times: (u64, u64), revision: i64, outcome: Option<RequestError>) -> Operation {
        let mut range = fixtures::range("k");
        range.revision = revision;
        let found = RangeResponse { kvs: Vec::new(), keys_only: false, more: false, count: 0 };
        let mut read = done(times, Request::Range(range), 9, Response::Range(found));
        if let Some(error) = outcome {
            read.outcome = Outcome::Refused(error);
        }
        read
    }

    #[test]
    fn refusals_have_their_reason_and_what_is_compacted_is_gone() {
        let compacted = done((3, 4), compact(5), 9, Response::Compact);
        let (too_old, future) = (Some(RequestError::Compacted), Some(RequestError::FutureRevision));
        for (second, is_right) in [
            (read((5, 6), 5, None), true),
            (read((5, 6), 4, None), false),
            (read((1, 6), 4, None), true),
            (read((5, 6), 4, too_old), true),
            (read((1, 2), 4, too_old), false),
            (read((5, 6), 5, too_old), false),
            (read((5, 6), 10, future), true),
            (read((5, 6), 9, future), false),
            (read((1, 6), 9, future), true),
            (read((5, 6), 9, Some(RequestError::InvalidSortOption)), false),
        ] {
            let found = check(&[compacted.clone(), second.clone()]);
            assert_eq!(found.is_ok(), is_right, "{second:?}: {found:?}");
        }
        let mut again = read((5, 6), 4, too_old);
        assert_eq!(check(&[unknown(3, compact(5)), again.clone()]), Ok(()));
        again.answered = Some(moment(2));
        assert!(check(&[unknown(3, compact(5)), again]).is_err());
    }
}
