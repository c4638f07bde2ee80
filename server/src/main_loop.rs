//! The only owner of the engine: inputs in batches, effects out.
//!
//! ```text
//!   clients ──requests──▶ ┌───────────┐ ──persist──▶ log task ──▶ disk ──▶ Persisted, then_send
//!   streams ──watches───▶ │ main loop │ ──send─────▶ transport
//!   peers ────messages──▶ │  Engine   │ ──replies, reads, watch──▶ the tasks of the clients
//!   disk ─────inputs────▶ └───────────┘ ──checkpoint, send_snapshots──▶ a task each
//! ```
//!
//! One turn: take what has come, up to a bound; step the engine through all of it; take its effects once; hand each
//! to whoever does it. Nothing here waits for a disk or a socket, nor for a lock that is held while something is awaited.
//! While the disk syncs, turns go on, and what they collect shares the next sync.
//!
//! Back-pressure: requests wait in a bounded queue, first come first served, with their clients' tasks; messages of
//! peers are dropped when the loop is behind; answers of the shell's own tasks are as many as the engine asked for.

use crate::background::Background;
use crate::callers::Callers;
use crate::clock::{Clock, Stopwatch};
use crate::compaction_log::CompactionLog;
use crate::encoded_events::{EncodedEvents, event_count};
use crate::failure::MemberError;
use crate::handle::{RequestCall, SizedResponse, WatchCall};
use crate::line_limit::LineLimit;
use crate::log_task::{LogJob, TakenSnapshot};
use crate::metrics::Metrics;
use crate::peer::snapshot::receiver::{Fate, Question};
use crate::peer::{Delivered, Inspection, Transport, log_refusal};
use crate::replies::{Answer, Replies};
use bytes::Bytes;
use detcd_engine::effects::{Effects, Installed, SnapshotVerdict};
use detcd_engine::engine::{Engine, Measurements, Status};
use detcd_engine::ids::StreamId;
use detcd_engine::input::Input;
use detcd_engine::state::StateView;
use detcd_engine::time::Time;
use detcd_engine::watch::{EventBatch, WatchEffects, WatchInput};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};

/// Inputs of one kind in one turn: enough to share a sync widely, few enough that a heartbeat is not late.
const TURN_INPUTS: usize = 1024;
/// The longest sleep, also where the engine asked for no wake-up: one turn a second costs next to nothing.
const IDLE_MS: u64 = 1000;

/// Called with the effects of every turn before they are carried out. For the simulator's checkers; a member without one
/// works the same.
pub trait Observer: Send + Sync + fmt::Debug {
    /// `status` is the engine's after the turn that had these `effects`.
    fn turn(&self, now: Time, effects: &Effects, status: &Status);
}

/// The receiving ends of the main loop's channels.
#[derive(Debug)]
pub(crate) struct Inboxes {
    /// From the log task, background tasks and the transport.
    pub(crate) inputs: mpsc::UnboundedReceiver<Input>,
    pub(crate) peers: mpsc::Receiver<Delivered>,
    pub(crate) watches: mpsc::UnboundedReceiver<(StreamId, WatchCall)>,
    pub(crate) requests: mpsc::Receiver<RequestCall>,
    /// Answered within the turn: they change nothing.
    pub(crate) inspections: mpsc::Receiver<oneshot::Sender<Inspection>>,
    /// As inspections, for metrics.
    pub(crate) measurements: mpsc::Receiver<oneshot::Sender<Measurements>>,
    /// As those.
    pub(crate) views: mpsc::Receiver<oneshot::Sender<StateView>>,
    /// The receiver of snapshots asks whether one may come, and whether it is taken.
    pub(crate) snapshots: mpsc::Receiver<Question>,
    /// Set when a client stopped waiting; the loop then looks for the requests whose clients are gone.
    pub(crate) abandoned: Arc<AtomicBool>,
    /// Sent when the member stops; the loop ends.
    pub(crate) stop: oneshot::Receiver<()>,
}

