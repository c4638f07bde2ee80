//! What leaves the log in memory, and what stays for followers that a snapshot brings back.
//!
//! A snapshot of 1 GB is under way for ten seconds or more, and puts go on. If the log were cut meanwhile as always,
//! the follower would find the entries after its snapshot gone when it arrives, need the next one, and so on for as
//! long as puts outrun the bound. So these entries stay until the follower has come as near as the log reaches back
//! anyway. A follower that does not come in [`CATCH_UP_FACTOR`] times the bound is given up: its next snapshot is
//! cheaper than what would have to be kept for it.

use super::Driver;
use crate::ids::MemberId;
use raft::ProgressState;
use std::collections::BTreeMap;

/// How far the log may outgrow its bound for a snapshot under way: with 16 MiB, a snapshot of a minute and puts of
/// 4 MiB/s.
const CATCH_UP_FACTOR: usize = 16;

/// Who is being brought back, and by a snapshot at which index.
#[derive(Debug, Default)]
pub(super) struct Pinned(BTreeMap<MemberId, u64>);

impl Pinned {
    /// This member is sent a snapshot at this index.
    pub(super) fn pin_after(&mut self, index: u64, member: MemberId) {
        self.0.insert(member, index);
    }

    /// Nothing is kept for this member any more.
    pub(super) fn give_up(&mut self, member: MemberId) {
        self.0.remove(&member);
    }
}

impl Driver {
    /// Only what is applied and persisted may leave the log in memory.
    pub(super) fn truncate(&mut self) {
        let applied = self.raw.raft.raft_log.applied;
        if !self.is_leader() {
            self.pinned.0.clear();
        }
        loop {
            let needed = self.pinned.0.keys().map(|member| (self.has(*member), *member)).min();
            let index_max = needed.map_or(applied, |(has, _)| applied.min(has));
            let log = self.raw.mut_store();
            log.truncate(self.log_bytes_max, index_max);
            match needed {
                Some((_, farthest)) if log.bytes() > self.log_bytes_max.saturating_mul(CATCH_UP_FACTOR) => {
                    self.pinned.give_up(farthest);
                }
                _ => break,
            }
        }
        self.drop_who_is_back();
    }

    /// Somebody may have come nearer.
    pub(super) fn truncate_what_was_pinned(&mut self) {
        if !self.pinned.0.is_empty() {
            self.truncate();
        }
    }

    /// Up to where this member is known to have the log, or will once its snapshot has arrived.
    fn has(&self, member: MemberId) -> u64 {
        let matched = self.raw.raft.prs().get(member.0).map_or(0, |progress| progress.matched);
        matched.max(self.pinned.0.get(&member).copied().unwrap_or(0))
    }

    /// Those that append again, once the log is within its bound.
    fn drop_who_is_back(&mut self) {
        if self.raw.store().bytes() > self.log_bytes_max {
            return;
        }
        let progress = self.raw.raft.prs();
        let is_back = |member: &MemberId| {
            progress.get(member.0).is_none_or(|progress| progress.state == ProgressState::Replicate)
        };
        self.pinned.0.retain(|member, _| !is_back(member));
    }
}
