//! The request messages of one call: taken out of HTTP/2 as they come, handed over whole when they are asked for.
//!
//! `begin_turn` moves everything that came into memory of the call's own, where a message of one byte costs one byte; the
//! connection calls it once a turn. What a client may go on to send is decided apart from that: its window is given back
//! only for what was asked for, so a client whose call does not read is slowed down, alone.

use super::gzip;
use super::head::Encoding;
use super::limits::TURN_BYTES;
use crate::process::framed::PREFIX_BYTES;
use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use tonic::Status;

/// How a call's messages are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) encoding: Encoding,
    /// The largest message, inflated.
    pub(super) message_bytes_max: usize,
    /// One message is awaited, and only one: a call without any is refused.
    pub(super) is_unary: bool,
}

/// Bytes of requests that came and wait to be read by their calls, or for their message to be whole: of all calls that
/// share this. The call that goes beyond is refused.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Unread {
    pub(crate) fn new(bytes_max: usize) -> Unread {
        Unread { bytes: Arc::default(), bytes_max }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Messages {
    frames: RecvStream,
    rules: Rules,
    /// What came and was not handed over: one piece that is HTTP/2's own memory, or all of it copied together.
    piece: Bytes,
    copied: BytesMut,
    /// Came, and its window was not given back yet.
    unreleased_bytes: usize,
    /// The client said that nothing follows, or left.
    has_ended: bool,
    has_handed_over: bool,
    failure: Option<Status>,
    reader: Option<Waker>,
    unread: Unread,
    /// This call's part of `unread`.
    counted_bytes: usize,
    /// What may still be handed over in the present turn.
    turn_left_bytes: usize,
}

impl Messages {
    pub(super) fn new(frames: RecvStream, rules: Rules, unread: Unread) -> Messages {
        Messages {
            frames,
            rules,
            piece: Bytes::new(),
            copied: BytesMut::new(),
            unreleased_bytes: 0,
            has_ended: false,
            has_handed_over: false,
            failure: None,
            reader: None,
            unread,
            counted_bytes: 0,
            turn_left_bytes: TURN_BYTES,
        }
    }

    /// Begins the call's next turn: takes what came. However much lies here when a call reads again after a while, other
    /// calls get their turns in between. Where too much lies here, it says so, and the call is to end.
    pub(super) fn begin_turn(&mut self, cx: &mut Context<'_>) -> Option<Status> {
        self.turn_left_bytes = TURN_BYTES;
        self.receive(cx);
        self.failure.clone()
    }

    /// Takes what came. The task of `cx` is woken when there is more.
    fn receive(&mut self, cx: &mut Context<'_>) {
        let mut anything = false;
        while !self.has_ended && self.failure.is_none() {
            match self.frames.poll_data(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(data))) => self.take_in(data),
                // Reset by the client, or the connection is gone: the call is dropped by whoever sees that.
                Poll::Ready(Some(Err(_)) | None) => self.has_ended = true,
            }
            anything = true;
        }
        if anything && let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// The next message behind a prefix of its own, not compressed; `None` where the client has no more.
    pub(super) fn poll_framed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        self.receive(cx);
        if let Some(failure) = self.failure.take() {
            self.has_ended = true;
            self.clear();
            return Poll::Ready(Some(Err(failure)));
        }
        if self.turn_left_bytes == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let found = match self.split() {
            Ok(Some(message)) => self.open(message),
            Ok(None) if self.has_ended => return Poll::Ready(self.last_words().map(Err)),
            Ok(None) => {
                // What came belongs to the message that is awaited. It is kept in memory of our own: a piece of
                // HTTP/2's would keep the whole buffer of that read.
                if !self.piece.is_empty() {
                    self.copied.extend_from_slice(&std::mem::take(&mut self.piece));
                }
                self.release_all_but(0);
                self.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Err(refusal) => Err(refusal),
        };
        match &found {
            Ok(framed) => {
                self.has_handed_over = true;
                self.turn_left_bytes = self.turn_left_bytes.saturating_sub(framed.len());
                self.release_all_but(self.held_bytes());
            }
            Err(_) => {
                self.has_ended = true;
                self.clear();
            }
        }
        self.count();
        Poll::Ready(Some(found))
    }

    /// The next message alone.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        self.poll_framed(cx).map_ok(|framed| framed.slice(PREFIX_BYTES..))
    }

    fn held_bytes(&self) -> usize {
        self.piece.len() + self.copied.len()
    }

    fn take_in(&mut self, data: Bytes) {
        self.unreleased_bytes += data.len();
        // A request that comes in one piece is read at once, and needs no copy. Those of a stream may lie for long.
        if self.rules.is_unary && self.held_bytes() == 0 {
            self.piece = data;
        } else {
            self.copied.extend_from_slice(&std::mem::take(&mut self.piece));
            self.copied.extend_from_slice(&data);
        }
        self.count();
        let (total, max) = (self.unread.bytes.load(Ordering::Relaxed), self.unread.bytes_max);
        if total > max {
            self.failure = Some(Status::resource_exhausted(format!(
                "grpc: requests that wait to be read are larger than max ({total} vs. {max})"
            )));
        }
    }

    /// Cuts the next message off, with its prefix, when all of it is there.
    fn split(&mut self) -> Result<Option<Bytes>, Status> {
        let bytes: &[u8] = if self.piece.is_empty() { &self.copied } else { &self.piece };
        let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let [_, length @ ..] = *prefix;
        let (length, max) = (u32::from_be_bytes(length) as usize, self.rules.message_bytes_max);
        if length > max {
            let text = format!("grpc: received message larger than max ({length} vs. {max})");
            return Err(Status::resource_exhausted(text));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let whole = PREFIX_BYTES + length;
        let message = if self.piece.is_empty() {
            self.copied.split_to(whole).freeze()
        } else {
            self.piece.split_to(whole)
        };
        Ok(Some(message))
    }

    /// Inflates a message where it is compressed.
    fn open(&self, framed: Bytes) -> Result<Bytes, Status> {
        match (framed[0], self.rules.encoding) {
            (0, _) => Ok(framed),
            (1, Encoding::Gzip) => {
                let inflated = gzip::inflate(&framed[PREFIX_BYTES..], self.rules.message_bytes_max)?;
                let mut framed = BytesMut::with_capacity(PREFIX_BYTES + inflated.len());
                framed.put_u8(0);
                framed.put_u32(u32::try_from(inflated.len()).expect("within the largest message"));
                framed.extend_from_slice(&inflated);
                Ok(framed.freeze())
            }
            (1, Encoding::Identity) => {
                Err(Status::internal("grpc: compressed flag set with identity or empty encoding"))
            }
            (flag, _) => Err(Status::internal(format!("grpc: received unexpected payload format {flag}"))),
        }
    }

    /// What is wrong with how the messages ended, in grpc-go's words and codes.
    fn last_words(&mut self) -> Option<Status> {
        let is_cut = self.held_bytes() >= PREFIX_BYTES;
        self.clear();
        match (self.rules.is_unary, is_cut) {
            (true, true) => Some(Status::unknown("unexpected EOF")),
            (true, false) if !self.has_handed_over => Some(Status::unknown("EOF")),
            (false, true) => Some(Status::internal("unexpected EOF")),
            (_, false) => None,
        }
    }

    fn clear(&mut self) {
        self.piece.clear();
        self.copied.clear();
        self.count();
    }

    /// Gives the window of what came back, but for so many bytes.
    fn release_all_but(&mut self, kept_bytes: usize) {
        let released = self.unreleased_bytes.saturating_sub(kept_bytes);
        self.unreleased_bytes -= released;
        // A stream that has ended gives everything back by itself.
        if released > 0 && !self.has_ended {
            // An error means that the stream was reset meanwhile, which is the same.
            _ = self.frames.flow_control().release_capacity(released);
        }
    }

    fn count(&mut self) {
        let (held, counted) = (self.held_bytes(), self.counted_bytes);
        self.unread.bytes.fetch_add(held, Ordering::Relaxed);
        self.unread.bytes.fetch_sub(counted, Ordering::Relaxed);
        self.counted_bytes = held;
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.unread.bytes.fetch_sub(self.counted_bytes, Ordering::Relaxed);
    }
}
