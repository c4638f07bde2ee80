//! A segment read back, piece by piece, until its records end or prove to be damaged.
//!
//! No more is held than the records themselves, a piece, the record that it cuts, and the last batch, which may have
//! to be written again. Behind the last record are zeros, which need no room, or a torn tail, which is kept as far as
//! it is not zeros: what proves it to be damage may stand anywhere in it.

use super::checksums::Checksums;
use super::segment::{BODY_BYTES_MIN, RECORD_HEAD_BYTES, RECORD_MARKER, place_checksum, record};
use super::{Chain, ExpectedSegment, HEADER_BYTES, SegmentContents, SegmentHeader, WalError, read_header};
use crate::raft::LogRecord;
use bytes::Bytes;

/// Compared with at once.
const ZEROS: [u8; 4096] = [0; 4096];

/// Reads one segment.
#[derive(Debug)]
pub struct SegmentReader {
    expected: ExpectedSegment,
    /// No newer segment exists: only in this one can a tail be torn.
    is_last: bool,
    /// The length of the segment.
    length: usize,
    /// `None` before it is read.
    read: Option<(SegmentHeader, Chain)>,
    records: Vec<LogRecord>,
    synced_bytes: usize,
    /// What is here of the segment, from `from` on. Once there is a problem, without the zeros that it ends with.
    bytes: Vec<u8>,
    from: usize,
    /// How many zeros those are.
    zeros: usize,
    /// Why no record starts at the chain's end. Where nothing but zeros does, it is none.
    problem: Option<String>,
}

impl SegmentReader {
    /// Of a segment of `length` bytes. `is_last` says that no newer one exists.
    pub fn new(expected: ExpectedSegment, is_last: bool, length: usize) -> SegmentReader {
        SegmentReader {
            expected,
            is_last,
            length,
            read: None,
            records: Vec::new(),
            synced_bytes: 0,
            bytes: Vec::new(),
            from: 0,
            zeros: 0,
            problem: None,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// A segment of somebody else's or of another format. Nothing is skipped, ever.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), WalError> {
        if self.problem.is_some() {
            self.push_tail(piece);
            return Ok(());
        }
        self.bytes.extend_from_slice(piece);
        let is_whole = self.from + self.bytes.len() >= self.length;
        if self.read.is_none() {
            if self.bytes.len() < HEADER_BYTES && !is_whole {
                return Ok(());
            }
            let header = self.bytes.get(..HEADER_BYTES).unwrap_or(&self.bytes);
            let (header, chain) = read_header(&Bytes::copy_from_slice(header), &self.expected)?;
            // A segment appears under its name only when its header is durable.
            self.synced_bytes = place(chain.end_offset);
            self.read = Some((header, chain));
        }
        self.read_records(is_whole)
    }

    /// What the segment says of itself, once that was read.
    pub fn header(&self) -> Option<&SegmentHeader> {
        self.read.as_ref().map(|(header, _)| header)
    }

    /// The records read since this was last asked.
    pub fn take_records(&mut self) -> Vec<LogRecord> {
        std::mem::take(&mut self.records)
    }

    /// All of it was pushed.
    ///
    /// # Errors
    /// As `push`, or a segment that lost its end or what was durable.
    pub fn finish(mut self) -> Result<SegmentContents, WalError> {
        // What the last piece ended with waited for more.
        self.length = self.from + self.bytes.len() + self.zeros;
        self.push(&[])?;
        let (header, chain) = self.read.expect("a push of all that there is reads it or fails");
        // Also where the records that are left are whole: more of them may have been there.
        if (self.length as u64) < header.segment_bytes {
            return Err(WalError::Short { expected: header.segment_bytes, found: self.length as u64 });
        }
        let (synced_bytes, end) = (self.synced_bytes, place(chain.end_offset));
        let tail = self.bytes.split_off(end - self.from);
        let doubtful = Bytes::from(self.bytes.split_off(synced_bytes - self.from));
        let torn = match self.problem {
            Some(problem) if !tail.is_empty() => {
                let proof = proof_of_durability(tail, self.zeros, &chain, self.is_last);
                if let Some(proof) = proof {
                    return Err(WalError::Corrupt { offset: end as u64, problem, proof });
                }
                Some(problem)
            }
            _ => None,
        };
        let (synced_bytes, end_offset) = (synced_bytes as u64, chain.end_offset);
        Ok(SegmentContents { header, records: self.records, end_offset, synced_bytes, doubtful, chain, torn })
    }

    fn read_records(&mut self, is_whole: bool) -> Result<(), WalError> {
        let (_, chain) = self.read.as_mut().expect("the header comes first");
        loop {
            let offset = place(chain.end_offset);
            let rest = &self.bytes[offset - self.from..];
            let is_cut = rest.len() < RECORD_HEAD_BYTES + BODY_BYTES_MIN;
            if rest.is_empty() || is_cut && !is_whole {
                break;
            }
            let framed = framed(rest, self.length - offset, self.length);
            if let Ok(framed) = &framed
                && framed.end > rest.len()
                && !is_whole
            {
                break;
            }
            match framed.and_then(|framed| next_record(rest, &framed, chain)) {
                Ok((content, next)) => {
                    let read = record(content.clone(), offset as u64);
                    let read = read.map_err(|problem| WalError::Record { offset: offset as u64, problem })?;
                    self.records.push(read);
                    // It was durable before, if a later record knows of less.
                    self.synced_bytes = self.synced_bytes.max(place(synced_bytes_of(&content)));
                    *chain = next;
                }
                Err(problem) => {
                    self.problem = Some(problem);
                    break;
                }
            }
        }
        self.bytes.drain(..self.synced_bytes - self.from);
        self.from = self.synced_bytes;
        if self.problem.is_some() {
            let end = place(chain.end_offset) - self.from;
            let tail = self.bytes.split_off(end);
            self.push_tail(&tail);
        }
        Ok(())
    }

    fn push_tail(&mut self, piece: &[u8]) {
        let zeros = zeros_at_end(piece);
        if zeros < piece.len() {
            self.bytes.resize(self.bytes.len() + self.zeros, 0);
            self.bytes.extend_from_slice(&piece[..piece.len() - zeros]);
            self.zeros = 0;
        }
        self.zeros += zeros;
    }
}

/// Reads one segment that is here whole.
///
/// # Errors
/// As `SegmentReader`.
pub fn read_segment(
    bytes: Bytes,
    expected: &ExpectedSegment,
    is_last: bool,
) -> Result<SegmentContents, WalError> {
    let mut reader = SegmentReader::new(*expected, is_last, bytes.len());
    reader.push(&bytes)?;
    reader.finish()
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset in a segment that is read")
}

fn zeros_at_end(bytes: &[u8]) -> usize {
    let mut left = bytes;
    while let Some((before, last)) = left.split_last_chunk::<{ ZEROS.len() }>()
        && *last == ZEROS
    {
        left = before;
    }
    let end = left.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    bytes.len() - end
}

/// What stands in front of a record's body, and where the body ends. Nothing of it is verified.
struct Framed {
    length: u32,
    previous: u32,
    checksum: u32,
    end: usize,
}

fn synced_bytes_of(body: &[u8]) -> u64 {
    u64::from_le_bytes(body[..8].try_into().expect("a body has at least 9 bytes"))
}

/// What looks like a record at the start of `rest`, or why nothing does. So much is left of a segment of `length`
/// bytes, of which `rest` may be the beginning, if it is long enough for the least record.
fn framed(rest: &[u8], left: usize, length: usize) -> Result<Framed, String> {
    if left < RECORD_HEAD_BYTES + BODY_BYTES_MIN {
        return Err(format!("{left} bytes are no record"));
    }
    if rest[..4] != RECORD_MARKER {
        return Err(format!("marker {RECORD_MARKER:?} expected, {:?} found", &rest[..4]));
    }
    let field = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("4 bytes"));
    let (body_length, previous, checksum) = (field(4), field(8), field(12));
    let body_bytes = body_length as usize;
    if body_bytes < BODY_BYTES_MIN || body_bytes > left - RECORD_HEAD_BYTES {
        return Err(format!("a body of {body_bytes} bytes in a segment of {length}"));
    }
    Ok(Framed { length: body_length, previous, checksum, end: RECORD_HEAD_BYTES + body_bytes })
}

