//! The kept versions in the order of their changes, a few at a time and in bounded memory.
//!
//! From the compacted revision on the history has that order. What is older is kept because it could still be seen at
//! that revision, and only the index of keys knows it: so it is gathered by going through all keys, and sorted. Of many
//! keys the oldest are taken first, and what is left over is gathered by going through the keys again.

use super::key_index::Versions;
use super::range_request::RevisionError;
use super::record::RecordRef;
use super::view::View;
use crate::key_range::KeyRange;
use bytes::Bytes;
use std::vec::IntoIter;

/// How many versions one pass over the keys gathers. Twice as many are in memory at most, of 24 bytes each: 12 MB.
const GATHERED_MAX: usize = 1 << 18;

/// Main and sub revision.
type Position = (i64, u32);

/// See the module.
#[derive(Clone, Debug)]
pub struct ByRevision {
    view: View,
    wanted: Wanted,
    gathered_max: usize,
    stage: Stage,
}

/// Which versions.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// Those before this position come from the index of keys, others from the history.
    history: Position,
    /// Of those before `history` the ones that could be seen just before this position.
    seen_before: Position,
    /// None from here on.
    end: Position,
}

#[derive(Clone, Debug)]
enum Stage {
    Gather(Pass),
    /// What was gathered is handed out; then comes what lies from this position on, unless that was all.
    HandOut(IntoIter<(Position, RecordRef)>, Option<Position>),
    /// The changes from this position on.
    History(Position),
    Done,
}

/// One pass over the keys.
#[derive(Clone, Debug)]
struct Pass {
    /// Older versions were handed out.
    from: Position,
    /// From here on they are left for the next pass.
    until: Option<Position>,
    /// The key to go on with.
    key: Vec<u8>,
    gathered: Vec<(Position, RecordRef)>,
}

impl View {
    /// Every version that is kept, as `records` has them, in the order of their changes.
    pub fn by_revision(&self) -> ByRevision {
        let compacted = self.compacted;
        let wanted = Wanted {
            history: (compacted, 0),
            seen_before: (compacted.saturating_add(1), 0),
            end: (i64::MAX, 0),
        };
        ByRevision::new(self, wanted)
    }

    /// What etcd's hash of a revision is made of (0: the current one), and that revision. Of the changes up to the
    /// compacted revision, that is what can be seen at the revision that is asked for; but where no key at all can be seen
    /// there, what could be seen at the compacted one, and never a tombstone
    /// (docs/etcd-notes.md#the-hash-of-a-revision).
    ///
    /// # Errors
    /// A revision that is compacted or in the future.
    pub fn hashed(&self, revision: i64) -> Result<(i64, ByRevision), RevisionError> {
        self.readable(revision)?;
        let revision = if revision == 0 { self.revision } else { revision };
        let (end, compacted_end) = ((revision.saturating_add(1), 0), (self.compacted.saturating_add(1), 0));
        let all = KeyRange::From(Bytes::new());
        let is_any_seen = revision > 0 && self.count(&all, Some(end)) > 0;
        let seen_before = if revision < 0 || is_any_seen { end } else { compacted_end };
        Ok((revision, ByRevision::new(self, Wanted { history: compacted_end, seen_before, end })))
    }
}

impl ByRevision {
    fn new(view: &View, wanted: Wanted) -> ByRevision {
        let oldest = view.compacted_revision();
        assert!(wanted.history.0 >= oldest, "changes of {:?}, forgotten before {oldest}", wanted.history);
        // Nothing was ever changed before revision 2.
        let stage = if wanted.history.0 > 1 { Stage::pass((0, 0)) } else { Stage::History(wanted.history) };
        ByRevision { view: view.clone(), wanted, gathered_max: GATHERED_MAX, stage }
    }

