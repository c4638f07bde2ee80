//! The receiving side of a snapshot: one at a time, from the leader of the present term alone.
//!
//! ```text
//!   first piece ─▶ engine: may it come? ─no─▶ refused, nothing was stored
//!                         │ yes
//!   pieces ──────▶ received.snap.tmp and the decoder ─damaged, too large, silent─▶ removed
//!                         │ whole, synced
//!                 engine: is it taken? ─no─▶ removed
//!                         │ yes
//!                 log task: its name, the directory synced ─▶ then the record that it was installed
//! ```
//!
//! So a file has its name only once the engine has taken it, and counts at a start only where the log says so: a crash
//! before the record leaves a file that the next start removes. A leader that was deposed may go on sending for a
//! while beside its successor: of two terms the later counts, and of one leader's snapshots that of the higher index.
//! Were each piece to begin its own anew, neither would ever be whole.

use crate::clock::Clock;
use crate::disk::snapshot_file::{SnapshotName, SnapshotTmp, SnapshotWriter};
use crate::disk::{Disk, DiskError};
use crate::failure::MemberError;
use crate::line_limit::LineLimit;
use crate::peer::pb::{SnapshotAck, SnapshotChunk};
use detcd_engine::ids::MemberId;
use detcd_engine::peer_message::{PeerBody, PeerMessage};
use detcd_engine::raft::SnapshotMeta;
use detcd_engine::snapshot::Reader;
use detcd_engine::snapshot::ReceivedSnapshot;
use detcd_engine::time::Time;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex, mpsc, oneshot};

/// A snapshot of which no piece came for so long is given up. Its sender gives up after ten attempts of 5 s at most.
const SILENT_MS_MAX: u64 = 60_000;

/// One of which no piece came for so long is replaced by any other that the engine admits: a sender that is alive sends
/// again after 5 s.
const YIELDS_AFTER_MS: u64 = 10_000;

/// What the receiver asks the engine, through the main loop.
#[derive(Debug)]
pub(crate) enum Question {
    /// May the snapshot that this message announces be received?
    MayCome { announcement: PeerMessage, answer: oneshot::Sender<Result<(), String>> },
    /// The snapshot is whole and durable; does the engine take it? Its file comes back where it does not.
    IsTaken {
        received: ReceivedSnapshot,
        file: SnapshotTmp,
        name: SnapshotName,
        answer: oneshot::Sender<Fate>,
    },
}

/// What became of a snapshot that arrived whole.
#[derive(Debug)]
pub(crate) enum Fate {
    /// The engine has taken it, and its file has its name.
    Installed,
    /// The member's state is as new.
    NotNeeded(SnapshotTmp),
    /// The main loop has logged why.
    Refused(SnapshotTmp),
}

/// What a receiver needs.
#[derive(Debug)]
pub(crate) struct ReceiverConfig {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where snapshots are.
    pub(crate) dir: PathBuf,
    /// The largest snapshot that is taken.
    pub(crate) bytes_max: u64,
    /// To the main loop.
    pub(crate) questions: mpsc::Sender<Question>,
    /// Told when the disk fails: the member ends, as for a log that cannot be written.
    pub(crate) failed: mpsc::UnboundedSender<MemberError>,
}

/// At most one snapshot at a time.
#[derive(Debug)]
pub(crate) struct Receiver {
    config: ReceiverConfig,
    current: Option<Incoming>,
    /// How many have begun.
    begun: u64,
    /// The last one that arrived whole, with its length: its last answer may have been lost.
    finished: Option<(MemberId, SnapshotMeta, u64)>,
    refusals: LineLimit,
}

#[derive(Debug)]
struct Incoming {
    /// Counts up, to know this one again.
    number: u64,
    from: MemberId,
    /// The sender's when it announced this.
    term: u64,
    meta: SnapshotMeta,
    file: SnapshotWriter,
    reader: Reader,
    /// When its last piece came.
    heard_at: Time,
}

