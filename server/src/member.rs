//! A running member: recover the engine, start the tasks, stop them in order.

mod open;

use crate::background::Background;
use crate::callers::{Callers, Proof};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::disk::data_dir::DataDir;
pub use crate::failure::MemberError;
use crate::handle::MemberHandle;
use crate::line_limit::LineLimit;
use crate::log_task;
pub use crate::main_loop::Observer;
use crate::main_loop::{Inboxes, MainLoop, Outlets};
use crate::metrics::Metrics;
use crate::peer::snapshot::receiver::{Receiver, ReceiverConfig};
use crate::peer::{PeerInbox, Transport, WAITING_BYTES_MAX, WAITING_PIECES_BYTES_MAX};
use crate::readers::Readers;
use crate::replies::Replies;
use bytes::Bytes;
use detcd_engine::config::Config;
use detcd_engine::engine::Engine;
use detcd_engine::ids::MemberId;
use detcd_engine::input::Input;
use detcd_engine::membership::{self, InitialCluster};
use detcd_engine::state::State;
use detcd_engine::watch::EventBatch;
use open::Opening;
pub use open::StartError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Requests that wait for the main loop; tasks of clients with more wait for room.
const REQUESTS_WAITING: usize = 4096;
/// Messages of peers that wait for the main loop; more are dropped.
const PEER_MESSAGES_WAITING: usize = 4096;
/// The receiver of snapshots asks one thing at a time.
const SNAPSHOT_QUESTIONS_WAITING: usize = 1;
/// The largest snapshot that is received, in times the quota: what a state at its quota takes as a snapshot is less
/// than that, and other members' quotas may differ. And what a member with a small quota receives all the same.
const SNAPSHOT_QUOTAS_MAX: u64 = 2;
const SNAPSHOT_BYTES_MAX_MIN: u64 = 8 * 1024 * 1024 * 1024;
/// Calls of `Inspect`, and of whoever asks for metrics or for a view of the state, that wait for the main loop.
const INSPECTIONS_WAITING: usize = 16;

/// What a member is told when it starts.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// Who it is on a first start, and its limits. `incarnation` and `boot` are taken from the data directory; so are
    /// `member` and `cluster` once it is begun.
    pub engine: Config,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The cluster's first members, this one among them: looked at by a first start alone.
    pub initial_cluster: InitialCluster,
    /// Size of a segment of the log: `disk::wal::SEGMENT_BYTES`, less in tests.
    pub wal_segment_bytes: u64,
}

/// The world around a member: the real one, or a simulated one.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Its disk.
    pub disk: Arc<dyn Disk>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Sends to the other members.
    pub transport: Arc<dyn Transport>,
    /// How events become bytes: `wire::encode_batch`.
    pub encode_events: fn(&EventBatch) -> Arc<[Bytes]>,
    /// Where long reads are evaluated.
    pub readers: Arc<dyn Readers>,
    /// What it measures as it works.
    pub metrics: Metrics,
    /// Who asks, by what clients show.
    pub callers: Arc<Callers>,
    /// Called with every turn's effects, in the simulator.
    pub observer: Option<Arc<dyn Observer>>,
}

/// A running member.
#[derive(Debug)]
pub struct Member {
    handle: MemberHandle,
    membership: BTreeMap<MemberId, membership::Member>,
    inbox: PeerInbox,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    election_timeout_ms: u64,
    inputs: mpsc::UnboundedSender<Input>,
    may_stop: watch::Receiver<bool>,
    failed: mpsc::UnboundedReceiver<MemberError>,
    stop: oneshot::Sender<()>,
    main_loop: JoinHandle<()>,
    log_task: JoinHandle<()>,
    /// Last: dropped, it ends the use of the disk.
    data_dir: DataDir,
}

/// Starts a member: recovers what its directory holds, or begins a new one.
///
/// `seed` feeds election timeouts, lease ids and, on a first start, the incarnation: never the same twice.
pub async fn start(config: MemberConfig, deps: Deps, seed: u64) -> Result<Member, StartError> {
    let MemberConfig { engine, data_dir, initial_cluster, wal_segment_bytes } = config;
    open_and_start(
        Opening { engine, data_dir, wal_segment_bytes, initial_cluster: Some(initial_cluster) },
        deps,
        seed,
    )
    .await
}

