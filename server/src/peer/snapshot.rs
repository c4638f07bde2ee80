//! A snapshot on its way to a member that lags behind the log: piece by piece, each answered with how far the
//! receiver has come. An answer that does not come is asked for again; a receiver that restarted says so by an
//! offset of 0. A snapshot's bytes follow from the state alone, so the sender can write them again from any view it
//! still holds, and needs no copy of what it sent.

use super::Transport;
use super::pb::{SnapshotAck, SnapshotChunk};
use crate::clock::Clock;
use crate::disk::snapshot_file::{SnapshotName, SnapshotWriter};
use crate::disk::{Disk, DiskError};
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::input::Input;
use detcd_engine::raft::{OutgoingSnapshot, PeerBody, PeerMessage, ReceivedSnapshot, SnapshotMeta};
use detcd_engine::snapshot::{Reader, Writer};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How long a piece may take: longer than any sync of its few bytes.
const ANSWER_MS: u64 = 5000;
/// Between two attempts.
const RETRY_MS: u64 = 200;
/// Attempts without progress before it is given up; raft asks again when it hears of the member.
const ATTEMPTS_MAX: u32 = 10;

/// Sends a snapshot; `true` when all of it is durable at the other member.
pub(crate) async fn send(
    outgoing: OutgoingSnapshot,
    cluster: ClusterId,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
) -> bool {
    let to = outgoing.message.to;
    let announcement = bytes::Bytes::from(frame::encode(&outgoing.message, cluster));
    let mut pieces = Pieces::of(&outgoing);
    let mut attempts = 0;
    while attempts < ATTEMPTS_MAX {
        let Some((piece, last)) = pieces.current() else {
            return true;
        };
        let chunk = SnapshotChunk {
            announcement: announcement.clone(),
            offset: pieces.offset,
            piece: bytes::Bytes::copy_from_slice(piece),
            last,
        };
        let expected = chunk.offset + chunk.piece.len() as u64;
        match answer(&*transport, &*clock, to, chunk).await {
            Some(SnapshotAck { refused: true, .. }) => return false,
            Some(SnapshotAck { offset, .. }) if offset == expected => {
                attempts = 0;
                pieces.advance();
            }
            Some(SnapshotAck { offset, .. }) => {
                attempts += 1;
                if !pieces.seek(&outgoing, offset) {
                    return false;
                }
            }
            None => {
                attempts += 1;
                clock.sleep_until(clock.now().plus_ms(RETRY_MS)).await;
            }
        }
        tokio::task::yield_now().await;
    }
    tracing::warn!(member = %to, "gave up sending a snapshot: no answer");
    false
}

async fn answer(
    transport: &dyn Transport,
    clock: &dyn Clock,
    to: MemberId,
    chunk: SnapshotChunk,
) -> Option<SnapshotAck> {
    let too_late = clock.sleep_until(clock.now().plus_ms(ANSWER_MS));
    tokio::select! {
        biased;
        answer = transport.send_chunk(to, chunk) => answer,
        () = too_late => None,
    }
}

/// The pieces of a snapshot with a look at the next one, which tells the last.
struct Pieces {
    writer: Writer,
    offset: u64,
    current: Option<Vec<u8>>,
    next: Option<Vec<u8>>,
}

impl Pieces {
    fn of(outgoing: &OutgoingSnapshot) -> Pieces {
        let mut writer = Writer::new(outgoing.meta.clone(), outgoing.state.clone());
        let current = writer.next_piece();
        let next = writer.next_piece();
        Pieces { writer, offset: 0, current, next }
    }

    fn current(&self) -> Option<(&[u8], bool)> {
        Some((self.current.as_deref()?, self.next.is_none()))
    }

    fn advance(&mut self) {
        self.offset += self.current.as_ref().map_or(0, |piece| piece.len() as u64);
        self.current = self.next.take();
        self.next = self.writer.next_piece();
    }

    /// Goes to where the receiver is; `false` where no piece begins there.
    fn seek(&mut self, outgoing: &OutgoingSnapshot, offset: u64) -> bool {
        if offset < self.offset {
            *self = Pieces::of(outgoing);
        }
        while self.offset < offset && self.current.is_some() {
            self.advance();
        }
        self.offset == offset
    }
}

