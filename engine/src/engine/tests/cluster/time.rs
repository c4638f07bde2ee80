//! Time passes, and what is due or under way happens.

use super::Cluster;
use crate::input::Input;
use crate::memory_member::{check_state, meta_of};
use std::collections::BTreeMap;
use std::error::Error;

impl Cluster {
    /// Delivers, persists and wakes until nothing is left to do now.
    pub(in crate::engine::tests) fn run(&mut self) -> Result<(), Box<dyn Error>> {
        for _ in 0..100_000 {
            let mut is_quiet = true;
            let ids: Vec<u64> = self.nodes.keys().copied().collect();
            for id in ids {
                let now = self.now;
                let node = self.node(id);
                if node.member.engine.is_none() {
                    continue;
                }
                if node.member.wake_at.is_some_and(|at| at <= now) {
                    is_quiet = false;
                    self.step(id, Input::Wake);
                }
                if !self.node(id).boot.is_stalled {
                    is_quiet &= !self.persist(id);
                }
            }
            if let Some(message) = self.queue.pop_front() {
                is_quiet = false;
                self.deliver(&message);
            }
            if !self.holds_snapshots {
                is_quiet &= !self.deliver_snapshot()?;
            }
            if is_quiet {
                return Ok(());
            }
        }
        Err("a member never rests".into())
    }

    /// Time passes for these members, from one thing due to the next.
    pub(in crate::engine::tests) fn pass(
        &mut self,
        ms: u64,
        only: Option<u64>,
    ) -> Result<(), Box<dyn Error>> {
        let end = self.now.plus_ms(ms);
        self.run_for(only)?;
        loop {
            let due = self
                .nodes
                .iter()
                .filter(|(id, node)| node.member.engine.is_some() && only.is_none_or(|only| only == **id));
            let next = due.filter_map(|(_, node)| node.member.wake_at).min().unwrap_or(end);
            if next > end {
                break;
            }
            self.now = next.max(self.now);
            self.run_for(only)?;
            if self.now >= end {
                break;
            }
        }
        self.now = end;
        self.run_for(only)
    }

    fn run_for(&mut self, only: Option<u64>) -> Result<(), Box<dyn Error>> {
        // The others do not wake by themselves: their clocks stand still.
        let others: Vec<u64> =
            self.nodes.keys().copied().filter(|id| only.is_some_and(|only| only != *id)).collect();
        let asleep: Vec<_> = others.iter().map(|id| (*id, self.node(*id).member.wake_at.take())).collect();
        let result = self.run();
        for (id, wake_at) in asleep {
            let node = self.node(id);
            node.member.wake_at = node.member.wake_at.or(wake_at);
        }
        result
    }

    /// Compares the members, and each with what its snapshot reads back as.
    pub(in crate::engine::tests) fn agree(&mut self) {
        let mut by_index: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for (id, node) in &self.nodes {
            let Some(engine) = &node.member.engine else { continue };
            let state = engine.state();
            check_state(meta_of(state), state);
            let (index, _) = state.applied();
            by_index.entry(index).or_default().push(id.to_string());
        }
        // Hashes are compared at every index as it is applied.
        let lines: Vec<String> =
            by_index.iter().map(|(index, ids)| format!("{} at index {index}", ids.join(" "))).collect();
        lines.iter().for_each(|line| self.say(line));
    }
}
