//! The replicated state as bytes, written in pieces from a view and read back in pieces.
//!
//! The bytes are a function of the logical state alone: two members at the same index write the same file, however
//! far the physical work of a compaction has come on each. The layout (docs/data-format.md) is a magic number, a
//! format version, and sections, each with a checksum chained to the section before; the last one carries the state
//! hash, which the reader compares with the hash of what it built. A file that ends early is not a snapshot.

mod reader;
#[cfg(test)]
mod tests;
mod transfer;
mod writer;

pub use reader::Reader;
pub(crate) use reader::attach_keys;
pub use transfer::{Checkpoint, OutgoingSnapshot, ReceivedSnapshot};
pub use writer::Writer;

/// How every snapshot begins.
pub const MAGIC: [u8; 8] = *b"DETCDSNP";
/// The format this release writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;
/// About how large a section grows before the next one begins; a single large record makes a larger one.
const SECTION_BYTES: usize = 64 * 1024;
/// A section beyond this is corruption, not a record: keys and values are bounded by the largest request.
const SECTION_BYTES_MAX: usize = 1 << 30;

/// What a section holds, as its first byte says.
mod section {
    pub(super) const HEADER: u8 = 1;
    pub(super) const LEASES: u8 = 2;
    pub(super) const RECORDS: u8 = 3;
    pub(super) const END: u8 = 4;
    pub(super) const AUTH: u8 = 5;
}

/// Why some bytes are not a snapshot. Nothing of it is used then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("snapshot, byte {at}: {problem}")]
pub struct SnapshotError {
    /// Offset of the section at fault.
    pub at: u64,
    /// What was expected and what was found.
    pub problem: String,
}
