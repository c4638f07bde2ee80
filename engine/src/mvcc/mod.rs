//! The store: every version of every key since the last compaction.
//!
//! Each transaction that changes something makes one *main revision*, and each change in it has its place there,
//! the *sub revision*. A change adds a version of a key: a put, or the tombstone that ends a generation of the key.
//!
//! ```text
//!    key_index    a ── 3 ── 7          b ── 4 ── 5(deleted)          c ── 9        versions by key
//!    history      3:a   4:b   5:b,-   7:a   9:c                                    changes by revision
//!                         ▲
//!                         compacted revision: readable from here on, history is kept from here on
//! ```
//!
//! *Compaction* to 5 forgets what cannot be seen at 5 or later: versions superseded at or before 5, and tombstones
//! before 5 (the one at 5 stays until the next compaction, because a watch may still start there). It takes effect
//! at once; memory follows in slices, and nobody can tell how far they have come.
//!
//! A [`View`] is the store as it was, for one reference count: the shell evaluates it while the store goes on.
//!
//! `record` is one version; `key_index` finds versions by key, `history` by revision; `range_request` is what a read asks
//! and is answered, `view` and `range` read, `scan` a few keys at a time, `by_revision` all versions in the order of
//! their changes; `store` holds and compacts, `write` changes; `rebuild` makes a store of a snapshot's records; `hash` says what members compare.

mod by_revision;
mod hash;
mod history;
mod key_index;
mod range;
mod range_request;
mod rebuild;
mod record;
mod scan;
mod store;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub use by_revision::ByRevision;
pub use range_request::{RangeRequest, RangeResponse, RevisionError, SortOrder, SortTarget};
pub(crate) use rebuild::retain_kept;
pub use record::{RECORD_OVERHEAD_BYTES, RecordHeader, RecordRef};
pub use scan::Scan;
pub use store::Store;
pub(crate) use view::LaterRange;
pub use view::View;
pub use write::Write;
