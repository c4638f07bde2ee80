//! What a range read asks, and what it is answered: clients see both as they are (docs/etcd-notes.md#kv).

use super::RecordRef;
use crate::key_range::KeyRange;

/// Which keys, at which revision, in which order, how many.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeRequest {
    /// The keys.
    pub range: KeyRange,
    /// At most so many; 0 for no limit. Applied after the filters.
    pub limit: u64,
    /// The revision to read at; 0 for the current one. Negative is kept: outside a txn it means current, inside a
    /// txn on a compacted store it is *compacted*, as in etcd.
    pub revision: i64,
    /// Order of the answer.
    pub order: SortOrder,
    /// What it is ordered by.
    pub target: SortTarget,
    /// Read this member's state as it is, without asking the leader.
    pub serializable: bool,
    /// Leave the values out.
    pub keys_only: bool,
    /// Only count.
    pub count_only: bool,
    /// Keep keys last changed at or after this; 0 for no bound. Negative values bound nothing.
    pub min_mod_revision: i64,
    /// Keep keys last changed at or before this; 0 for no bound.
    pub max_mod_revision: i64,
    /// Keep keys created at or after this; 0 for no bound.
    pub min_create_revision: i64,
    /// Keep keys created at or before this; 0 for no bound.
    pub max_create_revision: i64,
}

impl RangeRequest {
    /// A plain linearizable read of `range` at the current revision.
    pub fn of(range: KeyRange) -> RangeRequest {
        RangeRequest {
            range,
            limit: 0,
            revision: 0,
            order: SortOrder::None,
            target: SortTarget::Key,
            serializable: false,
            keys_only: false,
            count_only: false,
            min_mod_revision: 0,
            max_mod_revision: 0,
            min_create_revision: 0,
            max_create_revision: 0,
        }
    }

    /// Whether it asks for keys of some revisions only.
    pub fn has_filters(&self) -> bool {
        [self.min_mod_revision, self.max_mod_revision, self.min_create_revision, self.max_create_revision]
            .iter()
            .any(|bound| *bound != 0)
    }
}

/// etcd's `SortOrder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// As the index has them. With a target other than the key: ascending, but the limit is taken first (a quirk
    /// of etcd that clients can see).
    None,
    /// Smallest first.
    Ascend,
    /// Largest first.
    Descend,
}

/// etcd's `SortTarget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortTarget {
    /// By key.
    Key,
    /// By version.
    Version,
    /// By create revision.
    Create,
    /// By mod revision.
    Mod,
    /// By value.
    Value,
}

/// The keys found.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeResponse {
    /// In the order asked for. Empty where only the count was asked.
    pub kvs: Vec<RecordRef>,
    /// Values and leases are to be left out of the answer.
    pub keys_only: bool,
    /// More keys passed the filters than the limit let through.
    pub more: bool,
    /// Keys in the range at that revision, whatever the limit and the filters.
    pub count: u64,
}

/// Why a store cannot be read, or compacted, at a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevisionError {
    /// It is below the compacted revision.
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    /// It is above the current revision.
    #[error("mvcc: required revision is a future revision")]
    Future,
}
