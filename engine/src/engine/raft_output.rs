//! What becomes of raft's output: messages, writes, snapshots, what is committed and which reads are confirmed.

use super::Engine;
use crate::effects::{Installed, Persist, SnapshotVerdict};
use crate::ids::MemberId;
use crate::peer_message::PeerBody;
use crate::raft::{RaftMessage, SnapshotMeta};
use crate::snapshot::OutgoingSnapshot;
use crate::state::TokenChange;

impl Engine {
    /// Runs raft's output: what it sends, what it writes, what it has committed.
    pub(super) fn take_raft_output(&mut self) {
        let output = self.raft.take_output();
        for (to, message) in output.send {
            let message = self.address(to, PeerBody::Raft(message));
            self.effects.send.push(message);
        }
        if let Some(persist) = output.persist {
            self.proposals.handed_to_disk(persist.id);
            let then_send =
                persist.then_send.into_iter().map(|(to, message)| self.address(to, PeerBody::Raft(message)));
            let then_send = then_send.collect();
            let before =
                self.effects.persist.replace(Persist { id: persist.id, records: persist.records, then_send });
            assert!(before.is_none(), "one persist for each take_effects");
        }
        self.finish_received(output.installed);
        for (to, message) in output.snapshots_to_send {
            self.send_snapshot(to, message);
        }
        self.apply_committed(output.committed);
        self.reads.dropped(&output.reads_dropped);
        for (ticket, index) in output.reads {
            self.on_read_confirmed(ticket, index);
        }
    }

    /// Streams the present state to a member that lags behind the log.
    fn send_snapshot(&mut self, to: MemberId, message: RaftMessage) {
        let meta = message.snapshot.clone().expect("raft announces the snapshot that it was given");
        assert_eq!(meta.index, self.state.applied().0, "raft announces the state as it is applied now");
        let message = self.address(to, PeerBody::Raft(message));
        self.effects.send_snapshots.push(OutgoingSnapshot { message, meta, state: self.state.view() });
    }

    /// Raft took the snapshot that was received, or it did not and the state here is newer.
    fn finish_received(&mut self, installed: Option<SnapshotMeta>) {
        let received = std::mem::take(&mut self.received);
        let Some(meta) = installed else {
            return;
        };
        let applied_before = self.state.applied().0;
        self.effects.installed = Some(Installed { index: meta.index, term: meta.term, applied_before });
        let received =
            received.into_iter().find(|(_, received)| received.state.applied() == (meta.index, meta.term));
        let (place, received) = received.expect("raft installs what it was handed");
        self.effects.received[place] = SnapshotVerdict::Installed;
        if self.state.auth().is_enabled() {
            // What became of their users in the entries that are passed over is not known.
            self.effects.tokens.push(TokenChange::AllVoid);
        }
        self.state = *received.state;
        self.membership = meta.clone();
        self.checkpoints.installed(meta.index, self.state.mvcc.state_bytes());
        self.watches.restored(&self.state.mvcc);
        self.answer_skipped();
        self.report_hash();
        self.raft.applied(meta.index);
        self.raft.set_snapshot(meta);
    }
}
