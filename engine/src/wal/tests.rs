use super::*;
use crate::raft::{EntryKind, HardState, LogEntry, LogRecord, RecoveredLog, SnapshotMeta};

const EXPECTED: ExpectedSegment = ExpectedSegment {
    cluster: ClusterId(0xc1),
    member: MemberId(1),
    incarnation: Incarnation(9),
    number: 7,
    previous: None,
};

fn header(tail: LogTail) -> SegmentHeader {
    let ExpectedSegment { cluster, member, incarnation, number, .. } = EXPECTED;
    SegmentHeader { cluster, member, incarnation, number, previous: 5, tail, segment_bytes: 0 }
}

fn hard_state(term: u64, commit: u64) -> HardState {
    HardState { term, vote: MemberId(1), commit }
}

fn entry(index: u64, term: u64) -> LogEntry {
    let data = format!("data of {index}@{term}").into_bytes();
    LogEntry { term, index, kind: EntryKind::Commands, data: data.into() }
}

fn append(state: Option<(u64, u64)>, entries: &[(u64, u64)]) -> LogRecord {
    let hard_state = state.map(|(term, commit)| hard_state(term, commit));
    LogRecord::Append {
        hard_state,
        entries: entries.iter().map(|(index, term)| entry(*index, *term)).collect(),
    }
}

fn installed(index: u64, term: u64, hard_term: u64) -> LogRecord {
    LogRecord::Installed { hard_state: hard_state(hard_term, index), meta: meta(index, term) }
}

fn meta(index: u64, term: u64) -> SnapshotMeta {
    SnapshotMeta { index, term, voters: vec![MemberId(1), MemberId(2)], learners: vec![MemberId(3)] }
}

fn records() -> Vec<LogRecord> {
    vec![
        append(Some((1, 0)), &[]),
        append(None, &[(1, 1), (2, 1)]),
        append(Some((2, 1)), &[(2, 2), (3, 2)]),
        installed(9, 2, 3),
        append(None, &[(10, 3)]),
    ]
}

/// A segment of one record a batch, each batch durable before the next: its bytes, and where records start.
fn segment(padding: usize) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut chain) = encode_header(&header(LogTail::default()));
    let mut starts = Vec::new();
    for record in records() {
        starts.push(bytes.len());
        let synced = chain.end_offset();
        encode_batch(&mut chain, &[record], synced, &mut bytes);
        assert_eq!(chain.end_offset(), bytes.len() as u64);
    }
    starts.push(bytes.len());
    bytes.resize(bytes.len() + padding, 0);
    (bytes, starts)
}

fn read(bytes: &[u8], is_last: bool) -> Result<SegmentContents, WalError> {
    let whole = read_segment(Bytes::copy_from_slice(bytes), &EXPECTED, is_last);
    for piece_bytes in [7, 100] {
        let mut reader = SegmentReader::new(EXPECTED, is_last, bytes.len());
        let pushed = bytes.chunks(piece_bytes).try_for_each(|piece| reader.push(piece));
        assert_eq!(pushed.and_then(|()| reader.finish()), whole, "in pieces of {piece_bytes} bytes");
    }
    whole
}

#[test]
fn what_was_written_is_read() {
    for padding in [0, 1, 15, 16, 4096] {
        let (bytes, starts) = segment(padding);
        for is_last in [true, false] {
            let contents = read(&bytes, is_last).unwrap();
            assert_eq!(contents.records, records());
            assert_eq!(contents.header, header(LogTail::default()));
            assert_eq!((contents.end_offset, contents.torn), (starts[5] as u64, None));
            assert_eq!(contents.synced_bytes, starts[4] as u64, "the last batch may not be durable");
            assert_eq!(contents.doubtful, bytes[starts[4]..starts[5]]);
        }
    }
}

#[test]
fn a_tail_cut_anywhere_leaves_the_records_before_it() {
    let (bytes, starts) = segment(0);
    for length in starts[0]..bytes.len() {
        for padding in [0, 64] {
            let mut cut = bytes[..length].to_vec();
            // Not zeros: a record may end in zeros, and would be whole again.
            cut.resize(length + padding, 0x5a);
            let whole = starts.iter().filter(|start| **start <= length).count() - 1;
            let contents = read(&cut, true).unwrap();
            assert_eq!(contents.records, records()[..whole], "{length} bytes");
            assert_eq!(contents.end_offset, starts[whole] as u64);
        }
    }
    for length in 0..starts[0] {
        assert!(read(&bytes[..length], true).is_err(), "a header of {length} bytes");
    }
}

