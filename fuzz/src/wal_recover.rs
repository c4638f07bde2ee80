//! Files of the log, damaged: what is read back is a prefix of what was written, or an error that names the damage. A
//! record that was never written is never read, and one that was durable is never missed in silence.

use crate::cost::{INPUT_BYTES_MAX, counts_as};
use crate::draw::Draw;
use crate::split;
use bytes::Bytes;
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use detcd_engine::raft::{EntryKind, HardState, LogEntry, LogRecord, SnapshotMeta};
use detcd_engine::wal::{
    Chain, ExpectedSegment, LogReplay, LogTail, SegmentContents, SegmentHeader, WalError, encode_batch,
    encode_header, read_segment,
};

const SEGMENTS_MAX: usize = 3;
const BATCHES_MAX: usize = 8;

/// One record where it was written.
struct Written {
    record: LogRecord,
    start: usize,
    end: usize,
    synced_bytes: usize,
}

struct Segment {
    bytes: Vec<u8>,
    written: Vec<Written>,
    number: u64,
    /// As its header says; its file is no shorter.
    segment_bytes: usize,
}

/// A segment as it is; records of any content behind checksums that hold; or a log, damaged here and there.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    if as_it_is {
        add_up(Bytes::copy_from_slice(body));
        return;
    }
    let mut draw = Draw::new(body);
    if draw.below(4) == 0 {
        add_up(sealed(draw).into());
        return;
    }
    let segments = write(&mut draw);
    let mut damaged: Vec<Vec<u8>> = segments.iter().map(|segment| segment.bytes.clone()).collect();
    for _ in 0..=draw.below(2) {
        let last = damaged.len() - 1;
        let which = if draw.below(4) == 0 { draw.below(damaged.len()) } else { last };
        damage(&mut damaged[which], &mut draw);
    }
    counts_as(damaged.iter().map(Vec::len).sum());
    recover(&segments, damaged);
}

fn expected(number: u64, previous: Option<u32>) -> ExpectedSegment {
    ExpectedSegment {
        cluster: ClusterId(0xc),
        member: MemberId(1),
        incarnation: Incarnation(1),
        number,
        previous,
    }
}

fn header(number: u64, previous: u32, tail: LogTail, segment_bytes: usize) -> SegmentHeader {
    let ExpectedSegment { cluster, member, incarnation, .. } = expected(number, None);
    let segment_bytes = segment_bytes as u64;
    SegmentHeader { cluster, member, incarnation, number, previous, tail, segment_bytes }
}

/// Reads one segment and adds its records up, whatever they are.
fn add_up(bytes: Bytes) {
    let length = bytes.len() as u64;
    for is_last in [false, true] {
        let Ok(contents) = read_segment(bytes.clone(), &expected(1, None), is_last) else { continue };
        let SegmentContents { header, records, end_offset, synced_bytes, doubtful, chain, torn } = contents;
        assert!(end_offset <= length && chain.end_offset() == end_offset, "{end_offset} of {length} bytes");
        assert!(synced_bytes <= end_offset, "{synced_bytes} durable of {end_offset} that count");
        assert_eq!(synced_bytes + doubtful.len() as u64, end_offset, "what may have to be written again");
        assert!(is_last || torn.is_none(), "only the newest segment can be torn");
        let mut replay = LogReplay::new();
        let added = replay
            .begin_segment(&header)
            .and_then(|()| records.into_iter().try_for_each(|record| replay.push(record)));
        if added.is_ok() {
            let tail = replay.tail();
            let place = |index, term| SnapshotMeta { index, term, ..SnapshotMeta::default() };
            for meta in [place(0, 0), place(tail.last_index, tail.last_term), place(u64::MAX, 1)] {
                if let Ok(log) = replay.clone().finish(&meta) {
                    let next = log.entries.first().map(|entry| entry.index);
                    assert!(next.is_none_or(|index| index == meta.index + 1), "{next:?} after {meta:?}");
                }
            }
        }
    }
}

