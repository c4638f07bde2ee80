//! When a snapshot of the state is due.
//!
//! Writing one costs as much as the state is large, so it is due when the log written since the last one outweighs
//! the state (and `--snapshot-count` commands have passed): the cost per put does not grow with the state, and a
//! restart never replays more than it loads. The state is weighed as it was in the last snapshot, or as it is if it
//! has shrunk since: a state that keeps all of its history grows faster than its log and would never be outweighed.

use super::Engine;
use crate::raft::SnapshotMeta;
use crate::snapshot::Checkpoint;

/// The log since the last snapshot.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Index of the last snapshot that is durable.
    written: u64,
    is_being_written: bool,
    /// Of the state in the last snapshot.
    state_bytes: u64,
    log_bytes: u64,
    commands: u64,
}

impl Checkpoints {
    /// None asked for yet; the state as recovered is the last one's.
    pub(super) fn new(written: u64, state_bytes: u64) -> Checkpoints {
        Checkpoints { written, is_being_written: false, state_bytes, log_bytes: 0, commands: 0 }
    }

    pub(super) fn applied(&mut self, entry_bytes: usize) {
        self.log_bytes += entry_bytes as u64;
    }

    pub(super) fn applied_commands(&mut self, count: u64) {
        self.commands += count;
    }

    pub(super) fn written(&mut self, index: u64) {
        self.written = self.written.max(index);
        self.is_being_written = false;
    }

    pub(super) fn abandoned(&mut self) {
        self.is_being_written = false;
    }

    /// A snapshot of the leader's took the state's place: it is durable already.
    pub(super) fn installed(&mut self, index: u64, state_bytes: u64) {
        self.written = self.written.max(index);
        self.state_bytes = state_bytes;
        self.log_bytes = 0;
        self.commands = 0;
    }
}

impl Engine {
    pub(super) fn ask_for_checkpoint(&mut self) {
        let due = &self.checkpoints;
        let (index, term) = self.state.applied();
        let is_due = !due.is_being_written
            && index > due.written
            && due.commands >= self.config.snapshot_commands_min
            && due.log_bytes >= due.state_bytes.min(self.state.mvcc.state_bytes());
        if !is_due {
            return;
        }
        self.checkpoints.is_being_written = true;
        self.checkpoints.state_bytes = self.state.mvcc.state_bytes();
        self.checkpoints.log_bytes = 0;
        self.checkpoints.commands = 0;
        let meta = SnapshotMeta { index, term, ..self.membership.clone() };
        self.effects.checkpoint = Some(Checkpoint { meta, state: self.state.view() });
    }
}