#[test]
fn a_bit_flipped_anywhere_is_noticed() {
    let (bytes, starts) = segment(32);
    let end = starts[5];
    for bit in 0..end * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let found = read(&flipped, true);
        if bit / 8 >= starts[4] {
            // The very last batch: nothing behind it says that it was durable. It counts as torn.
            let contents = found.unwrap();
            assert_eq!(contents.records, records()[..4], "bit {bit}");
            assert!(contents.torn.is_some());
            let corrupt = read(&flipped, false);
            assert!(matches!(corrupt, Err(WalError::Corrupt { .. })), "bit {bit}: {corrupt:?}");
        } else if bit / 8 >= starts[0] {
            let start = starts.iter().rev().find(|start| **start <= bit / 8).unwrap();
            let Err(WalError::Corrupt { offset, .. }) = found else { panic!("bit {bit}: {found:?}") };
            assert_eq!(offset, *start as u64, "bit {bit}");
        } else {
            assert!(found.is_err(), "bit {bit} of the header");
        }
    }
}

#[test]
fn a_batch_that_was_not_durable_may_lose_its_middle() {
    // Three records in one batch: the disk wrote the third, not the second. Nobody was told of any.
    let (mut bytes, mut chain) = encode_header(&header(LogTail::default()));
    let mut starts = Vec::new();
    let synced = chain.end_offset();
    for record in &records()[..3] {
        starts.push(bytes.len());
        encode_batch(&mut chain, std::slice::from_ref(record), synced, &mut bytes);
    }
    bytes[starts[1]..starts[2]].fill(0);
    let contents = read(&bytes, true).unwrap();
    assert_eq!(contents.records, records()[..1]);
    assert!(contents.torn.is_some());
}

/// The same behind a closing record: no batch is in doubt any more, only the closing record itself.
#[test]
fn a_closing_record_proves_the_last_batch() {
    let (mut bytes, starts) = segment(0);
    let before = read(&bytes, true).unwrap();
    assert!(!before.is_closed());
    let (mut chain, end) = (before.chain, starts[5]);
    encode_closing(&mut chain, &mut bytes);
    bytes.resize(bytes.len() + 32, 0);
    let closed = read(&bytes, true).unwrap();
    assert!(closed.is_closed());
    assert_eq!((closed.records[..5].to_vec(), closed.records.len()), (records(), 6));
    assert_eq!((closed.synced_bytes, closed.end_offset), (end as u64, end as u64 + CLOSING_BYTES));
    for bit in starts[4] * 8..end * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let found = read(&flipped, true);
        assert!(matches!(found, Err(WalError::Corrupt { .. })), "bit {bit}: {found:?}");
    }
    for bit in end * 8..chain.end_offset() as usize * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let found = read(&flipped, true).unwrap();
        assert_eq!((found.records, found.torn.is_some()), (records(), true), "bit {bit}");
    }
}

#[test]
fn a_segment_is_as_long_as_its_header_says() {
    let (header_bytes, _) =
        encode_header(&SegmentHeader { segment_bytes: 300, ..header(LogTail::default()) });
    for (length, is_cut) in [(HEADER_BYTES, true), (299, true), (300, false), (400, false)] {
        let mut bytes = header_bytes.clone();
        bytes.resize(length, 0);
        let found = read(&bytes, true);
        let short = WalError::Short { expected: 300, found: length as u64 };
        assert_eq!(found.as_ref().err(), is_cut.then_some(&short), "{length} bytes");
        assert!(is_cut || found.unwrap().is_closed(), "nothing is in it");
    }
}

/// A client may write values full of what looks like the beginnings of long records. A real one behind them is found.
#[test]
fn a_tail_full_of_what_looks_like_records_is_looked_through() {
    let (mut bytes, mut chain) = encode_header(&header(LogTail::default()));
    let start = bytes.len();
    let long = 1_000_000_u32;
    let like_records = [&b"dRec"[..], &long.to_le_bytes()].concat().repeat(1 << 18);
    let data = LogEntry { term: 1, index: 1, kind: EntryKind::Commands, data: like_records.into() };
    let synced = chain.end_offset();
    encode_batch(
        &mut chain,
        &[LogRecord::Append { hard_state: None, entries: vec![data] }],
        synced,
        &mut bytes,
    );
    let end = bytes.len();
    bytes[start + 20] ^= 1;
    assert!(read(&bytes, true).unwrap().torn.is_some(), "nothing says that it was durable");
    let synced = chain.end_offset();
    encode_batch(&mut chain, &[append(None, &[(2, 1)])], synced, &mut bytes);
    let Err(WalError::Corrupt { offset, proof, .. }) = read(&bytes, true) else { panic!("not noticed") };
    assert_eq!(offset, start as u64);
    assert_eq!(proof, format!("the record at offset {end} says that {end} bytes were durable before it"));
}

