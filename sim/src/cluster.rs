//! Members as `server_sim` runs them, each on a machine with a disk, a clock and a place in the network of its own.
//! They are started, killed and stopped here; `nemesis` decides which and when. One that ends by itself is
//! checked and started again by `supervise`. One whose disk was wiped is not started again, but another may be started
//! under its name: `imposter`.

mod imposter;
mod intruder;
mod serve;
mod supervise;

use crate::check::raft::CheckedTransport;
use crate::check::replicas_agree::{MemberObserver, ReplicasAgree};
use crate::clock::SimClock;
use crate::disk::Machine;
use crate::network::Network;
use crate::random::Seed;
use crate::served::{Links, Serving, Tier};
use crate::swarm::{Knobs, Swarm};
use crate::trace::Trace;
use detcd_engine::config::Config;
use detcd_engine::ids::MemberId;
use detcd_engine::membership::InitialCluster;
use imposter::ImposterObserver;
pub(crate) use intruder::Intruder;
use madsim::runtime::{Handle, NodeHandle};
use server_sim::callers::Callers;
use server_sim::handle::MemberHandle;
use server_sim::member::{self, Deps, Member, MemberConfig, Observer};
use server_sim::metrics::Metrics;
use server_sim::peer::Transport;
use server_sim::readers::OnTheSpot;
use server_sim::wire;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use supervise::{End, Ended};
use tokio::sync::{mpsc, oneshot};

/// All members. Cheap to clone; all clones are the same cluster.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    seed: Seed,
    /// Of each member.
    knobs: Vec<Knobs>,
    trace: Trace,
    initial: InitialCluster,
    network: Network,
    agreement: ReplicasAgree,
    restart: Duration,
    /// Of a main loop that has more to do at once.
    busy_turn: Duration,
    /// To clients; `None` where members do not serve.
    links: Option<Links>,
    ends: mpsc::UnboundedSender<Ended>,
    members: Vec<Mutex<Slot>>,
}

/// One member's machine.
struct Slot {
    id: MemberId,
    name: String,
    machine: Machine,
    boots: u32,
    /// Of the machine's clock; a million is true.
    micros_per_second: u32,
    /// Its disk is damaged or gone: it is not started again.
    is_lost: bool,
    /// Kept down for now.
    is_held: bool,
    /// Of the boot that is up.
    up: Option<Up>,
}

struct Up {
    node: Arc<NodeHandle>,
    clock: SimClock,
    /// Once it has started.
    handle: Option<MemberHandle>,
    /// Its gRPC, once it is ready.
    serving: Option<Serving>,
    /// Asks it to stop in order.
    stop: Option<oneshot::Sender<()>>,
}

impl Cluster {
    /// Members that are all down, with empty disks.
    pub fn new(swarm: &Swarm, trace: &Trace) -> Cluster {
        let url = |place: usize| vec![format!("http://10.0.0.{}:2380", place + 1)];
        let initial = InitialCluster::new("sim", (0..swarm.members).map(url));
        let seed = swarm.seed;
        let slot = |(place, id): (usize, &MemberId)| {
            let name = format!("m{place}");
            let stream = seed.stream(&format!("disk/{place}"));
            let machine = Machine::new(name.clone(), swarm.disk, stream, trace.clone());
            Slot {
                id: *id,
                name,
                machine,
                boots: 0,
                micros_per_second: swarm.clocks.get(place).copied().unwrap_or(1_000_000),
                is_lost: false,
                is_held: false,
                up: None,
            }
        };
        let slots: Vec<Slot> = initial.members.keys().enumerate().map(slot).collect();
        let names = slots.iter().map(|slot| (slot.id, slot.name.clone()));
        let network =
            Network::new(initial.id, names, swarm.network.clone(), seed.stream("network"), trace.clone());
        let links = match &swarm.tier {
            Tier::Server(served) => Some(Links::new(served, swarm.load.clients.len(), trace)),
            Tier::Members => None,
        };
        let (ends, ended) = mpsc::unbounded_channel();
        let cluster = Cluster(Arc::new(Inner {
            seed,
            knobs: (0..swarm.members).map(|place| swarm.knobs_of(place)).collect(),
            trace: trace.clone(),
            initial,
            network,
            agreement: ReplicasAgree::default(),
            restart: Duration::from_millis(swarm.disk.restart_ms),
            busy_turn: Duration::from_micros(swarm.busy_turn_us),
            links,
            ends,
            members: slots.into_iter().map(Mutex::new).collect(),
        }));
        madsim::task::spawn(cluster.clone().supervise(ended));
        cluster
    }

