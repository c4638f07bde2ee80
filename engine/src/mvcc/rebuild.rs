//! A store from a snapshot's records. They come from a disk or a peer, so nothing about them is taken on trust:
//! whatever a store could never have held is an error that says so.

use super::hash::is_kept;
use super::history::{Change, Total};
use super::record::RecordRef;
use super::store::Store;
use crate::cow_tree::Summary;
use crate::ids::LeaseId;

/// A store that counts to here is refused: none ever does, and additions below cannot overflow.
const REVISION_LIMIT: i64 = 1 << 62;

impl Store {
    /// The store at `revision`, compacted at `compacted`, that keeps exactly `records`, given in any order.
    pub fn from_records(revision: i64, compacted: i64, mut records: Vec<RecordRef>) -> Result<Store, String> {
        if !(1..REVISION_LIMIT).contains(&revision) || compacted < -1 || compacted > revision {
            return Err(format!("revision {revision} compacted at {compacted} cannot be"));
        }
        records.sort_unstable_by(|left, right| {
            (left.key(), left.position()).cmp(&(right.key(), right.position()))
        });
        let mut store = Store::new();
        store.current.revision = revision;
        store.current.compacted = compacted;
        let mut changes = Vec::new();
        let mut previous: Option<&RecordRef> = None;
        for (at, record) in records.iter().enumerate() {
            let same_key = |other: &&RecordRef| other.key() == record.key();
            let next = records.get(at + 1).filter(same_key).map(|next| next.mod_revision());
            let before = previous.filter(same_key);
            check(record, before, next, revision, compacted)
                .map_err(|problem| format!("{problem}: {record:?}, after {before:?}"))?;
            store.kept.add(Total::of(record));
            store.current.index.push(record.key(), |_| record.clone());
            if next.is_none() && !record.is_tombstone() {
                store.live_bytes += record.size_bytes();
            }
            if record.mod_revision() >= compacted {
                changes.push(Change { record: record.clone(), previous: before.cloned() });
            }
            previous = Some(record);
        }
        changes.sort_unstable_by_key(|change| change.record.position());
        check_order(&changes, revision, compacted)?;
        changes.into_iter().for_each(|change| store.current.history.push(change));
        Ok(store)
    }
}

/// Leaves of some versions those that a store compacted at `compacted` keeps: what they come from may not have got round
/// to forgetting the others.
pub(crate) fn retain_kept(records: &mut Vec<RecordRef>, compacted: i64) {
    records
        .sort_unstable_by(|left, right| (left.key(), left.position()).cmp(&(right.key(), right.position())));
    let nexts: Vec<Option<i64>> = records
        .iter()
        .zip(records.iter().skip(1).map(Some).chain([None]))
        .map(|(record, next)| Some(next?).filter(|next| next.key() == record.key()))
        .map(|next| next.map(RecordRef::mod_revision))
        .collect();
    let mut nexts = nexts.into_iter();
    records.retain(|record| is_kept(record, nexts.next().flatten(), compacted));
}

/// What can be said of a record by its key's other records.
fn check(
    record: &RecordRef,
    before: Option<&RecordRef>,
    next: Option<i64>,
    revision: i64,
    compacted: i64,
) -> Result<(), &'static str> {
    let (main, create, version) = (record.mod_revision(), record.create_revision(), record.version());
    if record.key().is_empty() {
        return Err("a key is empty");
    }
    if main < 2 || main > revision {
        return Err("a change is outside the store's revisions");
    }
    if before.is_some_and(|before| before.position() >= record.position()) {
        return Err("a version is there twice");
    }
    if !is_kept(record, next, compacted) {
        return Err("a version should have been forgotten");
    }
    // Of a key whose earlier versions were forgotten nothing is known but that it lived.
    let unknown = before.is_none() && main <= compacted;
    let live = before.filter(|before| !before.is_tombstone());
    let sound = if record.is_tombstone() {
        let bare = create == 0 && record.value().is_empty() && record.lease() == LeaseId(0);
        bare && (unknown || live.is_some())
    } else {
        match live {
            Some(live) => create == live.create_revision() && live.version().checked_add(1) == Some(version),
            None if version == 1 => create == main,
            None => unknown && (2..=main).contains(&create) && (2..REVISION_LIMIT).contains(&version),
        }
    };
    if sound { Ok(()) } else { Err("a version does not follow from the one before") }
}

/// I2: every revision after the compacted one has its changes, numbered from 0 without a gap. Of those of the compacted
/// revision itself some may be missing, or all: a revision that was moved on without a change is compacted at once, and
/// old releases of etcd forget the tombstones of that revision.
fn check_order(changes: &[Change], revision: i64, compacted: i64) -> Result<(), String> {
    let mut expected = ((compacted + 1).max(2), 0);
    for change in changes.iter().filter(|change| change.record.mod_revision() > compacted) {
        let found = change.record.position();
        let next_revision = (expected.0 + 1, 0);
        let ok = found == expected || (expected.1 > 0 && found == next_revision);
        if !ok {
            return Err(format!(
                "change {}.{} is where {}.{} should be",
                found.0, found.1, expected.0, expected.1
            ));
        }
        expected = (found.0, found.1 + 1);
    }
    let last = if expected.1 == 0 { expected.0 - 1 } else { expected.0 };
    if last != revision {
        return Err(format!("the last change is of revision {last}, the store at {revision}"));
    }
    Ok(())
}