impl Incoming {
    fn is(&self, from: MemberId, term: u64, meta: &SnapshotMeta) -> bool {
        (self.from, self.term, &self.meta) == (from, term, meta)
    }

    fn counts_more_than(&self, term: u64, meta: &SnapshotMeta, now: Time) -> bool {
        let is_alive = now.ms_since(self.heard_at) < YIELDS_AFTER_MS;
        is_alive && (self.term, self.meta.index) > (term, meta.index)
    }
}

const REFUSAL: SnapshotAck = SnapshotAck { offset: 0, refused: true };

/// Why a piece was not taken.
enum Untaken {
    Refused(String),
    /// As the engine has said already.
    RefusedByEngine,
    Disk(DiskError),
}

impl From<String> for Untaken {
    fn from(reason: String) -> Untaken {
        Untaken::Refused(reason)
    }
}

impl From<&str> for Untaken {
    fn from(reason: &str) -> Untaken {
        Untaken::Refused(reason.to_owned())
    }
}

impl From<DiskError> for Untaken {
    fn from(error: DiskError) -> Untaken {
        Untaken::Disk(error)
    }
}

impl Receiver {
    pub(crate) fn new(config: ReceiverConfig) -> Receiver {
        Receiver { config, current: None, begun: 0, finished: None, refusals: LineLimit::new() }
    }

    /// The number of the snapshot that arrives.
    pub(crate) fn arriving(&self) -> Option<u64> {
        self.current.as_ref().map(|incoming| incoming.number)
    }

    /// Takes a piece if it is the next one, and says how far it has come.
    pub(crate) async fn take(&mut self, message: PeerMessage, chunk: SnapshotChunk) -> SnapshotAck {
        let from = message.from;
        let untaken = match self.try_take(message, chunk).await {
            Ok(offset) => return SnapshotAck { offset, refused: false },
            Err(untaken) => untaken,
        };
        match untaken {
            Untaken::Refused(reason) => {
                if let Some(left_out) = self.refusals.due(self.config.clock.now()) {
                    tracing::warn!(member = %from, reason, left_out, "refused a piece of a snapshot");
                }
            }
            Untaken::RefusedByEngine => {}
            // A member that ends already has nobody to tell.
            Untaken::Disk(error) => drop(self.config.failed.send(error.into())),
        }
        REFUSAL
    }

    async fn try_take(&mut self, message: PeerMessage, chunk: SnapshotChunk) -> Result<u64, Untaken> {
        let PeerBody::Raft(raft) = &message.body else {
            return Err("its announcement is no message of raft's".into());
        };
        let meta = raft.snapshot.clone().ok_or("its announcement names no snapshot")?;
        let (from, term) = (message.from, raft.term);
        // It may come once more, from its beginning: raft did not take it when it was whole, in a term gone by.
        let arrives = self.current.as_ref().is_some_and(|now| now.is(from, term, &meta));
        if let Some((sender, finished, length)) = &self.finished
            && (*sender, finished) == (from, &meta)
            && chunk.offset > 0
            && !arrives
        {
            return Ok(*length);
        }
        let now = self.config.clock.now();
        if let Some(other) = self.current.as_ref().filter(|other| other.counts_more_than(term, &meta, now)) {
            return Err(
                format!("one at index {} of term {} is arriving", other.meta.index, other.term).into()
            );
        }
        // I18
        if !arrives {
            self.may_come(&message).await?;
            self.give_up().await?;
            self.begin(from, term, meta).await?;
        }
        let incoming = self.current.as_mut().expect("it arrives, or has just begun");
        incoming.heard_at = self.config.clock.now();
        if chunk.offset != incoming.file.written() {
            return Ok(incoming.file.written());
        }
        let offset = chunk.offset + chunk.piece.len() as u64;
        let is_last = chunk.last;
        // What goes wrong with a piece from here on ends its whole snapshot.
        if let Err(reason) = self.push(chunk).await? {
            self.give_up().await?;
            return Err(reason.into());
        }
        if is_last {
            self.hand_over(message, offset).await?;
        }
        Ok(offset)
    }

