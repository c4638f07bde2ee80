//! The store: every version of every key since the last compaction.

use std::sync::Arc;

/// STUB of the mvcc room: one version of one key.
#[derive(Debug, PartialEq)]
pub struct Record;
/// Shared, immutable.
pub type RecordRef = Arc<Record>;
/// STUB: an immutable state at a revision.
#[derive(Clone, Debug, PartialEq)]
pub struct View;
