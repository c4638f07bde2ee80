//! One run, from an empty cluster through the faults of its plan to the final checks.

mod leader_churn;
mod settle;
mod verdict;

use crate::case::Case;
use crate::check::event_log::{self, EventLog};
use crate::client_transport::ClientTransport;
use crate::client_transport::grpc::Grpc;
use crate::client_transport::in_process::InProcess;
use crate::cluster::Cluster;
use crate::history::{ClientCounts, History, Outcome};
use crate::nemesis;
use crate::network::FrameCounts;
use crate::phase::Phase;
use crate::served::{Links, Tier};
use crate::swarm::Swarm;
use crate::trace::Trace;
use crate::workload::client::Client;
use crate::workload::{self, Role};
use detcd_engine::probes;
use madsim::runtime::NodeHandle;
use madsim::task::JoinHandle;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A run in which every promise was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Two runs of a seed have the same.
    pub trace: u128,
    /// Events in the trace.
    pub events: u64,
    /// Its simulated time.
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
    /// Rare states (`detcd_engine::probes`), and how often each was reached.
    pub probes: BTreeMap<&'static str, u64>,
}

/// The parts of a run.
struct Run {
    swarm: Swarm,
    cluster: Cluster,
    /// Calls into the members.
    in_process: InProcess,
    history: History,
    event_log: EventLog,
    phase: Phase,
    trace: Trace,
}

/// The cluster and the history of a run, for the thread that started it: they are there even if the run panicked.
#[derive(Clone, Default)]
pub(crate) struct RunHandles(Arc<Mutex<Option<(Cluster, History)>>>);

impl RunHandles {
    /// What so many clients and the network counted until now.
    pub(crate) fn counts(&self, clients: usize) -> (Vec<ClientCounts>, FrameCounts) {
        match &*self.0.lock().expect("no panic while it is held") {
            Some((cluster, history)) => (history.counts(clients), cluster.network().counts()),
            None => (vec![ClientCounts::default(); clients], FrameCounts::default()),
        }
    }

    /// Ends the members.
    pub(crate) fn clear(&self) {
        let handles = self.0.lock().expect("no panic while it is held").take();
        if let Some((cluster, _)) = handles {
            cluster.clear();
        }
    }
}

/// One run, inside the simulator.
///
/// # Errors
/// The promise that was broken.
pub(crate) async fn execute(case: Case, trace: Trace, handles: RunHandles) -> Result<Report, String> {
    let Case { swarm, calls_max, .. } = case;
    let cluster = Cluster::new(&swarm, &trace);
    let history = History::default();
    *handles.0.lock().expect("no panic while it is held") = Some((cluster.clone(), history.clone()));
    madsim::task::spawn(cluster.network().clone().deliver_all());
    for place in 0..cluster.size() {
        cluster.start(place);
    }
    let in_process = InProcess::new(cluster.clone(), swarm.seed.stream("the way of clients"));
    let (event_log, phase) = (EventLog::default(), Phase::default());
    let run = Run { swarm, cluster, in_process, history, event_log, phase, trace };
    for member in 0..run.cluster.size() {
        let (transport, event_log, phase) =
            (run.client_transport("reader"), run.event_log.clone(), run.phase.clone());
        let home = run.cluster.links().map(Links::readers);
        spawn_at(home, event_log::read(transport, member, event_log, phase));
    }
    let (watchers, clients) = run.start_clients(calls_max);
    if let Some(links) = run.cluster.links() {
        madsim::task::spawn(links.clone().run());
    }
    nemesis::run(run.cluster.clone(), run.swarm.plan.clone(), run.trace.clone()).await;
    if let Some(links) = run.cluster.links() {
        links.heal();
    }
    run.phase.recover();
    run.all_progress().await?;
    nemesis::end_liveness(&run.cluster, &run.trace);
    run.phase.quiet();
    end(clients).await;
    run.settle().await?;
    run.phase.end();
    end(watchers).await;
    run.verdict().await?;
    let Run { swarm, cluster, history, trace, .. } = run;
    let operations = history.operations();
    let answered = operations
        .iter()
        .filter(|operation| !matches!(operation.outcome, Outcome::Unknown | Outcome::NotDone));
    Ok(Report {
        trace: trace.hash(),
        events: trace.events(),
        simulated: crate::clock::simulated_now(),
        calls: operations.len(),
        answered: answered.count(),
        faults: swarm.plan.faults.len(),
        compared: cluster.agreement().compared(),
        frames: cluster.network().delivered(),
        probes: probes::take(),
    })
}

async fn end(clients: Vec<JoinHandle<()>>) {
    for client in clients {
        client.await.expect("a client that panics ends the run");
    }
}

/// On a machine of its own, or where everything runs.
fn spawn_at(home: Option<&NodeHandle>, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    match home {
        Some(home) => home.spawn(work),
        None => madsim::task::spawn(work),
    }
}

impl Run {
    /// The transport of one client.
    fn client_transport(&self, whose: &str) -> Arc<dyn ClientTransport> {
        match &self.swarm.tier {
            Tier::Members => Arc::new(self.in_process.clone()),
            Tier::Server(served) => {
                let stream = self.swarm.seed.stream(&format!("streams of {whose}"));
                Arc::new(Grpc::new(self.cluster.clone(), served.clone(), stream))
            }
        }
    }

    /// Watching clients, which read on to the very end, and the others.
    fn start_clients(&self, calls_max: Option<u64>) -> (Vec<JoinHandle<()>>, Vec<JoinHandle<()>>) {
        let load = Arc::new(self.swarm.load.clone());
        let (mut watchers, mut others) = (Vec::new(), Vec::new());
        for (place, role) in load.clients.iter().enumerate() {
            let client = Client {
                place,
                transport: self.client_transport(&format!("client/{place}")),
                history: self.history.clone(),
                event_log: self.event_log.clone(),
                load: Arc::clone(&load),
                stream: self.swarm.seed.stream(&format!("client/{place}")),
                trace: self.trace.clone(),
                phase: self.phase.clone(),
                member: 0,
                values: 0,
                calls_left: calls_max,
                session: 0,
                sessions: self.swarm.seed.stream(&format!("client/{place}/hands")),
            };
            let clients = if *role == Role::Watches { &mut watchers } else { &mut others };
            let home = self.cluster.links().map(|links| links.client(place));
            clients.push(spawn_at(home, workload::run(client, *role)));
        }
        (watchers, others)
    }
}
