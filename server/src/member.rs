//! A running member: open the data directory, recover the engine, start the tasks, stop them in order.

use crate::background::{self, Background};
use crate::clock::Clock;
use crate::disk::data_dir::{DataDir, DataDirError, Meta};
use crate::disk::snapshot_file::{self, ReadError};
use crate::disk::wal::{self, OpenError, Wal, WalConfig};
use crate::disk::{Disk, DiskError};
use crate::log_task;
pub use crate::main_loop::Observer;
use crate::main_loop::{Inboxes, MainLoop, Outlets, RequestCall};
use crate::peer::snapshot::Receiver;
use crate::peer::{PeerInbox, Refusals, Transport};
use crate::replies::{Answer, Replies, evaluate};
use bytes::Bytes;
use detcd_engine::config::Config;
use detcd_engine::engine::{Engine, Recovered, Status};
use detcd_engine::ids::{ClusterId, Incarnation, MemberId, StreamId, WatchId};
use detcd_engine::input::{Input, WatchInput};
use detcd_engine::membership::InitialCluster;
use detcd_engine::raft::{Checkpoint, HardState, LogRecord, SnapshotMeta};
use detcd_engine::request::{Reply, Request, RequestError};
use detcd_engine::state::State;
use detcd_engine::wal::ReplayError;
use detcd_engine::watch::EventBatch;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Requests that wait for the main loop; their clients' tasks wait behind them.
const REQUESTS_WAITING: usize = 4096;
/// Messages of peers that wait for the main loop; more are dropped.
const PEER_MESSAGES_WAITING: usize = 4096;
/// Operators that wait to be shown the state.
const INSPECTIONS_WAITING: usize = 16;

/// What a member is told when it starts.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// Who it is and its limits. `incarnation` and `boot` are taken from the data directory.
    pub engine: Config,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The cluster's first members, this one among them.
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
    /// Its way to the other members.
    pub transport: Arc<dyn Transport>,
    /// How events become bytes: `wire::encode_batch`.
    pub encode_events: fn(&EventBatch) -> Arc<[Bytes]>,
    /// Looks on, in a simulation.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Why a member did not start. Each names a file or directory and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The data directory is not this member's.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The log cannot be read.
    #[error(transparent)]
    Wal(#[from] OpenError),
    /// A snapshot cannot be read.
    #[error(transparent)]
    Snapshot(#[from] ReadError),
    /// Log and snapshot do not belong together.
    #[error("{}: {cause}", dir.display())]
    Replay {
        /// The data directory.
        dir: PathBuf,
        /// What does not fit.
        cause: ReplayError,
    },
}

/// Why a running member ended. Nothing can be done but to start it again.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// A write or a sync failed: what the disk holds is unknown until it is read again.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The main loop is gone: an assertion did not hold, its message is in the log.
    #[error("the main loop ended")]
    MainLoop,
}

/// A running member.
#[derive(Debug)]
pub struct Member {
    handle: MemberHandle,
    inbox: PeerInbox,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    election_timeout_ms: u64,
    inputs: mpsc::UnboundedSender<Input>,
    settled: watch::Receiver<bool>,
    failed: mpsc::UnboundedReceiver<MemberError>,
    stop: oneshot::Sender<()>,
    main_loop: JoinHandle<()>,
    log_task: JoinHandle<()>,
    _data_dir: DataDir,
}

