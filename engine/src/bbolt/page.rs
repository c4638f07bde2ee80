//! The bytes of a page: little-endian, as on every machine that etcd supports.

use crate::codec::Encode;

/// The size of the pages written here: that of the machines that etcd runs on most.
pub const PAGE_BYTES: usize = 4096;
/// Number of the page (8), flags (2), elements (2), pages that it runs over (4).
pub(super) const HEADER_BYTES: usize = 16;
/// Of a leaf: flags (4), distance from here to the key (4), length of the key (4), of the value (4). Of a branch: that
/// distance (4), length of the key (4), number of the page (8).
pub(super) const ELEMENT_BYTES: usize = 16;
/// Root page and sequence of a bucket; where the former is 0, its only page follows.
pub(super) const BUCKET_BYTES: usize = 16;
/// Of a meta, behind the page's header, without its checksum.
pub(super) const META_BYTES: usize = 56;

/// What a page is.
pub(super) mod kind {
    pub(in super::super) const BRANCH: u16 = 1;
    pub(in super::super) const LEAF: u16 = 2;
    pub(in super::super) const META: u16 = 4;
}

/// Flag of an element whose value is a bucket.
pub(super) const BUCKET: u32 = 1;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Instead of the number of the page with the list of free pages: there is none.
const NO_FREELIST: u64 = u64::MAX;

/// Where everything begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) page_bytes: u32,
    /// The root tree's page.
    pub(super) root: u64,
    /// How many pages there are.
    pub(super) page_count: u64,
    /// The newer of two metas has the higher one.
    pub(super) txid: u64,
}

impl Meta {
    /// Header, content and checksum, without the rest of the page.
    pub(super) fn encode(&self, page: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_header(&mut out, Header { page, kind: kind::META, count: 0, overflow: 0 });
        out.put_u32_field(MAGIC);
        out.put_u32_field(VERSION);
        out.put_u32_field(self.page_bytes);
        out.put_u32_field(0);
        out.put_u64_field(self.root);
        // The sequence of the root bucket: nobody asked for a number.
        out.put_u64_field(0);
        out.put_u64_field(NO_FREELIST);
        out.put_u64_field(self.page_count);
        out.put_u64_field(self.txid);
        let checksum = fnv1a(&out[HEADER_BYTES..]);
        out.put_u64_field(checksum);
        out
    }

    /// From the beginning of a page.
    pub(super) fn decode(page: &[u8]) -> Result<Meta, String> {
        let Some(meta) = page.get(HEADER_BYTES..HEADER_BYTES + META_BYTES + 8) else {
            return Err("the page of a meta is cut off".to_owned());
        };
        let magic = u32_at(meta, 0);
        if magic != MAGIC {
            return Err(format!("magic number {MAGIC:08x} expected, {magic:08x} found"));
        }
        let version = u32_at(meta, 4);
        if version != VERSION {
            return Err(format!("version {VERSION} of bbolt's format expected, {version} found"));
        }
        let (stored, computed) = (u64_at(meta, META_BYTES), fnv1a(&meta[..META_BYTES]));
        if stored != computed {
            return Err(format!("checksum {stored:016x} stored, {computed:016x} computed"));
        }
        Ok(Meta {
            page_bytes: u32_at(meta, 8),
            root: u64_at(meta, 16),
            page_count: u64_at(meta, 40),
            txid: u64_at(meta, 48),
        })
    }
}

/// How a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) page: u64,
    pub(super) kind: u16,
    pub(super) count: u16,
    pub(super) overflow: u32,
}

pub(super) fn put_header(out: &mut Vec<u8>, header: Header) {
    out.put_u64_field(header.page);
    out.extend_from_slice(&header.kind.to_le_bytes());
    out.extend_from_slice(&header.count.to_le_bytes());
    out.put_u32_field(header.overflow);
}

/// `bytes` hold a header at least.
pub(super) fn header(bytes: &[u8]) -> Header {
    Header {
        page: u64_at(bytes, 0),
        kind: u16::from_le_bytes([bytes[8], bytes[9]]),
        count: u16::from_le_bytes([bytes[10], bytes[11]]),
        overflow: u32_at(bytes, 12),
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
