//! Promise: the store is linearizable: every call takes effect at one moment between its invocation and its answer.
//!
//! No search: a header's revision says where a call stands in the order of all, so it is enough that this order
//! agrees with time. That each call's answer fits its place is `no_lost_write`'s to say.

use super::no_lost_write::Chronicle;
use crate::history::{Answer, Call, Operation, Outcome};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Whether the order of revisions agrees with the order in time.
///
/// # Errors
/// The promise, and the two calls that break it.
pub fn check(operations: &[Operation], chronicle: &Chronicle) -> Result<(), String> {
    let revisions = revisions_of_values(chronicle);
    // What was answered, by when; then all that begins later is at least there.
    let mut ended: Vec<(&Operation, i64)> = operations
        .iter()
        .filter_map(|operation| match operation.outcome {
            Outcome::Done { revision, .. } => Some((operation, revision)),
            Outcome::Unknown | Outcome::Refused => None,
        })
        .collect();
    ended.sort_by_key(|(operation, _)| operation.answered);
    let mut ended = ended.into_iter().peekable();
    let mut newest: Option<(&Operation, i64)> = None;
    // `operations` is in the order of invocation.
    for operation in operations {
        while let Some((earlier, revision)) =
            ended.next_if(|(earlier, _)| earlier.answered < operation.invoked)
        {
            if newest.is_none_or(|(_, highest)| revision > highest) {
                newest = Some((earlier, revision));
            }
        }
        let (Some((earlier, floor)), Some((revision, writes))) = (newest, stands_at(operation, &revisions))
        else {
            continue;
        };
        if revision < floor || (writes && revision == floor) {
            return Err(format!(
                "promise broken: the store is linearizable, but at revision {floor} there was {earlier:?} and only \
                 then, at revision {revision}, began {operation:?}"
            ));
        }
    }
    Ok(())
}

/// Where a call stands, and whether it is what made that revision; `None` where it had no effect that can be seen.
fn stands_at(operation: &Operation, revisions: &BTreeMap<&Bytes, i64>) -> Option<(i64, bool)> {
    match (&operation.outcome, &operation.call) {
        (Outcome::Done { revision, answer }, _) => {
            let writes = matches!(answer, Answer::Put | Answer::Deleted(true) | Answer::Swapped(true));
            Some((*revision, writes))
        }
        // It was applied after all, as its value shows.
        (Outcome::Unknown, Call::Put(value) | Call::Swap { value, .. }) => {
            Some((*revisions.get(value)?, true))
        }
        (Outcome::Unknown | Outcome::Refused, _) => None,
    }
}

fn revisions_of_values(chronicle: &Chronicle) -> BTreeMap<&Bytes, i64> {
    let versions = chronicle.0.iter().flat_map(|keys| keys.values());
    versions.map(|version| (&version.value, version.mod_revision)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(call: Call, invoked: u64, answered: u64, revision: i64, answer: Answer) -> Operation {
        let outcome = Outcome::Done { revision, answer };
        Operation { client: 0, key: Bytes::from("k"), call, invoked, answered, outcome }
    }

    #[test]
    fn a_read_that_begins_after_a_write_ended_sees_it() {
        let write = |invoked, answered| done(Call::Put(Bytes::from("a")), invoked, answered, 2, Answer::Put);
        let read = |invoked, answered| done(Call::Read, invoked, answered, 1, Answer::Found(None));
        let empty = Chronicle(Vec::new());
        assert_eq!(check(&[write(1, 3), read(2, 4)], &empty), Ok(()));
        assert_eq!(check(&[read(1, 2), write(3, 4)], &empty), Ok(()));
        let found = check(&[write(1, 2), read(3, 4)], &empty).expect_err("a stale read");
        assert!(found.contains("linearizable"), "{found}");
    }
}
