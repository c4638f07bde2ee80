//! The bodies of a call that a tonic service answers, counted as they pass.

use super::calls::Call;
use crate::process::framed::PREFIX_BYTES;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tonic::body::Body;
use tonic::{Code, Status};

/// A request whose messages are counted.
pub(crate) fn request(request: http::Request<Body>, call: &Arc<Call>) -> http::Request<Body> {
    let call = Arc::clone(call);
    request.map(|inner| Body::new(Counted { inner, call, is_answer: false }))
}

/// An answer whose messages are counted, and whose status ends the call.
pub(crate) fn response(response: http::Response<Body>, call: Arc<Call>) -> http::Response<Body> {
    if let Some(status) = Status::from_header_map(response.headers()) {
        call.ended(status.code());
    }
    response.map(|inner| Body::new(Counted { inner, call, is_answer: true }))
}

struct Counted {
    inner: Body,
    call: Arc<Call>,
    is_answer: bool,
}

impl Counted {
    fn count(&self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            let messages = messages(data.clone());
            if self.is_answer {
                let bytes = messages.iter().sum();
                self.call.sent(messages.len() as u64, bytes);
            } else {
                messages.into_iter().for_each(|bytes| self.call.received(bytes));
            }
        } else if let Some(trailers) = frame.trailers_ref()
            && self.is_answer
        {
            self.call.ended(code(trailers));
        }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.count(frame),
            Some(Err(status)) => self.call.ended(status.code()),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn code(trailers: &HeaderMap) -> Code {
    Status::from_header_map(trailers).map_or(Code::Unknown, |status| status.code())
}

/// The sizes of the messages in a piece of a body, in bytes, each without its prefix: services and clients' calls hand
/// over whole messages.
fn messages(mut data: Bytes) -> Vec<usize> {
    let mut sizes = Vec::with_capacity(1);
    while data.len() >= PREFIX_BYTES {
        data.advance(1);
        let bytes = data.get_u32() as usize;
        sizes.push(bytes);
        data.advance(bytes.min(data.len()));
    }
    sizes
}
