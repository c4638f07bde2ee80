//! One seed, from an empty cluster through its troubles to the verdict.

use crate::case::Case;
use crate::check::no_lost_write::{Chronicle, Keys};
use crate::check::{linearizable, no_lost_write};
use crate::cluster::Cluster;
use crate::history::{History, Outcome, Version};
use crate::nemesis;
use crate::swarm::Swarm;
use crate::trace::Trace;
use crate::workload::registers::Client;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::probes;
use detcd_engine::request::{RangeRequest, Request, Response};
use madsim::task::JoinHandle;
use madsim::time::sleep;
use server_sim::handle::MemberHandle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Once all is whole, every client is answered within so many election timeouts and so much besides.
const RECOVERY: (u32, Duration) = (20, Duration::from_secs(15));
/// Of the members that are not read whole, every so many-th revision is.
const SAMPLE: usize = 16;

/// A run in which every promise was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Two runs of a seed have the same.
    pub trace: u128,
    /// Events in the trace.
    pub events: u64,
    /// How long it was, for the cluster.
    pub simulated: Duration,
    /// Calls of clients.
    pub calls: usize,
    /// Of these, those whose outcome is known.
    pub answered: usize,
    /// Faults.
    pub faults: usize,
    /// States of one member compared with another's.
    pub compared: u64,
    /// Frames delivered.
    pub frames: u64,
    /// Rare states (`detcd_engine::probes`), and how often it came to each.
    pub probes: BTreeMap<&'static str, u64>,
}

/// One run, inside the simulator.
///
/// # Errors
/// The promise that was broken.
pub(crate) async fn play(case: Case, trace: Trace) -> Result<Report, String> {
    let swarm = case.swarm;
    let cluster = Cluster::new(&swarm, &trace);
    madsim::task::spawn(cluster.network().clone().carry());
    for place in 0..cluster.size() {
        cluster.start(place);
    }
    let history = History::default();
    let ends = Arc::new(AtomicBool::new(false));
    let clients: Vec<JoinHandle<()>> = (0..swarm.load.clients)
        .map(|place| {
            let (cluster, history, trace, ends) =
                (cluster.clone(), history.clone(), trace.clone(), Arc::clone(&ends));
            let stream = swarm.seed.stream(&format!("client/{place}"));
            madsim::task::spawn(
                Client { place, cluster, history, load: swarm.load, stream, trace, ends }.run(),
            )
        })
        .collect();
    let faults = swarm.plan.faults.len();
    nemesis::run(cluster.clone(), swarm.plan.clone(), trace.clone()).await;
    all_progress(&swarm, &history).await?;
    nemesis::end_aftermath(&cluster, &trace);
    ends.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client that panics ends the run");
    }
    converge(&swarm, &cluster).await?;
    let operations = history.operations();
    let chronicle = read_back(&swarm, &cluster).await?;
    no_lost_write::check(&operations, &chronicle)?;
    linearizable::check(&operations, &chronicle)?;
    let answered =
        operations.iter().filter(|operation| matches!(operation.outcome, Outcome::Done { .. })).count();
    Ok(Report {
        trace: trace.hash(),
        events: trace.events(),
        simulated: crate::clock::simulated_now(),
        calls: operations.len(),
        answered,
        faults,
        compared: cluster.agreement().compared(),
        frames: cluster.network().delivered(),
        probes: probes::take(),
    })
}

fn recovery(swarm: &Swarm) -> Duration {
    let (timeouts, besides) = RECOVERY;
    // A client may have to wait in vain for every member that is left failed, twice.
    let in_vain = 2 + 2 * swarm.plan.aftermath.rest.len() as u64;
    swarm.knobs.election_timeout() * timeouts
        + besides
        + Duration::from_millis(in_vain * swarm.load.patience_ms)
}

/// Every client has something done that it asked for after the troubles.
async fn all_progress(swarm: &Swarm, history: &History) -> Result<(), String> {
    let whole = history.now();
    let deadline = crate::clock::simulated_now() + recovery(swarm);
    loop {
        let operations = history.operations();
        let is_served = |client: &usize| {
            let since = operations.iter().rev().take_while(|operation| operation.invoked > whole);
            since.into_iter().any(|operation| {
                operation.client == *client && matches!(operation.outcome, Outcome::Done { .. })
            })
        };
        let Some(waiting) = (0..swarm.load.clients).find(|client| !is_served(client)) else {
            return Ok(());
        };
        if crate::clock::simulated_now() > deadline {
            return Err(format!(
                "promise broken: once all is whole every client is served within {:?}, but client {waiting} was not",
                recovery(swarm)
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// All members have applied all that any has.
async fn converge(swarm: &Swarm, cluster: &Cluster) -> Result<(), String> {
    let deadline = crate::clock::simulated_now() + recovery(swarm);
    loop {
        let newest = cluster.agreement().newest();
        let applied: Vec<Option<u64>> = {
            let status = |place: &usize| Some(cluster.handle(*place)?.status().applied);
            cluster.living().iter().map(status).collect()
        };
        if applied.iter().all(|applied| *applied == Some(newest)) {
            return Ok(());
        }
        if crate::clock::simulated_now() > deadline {
            return Err(format!(
                "promise broken: once all is whole and at rest, members come to the same index within {:?}, but \
                 {newest} was applied somewhere and the members are at {applied:?}",
                recovery(swarm)
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The store at every revision: whole from one member, and in part from the others.
async fn read_back(swarm: &Swarm, cluster: &Cluster) -> Result<Chronicle, String> {
    let mut stream = swarm.seed.stream("read back");
    let living = cluster.living();
    let whole = stream.pick(&living);
    let member = cluster.handle(whole).expect("it has converged");
    let mut revisions = vec![Keys::new()];
    for revision in 2..=member.status().revision {
        revisions.push(keys_at(&member, revision).await?);
    }
    let chronicle = Chronicle(revisions);
    for place in living.into_iter().filter(|place| *place != whole) {
        let other = cluster.handle(place).expect("it has converged");
        let first = 2 + i64::try_from(stream.index(SAMPLE)).expect("a few");
        for revision in (first..=chronicle.head()).step_by(SAMPLE).chain([chronicle.head().max(2)]) {
            if revision > chronicle.head() {
                continue;
            }
            let found = keys_at(&other, revision).await?;
            if Some(&found) != chronicle.at(revision) {
                return Err(format!(
                    "promise broken: all members tell the same history, but at revision {revision} member {place} \
                     has {found:?} and member {whole} has {:?}",
                    chronicle.at(revision)
                ));
            }
        }
    }
    Ok(chronicle)
}

async fn keys_at(member: &MemberHandle, revision: i64) -> Result<Keys, String> {
    let mut range = RangeRequest::of(KeyRange::parse(Bytes::from_static(&[0]), Bytes::from_static(&[0])));
    (range.revision, range.serializable) = (revision, true);
    match member.request(Request::Range(range), false).await.map(|reply| reply.response) {
        Ok(Response::Range(found)) => {
            let key = |record: &_| Bytes::copy_from_slice(detcd_engine::request::RecordRef::key(record));
            Ok(found.kvs.iter().map(|record| (key(record), Version::of(record))).collect())
        }
        other => {
            Err(format!("promise broken: a member at rest answers, but for revision {revision}: {other:?}"))
        }
    }
}