#[test]
fn errors_name_expected_and_found() {
    let (bytes, starts) = segment(0);
    let with = |change: fn(&mut ExpectedSegment)| {
        let mut expected = EXPECTED;
        change(&mut expected);
        read_segment(Bytes::copy_from_slice(&bytes), &expected, true).unwrap_err().to_string()
    };
    assert_eq!(with(|e| e.cluster = ClusterId(2)), "cluster 2 expected, c1 found");
    assert_eq!(with(|e| e.member = MemberId(2)), "member 2 expected, 1 found");
    assert_eq!(with(|e| e.incarnation = Incarnation(2)), "incarnation 2 expected, 9 found");
    assert_eq!(with(|e| e.number = 8), "segment number 8 expected, 7 found");
    let wanted = "checksum of the segment before 0x00000006 expected, 0x00000005 found";
    assert_eq!(with(|e| e.previous = Some(6)), wanted);
    let mut newer = bytes.clone();
    newer[8] = 3;
    let text = read(&newer, true).unwrap_err().to_string();
    assert_eq!(text, "write-ahead log of format 3, this release reads format 2");
    let mut damaged = bytes.clone();
    damaged[starts[1]] = 0;
    let text = read(&damaged, true).unwrap_err().to_string();
    let (at, proof) = (starts[1], starts[2]);
    assert!(text.starts_with(&format!("corrupt record at offset {at}: marker")), "{text}");
    let wanted = format!("the record at offset {proof} says that {proof} bytes were durable before it");
    assert!(text.ends_with(&wanted), "{text}");
}

#[test]
fn no_more_was_durable_than_was_written() {
    let (mut bytes, chain) = encode_header(&header(LogTail::default()));
    let start = chain.end_offset();
    // As if it were to stand further on, so that it may say more: the checksum covers the place, and is made anew.
    let mut further_on = Chain { end_offset: start + 1, ..chain };
    encode_batch(&mut further_on, &[append(None, &[(1, 1)])], start + 1, &mut bytes);
    let (length, body) = (bytes.len() - start as usize - 16, start as usize + 16);
    let place =
        [&chain.segment.to_le_bytes()[..], &start.to_le_bytes(), &(length as u32).to_le_bytes()].concat();
    let checksum = crc32c::crc32c(&[&place, &chain.checksum.to_le_bytes()[..], &bytes[body..]].concat());
    bytes[body - 4..body].copy_from_slice(&checksum.to_le_bytes());
    let text = read(&bytes, true).unwrap_err().to_string();
    let problem = format!("{start} at most wanted, {} found (at byte 8)", start + 1);
    assert_eq!(text, format!("record at offset {start}: record, synced bytes: {problem}"));
}

fn replay(records: &[LogRecord]) -> Result<LogReplay, ReplayError> {
    let mut replay = LogReplay::new();
    records.iter().try_for_each(|record| replay.push(record.clone()))?;
    Ok(replay)
}

fn recovered(state: HardState, entries: &[(u64, u64)]) -> Result<RecoveredLog, ReplayError> {
    let entries = entries.iter().map(|(index, term)| entry(*index, *term)).collect();
    Ok(RecoveredLog { hard_state: state, entries })
}

#[test]
fn replay_adds_records_up() {
    let found = replay(&records()).unwrap().finish(&meta(9, 2));
    assert_eq!(found, recovered(hard_state(3, 9), &[(10, 3)]));
    let found = replay(&records()[..3]).unwrap().finish(&meta(0, 0));
    assert_eq!(found, recovered(hard_state(2, 1), &[(1, 1), (2, 2), (3, 2)]), "a suffix was overwritten");
    let found = replay(&records()[..3]).unwrap().finish(&meta(2, 2));
    assert_eq!(found, recovered(hard_state(2, 2), &[(3, 2)]), "the snapshot raises the commit");
}

/// A file is in the directory before the log says that its snapshot was installed, and others may put one there.
#[test]
fn replay_vouches_for_snapshots_that_it_holds_or_that_were_installed() {
    let before = replay(&records()[..3]).unwrap();
    let places: Vec<u64> = (0..30).filter(|index| before.vouches_for(*index, 2)).collect();
    assert_eq!(places, [2, 3], "entry 1 is of term 1, and nothing is after 3");
    assert!(before.vouches_for(1, 1));
    let newer = before.clone().finish(&meta(20, 4));
    assert_eq!(newer, Err(ReplayError::NotInstalled { snapshot: 20, last: 3 }));
    let differs = before.finish(&meta(3, 1));
    assert_eq!(differs, Err(ReplayError::SnapshotDiffers { index: 3, log: 2, snapshot: 1 }));
    let installed = replay(&records()).unwrap();
    let places: Vec<u64> = (0..30).filter(|index| installed.vouches_for(*index, 2)).collect();
    assert_eq!(places, [9], "the snapshot at 9 was installed, what was before it is gone");
    assert!(installed.vouches_for(10, 3));
}

