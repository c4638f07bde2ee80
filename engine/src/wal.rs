//! The write-ahead log as bytes: segments of records, one chain of checksums through all of them.
//!
//! ```text
//!   segment 7                                            segment 8
//!   ┌────────┬────────┬────────┬─────┬────────┬──────┐   ┌────────┬────────┬──
//!   │ header │ record │ record │ ... │ record │ 0000 │   │ header │ record │ ...
//!   └───┬────┴─┬──▲───┴─┬──▲───┴─────┴────┬───┴──────┘   └──▲──┬──┴──▲─────┴──
//!       └──────┘  └─────┘  └── ...        └─────────────────┘  └─────┘     previous checksum, part of the next
//! ```
//!
//! This is the pure half: what is written and what was read. The shell moves the bytes, and owes the codec this:
//! - A segment appears under its name whole and durable as far as its header, and only when every record of the one
//!   before it is durable. Old segments go from the front, once a durable snapshot covers all entries in them.
//! - Records are written at `Chain::end_offset`, in order; what lies behind them is zeros. A torn tail is overwritten with
//!   zeros (and they are made durable) before anything is written there.
//! - Each batch says how much of its segment was durable when it was written (`synced_bytes`). Once a batch is durable
//!   and nothing else waits to be written, a *closing record* follows it (`encode_closing`), which needs no sync.
//! - A file is as long as its header says (`segment_bytes`) from the start, and never cut.
//!
//! **Torn tail or corruption?** A record that does not check out may be a write that the crash interrupted: nobody
//! was told of it, it is cut. Or it was durable once and the disk lost it: then an acknowledged write or a vote is
//! gone, and to go on would break the promise to the rest of the cluster. A later record that says "when I was
//! written, everything up to there was durable" proves the second. Every record can be recognized without those
//! before it (its checksum covers its segment, its offset and the checksum before it, which it carries), so the
//! proof is found behind any damage. The closing record proves it of the last batch. What cannot be told apart: damage
//! to a last batch whose closing record never reached the disk. It is on its way there when the log is idle, for as long
//! as the operating system keeps what it is not told to sync (Linux: 30 s); while the log is busy, the next batch takes
//! its place.
//!
//! Byte by byte in docs/data-format.md.

mod checksums;
mod reader;
mod replay;
mod segment;

pub use reader::{SegmentReader, read_segment};
pub use replay::{LogReplay, LogTail, ReplayError};
pub use segment::{CLOSING_BYTES, SegmentContents, encode_batch, encode_closing};

use crate::codec::{DecodeError, Decoder, Encode};
use crate::ids::{ClusterId, Incarnation, MemberId};
use crate::raft::fields;
use bytes::Bytes;

/// The first eight bytes of every segment.
pub const MAGIC: [u8; 8] = *b"detcdwal";
/// The format this release writes, and the only one it reads.
pub const VERSION: u32 = 2;
/// Of a segment's header: what `encode_header` writes.
pub const HEADER_BYTES: usize = 100;

/// What a segment says of itself, enough to be the oldest one kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Whose log it is.
    pub cluster: ClusterId,
    /// Whose log it is.
    pub member: MemberId,
    /// Whose log it is.
    pub incarnation: Incarnation,
    /// Counts up by one.
    pub number: u64,
    /// The last checksum of the segment before it; 0 for a log's first.
    pub previous: u32,
    /// Where the log stood: older segments are not needed to know it.
    pub tail: LogTail,
    /// The length of the file, in bytes: a shorter one was cut.
    pub segment_bytes: u64,
}

/// Which segment is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedSegment {
    /// This member's cluster.
    pub cluster: ClusterId,
    /// This member.
    pub member: MemberId,
    /// Of this data directory.
    pub incarnation: Incarnation,
    /// As the file is named.
    pub number: u64,
    /// The last checksum of the segment before it (`Chain::checksum`); `None` for the oldest one kept.
    pub previous: Option<u32>,
}

/// Where the next record goes, and what its checksum continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The header's checksum, part of every record's: a record of another segment never fits here.
    segment: u32,
    checksum: u32,
    end_offset: u64,
}

impl Chain {
    /// The offset in the segment at which the next record starts.
    pub fn end_offset(&self) -> u64 {
        self.end_offset
    }

    /// The checksum of the last record, or of the header: what the next segment's header carries.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }
}