    /// The engine knows who leads, and from which of its data directories.
    async fn may_come(&self, announcement: &PeerMessage) -> Result<(), Untaken> {
        let (answer, answered) = oneshot::channel();
        let question = Question::MayCome { announcement: announcement.clone(), answer };
        let asked = self.config.questions.send(question).await;
        asked.map_err(|_| "this member stops")?;
        let may_come = answered.await.map_err(|_| "this member stops")?;
        Ok(may_come?)
    }

    async fn begin(&mut self, from: MemberId, term: u64, meta: SnapshotMeta) -> Result<(), DiskError> {
        let file = SnapshotWriter::create(&self.config.disk, &self.config.dir, "received").await?;
        self.begun += 1;
        let (number, heard_at) = (self.begun, self.config.clock.now());
        self.current = Some(Incoming { number, from, term, meta, file, reader: Reader::new(), heard_at });
        Ok(())
    }

    /// Adds a piece to what has come; the inner error is why the snapshot is no good.
    async fn push(&mut self, chunk: SnapshotChunk) -> Result<Result<(), String>, DiskError> {
        let incoming = self.current.as_mut().expect("a piece is of a snapshot that arrives");
        let bytes_max = self.config.bytes_max;
        if incoming.file.written() + chunk.piece.len() as u64 > bytes_max {
            return Ok(Err(format!("it is larger than {bytes_max} bytes; see --quota-backend-bytes")));
        }
        if let Err(error) = incoming.reader.push(&chunk.piece) {
            return Ok(Err(error.to_string()));
        }
        incoming.file.push(chunk.piece.into()).await.map(Ok)
    }

    /// All of it is here: the engine decides, and the log task names the file.
    async fn hand_over(&mut self, message: PeerMessage, length: u64) -> Result<(), Untaken> {
        let Incoming { meta, file, reader, from, .. } = self.current.take().expect("it has just come whole");
        let state = match reader.finish() {
            Ok((found, state)) if found == meta => Ok(state),
            Ok((found, _)) => Err(format!("announced as {meta:?}, but it is {found:?}")),
            Err(error) => Err(error.to_string()),
        };
        let state = match state {
            Ok(state) => Box::new(state),
            Err(reason) => {
                file.discard().await?;
                return Err(reason.into());
            }
        };
        let (file, name) = (file.complete().await?, SnapshotName::of(&meta));
        let received = ReceivedSnapshot { message, state };
        let (answer, answered) = oneshot::channel();
        let asked = self.config.questions.send(Question::IsTaken { received, file, name, answer }).await;
        asked.map_err(|_| "this member stops")?;
        match answered.await.map_err(|_| "this member stops")? {
            Fate::Installed => {}
            Fate::NotNeeded(file) => file.discard().await?,
            Fate::Refused(file) => {
                file.discard().await?;
                return Err(Untaken::RefusedByEngine);
            }
        }
        self.finished = Some((from, meta, length));
        Ok(())
    }

    /// Nothing is left of the one that was arriving.
    async fn give_up(&mut self) -> Result<(), DiskError> {
        match self.current.take() {
            Some(incoming) => incoming.file.discard().await,
            None => Ok(()),
        }
    }

    /// Gives this one up if it has been silent for too long; otherwise when to look again.
    async fn give_up_if_silent(&mut self, number: u64) -> Option<Time> {
        let incoming = self.current.as_ref().filter(|incoming| incoming.number == number)?;
        let (from, index) = (incoming.from, incoming.meta.index);
        let silent_until = incoming.heard_at.plus_ms(SILENT_MS_MAX);
        if self.config.questions.is_closed() {
            return None;
        }
        if self.config.clock.now() < silent_until {
            return Some(silent_until);
        }
        tracing::warn!(member = %from, index, "gave up a snapshot: no piece of it came for a minute");
        if let Err(error) = self.give_up().await {
            // A member that ends already has nobody to tell.
            drop(self.config.failed.send(error.into()));
        }
        None
    }
}