#[test]
fn replay_refuses_what_does_not_add_up() {
    let missing = replay(&records()).unwrap().finish(&meta(8, 2));
    assert_eq!(missing, Err(ReplayError::MissingEntries { snapshot: 8, base: 9 }));
    let differs = replay(&records()[..3]).unwrap().finish(&meta(1, 7));
    assert_eq!(differs, Err(ReplayError::SnapshotDiffers { index: 1, log: 1, snapshot: 7 }));
    let cases = [
        ("a gap", append(None, &[(5, 2)])),
        ("a gap within", append(None, &[(4, 2), (6, 2)])),
        ("a committed entry replaced", append(None, &[(1, 2)])),
        ("the term of the log goes back", append(None, &[(4, 1)])),
        ("the term of the log beyond the hard state's", append(None, &[(4, 3)])),
        ("the hard state's term goes back", append(Some((1, 1)), &[])),
        ("the commit goes back", append(Some((2, 0)), &[])),
        ("the commit beyond the log", append(Some((2, 4)), &[])),
        ("an index at the end of numbers", append(Some((2, 1)), &[(u64::MAX, 2)])),
    ];
    for (name, record) in cases {
        let mut records = records()[..3].to_vec();
        records.push(record);
        assert!(replay(&records).is_err(), "{name}");
    }
}

#[test]
fn a_vote_is_given_once_in_a_term() {
    let voted = |term, vote| {
        let hard_state = HardState { term, vote: MemberId(vote), commit: 0 };
        LogRecord::Append { hard_state: Some(hard_state), entries: Vec::new() }
    };
    let twice = replay(&[voted(3, 1), voted(3, 2)]).unwrap_err();
    assert_eq!(twice.to_string(), "the vote of term 3 was for 1, then for 2");
    assert!(replay(&[voted(3, 1), voted(3, 0)]).is_err(), "a vote that is taken back can be given again");
    assert!(replay(&[voted(3, 0), voted(3, 2), voted(3, 2), voted(4, 0), voted(4, 1)]).is_ok());
}

#[test]
fn a_segment_continues_the_one_before_it() {
    let mut replayed = replay(&records()[..3]).unwrap();
    let tail = replayed.tail();
    assert_eq!(tail, LogTail { hard_state: hard_state(2, 1), last_index: 3, last_term: 2 });
    assert_eq!(replayed.begin_segment(&header(tail)), Ok(()));
    assert!(replayed.begin_segment(&header(LogTail { last_index: 4, ..tail })).is_err());
    // The oldest one kept: everything before it is in the snapshot.
    let mut late = LogReplay::new();
    late.begin_segment(&header(tail)).unwrap();
    late.push(append(None, &[(4, 2)])).unwrap();
    assert_eq!(late.finish(&meta(3, 2)), recovered(hard_state(2, 3), &[(4, 2)]));
}

/// A header is believed once its checksum is right: numbers in it are added to all the same.
#[test]
fn a_log_that_begins_at_the_end_of_numbers_is_refused() {
    let tail = LogTail { last_index: u64::MAX, ..LogTail::default() };
    for index in [1, u64::MAX] {
        let mut late = LogReplay::new();
        late.begin_segment(&header(tail)).unwrap();
        let pushed = late.push(append(None, &[(index, 1), (index.wrapping_add(1), 1)]));
        assert!(pushed.is_err(), "entry {index}: {late:?}");
    }
}

/// The snapshot covered entry 3 of term 2 when the segment with it went; in the next one a new leader replaced it.
#[test]
fn a_removed_segment_may_end_with_entries_that_were_replaced() {
    let tail = LogTail { hard_state: hard_state(2, 1), last_index: 3, last_term: 2 };
    let after = |records: &[LogRecord]| {
        let mut late = LogReplay::new();
        late.begin_segment(&header(tail)).unwrap();
        records.iter().try_for_each(|record| late.push(record.clone())).map(|()| late)
    };
    let replaced = append(Some((3, 1)), &[(2, 3), (3, 3), (4, 3)]);
    let found = after(std::slice::from_ref(&replaced)).unwrap();
    assert_eq!(found.clone().finish(&meta(3, 3)), recovered(hard_state(3, 3), &[(4, 3)]));
    assert_eq!(found.clone().finish(&meta(4, 3)), recovered(hard_state(3, 4), &[]));
    let missing = Err(ReplayError::MissingEntries { snapshot: 2, base: 3 });
    assert_eq!(found.finish(&meta(2, 3)), missing, "only a later snapshot lets a segment go");
    let again = [replaced, append(Some((4, 1)), &[(2, 4)]), append(None, &[(3, 4)])];
    assert_eq!(after(&again).unwrap().finish(&meta(3, 4)), recovered(hard_state(4, 3), &[]));
    let committed = after(&[append(None, &[(1, 3)])]).unwrap_err();
    assert_eq!(committed, ReplayError::Overwrites { found: 1, commit: 1 });
}
