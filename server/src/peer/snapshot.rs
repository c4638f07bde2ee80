//! A snapshot on its way to a member that lags behind the log: piece by piece, each answered with how far the
//! receiver has come. An answer that does not come is asked for again; a receiver that restarted says so by an
//! offset of 0. A snapshot's bytes follow from the state alone, so the sender can write them again from any view it
//! still holds, and needs no copy of what it sent.

pub(crate) mod receiver;

use super::Transport;
use super::pb::{SnapshotAck, SnapshotChunk};
use crate::clock::Clock;
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::snapshot::OutgoingSnapshot;
use detcd_engine::snapshot::Writer;
use std::sync::Arc;

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