/// What carries out the engine's effects.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) log: mpsc::UnboundedSender<LogJob>,
    pub(crate) background: Background,
    pub(crate) encode_events: fn(&EventBatch) -> Arc<[Bytes]>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) callers: Arc<Callers>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) may_stop: watch::Sender<bool>,
    pub(crate) refusals: LineLimit,
    pub(crate) metrics: Metrics,
    pub(crate) failed: mpsc::UnboundedSender<MemberError>,
}

/// The task's state.
#[derive(Debug)]
pub(crate) struct MainLoop {
    engine: Engine,
    clock: Arc<dyn Clock>,
    inboxes: Inboxes,
    outlets: Outlets,
    replies: Replies,
    streams: BTreeMap<StreamId, mpsc::UnboundedSender<SizedResponse>>,
    compactions: CompactionLog,
    /// Received snapshots that were passed to the engine, which has not decided on them yet.
    arrived: Vec<TakenSnapshot>,
    wake_at: Time,
}

/// What came in one turn; kept to spare allocations.
#[derive(Debug, Default)]
struct Turn {
    inputs: Vec<Input>,
    peers: Vec<Delivered>,
    snapshots: Vec<Question>,
    watches: Vec<(StreamId, WatchCall)>,
    requests: Vec<RequestCall>,
    inspections: Vec<oneshot::Sender<Inspection>>,
    measurements: Vec<oneshot::Sender<Measurements>>,
    views: Vec<oneshot::Sender<StateView>>,
}

impl Turn {
    fn len(&self) -> usize {
        // Questions that change nothing are no inputs.
        let Turn { inputs, peers, snapshots, watches, requests, inspections: _, measurements: _, views: _ } =
            self;
        inputs.len() + peers.len() + snapshots.len() + watches.len() + requests.len()
    }
}

impl MainLoop {
    pub(crate) fn new(
        engine: Engine,
        clock: Arc<dyn Clock>,
        inboxes: Inboxes,
        outlets: Outlets,
        replies: Replies,
    ) -> MainLoop {
        let wake_at = clock.now();
        MainLoop {
            engine,
            clock,
            inboxes,
            outlets,
            replies,
            streams: BTreeMap::new(),
            arrived: Vec::new(),
            compactions: CompactionLog::default(),
            wake_at,
        }
    }

    /// Until the member stops.
    pub(crate) async fn run(mut self) {
        let mut turn = Turn::default();
        let (mut began, mut inputs) = (Stopwatch::start(), 0);
        loop {
            // Before anything is waited for: recovery itself may have effects.
            let mut effects = self.engine.take_effects();
            let status = self.engine.status();
            if let Some(observer) = &self.outlets.observer {
                observer.turn(self.clock.now(), &effects, &status);
            }
            // Before the status: who waits for a token waits until the status says that it was heard of.
            self.outlets.callers.on_changes(std::mem::take(&mut effects.tokens));
            // Before the answers go out: a client that has its answer must not read an older status.
            self.outlets.status.send_replace(status);
            self.dispatch(effects);
            self.outlets.metrics.tasks.turned(inputs, began.elapsed());
            if !self.wait(&mut turn).await {
                break;
            }
            (began, inputs) = (Stopwatch::start(), turn.len());
            self.step_all(&mut turn);
        }
        self.replies.refuse_all();
    }

