//! One seed, from an empty cluster through its troubles to the verdict.

mod settle;
mod verdict;

use crate::check::chronicle::{self, Chronicle};
use crate::cluster::Cluster;
use crate::history::{History, Outcome};
use crate::nemesis;
use crate::random::Seed;
use crate::swarm::Swarm;
use crate::trace::Trace;
use crate::workload::Role;
use crate::workload::client::{Client, Stage};
use crate::workload::door::{Door, InProcess};
use madsim::runtime::Runtime;
use madsim::task::JoinHandle;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A run that simulates so much hangs.
const LONGEST: Duration = Duration::from_secs(600);

/// A run in which every promise was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Of which seed.
    pub seed: u64,
    /// Which, and how.
    pub promise: String,
    /// What happened last.
    pub last: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} failed. The last that happened:", self.seed)?;
        for event in &self.last {
            writeln!(f, "  {event}")?;
        }
        writeln!(f, "{}", self.promise)?;
        write!(f, "replay: cargo run --release -p detcd-sim -- run {}", self.seed)
    }
}

/// Runs a seed. `prints` writes every event to standard output.
///
/// # Errors
/// A promise was broken, or an assertion did not hold.
pub fn run(seed: u64, prints: bool) -> Result<Report, Box<Failure>> {
    let swarm = Swarm::draw(Seed(seed));
    if prints {
        println!("{swarm:#?}");
    }
    let trace = Trace::new(prints);
    let in_run = trace.clone();
    let outcome = catch_unwind(AssertUnwindSafe(move || {
        let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        runtime.set_time_limit(LONGEST);
        runtime.block_on(play(swarm, in_run))
    }));
    let promise = match outcome {
        Ok(Ok(report)) => return Ok(report),
        Ok(Err(promise)) => promise,
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => {
                panic.downcast::<&str>().map_or("a panic without words".to_owned(), |text| text.to_string())
            }
        },
    };
    Err(Box::new(Failure { seed, promise, last: trace.last() }))
}

/// What a run is made of, while it goes.
struct Play {
    swarm: Swarm,
    cluster: Cluster,
    door: Arc<dyn Door>,
    history: History,
    chronicle: Chronicle,
    stage: Stage,
    trace: Trace,
}

async fn play(swarm: Swarm, trace: Trace) -> Result<Report, String> {
    let cluster = Cluster::new(&swarm, &trace);
    madsim::task::spawn(cluster.network().clone().carry());
    for place in 0..cluster.size() {
        cluster.start(place);
    }
    let door: Arc<dyn Door> =
        Arc::new(InProcess::new(cluster.clone(), swarm.seed.stream("the way of clients")));
    let (history, chronicle, stage) = (History::default(), Chronicle::default(), Stage::default());
    let play = Play { swarm, cluster, door, history, chronicle, stage, trace };
    for member in 0..play.cluster.size() {
        let (door, chronicle, stage) = (Arc::clone(&play.door), play.chronicle.clone(), play.stage.clone());
        madsim::task::spawn(chronicle::read(door, member, chronicle, stage));
    }
    let (watchers, clients) = play.start_clients();
    nemesis::run(play.cluster.clone(), play.swarm.plan.clone(), play.trace.clone()).await;
    play.all_progress().await?;
    play.stage.rest();
    end(clients).await;
    play.settle().await?;
    play.stage.end();
    end(watchers).await;
    play.verdict().await?;
    let Play { swarm, cluster, history, trace, .. } = play;
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
    })
}

async fn end(clients: Vec<JoinHandle<()>>) {
    for client in clients {
        client.await.expect("a client that panics ends the run");
    }
}

impl Play {
    /// Those that watch, who read on to the very end, and the others.
    fn start_clients(&self) -> (Vec<JoinHandle<()>>, Vec<JoinHandle<()>>) {
        let load = Arc::new(self.swarm.load.clone());
        let (mut watchers, mut others) = (Vec::new(), Vec::new());
        for (place, role) in load.clients.iter().enumerate() {
            let client = Client {
                place,
                door: Arc::clone(&self.door),
                history: self.history.clone(),
                chronicle: self.chronicle.clone(),
                load: Arc::clone(&load),
                stream: self.swarm.seed.stream(&format!("client/{place}")),
                trace: self.trace.clone(),
                stage: self.stage.clone(),
                member: 0,
                values: 0,
            };
            let clients = if *role == Role::Watches { &mut watchers } else { &mut others };
            clients.push(madsim::task::spawn(client.run(*role)));
        }
        (watchers, others)
    }
}
