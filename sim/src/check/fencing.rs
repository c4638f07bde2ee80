//! Promises: mutual exclusion by fencing, and queues.
//!
//! A client that holds a lock or an election compares its fence in the transaction that writes; at that revision no
//! older key may exist under the prefix. That holds whatever clocks and leases do.

use super::promise::Promise;
use super::reference_history::ReferenceHistory;
use crate::history::{Claim, Moment};
use bytes::Bytes;
use detcd_proptests::reference::KeyRange;
use std::collections::BTreeMap;

/// Whether every claim was right.
///
/// # Errors
/// The promise, and the claims that break it.
pub fn check(claims: &[(usize, Moment, Claim)], reference: &ReferenceHistory) -> Result<(), String> {
    let mut taken: BTreeMap<&Bytes, usize> = BTreeMap::new();
    for (client, _, claim) in claims {
        match claim {
            Claim::FencedWrite { prefix, fence, revision } => {
                let keys = KeyRange::prefix(prefix.clone());
                let first = reference.at(&keys, *revision).min_by_key(|is| is.create_revision);
                if first.is_none_or(|first| first.create_revision != *fence) {
                    let how = format!(
                        "at revision {revision} client {client} wrote with fence {fence}, and the oldest key \
                         was {first:?}"
                    );
                    return Err(Promise::FencedWrites.broken(how));
                }
            }
            Claim::Enqueued(_) => {}
            Claim::Dequeued { element, value } => {
                if let Some(other) = taken.insert(element, *client) {
                    let how = format!("clients {other} and {client} both took {element:?}");
                    return Err(Promise::QueueOnce.broken(how));
                }
                let put_in = reference.first(element);
                if put_in.is_none_or(|is| is.value != *value) {
                    let how =
                        format!("client {client} took {element:?} = {value:?}, and put in was {put_in:?}");
                    return Err(Promise::QueueOnce.broken(how));
                }
            }
        }
    }
    // What was put in and not taken is there yet.
    let known = claims.iter().filter_map(|(_, _, claim)| match claim {
        Claim::Enqueued(element) => Some(element),
        Claim::FencedWrite { .. } | Claim::Dequeued { .. } => None,
    });
    for element in known {
        if reference.first(element).is_none() {
            return Err(Promise::QueueOnce.broken(format!("{element:?} was put in and never there")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixtures::{event, fresh, moment, reference_history};

    #[test]
    fn only_the_oldest_key_may_be_written_under() {
        let reference = reference_history(vec![
            vec![event(fresh("lock/a", "1", 2))],
            vec![event(fresh("lock/b", "2", 3))],
        ]);
        let fenced = |fence, revision| {
            let claim = Claim::FencedWrite { prefix: Bytes::from("lock/"), fence, revision };
            check(&[(0, moment(1), claim)], &reference).err().map(|text| Promise::of(&text).unwrap())
        };
        assert_eq!((fenced(2, 2), fenced(2, 3)), (None, None));
        assert_eq!((fenced(3, 3), fenced(2, 1)), (Some(Promise::FencedWrites), Some(Promise::FencedWrites)));
    }

    #[test]
    fn an_element_is_taken_once_and_was_put_in() {
        let reference = reference_history(vec![vec![event(fresh("queue/1", "a", 2))]]);
        let taken = |value| Claim::Dequeued { element: Bytes::from("queue/1"), value: Bytes::from(value) };
        let check = |claims: Vec<Claim>| {
            let claims: Vec<_> = claims.into_iter().map(|claim| (0, moment(1), claim)).collect();
            check(&claims, &reference).err().map(|text| Promise::of(&text).unwrap())
        };
        assert_eq!(check(vec![Claim::Enqueued(Bytes::from("queue/1")), taken("a")]), None);
        assert_eq!(check(vec![taken("a"), taken("a")]), Some(Promise::QueueOnce));
        assert_eq!(check(vec![taken("b")]), Some(Promise::QueueOnce));
        assert_eq!(check(vec![Claim::Enqueued(Bytes::from("queue/2"))]), Some(Promise::QueueOnce));
    }
}