    /// How many members there are, up or down.
    pub fn size(&self) -> usize {
        self.0.members.len()
    }

    /// The links between them.
    pub fn network(&self) -> &Network {
        &self.0.network
    }

    /// A member's id.
    pub fn id(&self, place: usize) -> MemberId {
        self.slot(place).id
    }

    /// A member's disk and power.
    pub fn machine(&self, place: usize) -> Machine {
        self.slot(place).machine.clone()
    }

    /// For clients; `None` while the member is down or starts.
    pub fn handle(&self, place: usize) -> Option<MemberHandle> {
        self.slot(place).up.as_ref()?.handle.clone()
    }

    /// The member that leads in the newest term, and this term; `None` while none does.
    pub fn leader(&self) -> Option<(usize, u64)> {
        let leads = |place: usize| {
            let status = self.handle(place)?.status();
            status.is_leader.then_some((place, status.term))
        };
        (0..self.size()).filter_map(leads).max_by_key(|(_, term)| *term)
    }

    /// The clock of the member's present boot.
    pub fn clock(&self, place: usize) -> Option<SimClock> {
        Some(self.slot(place).up.as_ref()?.clock.clone())
    }

    /// The machine's clock runs at this rate from now on, whether or not the member is up.
    pub fn set_clock_rate(&self, place: usize, micros_per_second: u32) {
        let mut slot = self.slot(place);
        slot.micros_per_second = micros_per_second;
        if let Some(up) = &slot.up {
            up.clock.set_rate(micros_per_second);
        }
    }

    /// The node that the member's tasks run on.
    pub fn node(&self, place: usize) -> Option<Arc<NodeHandle>> {
        Some(Arc::clone(&self.slot(place).up.as_ref()?.node))
    }

    /// What happens to it.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// Ends every member; the run is over.
    pub(crate) fn clear(&self) {
        for member in &self.0.members {
            // A run that failed may have left it poisoned.
            let mut slot = member.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(up) = slot.up.take() {
                Handle::current().kill(up.node.id());
            }
        }
    }

    /// What the members reported of their states.
    pub fn agreement(&self) -> &ReplicasAgree {
        &self.0.agreement
    }

    /// Starts a member that is down.
    pub fn start(&self, place: usize) {
        let slot = self.slot(place);
        if slot.up.is_some() || slot.is_lost || slot.is_held {
            return;
        }
        drop(slot);
        self.stop_imposters();
        self.boot(place);
    }

    /// Starts a machine that is down. Where its member is lost, an imposter is started.
    fn boot(&self, place: usize) {
        let mut slot = self.slot(place);
        slot.boots += 1;
        let (id, name, boot) = (slot.id, slot.name.clone(), slot.boots);
        let whose = if slot.is_lost { "a stranger's" } else { "boot" };
        self.0.trace.ends(&name, "down", format_args!("starts, {whose} {boot}"));
        let node = self.machine_for(place, &name, boot);
        let clock = SimClock::start(slot.micros_per_second).with_busy_turn(self.0.busy_turn);
        let transport = self.0.network.boot(id, Arc::clone(&node));
        let (transport, observer): (Arc<dyn Transport>, Arc<dyn Observer>) = if slot.is_lost {
            (Arc::new(transport), Arc::new(ImposterObserver::new(name.clone())))
        } else {
            let (agreement, trace) = (self.0.agreement.clone(), self.0.trace.clone());
            let checked = CheckedTransport::new(transport, agreement.raft().clone());
            (Arc::new(checked), Arc::new(MemberObserver::new(id, name.clone(), agreement, trace)))
        };
        let deps = Deps {
            disk: Arc::new(slot.machine.boot()),
            clock: Arc::new(clock.clone()),
            transport,
            encode_events: wire::encode_batch,
            readers: Arc::new(OnTheSpot),
            metrics: Metrics::new(),
            callers: Arc::new(Callers::plain(Arc::new(clock.clone()))),
            observer: Some(observer),
        };
        let config = MemberConfig {
            engine: self.0.knobs[place].apply(Config { name, ..Config::new(id, self.0.initial.id) }),
            data_dir: PathBuf::from("/data"),
            initial_cluster: self.0.initial.clone(),
            wal_segment_bytes: self.0.knobs[place].wal_segment_bytes,
        };
        let seed = self.0.seed.stream(&format!("member/{place}/{boot}")).any();
        let (stop, stopped) = oneshot::channel();
        slot.up = Some(Up { node: Arc::clone(&node), clock, handle: None, serving: None, stop: Some(stop) });
        let cluster = self.clone();
        node.spawn(cluster.live(place, config, deps, seed, stopped));
    }

