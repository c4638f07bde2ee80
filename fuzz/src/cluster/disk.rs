//! What disks keep: writes, checkpoints and snapshots, and the ends of processes.

use super::{Cluster, member_at};
use detcd_engine::engine::{Engine, Recovered};
use detcd_engine::ids::MemberId;
use detcd_engine::input::Input;
use detcd_engine::raft::{LogRecord, SnapshotMeta};
use detcd_engine::snapshot::{OutgoingSnapshot, ReceivedSnapshot};
use detcd_engine::snapshot::{Reader, SnapshotError, Writer};
use detcd_engine::state::{State, StateView};
use detcd_engine::wal::LogReplay;

/// A state as the bytes of a snapshot.
pub fn write_snapshot(meta: SnapshotMeta, state: StateView) -> Vec<u8> {
    let mut writer = Writer::new(meta, state);
    let mut bytes = Vec::new();
    while let Some(piece) = writer.next_piece() {
        bytes.extend(piece);
    }
    bytes
}

/// The bytes of a snapshot as a state, in pieces that do not fit its sections.
pub fn read_snapshot(bytes: &[u8]) -> Result<(SnapshotMeta, State), SnapshotError> {
    let mut reader = Reader::new();
    bytes.chunks(10_000).try_for_each(|piece| reader.push(piece))?;
    reader.finish()
}

impl Cluster {
    /// The oldest write of a member becomes durable.
    pub fn persist_one(&mut self, at: usize) -> bool {
        let Some(write) = self.nodes[at].unsynced.pop_front() else { return false };
        write.records.into_iter().for_each(|record| self.keep(at, record));
        self.network.extend(write.then_send);
        self.step(at, Input::Persisted(write.id));
        true
    }

    fn keep(&mut self, at: usize, record: LogRecord) {
        let disk = &mut self.nodes[at].disk;
        let hard_state = match &record {
            LogRecord::Append { hard_state, .. } => *hard_state,
            LogRecord::Installed { hard_state, .. } => Some(*hard_state),
        };
        if let Some(found) = hard_state {
            let before = disk.hard_state;
            assert!(found.term >= before.term, "member {at} went from {before:?} back to {found:?}");
            let has_voted = found.term == before.term && before.vote != MemberId(0);
            assert!(
                !has_voted || found.vote == before.vote,
                "member {at} voted twice: {before:?}, {found:?}"
            );
            disk.hard_state = found;
        }
        disk.records.push(record);
    }

    /// A checkpoint under way becomes durable, or is given up.
    pub fn finish_checkpoint(&mut self, at: usize, is_written: bool) -> bool {
        let Some((meta, bytes)) = self.nodes[at].checkpoint.take() else { return false };
        if is_written {
            self.nodes[at].disk.snapshots.insert(meta.index, bytes);
            self.step(at, Input::CheckpointWritten { index: meta.index });
        } else {
            self.step(at, Input::CheckpointAbandoned);
        }
        true
    }

    /// The oldest snapshot under way arrives, or does not.
    pub fn finish_snapshot(&mut self, arrives: bool) -> bool {
        if self.snapshots.is_empty() {
            return false;
        }
        let OutgoingSnapshot { message, meta, state } = self.snapshots.remove(0);
        let (from, to) = (member_at(message.from), message.to);
        let delivered = arrives && self.nodes[member_at(to)].engine.is_some();
        if delivered {
            let bytes = write_snapshot(meta.clone(), state);
            let (_, state) = read_snapshot(&bytes).expect("a member's own snapshot");
            self.nodes[member_at(to)].arrived.push_back((meta.index, bytes));
            let received = ReceivedSnapshot { message, state: Box::new(state) };
            self.step(member_at(to), Input::SnapshotReceived(received));
        }
        self.step(from, Input::SnapshotSent { to, delivered });
        true
    }

    /// A member's process ends. Of what waited for its disk, so many records are there all the same.
    pub fn crash(&mut self, at: usize, survivors: usize) {
        let node = &mut self.nodes[at];
        node.engine = None;
        node.asked.clear();
        node.streams.clear();
        node.checkpoint = None;
        node.arrived.clear();
        node.wake_at = None;
        node.config.boot += 1;
        node.counter = 0;
        node.seen = (0, 0, -1);
        let written = std::mem::take(&mut node.unsynced).into_iter().flat_map(|write| write.records);
        written.take(survivors).collect::<Vec<_>>().into_iter().for_each(|record| self.keep(at, record));
    }

    /// A member starts from its disk, if it does not run.
    pub fn start(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if node.engine.is_some() {
            return;
        }
        let mut replay = LogReplay::new();
        for record in &node.disk.records {
            replay.push(record.clone()).expect("a member's own log");
        }
        let read = |bytes: &Vec<u8>| read_snapshot(bytes).expect("a member's own snapshot");
        let newest_first = node.disk.snapshots.values().rev().map(read);
        let (meta, state) = newest_first
            .into_iter()
            .find(|(meta, _)| replay.vouches_for(meta.index, meta.term))
            .expect("the first one at least");
        let log = replay.finish(&meta).expect("a member's own log and snapshot");
        let seed = (at as u64 + 1) * 1000 + u64::from(node.config.boot);
        node.engine = Some(Engine::recover(node.config.clone(), Recovered { state, meta, log }, seed, now));
        self.handle(at);
    }
}