/// As `start`, for a member that founds no cluster.
///
/// # Errors
/// `StartError::NotBegun` where no member ever started in the directory, of which nothing is changed then.
pub async fn restart(
    engine: Config,
    data_dir: PathBuf,
    wal_segment_bytes: u64,
    deps: Deps,
    seed: u64,
) -> Result<Member, StartError> {
    open_and_start(Opening { engine, data_dir, wal_segment_bytes, initial_cluster: None }, deps, seed).await
}

/// Makes the data directory of a member that is to start with this state: the first one of its cluster, the same for all
/// its members.
///
/// # Errors
/// `StartError::IsBegun` where a member has started in the directory, of which nothing is changed then.
pub async fn found(
    config: MemberConfig,
    state: State,
    disk: Arc<dyn Disk>,
    seed: u64,
) -> Result<(), StartError> {
    let MemberConfig { engine, data_dir, initial_cluster, wal_segment_bytes } = config;
    let opening = Opening { engine, data_dir, wal_segment_bytes, initial_cluster: Some(initial_cluster) };
    open::found(&opening, state, &disk, seed).await
}

#[expect(
    clippy::too_many_lines,
    reason = "channels laid from one task to the next: a straight line, no decisions"
)]
async fn open_and_start(opening: Opening, deps: Deps, seed: u64) -> Result<Member, StartError> {
    let (data_dir, engine_config, recovered, wal) = open::open(&opening, &deps.disk, seed).await?;
    let membership = recovered.state.members().clone();
    let (me, cluster, boot) = (engine_config.member, engine_config.cluster, engine_config.boot);
    let election_timeout_ms = engine_config.election_timeout_ms;
    let quota_bytes = engine_config.quota_bytes;
    let engine = Engine::recover(engine_config, recovered, seed, deps.clock.now());
    let (inputs, input_queue) = mpsc::unbounded_channel();
    let (peer_messages, peer_queue) = mpsc::channel(PEER_MESSAGES_WAITING);
    let (inspections, inspection_queue) = mpsc::channel(INSPECTIONS_WAITING);
    let (measurements, measurement_queue) = mpsc::channel(INSPECTIONS_WAITING);
    let (views, view_queue) = mpsc::channel(INSPECTIONS_WAITING);
    let (watches, watch_queue) = mpsc::unbounded_channel();
    let (requests, request_queue) = mpsc::channel(REQUESTS_WAITING);
    let (log, jobs) = mpsc::unbounded_channel();
    let (failures, failed) = mpsc::unbounded_channel();
    let (status, status_seen) = watch::channel(engine.status());
    let (may_stop_told, may_stop) = watch::channel(false);
    let (stop, stopped) = oneshot::channel();
    let abandoned = Arc::new(AtomicBool::new(false));
    let (questions, question_queue) = mpsc::channel(SNAPSHOT_QUESTIONS_WAITING);
    let receiver = Receiver::new(ReceiverConfig {
        disk: Arc::clone(&deps.disk),
        clock: Arc::clone(&deps.clock),
        dir: data_dir.snap(),
        bytes_max: snapshot_bytes_max(quota_bytes),
        questions,
        failed: failures.clone(),
    });
    let others = || membership.values().filter(|member| member.id != me);
    let inbox = PeerInbox {
        cluster,
        me,
        others: others().map(|other| other.id).collect(),
        messages: peer_messages,
        waiting_bytes: Arc::new(Semaphore::new(WAITING_BYTES_MAX)),
        waiting_piece_bytes: Arc::new(Semaphore::new(WAITING_PIECES_BYTES_MAX)),
        inputs: inputs.clone(),
        inspections,
        clock: Arc::clone(&deps.clock),
        receiver: Arc::new(tokio::sync::Mutex::new(receiver)),
        refusals: Arc::default(),
        metrics: Arc::clone(&deps.metrics.peers),
    };
    deps.transport.attach(inbox.clone(), others().map(|other| (other.id, other.peer_urls.clone())).collect());
    let background = Background {
        cluster,
        disk: Arc::clone(&deps.disk),
        clock: Arc::clone(&deps.clock),
        transport: Arc::clone(&deps.transport),
        snap_dir: data_dir.snap(),
        log: log.clone(),
        inputs: inputs.clone(),
        failed: failures.clone(),
        metrics: deps.metrics.clone(),
        tasks: Vec::new(),
    };
    let inboxes = Inboxes {
        inputs: input_queue,
        peers: peer_queue,
        watches: watch_queue,
        inspections: inspection_queue,
        measurements: measurement_queue,
        views: view_queue,
        snapshots: question_queue,
        requests: request_queue,
        abandoned: Arc::clone(&abandoned),
        stop: stopped,
    };
    let transport = Arc::clone(&deps.transport);
    let refusals = LineLimit::new();
    let (encode_events, observer) = (deps.encode_events, deps.observer);
    let callers = Arc::clone(&deps.callers);
    let outlets = Outlets {
        transport,
        log,
        background,
        encode_events,
        observer,
        callers,
        status,
        may_stop: may_stop_told,
        refusals,
        metrics: deps.metrics.clone(),
        failed: failures.clone(),
    };
    let transport = Arc::clone(&deps.transport);
    let metrics = Arc::clone(&deps.metrics.tasks);
    let log_task = tokio::spawn(log_task::run(wal, jobs, transport, inputs.clone(), failures, metrics));
    let main_loop = MainLoop::new(engine, Arc::clone(&deps.clock), inboxes, outlets, Replies::new(me, boot));
    let main_loop = tokio::spawn(main_loop.run());
    let streams = Arc::new(AtomicU64::new(1));
    let (status, readers) = (status_seen, deps.readers);
    let (clock, metrics) = (Arc::clone(&deps.clock), deps.metrics);
    let (callers, proof) = (deps.callers, Proof::None);
    let handle = MemberHandle {
        cluster,
        me,
        requests,
        watches,
        status,
        abandoned,
        streams,
        readers,
        clock,
        metrics,
        measurements,
        views,
        callers,
        proof,
    };
    Ok(Member {
        handle,
        membership,
        inbox,
        transport: deps.transport,
        clock: deps.clock,
        election_timeout_ms,
        inputs,
        may_stop,
        failed,
        stop,
        main_loop,
        log_task,
        data_dir,
    })
}