/// Starts a member: recovers what its directory holds, or begins a new one.
///
/// `seed` feeds election timeouts, lease ids and, on a first start, the incarnation: never the same twice.
#[expect(
    clippy::too_many_lines,
    reason = "channels laid from one task to the next: a straight line, no decisions"
)]
pub async fn start(config: MemberConfig, deps: Deps, seed: u64) -> Result<Member, StartError> {
    let (data_dir, engine_config, recovered, wal) = open(&config, &deps, seed).await?;
    let (me, cluster, boot) = (engine_config.member, engine_config.cluster, engine_config.boot);
    let election_timeout_ms = engine_config.election_timeout_ms;
    let engine = Engine::recover(engine_config, recovered, seed, deps.clock.now());
    let (inputs, input_queue) = mpsc::unbounded_channel();
    let (peer_messages, peer_queue) = mpsc::channel(PEER_MESSAGES_WAITING);
    let (inspections, inspection_queue) = mpsc::channel(INSPECTIONS_WAITING);
    let (watches, watch_queue) = mpsc::unbounded_channel();
    let (requests, request_queue) = mpsc::channel(REQUESTS_WAITING);
    let (log, jobs) = mpsc::unbounded_channel();
    let (failures, failed) = mpsc::unbounded_channel();
    let (status, status_seen) = watch::channel(engine.status());
    let (settled_said, settled) = watch::channel(false);
    let (stop, stopped) = oneshot::channel();
    let abandoned = Arc::new(AtomicBool::new(false));
    let inbox = PeerInbox {
        cluster,
        me,
        messages: peer_messages,
        inputs: inputs.clone(),
        inspections,
        clock: Arc::clone(&deps.clock),
        receiver: Arc::new(tokio::sync::Mutex::new(Receiver::new(Arc::clone(&deps.disk), data_dir.snap()))),
        refusals: Arc::default(),
    };
    let others = config.initial_cluster.members.values().filter(|member| member.id != me);
    deps.transport.attach(inbox.clone(), others.map(|other| (other.id, other.peer_urls.clone())).collect());
    let background = Background {
        cluster,
        disk: Arc::clone(&deps.disk),
        clock: Arc::clone(&deps.clock),
        transport: Arc::clone(&deps.transport),
        snap_dir: data_dir.snap(),
        log: log.clone(),
        inputs: inputs.clone(),
        failed: failures.clone(),
        tasks: Vec::new(),
    };
    let inboxes = Inboxes {
        inputs: input_queue,
        peers: peer_queue,
        watches: watch_queue,
        inspections: inspection_queue,
        requests: request_queue,
        abandoned: Arc::clone(&abandoned),
        stop: stopped,
    };
    let transport = Arc::clone(&deps.transport);
    let refusals = Refusals::default();
    let (encode_events, observer) = (deps.encode_events, deps.observer);
    let outlets = Outlets {
        transport,
        log,
        background,
        encode_events,
        observer,
        status,
        settled: settled_said,
        refusals,
    };
    let transport = Arc::clone(&deps.transport);
    let log_task = tokio::spawn(log_task::run(wal, jobs, transport, inputs.clone(), failures));
    let main_loop = MainLoop::new(engine, Arc::clone(&deps.clock), inboxes, outlets, Replies::new(me, boot));
    let main_loop = tokio::spawn(main_loop.run());
    let streams = Arc::new(AtomicU64::new(1));
    let handle = MemberHandle { cluster, me, requests, watches, status: status_seen, abandoned, streams };
    Ok(Member {
        handle,
        inbox,
        transport: deps.transport,
        clock: deps.clock,
        election_timeout_ms,
        inputs,
        settled,
        failed,
        stop,
        main_loop,
        log_task,
        _data_dir: data_dir,
    })
}