/// Gives a snapshot up when no piece of it has come for too long. Ends with it.
pub(crate) async fn give_up_when_idle(receiver: Weak<Mutex<Receiver>>, clock: Arc<dyn Clock>, number: u64) {
    let mut look_at = clock.now().plus_ms(SILENT_MS_MAX);
    loop {
        clock.sleep_until(look_at).await;
        let Some(receiver) = receiver.upgrade() else { return };
        match receiver.lock().await.give_up_if_silent(number).await {
            Some(later) => look_at = later,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RealClock;
    use crate::disk::real::RealDisk;
    use crate::metrics::Metrics;
    use detcd_engine::ids::Incarnation;
    use detcd_engine::membership::InitialCluster;
    use detcd_engine::raft::{RaftMessage, RaftMessageKind};
    use detcd_engine::snapshot::Writer;
    use detcd_engine::state::State;

    /// The first state of a cluster as a leader's snapshot, whole in one piece.
    fn snapshot() -> (PeerMessage, Vec<u8>) {
        let cluster = InitialCluster::new("test", [vec!["http://127.0.0.1:1".to_owned()]]);
        let me = *cluster.members.keys().next().expect("one member");
        let meta = SnapshotMeta { index: 1, term: 1, voters: vec![me], learners: Vec::new() };
        let mut writer = Writer::new(meta.clone(), State::first(&cluster).view());
        let bytes = std::iter::from_fn(|| writer.next_piece()).flatten().collect();
        let (kind, snapshot) = (RaftMessageKind::Snapshot, Some(meta));
        let body = PeerBody::Raft(RaftMessage { kind, term: 8, snapshot, ..RaftMessage::default() });
        let (from, from_incarnation) = (MemberId(7), Incarnation(1));
        (PeerMessage { from, from_incarnation, to: me, to_incarnation: None, body }, bytes)
    }

    /// Lets all in, and takes or refuses what is whole.
    async fn answer(mut asked: mpsc::Receiver<Question>, takes: bool) {
        while let Some(question) = asked.recv().await {
            match question {
                Question::MayCome { answer, .. } => answer.send(Ok(())).expect("somebody waits"),
                Question::IsTaken { file, name, answer, .. } => {
                    let fate = if takes {
                        file.name(name).await.expect("a disk that works");
                        Fate::Installed
                    } else {
                        Fate::Refused(file)
                    };
                    answer.send(fate).expect("somebody waits");
                }
            }
        }
    }

    /// The answer to a whole snapshot, and what is in the directory then.
    fn deliver(bytes_max: impl Fn(u64) -> u64, takes: bool) -> (SnapshotAck, Vec<String>) {
        let dir = tempfile::tempdir().expect("a directory");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (message, bytes) = snapshot();
        let ack = runtime.block_on(async {
            let (questions, asked) = mpsc::channel(1);
            tokio::spawn(answer(asked, takes));
            let mut receiver = Receiver::new(ReceiverConfig {
                disk: Arc::new(RealDisk::start(Metrics::new().disk).expect("a thread")),
                clock: Arc::new(RealClock::start()),
                dir: dir.path().to_owned(),
                bytes_max: bytes_max(bytes.len() as u64),
                questions,
                failed: mpsc::unbounded_channel().0,
            });
            let chunk = SnapshotChunk { piece: bytes.into(), last: true, ..SnapshotChunk::default() };
            receiver.take(message, chunk).await
        });
        let entries = std::fs::read_dir(dir.path()).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
        (ack, names.collect())
    }

    #[test]
    fn a_snapshot_has_its_name_once_it_is_taken_and_leaves_nothing_otherwise() {
        let (ack, names) = deliver(|length| length, true);
        assert!(!ack.refused, "{ack:?}");
        assert_eq!(names, ["0000000000000001-0000000000000001.snap"]);
        assert_eq!(deliver(|length| length, false), (REFUSAL, Vec::new()));
    }

    #[test]
    fn a_snapshot_that_is_too_large_is_refused_and_leaves_nothing() {
        assert_eq!(deliver(|length| length - 1, true), (REFUSAL, Vec::new()));
    }
}
