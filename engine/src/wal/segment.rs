//! Records: written in batches, read until the log ends or proves to be damaged.

use super::checksums::Checksums;
use super::{Chain, ExpectedSegment, SegmentHeader, WalError, read_header};
use crate::codec::{DecodeError, Decoder, Encode};
use crate::raft::{LogRecord, fields};
use bytes::Bytes;

/// In front of every record, so that one can be looked for behind damage.
const RECORD_MARKER: [u8; 4] = *b"dRec";
/// Marker, length of the body, the checksum before, the checksum of this.
const RECORD_HEAD_BYTES: usize = 16;
/// `synced_bytes` and the kind.
const BODY_BYTES_MIN: usize = 9;

/// What a segment holds.
#[derive(Debug, PartialEq)]
pub struct SegmentContents {
    /// Its header.
    pub header: SegmentHeader,
    /// In order.
    pub records: Vec<LogRecord>,
    /// Where the next record would start. Whatever is behind it is zeros or a torn tail.
    pub end_offset: u64,
    /// How much of it is known to have been durable: the last record says so. What lies between here and
    /// `end_offset` may be in the operating system's cache alone, and a sync that succeeds does not prove otherwise
    /// where one failed before.
    pub synced_bytes: u64,
    /// To append to this segment, or to begin the next one.
    pub chain: Chain,
    /// What is torn, where something is: the file must be cut to `end_offset` before it is written again.
    pub torn: Option<String>,
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

/// Covers the place as well as the content: a record is only valid where it was written.
fn record_checksum(segment: u32, offset: u64, length: u32, previous: u32, body: &[u8]) -> u32 {
    crc32c::crc32c_append(place_checksum(segment, offset, length, previous), body)
}

fn place_checksum(segment: u32, offset: u64, length: u32, previous: u32) -> u32 {
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
fn record(body: Bytes, offset: u64) -> Result<LogRecord, DecodeError> {
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

/// What stands in front of a record's body, and where the body is. Nothing of it is verified.
struct Framed {
    offset: usize,
    previous: u32,
    checksum: u32,
    body_start: usize,
    body_end: usize,
}

impl Framed {
    fn length(&self) -> u32 {
        u32::try_from(self.body_end - self.body_start).expect("it was read from a u32")
    }

    fn synced_bytes(&self, bytes: &Bytes) -> u64 {
        synced_bytes_of(&bytes[self.body_start..self.body_end])
    }

    fn place_checksum(&self, segment: u32) -> u32 {
        place_checksum(segment, self.offset as u64, self.length(), self.previous)
    }
}

fn synced_bytes_of(body: &[u8]) -> u64 {
    u64::from_le_bytes(body[..8].try_into().expect("a body has at least 9 bytes"))
}

/// What looks like a record at `offset`, or why nothing does.
fn framed(bytes: &Bytes, offset: usize) -> Result<Framed, String> {
    let rest = &bytes[offset..];
    if rest.len() < RECORD_HEAD_BYTES + BODY_BYTES_MIN {
        return Err(format!("{} bytes are no record", rest.len()));
    }
    if rest[..4] != RECORD_MARKER {
        return Err(format!("marker {RECORD_MARKER:?} expected, {:?} found", &rest[..4]));
    }
    let field = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("4 bytes"));
    let (length, previous, checksum) = (field(4), field(8), field(12));
    let body_bytes = length as usize;
    if body_bytes < BODY_BYTES_MIN || body_bytes > rest.len() - RECORD_HEAD_BYTES {
        return Err(format!("a body of {body_bytes} bytes in a segment of {}", bytes.len()));
    }
    let body_start = offset + RECORD_HEAD_BYTES;
    Ok(Framed { offset, previous, checksum, body_start, body_end: body_start + body_bytes })
}

/// Reads one segment. `is_last` says that no newer one exists: only there can a tail be torn.
///
/// # Errors
/// A segment of somebody else's, of another format, or one that lost what was durable. Nothing is skipped, ever.
pub fn read_segment(
    bytes: Bytes,
    expected: &ExpectedSegment,
    is_last: bool,
) -> Result<SegmentContents, WalError> {
    let (header, mut chain) = read_header(&bytes, expected)?;
    let mut records = Vec::new();
    // A segment appears under its name only when its header is durable.
    let mut synced_bytes = chain.end_offset;
    let torn = loop {
        let offset = usize::try_from(chain.end_offset).expect("an offset in a buffer");
        if bytes[offset..].iter().all(|byte| *byte == 0) {
            break None;
        }
        match next_record(&bytes, &chain, offset) {
            Ok((content, next)) => {
                let problem = |problem| WalError::Record { offset: offset as u64, problem };
                synced_bytes = synced_bytes_of(&content);
                records.push(record(content, offset as u64).map_err(problem)?);
                chain = next;
            }
            Err(problem) => match proof_of_durability(&bytes, &chain, offset, is_last) {
                Some(proof) => {
                    return Err(WalError::Corrupt { offset: offset as u64, problem, proof });
                }
                None => break Some(problem),
            },
        }
    };
    Ok(SegmentContents { header, records, end_offset: chain.end_offset, synced_bytes, chain, torn })
}

fn next_record(bytes: &Bytes, chain: &Chain, offset: usize) -> Result<(Bytes, Chain), String> {
    let framed = framed(bytes, offset)?;
    let body = bytes.slice(framed.body_start..framed.body_end);
    let found = crc32c::crc32c_append(framed.place_checksum(chain.segment), &body);
    let Framed { previous, checksum, .. } = framed;
    if found != checksum {
        return Err(format!("checksum {checksum:#010x} expected, {found:#010x} found"));
    }
    if previous != chain.checksum {
        return Err(format!("it follows checksum {previous:#010x}, found after {:#010x}", chain.checksum));
    }
    let end_offset = chain.end_offset + (RECORD_HEAD_BYTES + body.len()) as u64;
    Ok((body, Chain { checksum, end_offset, ..*chain }))
}

/// How it is known that the bytes at `offset` were durable once; `None` where nothing says so.
fn proof_of_durability(bytes: &Bytes, chain: &Chain, offset: usize, is_last: bool) -> Option<String> {
    if !is_last {
        return Some("a newer segment exists, so all of this one was durable".to_owned());
    }
    let mut checksums = None;
    let mut from = offset + 1;
    while let Some(found) = bytes.get(from..)?.windows(4).position(|window| window == RECORD_MARKER) {
        let at = from + found;
        if let Ok(later) = framed(bytes, at)
            && later.synced_bytes(bytes) > offset as u64
        {
            let checksums = checksums.get_or_insert_with(|| Checksums::new(bytes.clone(), offset));
            let place = later.place_checksum(chain.segment);
            if checksums.append(place, later.body_start, later.body_end) == later.checksum {
                let synced = later.synced_bytes(bytes);
                return Some(format!(
                    "the record at offset {at} says that {synced} bytes were durable before it"
                ));
            }
        }
        from = at + 1;
    }
    None
}
