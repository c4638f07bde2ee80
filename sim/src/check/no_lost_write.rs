//! Promise: no acknowledged write is lost, nothing is written that nobody asked for, and nothing is written twice.
//!
//! Looks at the end, once all is whole: every revision of the store is read back and compared with what the clients
//! were told.

use crate::history::{Answer, Call, Operation, Outcome, Version};
use bytes::Bytes;
use std::collections::BTreeMap;

/// All keys at one revision.
pub type Keys = BTreeMap<Bytes, Version>;

/// The store at each revision, the first at place 0 being revision 1: empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chronicle(pub Vec<Keys>);

impl Chronicle {
    /// The newest revision.
    pub fn head(&self) -> i64 {
        i64::try_from(self.0.len()).expect("a run is short")
    }

    /// All keys at a revision; `None` where there is no such revision.
    pub fn at(&self, revision: i64) -> Option<&Keys> {
        self.0.get(usize::try_from(revision - 1).ok()?)
    }

    /// A key's version at a revision.
    pub fn get(&self, revision: i64, key: &Bytes) -> Option<&Version> {
        self.at(revision)?.get(key)
    }
}

/// Whether the chronicle is what the clients were told.
///
/// # Errors
/// The promise, and how it was broken.
pub fn check(operations: &[Operation], chronicle: &Chronicle) -> Result<(), String> {
    for operation in operations {
        if let Outcome::Done { revision, answer } = &operation.outcome {
            is_in(operation, *revision, answer, chronicle)?;
        }
    }
    all_was_asked_for(operations, chronicle)
}

fn is_in(operation: &Operation, revision: i64, answer: &Answer, chronicle: &Chronicle) -> Result<(), String> {
    let Operation { key, call, .. } = operation;
    if chronicle.at(revision).is_none() {
        return Err(lost(operation, &format!("the store ends at revision {}", chronicle.head())));
    }
    let found = chronicle.get(revision, key);
    let before = chronicle.get(revision - 1, key);
    let is_written =
        |value: &Bytes| found.is_some_and(|is| is.value == *value && is.mod_revision == revision);
    let is_right = match (call, answer) {
        (Call::Put(value), Answer::Put) => is_written(value),
        (Call::Swap { value, expected }, Answer::Swapped(true)) => {
            is_written(value) && before.map_or(0, |was| was.mod_revision) == *expected
        }
        (Call::Swap { expected, .. }, Answer::Swapped(false)) => {
            found.map_or(0, |is| is.mod_revision) != *expected
        }
        (Call::Delete, Answer::Deleted(true)) => found.is_none() && before.is_some(),
        (Call::Delete, Answer::Deleted(false)) => found.is_none(),
        (Call::Read, Answer::Found(version)) => version.as_ref() == found,
        (call, answer) => panic!("{call:?} was answered with {answer:?}"),
    };
    if is_right {
        return Ok(());
    }
    Err(lost(operation, &format!("at that revision the key is {found:?}, and before it was {before:?}")))
}

fn lost(operation: &Operation, found: &str) -> String {
    format!("promise broken: what a client was told stays true, but {operation:?}: {found}")
}

/// Every change comes from one call, which was not refused, and is the only change of that call.
fn all_was_asked_for(operations: &[Operation], chronicle: &Chronicle) -> Result<(), String> {
    let mut written: BTreeMap<&Bytes, (&Operation, Option<i64>)> = BTreeMap::new();
    let mut deletes: BTreeMap<&Bytes, u64> = BTreeMap::new();
    for operation in operations {
        match &operation.call {
            Call::Put(value) | Call::Swap { value, .. } => drop(written.insert(value, (operation, None))),
            Call::Delete if operation.outcome != Outcome::Refused => {
                *deletes.entry(&operation.key).or_default() += 1;
            }
            Call::Delete | Call::Read => {}
        }
    }
    for revision in 2..=chronicle.head() {
        let (before, now) = (&chronicle.0[place(revision - 1)], &chronicle.0[place(revision)]);
        for (key, version) in now.iter().filter(|(_, version)| version.mod_revision == revision) {
            let Some((operation, at)) = written.get_mut(&version.value) else {
                return Err(format!(
                    "promise broken: only what was asked for is written, but {key:?} is {version:?}"
                ));
            };
            if operation.key != *key || operation.outcome == Outcome::Refused {
                return Err(format!(
                    "promise broken: only what was asked for is written, but {operation:?} wrote {version:?}"
                ));
            }
            if let Some(first) = at.replace(revision) {
                return Err(format!(
                    "promise broken: a request is applied once, but {operation:?} was at revisions {first} and {revision}"
                ));
            }
        }
        for key in before.keys().filter(|key| !now.contains_key(*key)) {
            let left = deletes.entry(key).or_default();
            if *left == 0 {
                return Err(format!(
                    "promise broken: a key goes only when it is deleted, but {key:?} went at revision {revision}"
                ));
            }
            *left -= 1;
        }
    }
    Ok(())
}

fn place(revision: i64) -> usize {
    usize::try_from(revision - 1).expect("revisions begin at 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(value: &'static str, mod_revision: i64) -> Version {
        Version { value: Bytes::from(value), create_revision: 2, mod_revision, version: mod_revision - 1 }
    }

    fn chronicle(values: &[&'static str]) -> Chronicle {
        let mut revisions = vec![Keys::new()];
        for (place, value) in values.iter().enumerate() {
            let revision = i64::try_from(place).unwrap() + 2;
            revisions.push(Keys::from([(Bytes::from("k"), version(value, revision))]));
        }
        Chronicle(revisions)
    }

    fn put(value: &'static str, outcome: Outcome) -> Operation {
        let key = Bytes::from("k");
        Operation { client: 0, key, call: Call::Put(Bytes::from(value)), invoked: 1, answered: 2, outcome }
    }

    fn acknowledged(value: &'static str, revision: i64) -> Operation {
        put(value, Outcome::Done { revision, answer: Answer::Put })
    }

    #[test]
    fn finds_what_was_lost_invented_or_done_twice() {
        let check = |operations: &[Operation], values: &[&'static str]| check(operations, &chronicle(values));
        let both = [acknowledged("a", 2), acknowledged("b", 3)];
        assert_eq!(check(&both, &["a", "b"]), Ok(()));
        assert_eq!(check(&[put("a", Outcome::Unknown)], &["a"]), Ok(()));
        assert_eq!(check(&[put("a", Outcome::Unknown)], &[]), Ok(()));
        for (operations, values, promise) in [
            (&both[..], &["a"][..], "what a client was told stays true"),
            (&both[..], &["b", "a"][..], "what a client was told stays true"),
            (&both[..1], &["a", "b"][..], "only what was asked for is written"),
            (&[put("a", Outcome::Refused)][..], &["a"][..], "only what was asked for is written"),
            (&[put("a", Outcome::Unknown)][..], &["a", "a"][..], "a request is applied once"),
        ] {
            let found = check(operations, values).expect_err(promise);
            assert!(found.contains(promise), "{found}");
        }
    }
}
