//! From the end of the faults to a cluster at rest: every client is served, every lease that nobody keeps alive
//! expires, all members apply the same index, and every watcher receives everything.

use super::Run;
use crate::check::reference_history::ReferenceHistory;
use crate::check::{Promise, watches};
use crate::clock::simulated_now;
use detcd_engine::request::{Request, Response};
use madsim::time::sleep;
use std::time::Duration;

/// Once the cluster is healed, every client is answered within so many election timeouts and so much besides.
const RECOVERY: (u32, Duration) = (20, Duration::from_secs(15));
/// A lease ends so much after its TTL at the latest, and some election timeouts: those of a takeover. Every further one
/// takes as long again, as where a leader with a slow disk is deposed.
const LEASE_SLACK: Duration = Duration::from_secs(4);
/// A watcher that is owed progress after more than this is not waited for.
const PROGRESS_INTERVAL_MS_MAX: u64 = 1000;
/// Of a snapshot that is sent (`snapshot_sections`, a size of the engine's copy).
const PIECE_BYTES: u64 = 1024;
/// Between two checks.
const CHECK_EVERY: Duration = Duration::from_millis(100);

impl Run {
    /// How long anything may take once the cluster is healed.
    pub(super) fn recovery(&self) -> Duration {
        let (timeouts, besides) = RECOVERY;
        // A client may time out at every member that is left failed, twice.
        let in_vain = 2 + 2 * u32::try_from(self.swarm.plan.liveness.rest.len()).expect("a few members");
        self.swarm.knobs.election_timeout() * timeouts
            + besides
            + self.swarm.load.patience() * in_vain
            + self.two_snapshots()
    }

    /// How long the slowest disk takes for two snapshots of the state, one after the other: the first may be outdated
    /// when it has arrived.
    fn two_snapshots(&self) -> Duration {
        let handles = self.cluster.living().into_iter().filter_map(|place| self.cluster.handle(place));
        let bytes = handles.map(|handle| handle.status().state_bytes).max().unwrap_or(0);
        let pieces = u32::try_from(bytes / PIECE_BYTES).expect("a run is short");
        Duration::from_micros(self.swarm.disk.snapshot_write_us) * pieces * 2
    }

    /// Every client is answered something that it asked for after the faults. Where members have fewer places for
    /// requests than there are clients, a few that ask seldom may be sent away each time; then that is their answer.
    pub(super) async fn all_progress(&self) -> Result<(), String> {
        let whole = self.history.now();
        let clients = self.swarm.load.clients.len();
        let unserved = || (0..clients).filter(|client| !self.history.is_served(*client, whole));
        let how = |bound| format!("within {bound:?} client");
        let served = self.until(Promise::Progress, || {
            let waiting = unserved().next()?;
            let role = self.swarm.load.clients[waiting];
            Some(format!("{} {waiting} ({role:?}) was not", how(self.recovery())))
        });
        let places =
            (0..self.swarm.members).map(|place| self.swarm.knobs_of(place).pending_requests_max).min();
        let refusal = served.await;
        // All the others were served, or the places are not taken but lost.
        let is_crowded = places < Some(clients)
            && unserved().count() <= clients.div_ceil(4)
            && unserved().all(|client| self.history.was_sent_away(client, whole));
        if is_crowded { Ok(()) } else { refusal }
    }

    /// Clients send no new requests; leases, members and watchers become quiet.
    pub(super) async fn settle(&self) -> Result<(), String> {
        self.until(Promise::Converges, || self.diverging()).await?;
        self.churn_leaders().await?;
        self.leases_end().await?;
        self.until(Promise::Converges, || self.diverging()).await?;
        self.until(Promise::WatchReliable, || self.unreceived()).await?;
        let reference = ReferenceHistory::new(self.event_log.revisions())?;
        self.until(Promise::WatchReliable, || {
            let open = self.history.streams().into_iter().filter(|stream| stream.is_open);
            open.into_iter().find_map(|stream| watches::unreceived(&stream, &reference))
        })
        .await?;
        let quiet = self.history.now();
        self.until(Promise::WatchReported, || {
            let reports =
                |member| self.swarm.knobs_of(member).watch_progress_interval_ms <= PROGRESS_INTERVAL_MS_MAX;
            let open = self.history.streams().into_iter().filter(|log| log.is_open && reports(log.member));
            open.into_iter().find_map(|log| watches::unreported(&log, quiet, &reference))
        })
        .await
    }