fn snapshot_bytes_max(quota_bytes: u64) -> u64 {
    quota_bytes.saturating_mul(SNAPSHOT_QUOTAS_MAX).max(SNAPSHOT_BYTES_MAX_MIN)
}

impl Member {
    /// For the services.
    pub fn handle(&self) -> MemberHandle {
        self.handle.clone()
    }

    /// The members of its cluster, itself among them, as its newest snapshot had them when it started.
    pub fn membership(&self) -> &BTreeMap<MemberId, membership::Member> {
        &self.membership
    }

    /// For what arrives from other members.
    pub fn peer_inbox(&self) -> PeerInbox {
        self.inbox.clone()
    }

    /// Waits until the member can go on no longer. The process must end then, not zero.
    pub async fn failed(&mut self) -> MemberError {
        let main_loop = &mut self.main_loop;
        tokio::select! {
            biased;
            Some(error) = self.failed.recv() => error,
            _ = main_loop => MemberError::MainLoop,
        }
    }

    /// Transfers leadership if need be, waits for that no longer than an election timeout, then ends the tasks: no
    /// more answers, then no more messages, then the log is written to its end, then whatever else was asked of the
    /// disk is done and the data directory given back. Nothing of this member changes a file after that.
    pub async fn stop(mut self) {
        let too_late = self.clock.sleep_until(self.clock.now().plus_ms(self.election_timeout_ms));
        drop(self.inputs.send(Input::TransferLeadership));
        tokio::select! {
            biased;
            _ = self.may_stop.wait_for(|may_stop| *may_stop) => {}
            () = too_late => tracing::warn!("stopping without having handed leadership on"),
        }
        // A main loop that ended before has nobody to be told.
        let _ = self.stop.send(());
        let ended = self.main_loop.await;
        self.transport.detach();
        // The main loop held the log's queue and, with its background work, is gone: the log task ends.
        if ended.is_err() || self.log_task.await.is_err() {
            tracing::error!("a task of this member panicked");
        }
        self.data_dir.release().await;
    }
}
