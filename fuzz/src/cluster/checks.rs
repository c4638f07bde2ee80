//! What is asserted of members as they go on, and of their states from scratch (docs/invariants.md).

use super::Cluster;
use detcd_engine::memory_member::{check_state, meta_of};

impl Cluster {
    /// What is true of every state at every moment, looked at from scratch.
    pub fn check_states(&self) {
        for engine in self.nodes.iter().filter_map(|node| node.member.engine.as_ref()) {
            check_state(meta_of(engine.state()), engine.state());
        }
    }

    /// Terms and applied indices go up, a term has one leader, and the store's two ends are in order.
    pub(super) fn check_status(&mut self, at: usize) {
        let Some(engine) = &self.nodes[at].member.engine else { return };
        let status = engine.status();
        let (term, applied, compacted) = self.nodes[at].seen;
        assert!(
            status.term >= term && status.applied >= applied,
            "{status:?} after term {term}, {applied} applied"
        );
        assert!(status.applied <= status.committed, "applied before it was committed: {status:?}");
        assert!(status.compacted_revision <= status.revision, "compacted beyond the present: {status:?}");
        assert!(status.compacted_revision >= compacted, "compaction went back from {compacted}: {status:?}");
        assert!(status.live_bytes <= status.state_bytes, "more lives than there is: {status:?}");
        if status.is_leader && !self.is_hostile {
            let leader = *self.leaders.entry(status.term).or_insert(at);
            assert_eq!(leader, at, "two leaders of term {}", status.term);
        }
        self.nodes[at].seen = (status.term, status.applied, status.compacted_revision);
    }

    pub(super) fn check_hashes(&mut self, at: usize, applied: &[(u64, u128)]) {
        for (index, hash) in applied {
            let first = *self.hashes.entry(*index).or_insert(*hash);
            assert!(self.is_hostile || first == *hash, "member {at} disagrees at index {index}");
        }
    }
}
