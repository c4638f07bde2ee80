//! What disks keep: writes, checkpoints and snapshots, and the ends of processes.

use super::{Cluster, member_at};
use detcd_engine::input::Input;
use detcd_engine::memory_member::write_snapshot;
use detcd_engine::snapshot::OutgoingSnapshot;

impl Cluster {
    /// The oldest write of a member becomes durable.
    pub fn persist_one(&mut self, at: usize) -> bool {
        let Some(then_send) = self.nodes[at].member.persist_one(self.now) else { return false };
        self.network.extend(then_send);
        self.handle(at);
        true
    }

    /// A checkpoint under way becomes durable, or is given up.
    pub fn finish_checkpoint(&mut self, at: usize, is_written: bool) -> bool {
        let was_asked_for = self.nodes[at].member.finish_checkpoint(self.now, is_written);
        if was_asked_for {
            self.handle(at);
        }
        was_asked_for
    }

    /// The oldest snapshot under way arrives, or does not.
    pub fn finish_snapshot(&mut self, arrives: bool) -> bool {
        if self.snapshots.is_empty() {
            return false;
        }
        let OutgoingSnapshot { message, meta, state } = self.snapshots.remove(0);
        let (from, to) = (member_at(message.from), message.to);
        let delivered = arrives && self.engine(member_at(to)).is_some();
        if delivered {
            let member = &mut self.nodes[member_at(to)].member;
            let bytes = write_snapshot(meta, state);
            member.receive_snapshot(self.now, message, bytes).expect("a member's own snapshot");
            self.handle(member_at(to));
        }
        self.step(from, Input::SnapshotSent { to, delivered });
        true
    }

    /// A member's process ends. Of what waited for its disk, so many records are there all the same.
    pub fn crash(&mut self, at: usize, survivors: usize) {
        let node = &mut self.nodes[at];
        node.member.crash(survivors);
        node.asked.clear();
        node.streams.clear();
        node.seen = (0, 0, -1);
    }

    /// A member starts from its disk, if it does not run.
    pub fn start(&mut self, at: usize) {
        let member = &mut self.nodes[at].member;
        if member.engine.is_none() {
            let seed = (at as u64 + 1) * 1000 + u64::from(member.config.boot);
            member.start(seed, self.now);
            self.handle(at);
        }
    }
}
