//! A data directory in memory: one segment of the log, in the bytes that a file would hold, and snapshots.

use super::{read_snapshot, write_snapshot};
use crate::config::Config;
use crate::engine::Recovered;
use crate::ids::MemberId;
use crate::raft::{HardState, LogRecord, SnapshotMeta};
use crate::state::State;
use crate::wal::{
    Chain, ExpectedSegment, LogReplay, LogTail, SegmentHeader, encode_batch, encode_header, read_segment,
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What a crash leaves. All of it is of its member's own making: what cannot be read back is a bug, and panics.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    log: Vec<u8>,
    chain: Chain,
    tail: LogTail,
    /// By index.
    snapshots: BTreeMap<u64, Vec<u8>>,
}

impl MemoryDisk {
    /// With this snapshot and nothing else.
    pub(super) fn new(config: &Config, meta: &SnapshotMeta, state: &State) -> MemoryDisk {
        let header = SegmentHeader {
            cluster: config.cluster,
            member: config.member,
            incarnation: config.incarnation,
            number: 1,
            previous: 0,
            tail: LogTail::default(),
            segment_bytes: 0,
        };
        let (log, chain) = encode_header(&header);
        let snapshots = BTreeMap::from([(meta.index, write_snapshot(meta.clone(), state.view()))]);
        let mut disk = MemoryDisk { log, chain, tail: header.tail, snapshots };
        let hard_state = HardState { term: meta.term, vote: MemberId(0), commit: meta.index };
        disk.append(&[LogRecord::Installed { hard_state, meta: meta.clone() }]);
        disk
    }

    /// Writes records. A member's term never goes back, and within a term its vote stays.
    pub(super) fn append(&mut self, records: &[LogRecord]) {
        for record in records {
            let before = self.tail.hard_state;
            self.tail.note(record);
            let after = self.tail.hard_state;
            assert!(after.term >= before.term, "the term went back: {before:?}, {after:?}");
            let may_vote = after.term > before.term || before.vote == MemberId(0);
            assert!(may_vote || after.vote == before.vote, "a second vote: {before:?}, {after:?}");
        }
        let synced = self.log.len() as u64;
        encode_batch(&mut self.chain, records, synced, &mut self.log);
    }

    /// Keeps the file of a snapshot.
    pub(super) fn keep_snapshot(&mut self, index: u64, bytes: Vec<u8>) {
        self.snapshots.insert(index, bytes);
    }

    /// Reads everything back, as a member that starts does.
    pub(super) fn recover(&self, config: &Config) -> Recovered {
        let Config { cluster, member, incarnation, .. } = *config;
        let expected = ExpectedSegment { cluster, member, incarnation, number: 1, previous: None };
        let log = Bytes::from(self.log.clone());
        let contents = read_segment(log, &expected, true).expect("a segment as it was written");
        assert_eq!(contents.torn, None, "nothing was torn");
        let mut replay = LogReplay::new();
        replay.begin_segment(&contents.header).expect("the first segment");
        for record in contents.records {
            replay.push(record).expect("a member's own log");
        }
        let read = |bytes: &Vec<u8>| read_snapshot(bytes).expect("a member's own snapshot");
        let mut newest_first = self.snapshots.values().rev().map(read);
        let (meta, state) = newest_first
            .find(|(meta, _)| replay.vouches_for(meta.index, meta.term))
            .expect("the first one at least");
        let log = replay.finish(&meta).expect("a member's own log and snapshot");
        Recovered { state, meta, log }
    }
}