    /// Looks at this many keys or changes at most, and answers what is found. Nothing found does not mean that there is
    /// no more.
    pub fn next_records(&mut self, looks_max: usize) -> Vec<RecordRef> {
        assert!(looks_max > 0, "looking at nothing never comes to an end");
        let (found, stage) = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Gather(pass) => (Vec::new(), self.gather(pass, looks_max)),
            Stage::HandOut(mut gathered, then) => {
                let found = gathered.by_ref().take(looks_max).map(|(_, record)| record).collect();
                let stage = match then {
                    _ if gathered.len() > 0 => Stage::HandOut(gathered, then),
                    Some(from) => Stage::pass(from),
                    None => Stage::History(self.wanted.history),
                };
                (found, stage)
            }
            Stage::History(from) => self.changes(from, looks_max),
            Stage::Done => (Vec::new(), Stage::Done),
        };
        self.stage = stage;
        found
    }

    /// Whether all were handed out.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    fn gather(&self, mut pass: Pass, looks_max: usize) -> Stage {
        let mut last = None;
        let mut looked_at = 0;
        for versions in self.view.index.iter_from(&pass.key).take(looks_max) {
            looked_at += 1;
            last = Some(versions.key());
            if let Some(record) = self.wanted.old(versions) {
                pass.add(record, self.gathered_max);
            }
        }
        match last {
            Some(last) if looked_at == looks_max => {
                pass.key = [last, &[0]].concat();
                Stage::Gather(pass)
            }
            _ => {
                pass.gathered.sort_unstable_by_key(|(position, _)| *position);
                Stage::HandOut(pass.gathered.into_iter(), pass.until)
            }
        }
    }

    fn changes(&self, from: Position, looks_max: usize) -> (Vec<RecordRef>, Stage) {
        let changes = self.view.history.iter_from(from).map(|change| change.record.clone());
        let found: Vec<RecordRef> =
            changes.take_while(|record| record.position() < self.wanted.end).take(looks_max).collect();
        let stage = match found.last() {
            Some(last) if found.len() == looks_max => Stage::History((last.mod_revision(), last.sub() + 1)),
            _ => Stage::Done,
        };
        (found, stage)
    }
}

impl Wanted {
    fn old<'a>(&self, versions: &'a Versions) -> Option<&'a RecordRef> {
        versions.live_before(self.seen_before).filter(|record| record.position() < self.history)
    }
}

impl Stage {
    fn pass(from: Position) -> Stage {
        Stage::Gather(Pass { from, until: None, key: Vec::new(), gathered: Vec::new() })
    }
}

impl Pass {
    fn add(&mut self, record: &RecordRef, gathered_max: usize) {
        let position = record.position();
        if position < self.from || self.until.is_some_and(|until| position >= until) {
            return;
        }
        self.gathered.push((position, record.clone()));
        if self.gathered.len() >= 2 * gathered_max {
            let (_, first_left, _) =
                self.gathered.select_nth_unstable_by_key(gathered_max, |(position, _)| *position);
            self.until = Some(first_left.0);
            self.gathered.truncate(gathered_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::LeaseId;
    use crate::mvcc::Store;

    /// Thirty keys, some of them deleted, in an order that is not that of the keys, compacted on the way.
    fn store() -> Store {
        let mut store = Store::new();
        for round in 0_u32..100 {
            let key = [(round * 7 % 30) as u8];
            let mut write = store.write();
            if round % 5 == 4 {
                write.delete_range(&KeyRange::One(Bytes::copy_from_slice(&key)));
            } else {
                write.put(&key, b"v", LeaseId(0));
                write.put(&[200, key[0]], b"w", LeaseId(0));
            }
            write.finish();
            if round == 60 {
                store.compact(store.revision() - 3).expect("a revision that was written");
                store.compact_slice(10);
            }
        }
        store
    }

    fn all(mut found: ByRevision, looks_max: usize) -> Vec<RecordRef> {
        let mut records = Vec::new();
        while !found.is_done() {
            records.extend(found.next_records(looks_max));
        }
        records
    }

    #[test]
    fn what_is_kept_comes_in_the_order_of_its_changes_however_it_is_asked_for() {
        let view = store().view();
        let mut expected: Vec<RecordRef> = view.records().cloned().collect();
        expected.sort_by_key(RecordRef::position);
        assert!(
            expected.iter().filter(|record| record.mod_revision() < view.compacted_revision()).count() > 20
        );
        for (looks_max, gathered_max) in [(1, 1), (3, 2), (1000, 1), (7, 1000), (1000, 1000)] {
            let found = ByRevision { gathered_max, ..view.by_revision() };
            assert_eq!(all(found, looks_max), expected, "{looks_max} looks, {gathered_max} gathered");
        }
    }

    #[test]
    fn an_empty_store_has_none() {
        assert_eq!(all(Store::new().view().by_revision(), 5), []);
    }
}