    /// Waits until nothing is missing, for the time of recovery at most.
    pub(super) async fn until(
        &self,
        promise: Promise,
        mut missing: impl FnMut() -> Option<String>,
    ) -> Result<(), String> {
        let deadline = simulated_now() + self.recovery();
        while let Some(how) = missing() {
            if simulated_now() > deadline {
                return Err(promise.broken(how));
            }
            sleep(CHECK_EVERY).await;
        }
        Ok(())
    }

    /// All members have applied all that any has, and no log has more: entries that a failed leader left
    /// uncommitted may be committed by the next one at any moment.
    pub(super) fn diverging(&self) -> Option<String> {
        let newest = self.cluster.agreement().newest();
        let living = self.cluster.living();
        let stands = |place: &usize| {
            let status = self.cluster.handle(*place)?.status();
            Some((status.applied, status.last_index))
        };
        let applied: Vec<Option<(u64, u64)>> = living.iter().map(stands).collect();
        let is_diverging = applied.iter().any(|stands| *stands != Some((newest, newest)));
        is_diverging.then(|| {
            format!(
                "within {:?} not: {newest} was applied somewhere, members have applied and hold {applied:?}",
                self.recovery()
            )
        })
    }

    /// No client keeps a lease alive any more.
    async fn leases_end(&self) -> Result<(), String> {
        let ttl_secs = self.history.operations().iter().fold(0, |most, operation| match operation.request {
            // The member raises what is less than one and a half election timeouts.
            Request::LeaseGrant(grant) => most.max(grant.ttl_secs.unsigned_abs()),
            _ => most,
        });
        if ttl_secs == 0 {
            return Ok(());
        }
        let takeover = self.swarm.knobs.election_timeout() * 3 + LEASE_SLACK;
        let mut bound = Duration::from_secs(ttl_secs) + takeover;
        let since = simulated_now();
        let mut led = self.cluster.leader();
        loop {
            if let Some(leads) = self.cluster.leader().filter(|leads| Some(*leads) != led) {
                bound += if led.is_some() { takeover } else { Duration::ZERO };
                led = Some(leads);
            }
            let is_late = simulated_now() > since + bound;
            let member = self.cluster.handle(self.cluster.living()[0]).expect("all is whole");
            match member.request(Request::LeaseLeases, false).await.map(|reply| reply.response) {
                Ok(Response::LeaseLeases(leases)) if leases.is_empty() => return Ok(()),
                Ok(Response::LeaseLeases(leases)) if is_late => {
                    return Err(Promise::LeaseNotLate.broken(format!("{bound:?} later there are {leases:?}")));
                }
                Ok(_) => {}
                Err(error) => {
                    let how = format!("asked for its leases it said: {error}");
                    if is_late {
                        return Err(Promise::Answers.broken(how));
                    }
                }
            }
            sleep(CHECK_EVERY * 3).await;
        }
    }

    /// Every watcher, the event log's too, has received everything.
    fn unreceived(&self) -> Option<String> {
        let living = self.cluster.living();
        let head = self.cluster.handle(living[0])?.status().revision;
        let late = living.into_iter().find(|member| head > 1 && self.event_log.read_to(*member) < head);
        late.map(|member| {
            let read_to = self.event_log.read_to(member);
            format!("member {member} is at revision {head} and has reported nothing after {read_to}")
        })
    }
}
