//! The log on disk: written in batches, cut or changed at every single byte, read again. What is read is what the list
//! of records says survived, or the damage is named; never a record that was not written.

use crate::cases;
use crate::codec::log_records;
use bytes::Bytes;
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use detcd_engine::raft::LogRecord;
use detcd_engine::wal::{
    Chain, ExpectedSegment, LogTail, SegmentHeader, WalError, encode_batch, encode_header, read_segment,
};
use detcd_proptests::reference::wal::{Survived, Wal};
use proptest::collection::vec;
use proptest::prelude::*;

const EXPECTED: ExpectedSegment = ExpectedSegment {
    cluster: ClusterId(1),
    member: MemberId(2),
    incarnation: Incarnation(3),
    number: 4,
    previous: Some(5),
};

/// A segment's bytes and the list of what is in it.
struct Written {
    bytes: Vec<u8>,
    chain: Chain,
    wal: Wal<LogRecord>,
}

/// Batches, each with whether it was durable before the next was written.
fn write(batches: &[(Vec<LogRecord>, bool)]) -> Written {
    let header = SegmentHeader {
        cluster: EXPECTED.cluster,
        member: EXPECTED.member,
        incarnation: EXPECTED.incarnation,
        number: EXPECTED.number,
        previous: 5,
        tail: LogTail::default(),
        segment_bytes: 0,
    };
    let (mut bytes, mut chain) = encode_header(&header);
    let mut wal = Wal::new(bytes.len());
    let mut synced = bytes.len();
    for (records, is_synced) in batches {
        for record in records {
            // One at a time, to know where each ends: a batch is nothing but its records.
            encode_batch(&mut chain, std::slice::from_ref(record), synced as u64, &mut bytes);
            wal.wrote(record.clone(), bytes.len(), synced);
        }
        if *is_synced {
            synced = bytes.len();
        }
    }
    Written { bytes, chain, wal }
}

fn read(bytes: Vec<u8>) -> Survived<LogRecord> {
    match read_segment(Bytes::from(bytes), &EXPECTED, true) {
        Ok(contents) => Survived::Records(contents.records),
        Err(WalError::Corrupt { .. }) => Survived::Corrupt,
        Err(other) => panic!("the header is whole, and yet {other}"),
    }
}

fn batches() -> impl Strategy<Value = Vec<(Vec<LogRecord>, bool)>> {
    vec((vec(log_records(), 1..4), any::<bool>()), 0..5)
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_log_cut_or_changed_anywhere_is_what_the_list_says(batches in batches(), bits in 1_u8.., zeros in 0_usize..40) {
        let Written { bytes, wal, .. } = write(&batches);
        prop_assert_eq!(read(bytes.clone()), Survived::Records(wal.all()));
        for at in wal.start..=bytes.len() {
            let mut cut = bytes[..at].to_vec();
            prop_assert_eq!(read(cut.clone()), wal.cut(at), "cut at {}", at);
            // Files are made longer than what is in them; what was zero is then not lost.
            cut.resize(at + zeros, 0);
            let is_lost = |place: &usize| *place >= at + zeros || bytes[*place] != 0;
            let lost_at = (at..bytes.len()).find(is_lost).unwrap_or(bytes.len());
            prop_assert_eq!(read(cut), wal.cut(lost_at), "cut at {} and zeros", at);
        }
        for at in wal.start..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= bits;
            prop_assert_eq!(read(changed), wal.flipped(at), "changed at {}", at);
        }
    }

    #[test]
    fn a_hole_in_a_log_is_what_the_list_says(
        batches in batches(),
        from in any::<proptest::sample::Index>(),
        length in 1_usize..600,
        byte in any::<u8>(),
    ) {
        let Written { mut bytes, wal, .. } = write(&batches);
        prop_assume!(bytes.len() > wal.start);
        let from = wal.start + from.index(bytes.len() - wal.start);
        let to = (from + length).min(bytes.len());
        // What is the same after as before was not lost.
        let differs: Vec<usize> = (from..to).filter(|at| bytes[*at] != byte).collect();
        let (Some(first), Some(last)) = (differs.first(), differs.last()) else { return Ok(()) };
        bytes[from..to].fill(byte);
        prop_assert_eq!(read(bytes), wal.overwritten(*first, *last + 1));
    }

    /// After a torn tail the file is cut, and goes on from there.
    #[test]
    fn a_torn_log_goes_on_where_it_was_cut(
        batches in batches(),
        cut in any::<proptest::sample::Index>(),
        more in vec(log_records(), 1..4),
    ) {
        let Written { bytes, wal, .. } = write(&batches);
        let at = wal.start + cut.index(bytes.len() - wal.start + 1);
        let torn = Bytes::copy_from_slice(&bytes[..at]);
        let contents = read_segment(torn, &EXPECTED, true).expect("a torn tail is no corruption");
        let end = usize::try_from(contents.end_offset).expect("an offset");
        prop_assert_eq!(contents.torn.is_some(), end < at, "torn where something is left over");
        let mut bytes = bytes[..end].to_vec();
        let mut chain = contents.chain;
        encode_batch(&mut chain, &more, end as u64, &mut bytes);
        let mut expected = contents.records;
        expected.extend(more);
        prop_assert_eq!(read(bytes), Survived::Records(expected));
    }

    #[test]
    fn a_segment_with_one_after_it_has_no_torn_tail(batches in batches(), cut in any::<proptest::sample::Index>()) {
        let Written { bytes, chain, wal } = write(&batches);
        let whole = read_segment(Bytes::from(bytes.clone()), &EXPECTED, false).expect("whole");
        prop_assert_eq!((whole.records, whole.chain), (wal.all(), chain));
        let at = wal.start + cut.index(bytes.len() - wal.start + 1);
        let Survived::Records(survived) = wal.cut(at) else { panic!("a cut is no corruption") };
        let ends_at_a_record = read_segment(Bytes::copy_from_slice(&bytes[..at]), &EXPECTED, true)
            .is_ok_and(|contents| contents.torn.is_none());
        let read = read_segment(Bytes::copy_from_slice(&bytes[..at]), &EXPECTED, false);
        match read {
            Ok(contents) => prop_assert!(ends_at_a_record && contents.records == survived),
            Err(WalError::Corrupt { .. }) => prop_assert!(!ends_at_a_record),
            Err(other) => panic!("the header is whole, and yet {other}"),
        }
    }
}