/// A segment of records whose bodies are taken as they come and whose checksums hold; then a tail of a pattern.
fn sealed(mut draw: Draw<'_>) -> Vec<u8> {
    let tail = LogTail {
        hard_state: HardState { term: draw.unsigned(), vote: MemberId(1), commit: draw.unsigned() },
        last_index: draw.unsigned(),
        last_term: draw.unsigned(),
    };
    let (mut bytes, chain) = encode_header(&header(1, 0, tail, 0));
    let segment = chain.checksum();
    let mut previous = segment;
    for _ in 0..draw.below(6) {
        let synced = if draw.below(8) == 7 { draw.unsigned() } else { bytes.len() as u64 };
        let mut body = synced.to_le_bytes().to_vec();
        match draw.below(3) {
            0 => body.extend_from_slice(&draw.bytes(200)),
            _ => put_odd_record(&mut body, &mut draw),
        }
        previous = seal(&mut bytes, segment, previous, &body);
    }
    let pattern = match draw.below(3) {
        // What a record begins with, with a length that could be.
        0 => [&b"dRec"[..], &(draw.below(INPUT_BYTES_MAX) as u32).to_le_bytes(), &draw.bytes(16)].concat(),
        _ => draw.bytes(32).to_vec(),
    };
    if !pattern.is_empty() {
        let room = INPUT_BYTES_MAX - bytes.len().min(INPUT_BYTES_MAX);
        let times = if draw.below(8) == 7 { room / pattern.len() } else { draw.below(40) };
        bytes.extend(pattern.repeat(times));
    }
    bytes.extend_from_slice(draw.rest());
    counts_as(bytes.len());
    bytes
}

/// A record as docs/data-format.md draws it, around any body of at least nine bytes.
fn seal(bytes: &mut Vec<u8>, segment: u32, previous: u32, body: &[u8]) -> u32 {
    let length = (body.len() as u32).to_le_bytes();
    let place = [
        &segment.to_le_bytes()[..],
        &(bytes.len() as u64).to_le_bytes(),
        &length,
        &previous.to_le_bytes(),
        body,
    ];
    let checksum = crc32c::crc32c(&place.concat());
    bytes.extend([&b"dRec"[..], &length, &previous.to_le_bytes(), &checksum.to_le_bytes(), body].concat());
    checksum
}

fn put_odd_record(body: &mut Vec<u8>, draw: &mut Draw<'_>) {
    let number = |body: &mut Vec<u8>, draw: &mut Draw<'_>| body.extend(draw.unsigned().to_le_bytes());
    let hard_state = |body: &mut Vec<u8>, draw: &mut Draw<'_>| (0..3).for_each(|_| number(body, draw));
    if draw.flag() {
        body.push(2);
        hard_state(body, draw);
        (0..2).for_each(|_| number(body, draw));
        body.extend([0; 8]);
        return;
    }
    body.push(1);
    let has_hard_state = draw.flag();
    body.push(u8::from(has_hard_state));
    if has_hard_state {
        hard_state(body, draw);
    }
    let (entries, first) = (draw.below(4) as u64, draw.unsigned());
    body.extend((entries as u32).to_le_bytes());
    for at in 0..entries {
        number(body, draw);
        body.extend(first.wrapping_add(at).to_le_bytes());
        body.extend([1, 0, 0, 0, 0]);
    }
}

/// A log as a member writes it: terms go up, entries continue or replace what is not committed.
fn write(draw: &mut Draw<'_>) -> Vec<Segment> {
    let mut tail = LogTail::default();
    let mut previous = 0;
    let mut segments = Vec::new();
    for number in 1..=1 + draw.below(SEGMENTS_MAX) as u64 {
        let segment_bytes = draw.below(4) * 200;
        let (bytes, mut chain) = encode_header(&header(number, previous, tail, segment_bytes));
        let mut segment = Segment { bytes, written: Vec::new(), number, segment_bytes };
        let mut synced_bytes = chain.end_offset();
        for _ in 0..draw.below(BATCHES_MAX) {
            let records: Vec<LogRecord> = (0..=draw.below(3)).map(|_| next_record(&mut tail, draw)).collect();
            append(&mut segment, &mut chain, records, synced_bytes);
            let synced = draw.below(4);
            if synced > 0 {
                synced_bytes = chain.end_offset();
            }
            if synced > 2 {
                // A closing record.
                let record = LogRecord::Append { hard_state: None, entries: Vec::new() };
                append(&mut segment, &mut chain, vec![record], synced_bytes);
            }
        }
        previous = chain.checksum();
        segment.bytes.resize(segment.bytes.len().max(segment_bytes), 0);
        segments.push(segment);
    }
    if let Some(last) = segments.last_mut() {
        last.bytes.resize(last.bytes.len() + draw.below(3) * 100, 0);
    }
    segments
}

fn append(segment: &mut Segment, chain: &mut Chain, records: Vec<LogRecord>, synced_bytes: u64) {
    for record in records {
        let start = segment.bytes.len();
        encode_batch(chain, std::slice::from_ref(&record), synced_bytes, &mut segment.bytes);
        let end = segment.bytes.len();
        segment.written.push(Written { record, start, end, synced_bytes: synced_bytes as usize });
    }
}

