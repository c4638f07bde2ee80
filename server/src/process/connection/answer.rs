//! The way of an answer back to its client: HTTP/2 frames as fast as the client reads them, and the status at the end.

use super::gzip;
use super::head::{Encoding, Refusal};
use super::limits::SENT_BYTES_A_TURN;
use crate::process::framed::Framed;
use bytes::{Bytes, BytesMut};
use detcd::wire::RangeAnswer;
use h2::SendStream;
use h2::server::SendResponse;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tonic::Status;
use tonic::body::Body;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const STATUS_OK: HeaderValue = HeaderValue::from_static("0");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// A message up to this is given to HTTP/2 whole; what is larger waits here for the client to have room.
const WHOLE_BYTES_MAX: usize = 16 * 1024;

/// A message that comes in pieces is put together up to this, to be compressed.
const COMPRESSED_BYTES_MAX: usize = 1024 * 1024;

/// An error that is the whole answer.
pub(super) fn refuse(respond: &mut SendResponse<Bytes>, refusal: &Refusal) {
    let mut response = head(refusal.http, Encoding::Identity);
    add_status(&refusal.status, response.headers_mut());
    // The client may be gone: then nobody waits for it.
    _ = respond.send_response(response, true);
}

fn head(http: StatusCode, encoding: Encoding) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = http;
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    if encoding == Encoding::Gzip {
        response.headers_mut().insert(ENCODING, GZIP);
    }
    response
}

fn add_status(status: &Status, headers: &mut HeaderMap) {
    if status.add_header(headers).is_err() {
        // Texts are percent-encoded; only metadata of the status could be at fault, and we send none.
        headers.insert(STATUS, HeaderValue::from(status.code() as i32));
    }
}

fn ok() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, STATUS_OK);
    trailers
}

/// An answer that has begun.
pub(super) struct Answer {
    stream: SendStream<Bytes>,
    encoding: Encoding,
    /// Has to go before anything else.
    unsent: Bytes,
    rest: Rest,
}

enum Rest {
    /// More of this.
    Body(Body),
    /// More pieces of the message, encoded as the client has room.
    Pieces(Box<RangeAnswer>),
    /// More of this, and no trailers behind it.
    Plain(Body),
    /// The status, and with it the end.
    Trailers(HeaderMap),
    Nothing,
}

impl Answer {
    /// Begins an answer of one message. A large one is not compressed (a message of a call that compresses need not be):
    /// that takes all of it at once.
    pub(super) fn of_message(
        respond: &mut SendResponse<Bytes>,
        message: Framed,
        encoding: Encoding,
    ) -> Result<Answer, h2::Error> {
        let mut stream = respond.send_response(head(StatusCode::OK, encoding), false)?;
        let (mut unsent, rest) = match message {
            Framed { first, rest: None } => (compressed(first, encoding), Rest::Trailers(ok())),
            Framed { first, rest: Some(mut pieces) }
                if encoding == Encoding::Gzip && pieces.encoded_len() <= COMPRESSED_BYTES_MAX =>
            {
                let mut whole = BytesMut::from(first);
                while pieces.next_piece(&mut whole) {}
                (compressed(whole.freeze(), encoding), Rest::Trailers(ok()))
            }
            Framed { first, rest: Some(pieces) } => (first, Rest::Pieces(pieces)),
        };
        if unsent.len() <= WHOLE_BYTES_MAX {
            stream.send_data(std::mem::take(&mut unsent), false)?;
        }
        Ok(Answer { stream, encoding, unsent, rest })
    }

    /// Begins an answer that is not gRPC's.
    pub(super) fn of_http(
        respond: &mut SendResponse<Bytes>,
        response: http::Response<Body>,
    ) -> Result<Answer, h2::Error> {
        let (parts, body) = response.into_parts();
        let stream = respond.send_response(Response::from_parts(parts, ()), false)?;
        Ok(Answer { stream, encoding: Encoding::Identity, unsent: Bytes::new(), rest: Rest::Plain(body) })
    }

    /// Begins the answer that a tonic service gave; `None` where it ended with its head.
    pub(super) fn of_service(
        respond: &mut SendResponse<Bytes>,
        response: http::Response<Body>,
        encoding: Encoding,
    ) -> Result<Option<Answer>, h2::Error> {
        let (mut parts, body) = response.into_parts();
        parts.extensions.clear();
        if body.is_end_stream() {
            respond.send_response(Response::from_parts(parts, ()), true)?;
            return Ok(None);
        }
        if encoding == Encoding::Gzip {
            parts.headers.insert(ENCODING, GZIP);
        }
        let stream = respond.send_response(Response::from_parts(parts, ()), false)?;
        Ok(Some(Answer { stream, encoding, unsent: Bytes::new(), rest: Rest::Body(body) }))
    }

    /// Sends what can be sent; ready when all of it is. An error means that the client is gone.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let mut sent_bytes = 0;
        loop {
            while !self.unsent.is_empty() {
                if sent_bytes >= SENT_BYTES_A_TURN {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                sent_bytes += ready!(self.poll_send_unsent(cx))?;
            }
            match &mut self.rest {
                Rest::Nothing => return Poll::Ready(Ok(())),
                Rest::Plain(body) => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => self.unsent = frame.into_data().unwrap_or_default(),
                    // Cut short, which is all that HTTP has for it.
                    Some(Err(_)) => return Poll::Ready(Err(h2::Reason::INTERNAL_ERROR.into())),
                    None => {
                        self.rest = Rest::Nothing;
                        self.stream.send_data(Bytes::new(), true)?;
                    }
                },
                Rest::Trailers(trailers) => {
                    let trailers = std::mem::take(trailers);
                    self.rest = Rest::Nothing;
                    self.stream.send_trailers(trailers)?;
                }
                Rest::Pieces(pieces) => {
                    let mut piece = BytesMut::with_capacity(RangeAnswer::PIECE_BYTES + 1024);
                    if pieces.next_piece(&mut piece) {
                        self.unsent = piece.freeze();
                    } else {
                        self.rest = Rest::Trailers(ok());
                    }
                }
                Rest::Body(body) => match ready!(Pin::new(body).poll_frame(cx)) {
                    None => self.rest = Rest::Trailers(ok()),
                    Some(Err(status)) => {
                        let mut trailers = HeaderMap::new();
                        add_status(&status, &mut trailers);
                        self.rest = Rest::Trailers(trailers);
                    }
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => self.unsent = compressed(data, self.encoding),
                        Err(frame) => self.rest = Rest::Trailers(frame.into_trailers().unwrap_or_default()),
                    },
                },
            }
        }
    }

    /// Ready when the client no longer wants the answer.
    pub(super) fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(drop)
    }

    /// Ends an answer that is not whole.
    pub(super) fn end(mut self, status: &Status) {
        let mut trailers = HeaderMap::new();
        add_status(status, &mut trailers);
        // The client may be gone: then nobody waits for it.
        _ = self.stream.send_trailers(trailers);
    }

    fn poll_send_unsent(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, h2::Error>> {
        self.stream.reserve_capacity(self.unsent.len());
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(capacity) => _ = capacity?,
                None => return Poll::Ready(Err(h2::Reason::CANCEL.into())),
            }
        }
        let piece = self.unsent.split_to(self.stream.capacity().min(self.unsent.len()));
        let length = piece.len();
        self.stream.send_data(piece, false)?;
        Poll::Ready(Ok(length))
    }
}

fn compressed(framed: Bytes, encoding: Encoding) -> Bytes {
    match encoding {
        Encoding::Identity => framed,
        Encoding::Gzip => gzip::deflate_each(framed),
    }
}