    /// Until something comes; `false` when the member stops.
    async fn wait(&mut self, turn: &mut Turn) -> bool {
        let Inboxes {
            inputs,
            peers,
            watches,
            requests,
            inspections,
            measurements,
            views,
            snapshots,
            stop,
            abandoned: _,
        } = &mut self.inboxes;
        // A sleep is a timer to make and to drop: only where there is nothing to do already.
        let is_idle = inputs.is_empty() && peers.is_empty() && watches.is_empty() && requests.is_empty();
        if is_idle || self.clock.now() >= self.wake_at {
            let sleep = self.clock.sleep_until(self.wake_at);
            tokio::select! {
                biased;
                _ = stop => return false,
                Some(input) = inputs.recv() => turn.inputs.push(input),
                Some(message) = peers.recv() => turn.peers.push(message),
                Some(call) = watches.recv() => turn.watches.push(call),
                Some(call) = requests.recv() => turn.requests.push(call),
                Some(asker) = inspections.recv() => turn.inspections.push(asker),
                Some(asker) = measurements.recv() => turn.measurements.push(asker),
                Some(asker) = views.recv() => turn.views.push(asker),
                Some(question) = snapshots.recv() => turn.snapshots.push(question),
                () = sleep => {}
            }
        } else {
            // The tasks on this thread get their turn too, however much comes in.
            tokio::task::yield_now().await;
            // A member that was dropped without being stopped ends, too; whose end is known is not asked again.
            if stop.try_recv() != Err(TryRecvError::Empty) {
                return false;
            }
        }
        fill(&mut turn.inputs, || inputs.try_recv().ok());
        fill(&mut turn.peers, || peers.try_recv().ok());
        fill(&mut turn.watches, || watches.try_recv().ok());
        fill(&mut turn.requests, || requests.try_recv().ok());
        fill(&mut turn.inspections, || inspections.try_recv().ok());
        fill(&mut turn.measurements, || measurements.try_recv().ok());
        fill(&mut turn.views, || views.try_recv().ok());
        fill(&mut turn.snapshots, || snapshots.try_recv().ok());
        true
    }

    fn step_all(&mut self, turn: &mut Turn) {
        let now = self.clock.now();
        for input in turn.inputs.drain(..) {
            self.engine.step(now, input);
        }
        for delivered in turn.peers.drain(..) {
            self.engine.step(now, Input::Peer(delivered.message));
        }
        for question in turn.snapshots.drain(..) {
            self.answer_receiver(now, question);
        }
        for (stream, call) in turn.watches.drain(..) {
            let input = match call {
                WatchCall::Open { require_leader, responses } => {
                    self.streams.insert(stream, responses);
                    WatchInput::Open { require_leader }
                }
                WatchCall::Create(caller, create) => {
                    self.engine.step(now, Input::WatchAs(stream, caller, create));
                    continue;
                }
                WatchCall::Input(input) => input,
            };
            if input == WatchInput::Close {
                self.streams.remove(&stream);
            }
            self.engine.step(now, Input::Watch(stream, input));
        }
        for RequestCall { request, require_leader, caller, client } in turn.requests.drain(..) {
            if client.is_closed() {
                continue;
            }
            let id = self.replies.expect(client);
            self.engine.step(now, Input::Request { id, require_leader, caller, request });
        }
        for asker in turn.inspections.drain(..) {
            // An error means that the asker stopped waiting.
            let _ = asker.send(self.inspection());
        }
        for asker in turn.measurements.drain(..) {
            // As above.
            let _ = asker.send(self.engine.measurements());
        }
        for asker in turn.views.drain(..) {
            let _ = asker.send(self.engine.state().view());
        }
        // Cleared before looking: who leaves while we look is found by the next turn.
        if self.inboxes.abandoned.swap(false, Ordering::AcqRel) {
            for id in self.replies.abandoned() {
                self.engine.step(now, Input::Abandon(id));
            }
        }
        if now >= self.wake_at {
            self.engine.step(now, Input::Wake);
        }
    }

    fn answer_receiver(&mut self, now: Time, question: Question) {
        match question {
            // A receiver is gone only with its member.
            Question::MayCome { announcement, answer } => {
                drop(answer.send(self.engine.admits_snapshot(&announcement)));
            }
            Question::IsTaken { received, file, name, answer } => {
                self.engine.step(now, Input::SnapshotReceived(received));
                self.arrived.push(TakenSnapshot { file, name, receiver: answer });
            }
        }
    }

