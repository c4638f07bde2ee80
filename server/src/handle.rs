//! What the services hold of a member: requests and watch streams go in, answers and watch responses come out.
//!
//! Everything here runs on the tasks of the clients. A read's view is evaluated there too, unless that takes long: then
//! the readers do it. The main loop only takes the view.

use crate::callers::{Callers, Proof};
use crate::clock::{Clock, Stopwatch};
use crate::encoded_events::{EncodedEvents, event_count};
use crate::metrics::{Kind, Metrics, RequestMetrics};
use crate::readers::{KEYS_HERE_MAX, Readers, answering};
use crate::replies::{Answer, evaluate_small};
use detcd_engine::effects::Read;
use detcd_engine::engine::{Measurements, Status};
use detcd_engine::ids::{ClusterId, MemberId, StreamId};
use detcd_engine::request::{Caller, Reply, Request, RequestError};
use detcd_engine::state::StateView;
use detcd_engine::watch::{DRAINED_BYTES_DUE, WatchCreate, WatchInput, WatchResponse};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// What a gRPC service holds of the member: cheap to clone.
#[derive(Clone, Debug)]
pub struct MemberHandle {
    pub(crate) cluster: ClusterId,
    pub(crate) me: MemberId,
    pub(crate) requests: mpsc::Sender<RequestCall>,
    pub(crate) watches: mpsc::UnboundedSender<(StreamId, WatchCall)>,
    pub(crate) views: mpsc::Sender<oneshot::Sender<StateView>>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) abandoned: Arc<AtomicBool>,
    /// Counts the watch streams opened so far.
    pub(crate) streams: Arc<AtomicU64>,
    pub(crate) readers: Arc<dyn Readers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) measurements: mpsc::Sender<oneshot::Sender<Measurements>>,
    pub(crate) callers: Arc<Callers>,
    /// On whose behalf everything is asked.
    pub(crate) proof: Proof,
}

/// A request with the client that waits.
#[derive(Debug)]
pub(crate) struct RequestCall {
    pub(crate) request: Request,
    pub(crate) require_leader: bool,
    pub(crate) caller: Caller,
    pub(crate) client: oneshot::Sender<Answer>,
}

/// How long a call waits for this member to hear of its token, which another member issued: as long as a request may.
const TOKEN_WAIT_MS: u64 = 5_000;

/// When dropped, tells the main loop that a client left, unless it got its answer.
struct AbandonGuard<'a> {
    abandoned: &'a AtomicBool,
    is_answered: bool,
}

impl Drop for AbandonGuard<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            // The main loop is not woken for it: there is no hurry, and it looks at least once a second.
            self.abandoned.store(true, Ordering::Release);
        }
    }
}

impl MemberHandle {
    /// Hands a request to the engine and waits for its answer. A read's view is evaluated here, on the caller's
    /// task, or by the readers. Dropping the future abandons the request.
    pub async fn request(&self, request: Request, require_leader: bool) -> Result<Reply, RequestError> {
        self.request_by(&self.proof, request, require_leader).await
    }

    /// Likewise, on behalf of whoever this proves.
    pub(crate) async fn request_by(
        &self,
        proof: &Proof,
        request: Request,
        require_leader: bool,
    ) -> Result<Reply, RequestError> {
        match self.ask_by(proof, request, require_leader).await {
            Answer::Done(reply) => reply,
            Answer::Read(read) => match self.evaluate_here(&read) {
                Some(reply) => reply,
                None => self.evaluate_elsewhere(read, |read| read.evaluate()).await,
            },
        }
    }

    /// Evaluates a read that looks at few keys; `None` where it looks at more.
    pub(crate) fn evaluate_here(&self, read: &Read) -> Option<Result<Reply, RequestError>> {
        let began = Stopwatch::start();
        let reply = evaluate_small(read, KEYS_HERE_MAX)?;
        self.metrics.requests.evaluated(reply.is_ok(), began.elapsed());
        Some(reply)
    }

    /// Evaluates a read on the readers' threads, by what the caller has for that.
    pub(crate) async fn evaluate_elsewhere<T: Send + 'static>(
        &self,
        read: Box<Read>,
        evaluate: impl FnOnce(Read) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, RequestError> {
        let metrics = Arc::clone(&self.metrics.requests);
        self.elsewhere(move || {
            let began = Stopwatch::start();
            let evaluated = evaluate(*read);
            metrics.evaluated(evaluated.is_ok(), began.elapsed());
            evaluated
        })
        .await?
    }

    /// The whole state as it is here, never to change: at least all that this member has answered before.
    pub(crate) async fn state(&self) -> Result<StateView, RequestError> {
        let (asker, state) = oneshot::channel();
        self.views.send(asker).await.map_err(|_| RequestError::Stopped)?;
        state.await.map_err(|_| RequestError::Stopped)
    }

    /// Runs long work on the readers' threads and waits for it. Work whose caller has left is not begun.
    pub(crate) async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RequestError> {
        let (job, done) = answering(work);
        self.readers.run(job);
        done.await.map_err(|_| RequestError::Stopped)
    }

    /// The same member, asked on behalf of whoever this proves.
    pub fn on_behalf_of(&self, proof: Proof) -> MemberHandle {
        MemberHandle { proof, ..self.clone() }
    }

    /// Who asks by this proof. A token that this member has not heard of yet is waited for.
    ///
    /// # Errors
    /// The token is not good.
    pub(crate) async fn caller(&self, proof: &Proof) -> Result<Caller, RequestError> {
        self.heard_of(proof).await;
        // Before the token is looked up: see `callers`.
        let status = self.status.borrow().clone();
        self.callers.caller(proof, &status)
    }

    /// Waits until this member has applied what it must have to know who it is asked by, but not for long.
    pub(crate) async fn heard_of_caller(&self) {
        self.heard_of(&self.proof).await;
    }

