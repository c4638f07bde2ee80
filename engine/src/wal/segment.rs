//! Records: how they are written, and what a segment of them reads as. `reader` reads them back.

use super::{Chain, HEADER_BYTES, SegmentHeader};
use crate::codec::{DecodeError, Decoder, Encode};
use crate::raft::{LogRecord, fields};
use bytes::Bytes;

/// In front of every record, so that one can be looked for behind damage.
pub(super) const RECORD_MARKER: [u8; 4] = *b"dRec";
/// Marker, length of the body, the checksum before, the checksum of this.
pub(super) const RECORD_HEAD_BYTES: usize = 16;
/// `synced_bytes` and the kind.
pub(super) const BODY_BYTES_MIN: usize = 9;

/// The length of a closing record.
pub const CLOSING_BYTES: u64 = 30;

/// What a segment holds.
#[derive(Debug, PartialEq)]
pub struct SegmentContents {
    /// Its header.
    pub header: SegmentHeader,
    /// In order; without those that were taken from the reader before. A closing record is one without entries.
    pub records: Vec<LogRecord>,
    /// Where the next record would start. Whatever is behind it is zeros or a torn tail.
    pub end_offset: u64,
    /// How much of it is known to have been durable: the last record says so. What lies between here and
    /// `end_offset` may be in the operating system's cache alone, and a sync that succeeds does not prove otherwise
    /// where one failed before.
    pub synced_bytes: u64,
    /// What was read there, from `synced_bytes` to `end_offset`.
    pub doubtful: Bytes,
    /// To append to this segment, or to begin the next one.
    pub chain: Chain,
    /// What is torn, where something is: zeros must take its place, durably, before anything is written there.
    pub torn: Option<String>,
}

impl SegmentContents {
    /// Whether nothing stands behind what is known to have been durable, but for the closing record that says so.
    pub fn is_closed(&self) -> bool {
        let is_empty = self.end_offset == HEADER_BYTES as u64;
        is_empty || self.end_offset - self.synced_bytes == CLOSING_BYTES
    }
}

/// Appends records to `out`: what is to be written at `chain.end_offset()`, which moves on. `synced_bytes` is how
/// much of the segment, from its start, is durable now.
pub fn encode_batch(chain: &mut Chain, records: &[LogRecord], synced_bytes: u64, out: &mut Vec<u8>) {
    assert!(synced_bytes <= chain.end_offset, "{synced_bytes} bytes durable of {} written", chain.end_offset);
    for record in records {
        let start = out.len();
        out.extend_from_slice(&RECORD_MARKER);
        out.put_u32_field(0);
        out.put_u32_field(chain.checksum);
        out.put_u32_field(0);
        out.put_u64_field(synced_bytes);
        put_record(out, record);
        let body = start + RECORD_HEAD_BYTES;
        let length = u32::try_from(out.len() - body).expect("a record is far below 4 GiB");
        let checksum = record_checksum(chain.segment, chain.end_offset, length, chain.checksum, &out[body..]);
        out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
        out[start + 12..start + 16].copy_from_slice(&checksum.to_le_bytes());
        chain.checksum = checksum;
        chain.end_offset += (out.len() - start) as u64;
    }
}

/// Appends a closing record to `out`, as `encode_batch` does: everything before it is durable. It changes nothing in the
/// log, and counts as the proof that the last batch was not torn. It needs no sync: that is why nobody waits for it.
pub fn encode_closing(chain: &mut Chain, out: &mut Vec<u8>) {
    let (start, durable) = (chain.end_offset, chain.end_offset);
    encode_batch(chain, &[LogRecord::Append { hard_state: None, entries: Vec::new() }], durable, out);
    assert_eq!(chain.end_offset - start, CLOSING_BYTES, "a closing record has one length");
}

/// Covers the place as well as the content: a record is only valid where it was written.
fn record_checksum(segment: u32, offset: u64, length: u32, previous: u32, body: &[u8]) -> u32 {
    crc32c::crc32c_append(place_checksum(segment, offset, length, previous), body)
}

pub(super) fn place_checksum(segment: u32, offset: u64, length: u32, previous: u32) -> u32 {
    let mut head = [0; 20];
    head[..4].copy_from_slice(&segment.to_le_bytes());
    head[4..12].copy_from_slice(&offset.to_le_bytes());
    head[12..16].copy_from_slice(&length.to_le_bytes());
    head[16..].copy_from_slice(&previous.to_le_bytes());
    crc32c::crc32c(&head)
}

fn put_record(out: &mut Vec<u8>, record: &LogRecord) {
    match record {
        LogRecord::Append { hard_state, entries } => {
            out.put_u8_field(1);
            out.put_bool_field(hard_state.is_some());
            if let Some(hard_state) = hard_state {
                fields::put_hard_state(out, hard_state);
            }
            fields::put_entries(out, entries);
        }
        LogRecord::Installed { hard_state, meta } => {
            out.put_u8_field(2);
            fields::put_hard_state(out, hard_state);
            fields::put_snapshot_meta(out, meta);
        }
    }
}

/// The record that starts at `offset`: no more than what comes before it can have been durable when it was written.
pub(super) fn record(body: Bytes, offset: u64) -> Result<LogRecord, DecodeError> {
    let mut decoder = Decoder::new(body);
    let synced_bytes = decoder.u64("record, synced bytes")?;
    if synced_bytes > offset {
        let problem = format!("{offset} at most wanted, {synced_bytes} found");
        return Err(decoder.error("record, synced bytes", problem));
    }
    let record = match decoder.u8("record, kind")? {
        1 => {
            let hard_state = match decoder.bool("record, has hard state")? {
                true => Some(fields::hard_state(&mut decoder)?),
                false => None,
            };
            LogRecord::Append { hard_state, entries: fields::entries(&mut decoder)? }
        }
        2 => LogRecord::Installed {
            hard_state: fields::hard_state(&mut decoder)?,
            meta: fields::snapshot_meta(&mut decoder)?,
        },
        other => return Err(decoder.error("record, kind", format!("1 or 2 wanted, {other} found"))),
    };
    decoder.finish("record")?;
    Ok(record)
}