/// Locks and reads the data directory; makes it on a first start.
async fn open(
    config: &MemberConfig,
    deps: &Deps,
    seed: u64,
) -> Result<(DataDir, Config, Recovered, Wal), StartError> {
    let disk = &deps.disk;
    let Config { member, cluster, .. } = config.engine;
    let data_dir = DataDir::lock(disk, &config.data_dir).await?;
    let meta = match data_dir.read_meta().await? {
        Some(meta) => meta,
        None => first_start(config, disk, &data_dir, seed).await?,
    };
    data_dir.check(&meta, cluster, member)?;
    let wal_config = wal_config(config, data_dir.wal(), meta.incarnation);
    snapshot_file::remove_strays(&**disk, &data_dir.snap()).await?;
    let opened = wal::open(disk, wal_config).await?;
    let newest = snapshot_file::list(&**disk, &data_dir.snap()).await?.pop();
    let dir = || config.data_dir.clone();
    let newest = newest.ok_or_else(|| DataDirError::Incomplete { dir: dir(), missing: "the snapshot" })?;
    let (snapshot, state) = snapshot_file::read(&**disk, &data_dir.snap(), newest).await?;
    let log = opened.replay.finish(&snapshot).map_err(|cause| StartError::Replay { dir: dir(), cause })?;
    let Meta { incarnation, boot, .. } = data_dir.count_boot(meta).await?;
    tracing::info!(%member, %cluster, boot, snapshot = snapshot.index, entries = log.entries.len(), "recovered");
    let engine_config = Config { incarnation, boot, ..config.engine.clone() };
    Ok((data_dir, engine_config, Recovered { state, meta: snapshot, log }, opened.wal))
}

fn wal_config(config: &MemberConfig, dir: PathBuf, incarnation: Incarnation) -> WalConfig {
    let Config { member, cluster, .. } = config.engine;
    WalConfig { dir, cluster, member, incarnation, segment_bytes: config.wal_segment_bytes }
}

/// The first state of the cluster as a snapshot at index 1 of term 1, and a log that begins there.
async fn first_start(
    config: &MemberConfig,
    disk: &Arc<dyn Disk>,
    data_dir: &DataDir,
    seed: u64,
) -> Result<Meta, StartError> {
    let Config { member, cluster, .. } = config.engine;
    // 0 means "none" elsewhere.
    let incarnation = Incarnation(seed.max(1));
    let (wal_dir, snap_dir) = data_dir.begin_first_start().await?;
    let members = config.initial_cluster.members.values();
    let (learners, voters): (Vec<_>, Vec<_>) = members.partition(|member| member.is_learner);
    let ids =
        |members: Vec<&detcd_engine::membership::Member>| members.iter().map(|member| member.id).collect();
    let meta = SnapshotMeta { index: 1, term: 1, voters: ids(voters), learners: ids(learners) };
    let state = State::first(&config.initial_cluster).view();
    background::write(disk, &snap_dir, Checkpoint { meta: meta.clone(), state }).await?;
    let mut wal = Wal::create(disk, wal_config(config, wal_dir, incarnation)).await?;
    let hard_state = HardState { term: 1, vote: MemberId(0), commit: 1 };
    wal.append(&[vec![LogRecord::Installed { hard_state, meta }]]).await?;
    let meta = Meta { cluster, member, incarnation, boot: 0 };
    data_dir.finish_first_start(&meta).await?;
    tracing::info!(%member, %cluster, "began a new data directory");
    Ok(meta)
}

impl Member {
    /// For the services.
    pub fn handle(&self) -> MemberHandle {
        self.handle.clone()
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

    /// Hands leadership on if need be, waits for that no longer than an election timeout, then ends the tasks: no
    /// more answers, then no more messages, then the log is written to its end.
    pub async fn stop(mut self) {
        let too_late = self.clock.sleep_until(self.clock.now().plus_ms(self.election_timeout_ms));
        drop(self.inputs.send(Input::TransferLeadership));
        tokio::select! {
            biased;
            _ = self.settled.wait_for(|settled| *settled) => {}
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
    }
}

/// What a gRPC service holds of the member: cheap to clone.
#[derive(Clone, Debug)]
pub struct MemberHandle {
    cluster: ClusterId,
    me: MemberId,
    requests: mpsc::Sender<RequestCall>,
    watches: mpsc::UnboundedSender<(StreamId, WatchCall)>,
    status: watch::Receiver<Status>,
    abandoned: Arc<AtomicBool>,
    streams: Arc<AtomicU64>,
}

/// Says that a client left, unless it got its answer.
struct Waiting<'a> {
    abandoned: &'a AtomicBool,
    is_answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            // The main loop is not woken for it: there is no hurry, and it looks at least once a second.
            self.abandoned.store(true, Ordering::Release);
        }
    }
}

