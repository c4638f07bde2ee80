//! The store's share of the state hash: the same on every member that holds the same logical state.
//!
//! It is the wrapping sum of the hashes of all logically kept versions, and of one more for the revision and the
//! compacted revision. A sum does not ask in which order versions came, and gives back what was added: a put costs
//! one hash, a compaction the difference of two sums that the history keeps. How far the physical work of a
//! compaction has come changes nothing.

use super::history::Total;
use super::record::RecordRef;
use twox_hash::XxHash3_128;

/// The hash of a store at `revision`, compacted at `compacted`, whose kept versions add up to `total`.
pub(crate) fn of_state(total: Total, revision: i64, compacted: i64) -> u128 {
    let mut position = [0_u8; 16];
    position[..8].copy_from_slice(&revision.to_le_bytes());
    position[8..].copy_from_slice(&compacted.to_le_bytes());
    total.hash.wrapping_add(XxHash3_128::oneshot(&position))
}

/// Whether a version is logically kept when `compacted` is the compacted revision and `next` is the main revision
/// of the key's next version: changes of the compacted revision and later are, and what can be seen at it.
pub(crate) fn is_kept(record: &RecordRef, next: Option<i64>, compacted: i64) -> bool {
    let superseded = next.is_some_and(|next| next <= compacted);
    record.mod_revision() >= compacted || (!record.is_tombstone() && !superseded)
}