/// Why a segment was not read. Each is for an operator: the shell adds the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// Not a segment.
    #[error("not a write-ahead log: magic {MAGIC:?} expected, {found:?} found")]
    Magic {
        /// Instead of the magic.
        found: Vec<u8>,
    },
    /// Written by a release with another format.
    #[error("write-ahead log of format {found}, this release reads format {VERSION}")]
    Version {
        /// Instead of `VERSION`.
        found: u32,
    },
    /// The header is not as it was written.
    #[error("header with checksum {expected:#010x}, its bytes give {found:#010x}")]
    HeaderChecksum {
        /// As the header says.
        expected: u32,
        /// As computed.
        found: u32,
    },
    /// Of another cluster, member or directory, or in another file than it was written to.
    #[error("{what} {expected} expected, {found} found")]
    Identity {
        /// What differs.
        what: &'static str,
        /// As the data directory says.
        expected: String,
        /// As the segment says.
        found: String,
    },
    /// The file ends before the segment does.
    #[error(
        "{found} bytes long, but made {expected} bytes long: its end was cut off, and records may be lost with it"
    )]
    Short {
        /// As the header says.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// A record that was durable is not there any more.
    #[error("corrupt record at offset {offset}: {problem}; {proof}")]
    Corrupt {
        /// Where the record starts.
        offset: u64,
        /// What is wrong with it.
        problem: String,
        /// How it is known that it was durable.
        proof: String,
    },
    /// Whole by its checksum, and yet not what this release writes.
    #[error("record at offset {offset}: {problem}")]
    Record {
        /// Where the record starts.
        offset: u64,
        /// The field.
        problem: DecodeError,
    },
    /// The header ends early or holds something else.
    #[error("header: {0}")]
    Header(#[from] DecodeError),
}

/// A segment's first bytes, and the chain that its records continue.
pub fn encode_header(header: &SegmentHeader) -> (Vec<u8>, Chain) {
    let mut out = MAGIC.to_vec();
    out.put_u32_field(VERSION);
    out.put_u64_field(header.cluster.0);
    out.put_u64_field(header.member.0);
    out.put_u64_field(header.incarnation.0);
    out.put_u64_field(header.number);
    out.put_u32_field(header.previous);
    fields::put_hard_state(&mut out, &header.tail.hard_state);
    out.put_u64_field(header.tail.last_index);
    out.put_u64_field(header.tail.last_term);
    out.put_u64_field(header.segment_bytes);
    let checksum = crc32c::crc32c(&out);
    out.put_u32_field(checksum);
    assert_eq!(out.len(), HEADER_BYTES, "a header has one length");
    let end_offset = out.len() as u64;
    (out, Chain { segment: checksum, checksum, end_offset })
}

/// Reads what `encode_header` wrote, and whether it is the segment that was asked for.
fn read_header(bytes: &Bytes, expected: &ExpectedSegment) -> Result<(SegmentHeader, Chain), WalError> {
    let magic = &bytes[..bytes.len().min(MAGIC.len())];
    if magic != MAGIC {
        return Err(WalError::Magic { found: magic.to_vec() });
    }
    let mut decoder = Decoder::new(bytes.slice(MAGIC.len()..));
    let version = decoder.u32("format version")?;
    if version != VERSION {
        return Err(WalError::Version { found: version });
    }
    let header = SegmentHeader {
        cluster: ClusterId(decoder.u64("cluster")?),
        member: MemberId(decoder.u64("member")?),
        incarnation: Incarnation(decoder.u64("incarnation")?),
        number: decoder.u64("segment number")?,
        previous: decoder.u32("previous checksum")?,
        tail: LogTail {
            hard_state: fields::hard_state(&mut decoder)?,
            last_index: decoder.u64("last index")?,
            last_term: decoder.u64("last term")?,
        },
        segment_bytes: decoder.u64("segment bytes")?,
    };
    let length = bytes.len() - decoder.remaining();
    let written = decoder.u32("checksum")?;
    let found = crc32c::crc32c(&bytes[..length]);
    if written != found {
        return Err(WalError::HeaderChecksum { expected: written, found });
    }
    check_identity(&header, expected)?;
    Ok((header, Chain { segment: found, checksum: found, end_offset: (length + 4) as u64 }))
}

fn check_identity(header: &SegmentHeader, expected: &ExpectedSegment) -> Result<(), WalError> {
    let pairs = [
        ("cluster", expected.cluster.to_string(), header.cluster.to_string()),
        ("member", expected.member.to_string(), header.member.to_string()),
        ("incarnation", expected.incarnation.to_string(), header.incarnation.to_string()),
        ("segment number", expected.number.to_string(), header.number.to_string()),
    ];
    let differing = pairs.into_iter().find(|(_, expected, found)| expected != found);
    if let Some((what, expected, found)) = differing {
        return Err(WalError::Identity { what, expected, found });
    }
    match expected.previous {
        Some(previous) if previous != header.previous => Err(WalError::Identity {
            what: "checksum of the segment before",
            expected: format!("{previous:#010x}"),
            found: format!("{:#010x}", header.previous),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