/// The body of the record at the chain's end, in memory of its own: what is kept of it keeps no more alive.
fn next_record(rest: &[u8], framed: &Framed, chain: &Chain) -> Result<(Bytes, Chain), String> {
    let Framed { length, previous, checksum, end } = *framed;
    let body = &rest[RECORD_HEAD_BYTES..end];
    let place = place_checksum(chain.segment, chain.end_offset, length, previous);
    let found = crc32c::crc32c_append(place, body);
    if found != checksum {
        return Err(format!("checksum {checksum:#010x} expected, {found:#010x} found"));
    }
    if previous != chain.checksum {
        return Err(format!("it follows checksum {previous:#010x}, found after {:#010x}", chain.checksum));
    }
    let end_offset = chain.end_offset + end as u64;
    Ok((Bytes::copy_from_slice(body), Chain { checksum, end_offset, ..*chain }))
}

/// How it is known that the bytes at the chain's end were durable once; `None` where nothing says so. They are `tail`,
/// and so many zeros.
fn proof_of_durability(mut tail: Vec<u8>, zeros: usize, chain: &Chain, is_last: bool) -> Option<String> {
    if !is_last {
        return Some("a newer segment exists, so all of this one was durable".to_owned());
    }
    let (offset, length) = (place(chain.end_offset), tail.len() + zeros);
    // A record may begin right before the zeros, and end in some of them.
    tail.resize(length.min(tail.len() + RECORD_HEAD_BYTES + BODY_BYTES_MIN), 0);
    let mut checksums = None;
    let mut from = 1;
    while let Some(found) = tail.get(from..)?.windows(4).position(|window| window == RECORD_MARKER) {
        let at = from + found;
        let rest = &tail[at..];
        if let Ok(later) = framed(rest, length - at, offset + length)
            && let synced = synced_bytes_of(&rest[RECORD_HEAD_BYTES..])
            && synced > offset as u64
        {
            let checksums = checksums.get_or_insert_with(|| {
                let mut whole = tail.clone();
                whole.resize(length, 0);
                Checksums::new(whole)
            });
            let place = place_checksum(chain.segment, (offset + at) as u64, later.length, later.previous);
            if checksums.append(place, at + RECORD_HEAD_BYTES, at + later.end) == later.checksum {
                let at = offset + at;
                return Some(format!(
                    "the record at offset {at} says that {synced} bytes were durable before it"
                ));
            }
        }
        from = at + 1;
    }
    None
}
