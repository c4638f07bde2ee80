//! The body of a request: JSON values, one after the other, each a message. It is read as it comes, within bounds of size
//! and, for all requests together, of what is held.

use super::json;
use crate::process::framed::Framed;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

/// From the head of a request to the end of its first message.
const FIRST_MESSAGE_MAX: Duration = Duration::from_secs(60);
/// Bytes of requests that have not come whole, of all connections: 32 of the largest requests there are by default.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What all requests hold together, in bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(Arc<AtomicUsize>);

#[cfg(test)]
impl Held {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reads messages off a body.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    described: MessageDescriptor,
    /// Of a message that is encoded.
    limit_bytes: usize,
    read: BytesMut,
    /// What of `read` was looked at.
    scan: Scan,
    held: Held,
}

fn framed(message: &DynamicMessage) -> Result<Bytes, Status> {
    Ok(Framed::whole(message)?.first)
}

/// Where a value ends, found without reading it: the first place where everything that was opened is closed.
#[derive(Debug, Default)]
struct Scan {
    at: usize,
    depth: usize,
    has_begun: bool,
    in_text: bool,
    is_escaped: bool,
}

impl Messages {
    pub(super) fn new(body: Body, described: MessageDescriptor, limit_bytes: usize, held: &Held) -> Messages {
        let (read, scan, held) = (BytesMut::new(), Scan::default(), held.clone());
        Messages { body, described, limit_bytes, read, scan, held }
    }

    /// The first message, framed. No body at all is an empty message, but for a stream, which ends with it.
    pub(super) async fn first(&mut self, is_stream: bool) -> Result<Option<Bytes>, Status> {
        let late = |_| Status::deadline_exceeded("the request's body did not come in time");
        match timeout(FIRST_MESSAGE_MAX, self.next()).await.map_err(late)?? {
            Some(message) => Ok(Some(message)),
            None if is_stream => Ok(None),
            None => framed(&DynamicMessage::new(self.described.clone())).map(Some),
        }
    }

    /// The next message, framed; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(end) = self.scan.end(&self.read) {
                let text = self.take(end);
                return self.encoded(&text).map(Some);
            }
            let Some(frame) = self.body.frame().await else {
                let rest = self.take(self.read.len());
                // A value that is cut, or none.
                return if rest.trim_ascii().is_empty() { Ok(None) } else { self.encoded(&rest).map(Some) };
            };
            if let Ok(data) = frame?.into_data() {
                self.hold(data.len())?;
                self.read.extend_from_slice(&data);
            }
        }
    }

    fn encoded(&self, text: &[u8]) -> Result<Bytes, Status> {
        let message = json::message(self.described.clone(), text)?;
        let (length, max) = (message.encoded_len(), self.limit_bytes);
        if length > max {
            let text = format!("grpc: received message larger than max ({length} vs. {max})");
            return Err(Status::resource_exhausted(text));
        }
        framed(&message)
    }

    /// As a body of gRPC: this message, then all others.
    pub(super) fn framed_after(self, first: Option<Bytes>) -> Body {
        let messages = stream::unfold((first, Some(self)), async |(ready, messages)| {
            let mut messages = messages?;
            let (next, rest) = match ready {
                Some(message) => (Ok(message), Some(messages)),
                None => match messages.next().await {
                    Ok(Some(message)) => (Ok(message), Some(messages)),
                    Ok(None) => return None,
                    Err(status) => (Err(status), None),
                },
            };
            Some((next.map(Frame::data), (None, rest)))
        });
        Body::new(StreamBody::new(messages))
    }

    /// Bytes are text in JSON, a third longer, and each may be written as an escape.
    fn hold(&mut self, bytes: usize) -> Result<(), Status> {
        let text_bytes_max = self.limit_bytes.saturating_mul(2);
        if self.read.len() + bytes > text_bytes_max {
            let text =
                format!("grpc: received message larger than max (JSON of more than {text_bytes_max} bytes)");
            return Err(Status::resource_exhausted(text));
        }
        let before = self.held.0.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > HELD_BYTES_MAX {
            self.held.0.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Status::resource_exhausted("too much of other requests waits for the rest of them"));
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> BytesMut {
        self.held.0.fetch_sub(bytes, Ordering::Relaxed);
        self.scan = Scan::default();
        self.read.split_to(bytes)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.read.len(), Ordering::Relaxed);
    }
}

impl Scan {
    /// The end of the first value in `text`, if it is there: of an object or an array, which messages are, or of whatever
    /// else is followed by space. It goes on where it left off.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        while let Some(&byte) = text.get(self.at) {
            self.at += 1;
            if self.in_text {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b' ' | b'\t' | b'\r' | b'\n' if !self.has_begun => continue,
                b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => return Some(self.at),
                _ => {}
            }
            self.has_begun = true;
            if self.depth == 0 && matches!(byte, b'}' | b']') {
                return Some(self.at);
            }
        }
        None
    }
}
