//! What can be asked of a driver: where this member stands, and who could lead in its place.

use super::super::LogEntry;
use super::super::convert::entry_from_raft;
use super::{Driver, Role};
use crate::ids::MemberId;
use raft::{GetEntriesContext, StateRole};

impl Driver {
    /// Where this member stands.
    pub fn role(&self) -> Role {
        match self.raw.raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::PreCandidate => Role::PreCandidate,
            StateRole::Candidate => Role::Candidate,
            StateRole::Leader => Role::Leader,
        }
    }

    /// This member leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.role() == Role::Leader
    }

    /// The leader as this member knows it.
    pub fn leader(&self) -> Option<MemberId> {
        Some(MemberId(self.raw.raft.leader_id)).filter(|leader| *leader != MemberId(0))
    }

    /// The current term.
    pub fn term(&self) -> u64 {
        self.raw.raft.term
    }

    /// Committed, as this member knows it.
    pub fn committed(&self) -> u64 {
        self.raw.raft.raft_log.committed
    }

    /// The last entry of the log, persisted or not.
    pub fn last_index(&self) -> u64 {
        self.raw.raft.raft_log.last_index()
    }

    /// The entries of the log from an index on, persisted or not, committed or not. One that is not committed may yet
    /// be replaced.
    pub fn entries_from(&self, index: u64) -> Vec<LogEntry> {
        let log = &self.raw.raft.raft_log;
        let first = index.max(log.first_index());
        let entries =
            log.entries(first, None, GetEntriesContext::empty(false)).expect("all that is kept is in memory");
        entries.iter().map(entry_from_raft).collect()
    }

    /// The last entry that is persisted here.
    pub fn persisted_index(&self) -> u64 {
        self.raw.raft.raft_log.persisted
    }

    /// This member leads and has committed an entry of its own term: before that it does not know what is committed
    /// (raft §8), and raft-rs would drop the read: docs/raft-rs-hazards.md#reads-that-are-dropped.
    pub fn can_read(&self) -> bool {
        self.is_leader() && self.raw.raft.commit_to_current_term()
    }

    /// To whom leadership is being handed. Nothing can be proposed meanwhile, for one election timeout at most.
    pub fn lead_transferee(&self) -> Option<MemberId> {
        self.raw.raft.lead_transferee.map(MemberId)
    }

    /// The voter that could take over soonest: heard of lately if any was, then furthest in the log, then the least
    /// id. `None` where this member does not lead or nobody has acknowledged anything.
    pub fn best_transferee(&self) -> Option<MemberId> {
        if !self.is_leader() {
            return None;
        }
        let voters = self.raw.raft.prs().conf().voters();
        self.raw
            .raft
            .prs()
            .iter()
            .filter(|(id, progress)| **id != self.me.0 && voters.contains(**id) && progress.matched > 0)
            .max_by_key(|(id, progress)| (progress.recent_active, progress.matched, std::cmp::Reverse(**id)))
            .map(|(id, _)| MemberId(*id))
    }

    /// The last entry a follower acknowledged, and the next one to send it.
    #[cfg(test)]
    pub(in crate::raft) fn progress(&self, follower: MemberId) -> (u64, u64) {
        let progress = self.raw.raft.prs().get(follower.0).expect("a member");
        (progress.matched, progress.next_idx)
    }
}
