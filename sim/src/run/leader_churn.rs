//! Leader churn, once the cluster has recovered: each leader is aborted before the TTL of a lease is over. The lease,
//! which nobody keeps alive, must expire all the same, because its remaining TTL passes from leader to leader.
//!
//! How fast it expires follows from the engine's promise (`lease::deadlines`): a leader records the remaining TTL after
//! five election timeouts, or after one and a second. Each leader adds an election timeout, in which nobody could have
//! renewed the lease. The difference comes off the TTL with every leader that lasts so long, but for the one that
//! granted the lease.

use super::Run;
use crate::check::Promise;
use crate::clock::simulated_now;
use detcd_engine::request::{LeaseGrantRequest, LeaseId, Request, Response};
use madsim::time::sleep;
use std::time::Duration;

/// So many runs in a million have it: it takes long.
const RUNS_PER_MILLION: u32 = 250_000;
/// With longer ones it would take too long.
const ELECTION_TIMEOUT_MAX: Duration = Duration::from_millis(1000);
/// A recorded time is written and sent within this.
const RECORDS_WITHIN: Duration = Duration::from_secs(1);
/// No clock stalls for longer.
const STALLS_END_WITHIN: Duration = Duration::from_secs(5);
/// Between two checks.
const CHECK_EVERY: Duration = Duration::from_millis(100);

impl Run {
    /// A lease outlives single leaders, but not all of them together.
    pub(super) async fn churn_leaders(&self) -> Result<(), String> {
        let timeout = self.swarm.knobs.election_timeout();
        let others_are_a_quorum = self.cluster.living().len() > self.cluster.size() / 2 + 1;
        let is_drawn = self.swarm.seed.stream("settle/tenures").happens(RUNS_PER_MILLION);
        // A store that has outgrown its quota grants nothing.
        let grants = !self.swarm.load.frees_space;
        if !is_drawn || !grants || !others_are_a_quorum || timeout > ELECTION_TIMEOUT_MAX {
            return Ok(());
        }
        let stalls_end = Duration::from_millis(self.swarm.plan.ends_ms) + STALLS_END_WITHIN;
        sleep(stalls_end.saturating_sub(simulated_now())).await;
        let records_after = (timeout * 5).max(timeout + Duration::from_secs(1));
        let lead_time = records_after + RECORDS_WITHIN;
        // Longer than any leader lasts.
        let ttl_secs = lead_time.as_secs() + 2;
        let comes_off_secs = (records_after - timeout).as_secs();
        let lease = self.grant_at_rest(ttl_secs.cast_signed()).await?;
        for _ in 0..=ttl_secs.div_ceil(comes_off_secs) {
            let leader = self.lasts(lead_time).await?;
            if !self.is_there(lease).await {
                break;
            }
            self.trace.event("nemesis", format_args!("m{leader} has led for {lead_time:?}"), &[]);
            self.cluster.abort(leader);
            sleep(Duration::from_millis(self.swarm.disk.restart_ms)).await;
            self.cluster.start(leader);
        }
        self.lasts(RECORDS_WITHIN).await?;
        if self.is_there(lease).await {
            let how = format!("lease {} of {ttl_secs} s outlived all leaders of {lead_time:?} each", lease.0);
            return Err(Promise::LeaseNotLate.broken(how));
        }
        self.until(Promise::Converges, || self.diverging()).await
    }

    async fn grant_at_rest(&self, ttl_secs: i64) -> Result<LeaseId, String> {
        let gives_up = simulated_now() + self.recovery();
        loop {
            let member = self.cluster.handle(self.cluster.living()[0]).expect("all is whole");
            let grant = LeaseGrantRequest { id: LeaseId(0), ttl_secs };
            match member.request(Request::LeaseGrant(grant), false).await.map(|reply| reply.response) {
                Ok(Response::LeaseGrant(granted)) => return Ok(granted.id),
                answer if simulated_now() > gives_up => {
                    return Err(Promise::Answers.broken(format!("to a grant it said {answer:?}")));
                }
                _ => sleep(CHECK_EVERY).await,
            }
        }
    }

    /// Until one member has led for so long.
    async fn lasts(&self, lead_time: Duration) -> Result<usize, String> {
        let gives_up = simulated_now() + lead_time + self.recovery();
        let mut since = None;
        loop {
            let now = simulated_now();
            since = match (self.cluster.leader(), since) {
                (Some((place, term)), Some((first, at))) if term == first => {
                    if now >= at + lead_time {
                        return Ok(place);
                    }
                    since
                }
                (Some((_, term)), _) => Some((term, now)),
                (None, _) => None,
            };
            if now > gives_up {
                let how =
                    format!("within {:?} no leader lasted for {lead_time:?}", lead_time + self.recovery());
                return Err(Promise::Converges.broken(how));
            }
            sleep(CHECK_EVERY).await;
        }
    }

    /// Whether the leader has the lease; as long as none answers, it may.
    async fn is_there(&self, lease: LeaseId) -> bool {
        let Some((place, _)) = self.cluster.leader() else { return true };
        let Some(leader) = self.cluster.handle(place) else { return true };
        match leader.request(Request::LeaseLeases, false).await.map(|reply| reply.response) {
            Ok(Response::LeaseLeases(leases)) => leases.contains(&lease),
            _ => true,
        }
    }
}