impl MemberHandle {
    /// Hands a request to the engine and waits for its answer. A read's view is evaluated here, on the caller's
    /// task. Dropping the future abandons the request.
    pub async fn request(&self, request: Request, require_leader: bool) -> Result<Reply, RequestError> {
        // Dropped in reverse order: the client's end is closed before the main loop is told to look.
        let mut waiting = Waiting { abandoned: &self.abandoned, is_answered: false };
        let (client, answer) = oneshot::channel();
        let call = RequestCall { request, require_leader, client };
        let answer = match self.requests.send(call).await {
            Ok(()) => answer.await.unwrap_or(Answer::Done(Err(RequestError::Stopped))),
            Err(_) => Answer::Done(Err(RequestError::Stopped)),
        };
        waiting.is_answered = true;
        match answer {
            Answer::Done(reply) => reply,
            Answer::Read(read) => evaluate(&read),
        }
    }

    /// Opens a watch stream.
    pub fn open_watch(&self, require_leader: bool) -> WatchStream {
        let id = StreamId(self.streams.fetch_add(1, Ordering::Relaxed));
        let (sender, messages) = mpsc::unbounded_channel();
        let stream = WatchStream { id, watches: self.watches.clone(), messages };
        stream.call(WatchCall::Open { require_leader, messages: sender });
        stream
    }

    /// Where the member stands now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until where the member stands has this property; `false` when it stops before.
    pub async fn reaches(&self, property: impl FnMut(&Status) -> bool) -> bool {
        self.status.clone().wait_for(property).await.is_ok()
    }

    /// The cluster.
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster
    }

    /// This member.
    pub fn member_id(&self) -> MemberId {
        self.me
    }
}

/// What a watch stream says to the main loop.
#[derive(Debug)]
pub(crate) enum WatchCall {
    /// It begins.
    Open { require_leader: bool, messages: mpsc::UnboundedSender<(WatchMessage, usize)> },
    /// Anything after that.
    Input(WatchInput),
}

/// One watch stream: inputs go in at once, messages come out in order. Dropping it closes the stream.
#[derive(Debug)]
pub struct WatchStream {
    id: StreamId,
    watches: mpsc::UnboundedSender<(StreamId, WatchCall)>,
    /// With the size that the engine counts. Bounded by the room that the engine gives a stream.
    messages: mpsc::UnboundedReceiver<(WatchMessage, usize)>,
}

impl WatchStream {
    /// Hands an input to the engine.
    pub fn send(&self, input: WatchInput) {
        self.call(WatchCall::Input(input));
    }

    /// The next message; `None` when the member stops. Taking a message tells the engine there is room again.
    pub async fn recv(&mut self) -> Option<WatchMessage> {
        let (message, bytes) = self.messages.recv().await?;
        self.send(WatchInput::Drained { bytes });
        Some(message)
    }

    fn call(&self, call: WatchCall) {
        // A member that stops closes the stream from its side.
        drop(self.watches.send((self.id, call)));
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.send(WatchInput::Close);
    }
}

/// A `detcd_engine::watch::WatchOutput` whose events are encoded: once per batch, shared by all watchers.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each field is that of `WatchOutput`")]
pub enum WatchMessage {
    /// As in `WatchOutput`.
    Created { id: WatchId, revision: i64 },
    /// As in `WatchOutput`.
    Rejected { revision: i64, reason: &'static str },
    /// Each event is an encoded `mvccpb.Event` (body only, no field tag), shared.
    Events { id: WatchId, revision: i64, events: Arc<[Bytes]>, first: usize, end: usize, fragment: bool },
    /// As in `WatchOutput`.
    Progress { id: WatchId, revision: i64 },
    /// As in `WatchOutput`.
    Canceled { id: WatchId, revision: i64 },
    /// As in `WatchOutput`.
    Compacted { id: WatchId, compact_revision: i64 },
    /// As in `WatchOutput`.
    NoLeader,
}
