//! One version of one key, in one allocation.
//!
//! Keys and values arrive as slices of a receive buffer or of a log entry of a megabyte; keeping such a slice would
//! keep all of it. So a record copies its bytes once and owns them. Header, key and value are one allocation behind
//! one thin pointer: with a million keys the store holds several pointers to each record, and each lookup follows
//! a dozen of them.
//!
//! Whoever wants a value asks [`RecordRef::value`] and nothing else: where values live is this file's business.

use crate::ids::LeaseId;
use std::fmt;
use triomphe::ThinArc;
use twox_hash::XxHash3_128;

/// Bytes a version takes besides its key and value, counted alike on every member: the header and the reference
/// count (56), and its places in index and history (40).
pub const RECORD_OVERHEAD_BYTES: u64 = 96;

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// The main revision in which this generation of the key began; 0 for a tombstone.
    pub create_revision: i64,
    /// The main revision of this change.
    pub mod_revision: i64,
    /// The position of this change among those of its main revision, from 0.
    pub sub: u32,
    /// Changes since the key was created, this one included; 0 for a tombstone.
    pub version: i64,
    /// The lease the key is attached to, or 0.
    pub lease: LeaseId,
}

#[derive(Clone, Copy, PartialEq)]
struct Stored {
    header: RecordHeader,
    /// How much of the bytes that follow is the key.
    key_length: u32,
}

/// One version of one key, or its tombstone: shared, immutable, as large as a pointer.
#[derive(Clone)]
pub struct RecordRef(ThinArc<Stored, u8>);

impl RecordRef {
    /// Copies `key` and `value`. Panics above 4 GiB of key: no request is that large.
    pub fn new(header: RecordHeader, key: &[u8], value: &[u8]) -> RecordRef {
        let key_length = u32::try_from(key.len()).expect("a key is far below 4 GiB");
        RecordRef(ThinArc::from_header_and_slice(Stored { header, key_length }, &[key, value].concat()))
    }

    /// The end of a generation of `key`.
    pub fn tombstone(mod_revision: i64, sub: u32, key: &[u8]) -> RecordRef {
        let lease = LeaseId(0);
        RecordRef::new(RecordHeader { create_revision: 0, mod_revision, sub, version: 0, lease }, key, &[])
    }

    /// The same version, its value empty.
    pub fn without_value(&self) -> RecordRef {
        RecordRef::new(self.header(), self.key(), &[])
    }

    fn stored(&self) -> &Stored {
        &self.0.header.header
    }

    /// Everything but key and value.
    pub fn header(&self) -> RecordHeader {
        self.stored().header
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.0.slice[..self.stored().key_length as usize]
    }

    /// The value; empty for a tombstone.
    pub fn value(&self) -> &[u8] {
        &self.0.slice[self.stored().key_length as usize..]
    }

    /// The main revision in which this generation of the key began; 0 for a tombstone.
    pub fn create_revision(&self) -> i64 {
        self.stored().header.create_revision
    }

    /// The main revision of this change.
    pub fn mod_revision(&self) -> i64 {
        self.stored().header.mod_revision
    }

    /// The position of this change among those of its main revision, from 0.
    pub fn sub(&self) -> u32 {
        self.stored().header.sub
    }

    /// Main and sub revision: the order of all changes.
    pub fn position(&self) -> (i64, u32) {
        (self.mod_revision(), self.sub())
    }

    /// Changes since the key was created, this one included; 0 for a tombstone.
    pub fn version(&self) -> i64 {
        self.stored().header.version
    }

    /// The lease the key is attached to, or 0.
    pub fn lease(&self) -> LeaseId {
        self.stored().header.lease
    }

    /// Whether this change deleted the key.
    pub fn is_tombstone(&self) -> bool {
        self.version() == 0
    }

    /// What this version counts for in the size of the state, in bytes.
    pub fn size_bytes(&self) -> u64 {
        RECORD_OVERHEAD_BYTES + self.0.slice.len() as u64
    }

    /// The hash of this version: of the hash of key and value (`xxh3-128`) and all of the header, each field
    /// little-endian and of fixed width.
    pub fn hash(&self) -> u128 {
        let Stored { header, key_length } = self.stored();
        let mut canonical = [0_u8; 56];
        canonical[..16].copy_from_slice(&XxHash3_128::oneshot(&self.0.slice).to_le_bytes());
        canonical[16..24].copy_from_slice(&header.create_revision.to_le_bytes());
        canonical[24..32].copy_from_slice(&header.mod_revision.to_le_bytes());
        canonical[32..40].copy_from_slice(&header.version.to_le_bytes());
        canonical[40..48].copy_from_slice(&header.lease.0.to_le_bytes());
        canonical[48..52].copy_from_slice(&header.sub.to_le_bytes());
        canonical[52..56].copy_from_slice(&key_length.to_le_bytes());
        XxHash3_128::oneshot(&canonical)
    }
}

impl PartialEq for RecordRef {
    fn eq(&self, other: &RecordRef) -> bool {
        self.stored() == other.stored() && self.0.slice == other.0.slice
    }
}

impl Eq for RecordRef {}

impl fmt::Debug for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (main, sub) = self.position();
        write!(f, "{}", self.key().escape_ascii())?;
        if self.is_tombstone() {
            return write!(f, " deleted@{main}.{sub}");
        }
        write!(f, "={} @{main}.{sub}", self.value().escape_ascii())?;
        write!(f, " create={} version={} lease={}", self.create_revision(), self.version(), self.lease().0)
    }
}