fn next_record(tail: &mut LogTail, draw: &mut Draw<'_>) -> LogRecord {
    let before = tail.hard_state;
    let term = before.term.max(1) + draw.below(2) as u64;
    let record = if draw.below(8) == 0 {
        let index = tail.last_index + 1 + draw.below(3) as u64;
        let meta = SnapshotMeta { index, term, voters: vec![MemberId(1)], learners: Vec::new() };
        LogRecord::Installed { hard_state: HardState { term, vote: MemberId(1), commit: index }, meta }
    } else {
        let uncommitted = (tail.last_index - before.commit) as usize;
        let first = tail.last_index + 1 - draw.below(uncommitted + 1).min(2) as u64;
        let data = draw.value();
        let entries: Vec<LogEntry> = (0..draw.below(4) as u64)
            .map(|at| LogEntry { term, index: first + at, kind: EntryKind::Commands, data: data.clone() })
            .collect();
        let last = entries.last().map_or(tail.last_index, |entry| entry.index);
        let commit = before.commit + draw.below((last - before.commit) as usize + 1) as u64;
        LogRecord::Append { hard_state: Some(HardState { term, vote: MemberId(1), commit }), entries }
    };
    tail.note(&record);
    record
}

fn damage(bytes: &mut Vec<u8>, draw: &mut Draw<'_>) {
    let length = bytes.len().max(1);
    // The newest bytes are what a crash tears.
    let from = if draw.flag() { draw.below(length) } else { length - 1 - draw.below(length.min(200)) };
    let to = (from + draw.below(64)).min(bytes.len());
    match draw.below(7) {
        0 => bytes.truncate(from),
        1 => bytes[from..to].fill(0),
        2 => bytes[from..to].iter_mut().for_each(|byte| *byte = draw.byte()),
        3 => bytes.extend_from_slice(&draw.bytes(100)),
        4 => {
            let copied = bytes[from..to].to_vec();
            bytes.extend(copied);
        }
        5 => drop(bytes.drain(from..to)),
        _ => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= 1 << draw.below(8);
            }
        }
    }
}

/// Reads the damaged files as a member that starts does.
fn read(segments: &[Segment], damaged: Vec<Vec<u8>>) -> Result<Vec<SegmentContents>, WalError> {
    let mut previous = None;
    let mut found = Vec::new();
    for (segment, bytes) in segments.iter().zip(damaged) {
        let is_last = segment.number == segments.len() as u64;
        let contents = read_segment(bytes.into(), &expected(segment.number, previous), is_last)?;
        previous = Some(contents.chain.checksum());
        found.push(contents);
    }
    Ok(found)
}

fn recover(segments: &[Segment], damaged: Vec<Vec<u8>>) {
    let newest = segments.last().expect("there is one at least");
    let durable = newest.written.iter().map(|written| written.synced_bytes).max();
    let durable = durable.unwrap_or(newest.written.first().map_or(newest.bytes.len(), |first| first.start));
    let newest_damaged = damaged.last().cloned().unwrap_or_default();
    let older_are_whole =
        segments.iter().zip(&damaged).rev().skip(1).all(|(segment, found)| segment.bytes == *found);
    let is_cut = newest_damaged.len() < newest.segment_bytes;
    let is_crash = !is_cut && older_are_whole && newest_damaged.get(..durable) == newest.bytes.get(..durable);
    let found = match read(segments, damaged) {
        Ok(found) => found,
        Err(error) => return assert!(!is_crash, "what a crash leaves is refused: {error}"),
    };
    assert!(!is_cut, "a file of {} bytes of {} was read", newest_damaged.len(), newest.segment_bytes);
    let mut replay = LogReplay::new();
    for (segment, contents) in segments.iter().zip(&found) {
        replay.begin_segment(&contents.header).expect("a prefix continues what came before");
        assert!(contents.records.len() <= segment.written.len(), "more was read than was written");
        for (read, written) in contents.records.iter().zip(&segment.written) {
            assert_eq!(read, &written.record, "a record that was not written");
            replay.push(read.clone()).expect("a prefix of a log is a log");
        }
        let is_whole = contents.records.len() == segment.written.len();
        assert!(is_whole || segment.number == newest.number, "segment {} lost its end", segment.number);
    }
    let newest_found = found.last().expect("one for each segment");
    let kept = newest_found.records.len();
    if let Some(last) = kept.checked_sub(1).map(|last| &newest.written[last]) {
        let synced = newest_found.synced_bytes;
        assert_eq!(synced, last.synced_bytes as u64, "what the last record says was durable");
    }
    let Some(first_lost) = newest.written.get(kept) else { return };
    assert!(
        !is_crash || first_lost.end > durable,
        "a crash lost {} of {durable} durable bytes",
        first_lost.start
    );
    let is_there = |later: &&Written| {
        newest_damaged.get(later.start..later.end) == newest.bytes.get(later.start..later.end)
    };
    let proof = newest.written[kept + 1..]
        .iter()
        .filter(is_there)
        .find(|later| later.synced_bytes > first_lost.start);
    assert!(proof.is_none(), "a durable record at {} was dropped in silence", first_lost.start);
}