    /// What the engine decided on the snapshots that arrived. The log task names a file before it writes the record.
    fn act_on_verdicts(&mut self, verdicts: Vec<SnapshotVerdict>) {
        assert_eq!(verdicts.len(), self.arrived.len(), "one verdict for each snapshot that arrived");
        for (verdict, snapshot) in verdicts.into_iter().zip(std::mem::take(&mut self.arrived)) {
            let TakenSnapshot { file, receiver, .. } = match verdict {
                SnapshotVerdict::Installed => {
                    // I18. A log task that is gone has reported why; the member is ending.
                    drop(self.outlets.log.send(LogJob::NameSnapshot(snapshot)));
                    continue;
                }
                SnapshotVerdict::NotNeeded | SnapshotVerdict::Refused => snapshot,
            };
            let fate = match verdict {
                SnapshotVerdict::Refused => Fate::Refused(file),
                _ => Fate::NotNeeded(file),
            };
            // As above: a receiver is gone only with its member.
            drop(receiver.send(fate));
        }
    }

    fn inspection(&self) -> Inspection {
        let state = self.engine.state();
        let (term, applied) = (self.engine.status().term, state.applied());
        Inspection { term, applied, revision: state.store().revision(), state_hash: state.hash() }
    }

    fn dispatch(&mut self, effects: Effects) {
        let Effects {
            send,
            persist,
            replies,
            reads,
            watch,
            checkpoint,
            send_snapshots,
            received,
            refused,
            log_lost,
            compactions,
            // Taken before the status was told.
            tokens: _,
            installed,
            applied: _,
            transfer_finished,
            wake_at,
        } = effects;
        self.act_on_verdicts(received);
        if let Some(persist) = persist {
            // A log task that is gone has reported why; the member is ending.
            drop(self.outlets.log.send(LogJob::Persist(persist)));
        }
        for message in send {
            self.outlets.transport.send(message);
        }
        for (id, answer) in replies {
            self.replies.answer(id, Answer::Done(answer));
        }
        for read in reads {
            self.replies.answer(read.id, Answer::Read(Box::new(read)));
        }
        self.tell_watchers(watch);
        if let Some(checkpoint) = checkpoint {
            self.outlets.background.write_checkpoint(checkpoint);
        }
        for snapshot in send_snapshots {
            self.outlets.background.send_snapshot(snapshot);
        }
        for (member, reason) in refused {
            log_refusal(&self.outlets.refusals, self.clock.now(), &format!("of member {member}: {reason}"));
        }
        if let Some(lost) = log_lost {
            // A member that nobody watches any more is stopping.
            drop(self.outlets.failed.send(lost.into()));
        }
        for step in compactions {
            self.compactions.note(step, self.clock.now(), &self.outlets.metrics.tasks);
        }
        if let Some(Installed { index, term, applied_before }) = installed {
            tracing::info!(
                current_applied_index = applied_before,
                incoming_leader_snapshot_index = index,
                incoming_leader_snapshot_term = term,
                "applied snapshot"
            );
        }
        if transfer_finished {
            self.outlets.may_stop.send_replace(true);
        }
        let idle = self.clock.now().plus_ms(IDLE_MS);
        self.wake_at = wake_at.map_or(idle, |asked| asked.min(idle));
    }

    fn tell_watchers(&mut self, effects: WatchEffects) {
        let batches = effects.batches;
        let encoded: Vec<Arc<[Bytes]>> = batches.iter().map(self.outlets.encode_events).collect();
        for (stream, response) in effects.responses {
            // A stream that was dropped is closed by an input that is already in flight.
            let Some(responses) = self.streams.get(&stream) else { continue };
            let size_bytes = response.size_bytes(&batches);
            let response = response.map_events(|events| EncodedEvents::new(events, &encoded));
            let events = event_count(&response);
            self.outlets.metrics.requests.events_wait(events);
            if responses.send((response, size_bytes)).is_err() {
                self.outlets.metrics.requests.events_taken(events, false);
            }
        }
    }
}

fn fill<T>(into: &mut Vec<T>, mut next: impl FnMut() -> Option<T>) {
    while into.len() < TURN_INPUTS {
        let Some(found) = next() else { return };
        into.push(found);
    }
}
