//! The dumbest thing that could be right: a list of all versions ever made, searched from end to end.

use super::super::RecordRef;
use crate::key_range::KeyRange;
use crate::mvcc::{RangeRequest, RangeResponse, SortOrder, SortTarget};

/// Every version ever made, in the order in which they were.
#[derive(Default)]
pub(super) struct Model {
    pub(super) versions: Vec<RecordRef>,
    pub(super) compacted: i64,
}

impl Model {
    /// The key as `revision` left it.
    pub(super) fn get_at(&self, key: &[u8], revision: i64) -> Option<RecordRef> {
        let mut of_key = self.versions.iter().filter(|v| v.key() == key && v.mod_revision() <= revision);
        of_key.next_back().filter(|version| version.version() > 0).cloned()
    }

    /// The keys of `range` as `revision` left them, in key order.
    fn keys_at(&self, range: &KeyRange, revision: i64) -> Vec<RecordRef> {
        let mut keys: Vec<&[u8]> =
            self.versions.iter().map(|v| v.key()).filter(|key| range.contains(key)).collect();
        keys.sort();
        keys.dedup();
        keys.iter().filter_map(|key| self.get_at(key, revision)).collect()
    }

    /// etcd's steps, one after the other: fetch, filter, sort, cut.
    pub(super) fn range(&self, request: &RangeRequest, revision: i64) -> RangeResponse {
        let keys = self.keys_at(&request.range, revision);
        let count = keys.len() as u64;
        let keys_only = request.keys_only;
        if request.count_only {
            let keys_only = keys_only && request.target != SortTarget::Value;
            return RangeResponse { kvs: Vec::new(), keys_only, more: false, count };
        }
        let bounds = [
            (request.min_mod_revision, request.max_mod_revision),
            (request.min_create_revision, request.max_create_revision),
        ];
        let filtered = bounds != [(0, 0); 2];
        let limit = if request.limit == 0 { usize::MAX } else { request.limit as usize };
        let mut kvs = keys;
        if request.order == SortOrder::None && !filtered {
            kvs.truncate(limit.saturating_add(1));
        }
        kvs.retain(|kv| {
            [kv.mod_revision(), kv.create_revision()]
                .iter()
                .zip(bounds)
                .all(|(revision, (min, max))| !(min != 0 && *revision < min || max != 0 && *revision > max))
        });
        match request.target {
            SortTarget::Key => {}
            SortTarget::Version => kvs.sort_by_key(|kv| kv.version()),
            SortTarget::Create => kvs.sort_by_key(|kv| kv.create_revision()),
            SortTarget::Mod => kvs.sort_by_key(|kv| kv.mod_revision()),
            SortTarget::Value => kvs.sort_by_key(|kv| kv.value().to_vec()),
        }
        if request.order == SortOrder::Descend {
            // Descending and stable: turned around twice, equals keep key order.
            let same = |left: &RecordRef, right: &RecordRef| match request.target {
                SortTarget::Key => left.key() == right.key(),
                SortTarget::Version => left.version() == right.version(),
                SortTarget::Create => left.create_revision() == right.create_revision(),
                SortTarget::Mod => left.mod_revision() == right.mod_revision(),
                SortTarget::Value => left.value() == right.value(),
            };
            kvs = kvs.chunk_by(same).rev().flatten().cloned().collect();
        }
        let more = kvs.len() > limit;
        kvs.truncate(limit);
        let by_value = request.target == SortTarget::Value;
        if keys_only && by_value {
            kvs = kvs.iter().map(RecordRef::without_value).collect();
        }
        let keys_only = keys_only && !by_value;
        RangeResponse { kvs, keys_only, more, count }
    }

    /// What must still be known: changes of the compacted revision and later, and what can be seen at it.
    pub(super) fn kept(&self) -> Vec<RecordRef> {
        let seen = |version: &&RecordRef| {
            version.mod_revision() >= self.compacted
                || self.get_at(version.key(), self.compacted).as_ref() == Some(version)
        };
        let mut kept: Vec<RecordRef> = self.versions.iter().filter(seen).cloned().collect();
        kept.sort_by(|left, right| left.key().cmp(right.key()));
        kept
    }
}