    async fn live(
        self,
        place: usize,
        config: MemberConfig,
        deps: Deps,
        seed: u64,
        stopped: oneshot::Receiver<()>,
    ) {
        let boot = self.slot(place).boots;
        let ended = |end| drop(self.0.ends.send(Ended { place, boot, end }));
        let mut member: Member = match member::start(config, deps, seed).await {
            Ok(member) => member,
            Err(error) => return ended(End::NotStarted(error)),
        };
        // Clients do not know an imposter.
        let is_imposter = self.is_lost(place);
        if let Some(up) = self.slot(place).up.as_mut().filter(|_| !is_imposter) {
            up.handle = Some(member.handle());
        }
        if self.0.links.is_some() && !is_imposter {
            madsim::task::spawn(self.clone().serve(place, boot, member.handle()));
        }
        tokio::select! {
            biased;
            error = member.failed() => return ended(End::Failed(error)),
            Ok(()) = stopped => {}
        }
        member.stop().await;
        self.drained(place).await;
        let mut slot = self.slot(place);
        self.0.trace.begins(&slot.name, "down", format_args!("stopped in order"));
        slot.machine.process_ends();
        slot.up = None;
        self.0.network.down(slot.id);
    }

    /// The machine loses power. Whether the member was up.
    pub fn kill(&self, place: usize) -> bool {
        let mut slot = self.slot(place);
        let Some(up) = slot.up.take() else { return false };
        self.0.trace.begins(&slot.name, "down", format_args!("loses power"));
        slot.machine.lose_power();
        self.0.network.loses_power(slot.id);
        self.0.network.down(slot.id);
        Handle::current().kill(up.node.id());
        true
    }

    /// The process ends at once; the machine stays up. Whether the member was up.
    pub fn abort(&self, place: usize) -> bool {
        let mut slot = self.slot(place);
        let Some(up) = slot.up.take() else { return false };
        self.0.trace.begins(&slot.name, "down", format_args!("ends at once"));
        slot.machine.process_ends();
        self.0.network.down(slot.id);
        Handle::current().kill(up.node.id());
        true
    }

    /// Stops a member until `release`.
    pub fn hold(&self, place: usize) {
        self.slot(place).is_held = true;
        self.kill(place);
    }

    /// Ends `hold`: the member may start again.
    pub fn release(&self, place: usize) {
        self.slot(place).is_held = false;
    }

    /// The machine loses power, and its disk is gone: the member is not started again.
    pub fn wipe(&self, place: usize) {
        self.kill(place);
        let mut slot = self.slot(place);
        self.0.trace.event(&slot.name, format_args!("has lost its disk"), &[]);
        slot.machine.wipe();
        slot.is_lost = true;
    }

    /// Whether the member is not started again.
    pub fn is_lost(&self, place: usize) -> bool {
        self.slot(place).is_lost
    }

    /// The members that are not lost.
    pub fn living(&self) -> Vec<usize> {
        (0..self.size()).filter(|place| !self.is_lost(*place)).collect()
    }

    /// How often the member was started.
    pub fn boots(&self, place: usize) -> u32 {
        self.slot(place).boots
    }

    /// Asks a member to stop in order. Whether it was up and had not been asked before.
    pub fn stop(&self, place: usize) -> bool {
        let mut slot = self.slot(place);
        let stop = slot.up.as_mut().filter(|up| up.handle.is_some()).and_then(|up| up.stop.take());
        // A member that ended meanwhile cannot be asked.
        stop.is_some_and(|stop| stop.send(()).is_ok())
    }

    fn slot(&self, place: usize) -> MutexGuard<'_, Slot> {
        self.0.members[place].lock().expect("no panic while it is held")
    }
}

#[cfg(test)]
mod tests;
