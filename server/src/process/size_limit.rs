//! Refuses a message that is too large before it is received, in etcd's words.
//!
//! tonic has such a limit, but answers another code and text. So tonic's is raised out of the way, and this layer
//! reads the five bytes in front of each gRPC message: a flag, and the length that decides.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// What etcd adds to `--max-request-bytes` for the message around the request.
const OVERHEAD_BYTES: usize = 512 * 1024;
/// A compression flag and a big-endian `u32` length.
const PREFIX_BYTES: usize = 5;

/// Adds the limit to every service of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeLimit {
    message_bytes_max: usize,
}

impl SizeLimit {
    /// For `--max-request-bytes`.
    pub(crate) fn of_requests(request_bytes_max: usize) -> SizeLimit {
        SizeLimit { message_bytes_max: request_bytes_max + OVERHEAD_BYTES }
    }
}

impl<S> Layer<S> for SizeLimit {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, limit: *self }
    }
}

/// A service that sees only bodies within the limit.
#[derive(Clone, Debug)]
pub(crate) struct Limited<S> {
    inner: S,
    limit: SizeLimit,
}

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for Limited<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        let meter = Meter { message_bytes_max: self.limit.message_bytes_max, prefix: Vec::new(), left: 0 };
        self.inner.call(request.map(|body| Body::new(LimitedBody { inner: body, meter })))
    }
}

struct LimitedBody {
    inner: Body,
    meter: Meter,
}

impl http_body::Body for LimitedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && let Err(length) = self.meter.take(data)
        {
            let max = self.meter.message_bytes_max;
            let text = format!("grpc: received message larger than max ({length} vs. {max})");
            return Poll::Ready(Some(Err(Status::resource_exhausted(text))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Follows the messages through a body that may be cut anywhere, also within a prefix.
struct Meter {
    message_bytes_max: usize,
    /// What has come of a prefix that was cut.
    prefix: Vec<u8>,
    /// What is still to come of the present message.
    left: usize,
}

impl Meter {
    /// Takes note of the body's next bytes; the length of a message that is too large is the error.
    fn take(&mut self, mut data: &[u8]) -> Result<(), usize> {
        while !data.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(data.len());
                self.left -= skipped;
                data = &data[skipped..];
                continue;
            }
            let wanted = (PREFIX_BYTES - self.prefix.len()).min(data.len());
            self.prefix.extend_from_slice(&data[..wanted]);
            data = &data[wanted..];
            if let [_, length @ ..] = self.prefix.as_slice()
                && let Ok(length) = length.try_into()
            {
                self.prefix.clear();
                self.left = u32::from_be_bytes(length) as usize;
                if self.left > self.message_bytes_max {
                    return Err(self.left);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        let mut message = vec![0];
        message.extend_from_slice(&length.to_be_bytes());
        message.resize(PREFIX_BYTES + length as usize, 7);
        message
    }

    #[test]
    fn the_length_is_found_however_the_body_is_cut() {
        let mut body = message(3);
        body.extend(message(0));
        body.extend(message(10));
        body.extend(message(11));
        for piece in 1..body.len() {
            let mut meter = Meter { message_bytes_max: 10, prefix: Vec::new(), left: 0 };
            let outcome: Result<(), usize> = body.chunks(piece).try_for_each(|data| meter.take(data));
            assert_eq!(outcome, Err(11), "in pieces of {piece}");
        }
    }

    #[test]
    fn messages_within_the_limit_pass() {
        let mut meter = Meter { message_bytes_max: 10, prefix: Vec::new(), left: 0 };
        assert_eq!(meter.take(&message(10)), Ok(()));
        assert_eq!(meter.take(&message(10)), Ok(()));
        assert_eq!((meter.left, meter.prefix.len()), (0, 0));
    }
}