    /// Waits until this member has applied what it must have to know this proof, but not for long.
    async fn heard_of(&self, proof: &Proof) {
        let Some(index) = self.callers.index_of(proof) else { return };
        let is_needed = |status: &Status| status.auth_enabled && status.applied < index;
        if !is_needed(&self.status.borrow()) {
            return;
        }
        let mut status = self.status.clone();
        tokio::select! {
            biased;
            _ = status.wait_for(|status| !is_needed(status)) => {}
            () = self.clock.sleep_until(self.clock.now().plus_ms(TOKEN_WAIT_MS)) => {}
        }
    }

    /// As `request_by`, with reads left to whoever asks.
    pub(crate) async fn ask_by(&self, proof: &Proof, request: Request, require_leader: bool) -> Answer {
        let caller = match proof {
            Proof::None => Caller::Anonymous,
            proof => match self.caller(proof).await {
                Ok(caller) => caller,
                Err(refusal) => return Answer::Done(Err(refusal)),
            },
        };
        // Dropped in reverse order: the client's end is closed before the main loop is told to look.
        let mut waiting = AbandonGuard { abandoned: &self.abandoned, is_answered: false };
        let (kind, began) = (Kind::of(&request), Stopwatch::start());
        let (client, answer) = oneshot::channel();
        let call = RequestCall { request, require_leader, caller, client };
        let answer = match self.requests.send(call).await {
            Ok(()) => answer.await.unwrap_or(Answer::Done(Err(RequestError::Stopped))),
            Err(_) => Answer::Done(Err(RequestError::Stopped)),
        };
        waiting.is_answered = true;
        let is_ok = matches!(&answer, Answer::Done(Ok(_)) | Answer::Read(_));
        self.metrics.requests.decided(kind, is_ok, began.elapsed());
        answer
    }

    /// Opens a watch stream.
    pub fn open_watch(&self, require_leader: bool) -> WatchStream {
        let id = StreamId(self.streams.fetch_add(1, Ordering::Relaxed));
        let (sender, responses) = mpsc::unbounded_channel();
        let (callers, proof) = (Arc::clone(&self.callers), self.proof.clone());
        let (watches, status) = (self.watches.clone(), self.status.clone());
        let metrics = Arc::clone(&self.metrics.requests);
        let stream =
            WatchStream { id, watches, responses, drained_bytes: 0, metrics, callers, proof, status };
        stream.call(WatchCall::Open { require_leader, responses: sender });
        stream
    }

    /// Where the member stands now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// What the member has done and what it holds; `None` when it stops.
    pub async fn measurements(&self) -> Option<Measurements> {
        let (asker, answer) = oneshot::channel();
        self.measurements.send(asker).await.ok()?;
        answer.await.ok()
    }

    /// What is measured of the member as it works.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
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

/// A response with the size that the engine counts, in bytes.
pub(crate) type SizedResponse = (WatchResponse<EncodedEvents>, usize);

/// What a watch stream says to the main loop.
#[derive(Debug)]
pub(crate) enum WatchCall {
    /// It begins.
    Open { require_leader: bool, responses: mpsc::UnboundedSender<SizedResponse> },
    /// It asks for a watcher.
    Create(Result<Caller, RequestError>, WatchCreate),
    /// Anything else.
    Input(WatchInput),
}

/// One watch stream: inputs go in at once, responses come out in order. Dropping it closes the stream.
#[derive(Debug)]
pub struct WatchStream {
    id: StreamId,
    watches: mpsc::UnboundedSender<(StreamId, WatchCall)>,
    /// Bounded by the room that the engine gives a stream.
    responses: mpsc::UnboundedReceiver<SizedResponse>,
    /// Taken, and not yet told to the engine.
    drained_bytes: usize,
    metrics: Arc<RequestMetrics>,
    callers: Arc<Callers>,
    /// On whose behalf watchers are asked for: looked up for each.
    proof: Proof,
    status: watch::Receiver<Status>,
}

impl WatchStream {
    /// Hands an input to the engine.
    pub fn send(&self, input: WatchInput) {
        self.call(match input {
            WatchInput::Create(create) => {
                // Before the token is looked up: see `callers`.
                let status = self.status.borrow().clone();
                WatchCall::Create(self.callers.caller(&self.proof, &status), create)
            }
            input => WatchCall::Input(input),
        });
    }

    /// The next response; `None` when the member stops. Taking responses tells the engine there is room again, though
    /// not for each: with many streams, waking the main loop for every one of them costs more than the event.
    pub async fn recv(&mut self) -> Option<WatchResponse<EncodedEvents>> {
        let (response, bytes) = self.responses.recv().await?;
        self.taken(&response, bytes);
        Some(response)
    }

    /// The next response, if one waits.
    pub(crate) fn try_recv(&mut self) -> Option<WatchResponse<EncodedEvents>> {
        let (response, bytes) = self.responses.try_recv().ok()?;
        self.taken(&response, bytes);
        Some(response)
    }

    fn taken(&mut self, response: &WatchResponse<EncodedEvents>, bytes: usize) {
        self.metrics.events_taken(event_count(response), true);
        self.drained_bytes += bytes;
        if self.drained_bytes >= DRAINED_BYTES_DUE {
            let bytes = std::mem::take(&mut self.drained_bytes);
            self.send(WatchInput::Drained { bytes });
        }
    }

    fn call(&self, call: WatchCall) {
        // A member that stops closes the stream from its side.
        drop(self.watches.send((self.id, call)));
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.send(WatchInput::Close);
        self.responses.close();
        while let Ok((response, _)) = self.responses.try_recv() {
            self.metrics.events_taken(event_count(&response), false);
        }
    }
}
