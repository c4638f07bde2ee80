//! Leases that end by themselves, each server by its own clock.

use super::{Difference, Run};
use crate::catalog::Rpc;
use crate::script::Step;
use prost_reflect::DynamicMessage;
use std::time::{Duration, Instant};

/// A lease that is not over by then is not going to be.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// Servers look for ended leases twice a second.
const ASKED_EVERY: Duration = Duration::from_millis(100);

impl Run {
    /// Waits until a lease is gone at both, and compares what it has left behind.
    ///
    /// Nothing else is asked meanwhile, so its end is the next revision at both.
    pub(super) async fn await_end(&mut self, at: usize, asked: &DynamicMessage) -> Result<(), Difference> {
        let rpc = Rpc::named("LeaseTimeToLive").expect("etcd has it");
        let deadline = Instant::now() + ENDS_WITHIN;
        for side in [0, 1] {
            while !self.is_gone(side, &rpc, asked).await {
                if Instant::now() > deadline {
                    let mut told = [const { String::new() }; 2];
                    told[side] = format!("the lease is still there after {} s", ENDS_WITHIN.as_secs());
                    return Err(Difference::at(at, told));
                }
                tokio::time::sleep(ASKED_EVERY).await;
            }
        }
        // The first waits for all that was applied: a lease is gone a moment before its keys are.
        for line in ["Range key:\"\\000\",range_end:\"\\000\"", "LeaseLeases "] {
            self.calls(at, &[line.parse().expect("a step")]).await?;
        }
        self.calls(at, &[Step::Call(rpc, asked.clone())]).await
    }

    /// Also where there is no answer: the comparison tells that.
    async fn is_gone(&self, side: usize, rpc: &Rpc, asked: &DynamicMessage) -> bool {
        let answer = self.clients[side].call(rpc, &self.known[side].resolve(asked)).await;
        let left = |answer: &DynamicMessage| answer.get_field_by_name("TTL").and_then(|ttl| ttl.as_i64());
        answer.map_or(true, |answer| left(&answer) == Some(-1))
    }
}