/// The receiving side: at most one snapshot at a time, the newest announced. A leader that was deposed may go on
/// sending for a while beside its successor: of two terms the later counts, and of one leader's snapshots that of the
/// higher index. Were each piece to begin its own anew, neither would ever be whole.
#[derive(Debug)]
pub(crate) struct Receiver {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    current: Option<Incoming>,
    /// Told when the disk fails: the member ends, as for a log that cannot be written.
    failed: mpsc::UnboundedSender<DiskError>,
    /// The last one that arrived whole, with its length: its last answer may have been lost.
    finished: Option<(MemberId, SnapshotMeta, u64)>,
}

#[derive(Debug)]
struct Incoming {
    from: MemberId,
    /// The sender's when it announced this.
    term: u64,
    meta: SnapshotMeta,
    file: SnapshotWriter,
    reader: Reader,
}

impl Incoming {
    fn is(&self, from: MemberId, term: u64, meta: &SnapshotMeta) -> bool {
        (self.from, self.term, &self.meta) == (from, term, meta)
    }

    fn counts_more_than(&self, term: u64, meta: &SnapshotMeta) -> bool {
        (self.term, self.meta.index) > (term, meta.index)
    }
}

const REFUSAL: SnapshotAck = SnapshotAck { offset: 0, refused: true };

/// Why a piece was not taken.
enum Untaken {
    Refused(String),
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
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        failed: mpsc::UnboundedSender<DiskError>,
    ) -> Receiver {
        Receiver { disk, dir, current: None, failed, finished: None }
    }

    /// Takes a piece if it is the next one, and says how far it has come.
    pub(crate) async fn take(
        &mut self,
        message: PeerMessage,
        chunk: SnapshotChunk,
        inputs: &mpsc::UnboundedSender<Input>,
    ) -> SnapshotAck {
        match self.try_take(message, chunk, inputs).await {
            Ok(offset) => SnapshotAck { offset, refused: false },
            Err(Untaken::Refused(reason)) => {
                tracing::warn!(reason, "refused a piece of a snapshot");
                REFUSAL
            }
            Err(Untaken::Disk(error)) => {
                // A member that ends already has nobody to tell.
                drop(self.failed.send(error));
                REFUSAL
            }
        }
    }

    async fn try_take(
        &mut self,
        message: PeerMessage,
        chunk: SnapshotChunk,
        inputs: &mpsc::UnboundedSender<Input>,
    ) -> Result<u64, Untaken> {
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
        if let Some(now) = self.current.as_ref().filter(|now| now.counts_more_than(term, &meta)) {
            return Err(format!("one at index {} of term {} is arriving", now.meta.index, now.term).into());
        }
        // What goes wrong with a piece from here on ends its whole snapshot.
        let mut incoming = match self.current.take() {
            Some(incoming) if incoming.is(from, term, &meta) => incoming,
            _ => {
                let file = SnapshotWriter::create(&self.disk, &self.dir, "received").await?;
                Incoming { from, term, meta, file, reader: Reader::new() }
            }
        };
        if chunk.offset != incoming.file.written() {
            let offset = incoming.file.written();
            self.current = Some(incoming);
            return Ok(offset);
        }
        incoming.reader.push(&chunk.piece).map_err(|error| error.to_string())?;
        incoming.file.push(chunk.piece.into()).await?;
        let offset = incoming.file.written();
        if !chunk.last {
            self.current = Some(incoming);
            return Ok(offset);
        }
        let Incoming { meta, file, reader, .. } = incoming;
        let (found, state) = reader.finish().map_err(|error| error.to_string())?;
        if found != meta {
            return Err(format!("announced as {meta:?}, but it is {found:?}").into());
        }
        file.finish(SnapshotName::of(&meta)).await?;
        self.finished = Some((from, meta, offset));
        let received = ReceivedSnapshot { message, state: Box::new(state) };
        inputs.send(Input::SnapshotReceived(received)).map_err(|_| "this member stops")?;
        Ok(offset)
    }
}
