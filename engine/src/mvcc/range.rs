//! What a range read answers: count, filters, order, limit, in etcd's order of doing things.
//!
//! etcd first decides how many keys to *fetch*, then filters, sorts and cuts. Where it fetches everything and
//! sorts by key, fetching only the page gives the same answer, so that is what happens here. One oddity can be seen
//! by clients and is kept: with an order of NONE and a target other than the key, and no filters, the first
//! `limit + 1` keys are taken first and only they are sorted.

use super::key_index::Versions;
use super::range_request::{RangeRequest, RangeResponse, SortOrder, SortTarget};
use super::record::RecordRef;
use super::view::{End, View};
use crate::key_range::KeyRange;
use std::cmp::Ordering;

/// A sort compares a value with a dozen others: so many bytes of it take the time of a look at a key.
const SORTED_BYTES_PER_LOOK: usize = 64;
/// A step to the key before walks from the root: it takes the time of so many steps to the next one.
const LOOKS_BACKWARDS: u64 = 8;

impl View {
    /// Answers `request` as of `end`, which the caller has found readable; the newest state is, inside a transaction,
    /// the one with its own writes.
    pub(super) fn evaluate(&self, request: &RangeRequest, end: End) -> RangeResponse {
        let mut keys_left = u64::MAX;
        self.evaluate_within(request, end, &mut keys_left).expect("no range looks at so many keys")
    }

    /// As `evaluate`; `None` where it would look at more keys than are left to it. Those it looked at are taken off.
    pub(super) fn evaluate_within(
        &self,
        request: &RangeRequest,
        end: End,
        keys_left: &mut u64,
    ) -> Option<RangeResponse> {
        if let KeyRange::One(key) = &request.range {
            let found = self.index.get(key).and_then(|versions| visible(versions, end));
            let count = u64::from(found.is_some());
            let found = found.filter(|record| !request.count_only && passes(request, record));
            *keys_left = keys_left.checked_sub(1)?;
            return Some(answer(request, found.cloned().into_iter().collect(), false, count));
        }
        let count = self.count_within(&request.range, end, keys_left)?;
        if request.count_only || count == 0 {
            return Some(answer(request, Vec::new(), false, count));
        }
        let mut kvs = self.fetch(request, end, keys_left)?;
        if request.target != SortTarget::Key {
            kvs.sort_by(|left, right| order(request.order, request.target, left, right));
        }
        let limit = match request.limit {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let more = kvs.len() > limit;
        kvs.truncate(limit);
        Some(answer(request, kvs, more, count))
    }

    /// The keys that pass the filters, in key order (or against it, where that is the order asked for); no more
    /// than the limit and one where the rest cannot matter. `None` where too many must be looked at.
    fn fetch(&self, request: &RangeRequest, end: End, keys_left: &mut u64) -> Option<Vec<RecordRef>> {
        let first_keys_do = match request.target {
            SortTarget::Key => true,
            _ => request.order == SortOrder::None && !request.has_filters(),
        };
        let most = match request.limit {
            limit if limit > 0 && first_keys_do => {
                usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1)
            }
            _ => usize::MAX,
        };
        let is_backwards = request.target == SortTarget::Key && request.order == SortOrder::Descend;
        let step = if is_backwards { LOOKS_BACKWARDS } else { 1 };
        let mut found = Vec::new();
        let mut look = |versions| {
            let record = visible(versions, end).filter(|record| passes(request, record));
            let to_sort = record.filter(|_| request.target == SortTarget::Value);
            let to_sort = to_sort.map_or(0, |record| record.value().len() / SORTED_BYTES_PER_LOOK);
            *keys_left = keys_left.checked_sub(step + to_sort as u64)?;
            found.extend(record.cloned());
            Some(found.len() < most)
        };
        if is_backwards {
            for versions in self.index.iter_range_back(&request.range) {
                if !look(versions)? {
                    break;
                }
            }
        } else {
            for versions in self.index.iter_range(&request.range) {
                if !look(versions)? {
                    break;
                }
            }
        }
        Some(found)
    }

    /// How many keys of `range` were there as of `end`.
    pub(super) fn count(&self, range: &KeyRange, end: End) -> u64 {
        let mut keys_left = u64::MAX;
        self.count_within(range, end, &mut keys_left).expect("no count looks at so many keys")
    }

    /// As `count`; `None` where it would look at more keys and changes than are left. Of an older state it is today's
    /// number, corrected by the changes since; where those are more than the keys, the keys are counted, and the dead
    /// ones among them looked at.
    fn count_within(&self, range: &KeyRange, end: End, keys_left: &mut u64) -> Option<u64> {
        let head = self.index.live_count(range);
        let Some(end) = end.filter(|(revision, _)| *revision <= self.revision) else { return Some(head) };
        if range.is_empty() {
            return Some(0);
        }
        let changes = self.changes_from(end);
        if changes > head {
            let mut count = 0;
            for versions in self.index.iter_range(range) {
                *keys_left = keys_left.checked_sub(1)?;
                count += u64::from(versions.live_before(end).is_some());
            }
            return Some(count);
        }
        *keys_left = keys_left.checked_sub(changes)?;
        let since = self.history.iter_from(end).filter(|change| range.contains(change.record.key()));
        let gained: i64 = since.map(|change| change.live_delta()).sum();
        let count = head.checked_add_signed(-gained);
        Some(count.expect("the changes since cannot have made more keys than there are"))
    }
}

/// etcd answers `keys_only` from its key index, which knows no leases; but not under a sort by value, which reads the
/// records: there the lease stays. So there the values are left out here.
fn answer(request: &RangeRequest, mut kvs: Vec<RecordRef>, more: bool, count: u64) -> RangeResponse {
    let keeps_leases = request.keys_only && request.target == SortTarget::Value;
    if keeps_leases {
        kvs.iter_mut().for_each(|record| *record = record.without_value());
    }
    RangeResponse { kvs, keys_only: request.keys_only && !keeps_leases, more, count }
}

pub(super) fn visible(versions: &Versions, end: End) -> Option<&RecordRef> {
    match end {
        None => versions.live(),
        Some(end) => versions.live_before(end),
    }
}

pub(super) fn passes(request: &RangeRequest, record: &RecordRef) -> bool {
    let within =
        |revision: i64, min: i64, max: i64| (min == 0 || revision >= min) && (max == 0 || revision <= max);
    within(record.mod_revision(), request.min_mod_revision, request.max_mod_revision)
        && within(record.create_revision(), request.min_create_revision, request.max_create_revision)
}

/// For a stable sort: what is equal stays in key order, also where the order is descending.
fn order(order: SortOrder, target: SortTarget, left: &RecordRef, right: &RecordRef) -> Ordering {
    let ascending = match target {
        SortTarget::Key => left.key().cmp(right.key()),
        SortTarget::Version => left.version().cmp(&right.version()),
        SortTarget::Create => left.create_revision().cmp(&right.create_revision()),
        SortTarget::Mod => left.mod_revision().cmp(&right.mod_revision()),
        SortTarget::Value => left.value().cmp(right.value()),
    };
    match order {
        SortOrder::None | SortOrder::Ascend => ascending,
        SortOrder::Descend => ascending.reverse(),
    }
}
