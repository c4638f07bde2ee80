//! Time passes, and what is due or under way happens.

use super::{Cluster, SETTLE_MS};
use detcd_engine::engine::{Engine, Status};
use detcd_engine::input::Input;

/// Steps after which a cluster that nothing happens to must have come to rest.
const STEPS_MAX: u32 = 20_000;

impl Cluster {
    /// Time passes for all, to be noticed by those that have something due.
    pub fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// A member that has something due by now is woken.
    pub fn wake(&mut self, at: usize) -> bool {
        let is_due = self.nodes[at].member.wake_at.is_some_and(|due| due <= self.now);
        if is_due {
            self.step(at, Input::Wake);
        }
        is_due
    }

    /// Everything under way happens, at this moment, until there is nothing left to do.
    pub fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            let mut is_quiet = true;
            for at in 0..self.len() {
                is_quiet &= !self.wake(at);
                is_quiet &= !self.persist_one(at);
                is_quiet &= !self.finish_checkpoint(at, true);
            }
            if !self.network.is_empty() {
                self.deliver(0);
                is_quiet = false;
            }
            is_quiet &= !self.finish_snapshot(true);
            if is_quiet {
                return;
            }
        }
        assert!(self.is_hostile, "the members never rest");
    }

    /// Time passes to the next thing that is due, and what it brings happens.
    pub fn pass_to_next(&mut self) {
        let next = self.nodes.iter().filter_map(|node| node.member.wake_at).min();
        self.now = next.expect("a member that runs always waits for something").max(self.now);
        self.run();
    }

    /// Time passes, and what it brings happens.
    pub fn run_for(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        self.run();
        while self.nodes.iter().filter_map(|node| node.member.wake_at).min().is_some_and(|next| next <= end) {
            self.pass_to_next();
        }
        self.now = end;
    }

    /// All members are started and nothing disturbs them: in a while they agree, and every client has its answer.
    pub fn settle(&mut self) {
        (0..self.len()).for_each(|at| self.start(at));
        self.run();
        let until = self.now.plus_ms(SETTLE_MS);
        while !self.has_agreed() {
            assert!(self.now < until, "no agreement: {:#?}", self.statuses());
            self.pass_to_next();
        }
    }

    fn has_agreed(&self) -> bool {
        let Some(leader) = self.leader().and_then(|at| self.engine(at)) else { return false };
        let status = leader.status();
        let applied = leader.state().applied();
        let all_there = (0..self.len()).all(|at| {
            self.engine(at)
                .is_some_and(|engine| engine.state().applied() == applied && engine.status().is_ready)
        });
        all_there && status.last_index == applied.0 && self.nodes.iter().all(|node| node.asked.is_empty())
    }

    fn statuses(&self) -> Vec<Status> {
        (0..self.len()).filter_map(|at| self.engine(at)).map(Engine::status).collect()
    }
}
