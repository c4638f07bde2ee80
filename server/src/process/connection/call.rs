//! One call from its head to the last byte of its answer.
//!
//! A call ends when its answer is sent, when its client cancels it, or when the time that its client gave it is over.
//! Whatever was done for it is dropped then, which tells the engine that nobody waits any more.

use super::Answers;
use super::answer::{self, Answer};
use super::head::{self, Encoding, Head};
use super::messages::{Messages, Rules, Unread};
use crate::process::http::Http;
use crate::process::metrics::Call;
use crate::process::services::{Method, Services};
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http_body::Frame;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tonic::body::Body;
use tonic::{Code, Status};

/// Serves a call that was accepted.
pub(super) async fn serve(
    Answers { services, http, certificate_name }: Answers,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    unread: Unread,
) {
    let (parts, frames) = request.into_parts();
    let services = match (services, http) {
        (Some(services), None) => services,
        (Some(services), Some(_)) if head::may_be_grpc(&parts.headers) => services,
        (_, Some(http)) => return Box::pin(plain(http, parts, frames, respond)).await,
        (None, None) => unreachable!("a connection is served where somebody answers"),
    };
    let found = head::read(&parts).and_then(|mut head| {
        certificate_name.into_iter().for_each(|name| head.note_certificate(name));
        let found = services.find(&head.path)?;
        let version = head.metadata.get("client-api-version").and_then(|version| version.to_str().ok());
        let call = found.metrics.begin(version);
        let encoding = head.encoding.clone()?;
        Ok((head, found.method, call, encoding))
    });
    let (head, method, call, encoding) = match found {
        Ok(found) => found,
        Err(refusal) => return answer::refuse(&mut respond, &refusal),
    };
    let rules =
        Rules { encoding, message_bytes_max: services.message_bytes_max(), is_unary: method.is_unary() };
    let messages = Messages::new(frames, rules, unread);
    let mut deadline = Deadline::new(head.timeout);
    match method {
        Method::Direct(direct) => {
            let answered = {
                let mut messages = messages;
                let work = async {
                    let message = poll_fn(|cx| messages.poll_message(cx)).await.unwrap_or_else(no_message)?;
                    // Whatever else comes is passed over by HTTP/2.
                    drop(messages);
                    call.received(message.len());
                    services.answer(direct, &head.metadata, message).await
                };
                deadline.bound(&mut respond, pin!(work), |_| None).await
            };
            let answer = match answered {
                None => return,
                Some(Ok(framed)) => {
                    call.sent(1, framed.message_bytes());
                    call.ended(Code::Ok);
                    Answer::of_message(&mut respond, framed, encoding)
                }
                Some(Err(status)) => {
                    call.ended(status.code());
                    return answer::refuse(&mut respond, &status.into());
                }
            };
            if let Ok(answer) = answer {
                send(answer, &mut deadline, |_| None).await;
            }
        }
        Method::Unary | Method::ServerStream | Method::Streaming => {
            Box::pin(route(Routed { services, call, encoding }, head, parts, messages, deadline, respond))
                .await;
        }
    }
}

/// A request that is not gRPC's.
async fn plain(
    http: Arc<Http>,
    request: http::request::Parts,
    frames: RecvStream,
    mut respond: SendResponse<Bytes>,
) {
    let mut deadline = Deadline::new(None);
    let body = Body::new(PlainBody { frames });
    let work = pin!(async { Ok(http.answer(&request, body, true).await) });
    if let Some(Ok(response)) = deadline.bound(&mut respond, work, |_| None).await
        && let Ok(answer) = Answer::of_http(&mut respond, response)
    {
        send(answer, &mut deadline, |_| None).await;
    }
}

/// A call that has no message ends with one error or another.
fn no_message() -> Result<Bytes, Status> {
    Err(Status::unknown("EOF"))
}

/// Who answers a call through tonic, and how.
struct Routed {
    services: Arc<Services>,
    call: Arc<Call>,
    encoding: Encoding,
}

/// A call of a tonic service. What comes for it is taken out of HTTP/2 whether or not the service reads.
async fn route(
    Routed { services, call, encoding }: Routed,
    head: Head,
    parts: http::request::Parts,
    messages: Messages,
    mut deadline: Deadline,
    mut respond: SendResponse<Bytes>,
) {
    let messages = Arc::new(Mutex::new(messages));
    let mut request = http::Request::new(Body::new(RequestBody { messages: Arc::clone(&messages) }));
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = head.metadata.into_headers();
    let begin_turn = |cx: &mut Context<'_>| lock(&messages).begin_turn(cx);
    let work = services.route(request, Arc::clone(&call));
    let answered = deadline.bound(&mut respond, pin!(async { Ok(work.await) }), begin_turn).await;
    match answered {
        None => {}
        Some(Err(status)) => {
            call.ended(status.code());
            answer::refuse(&mut respond, &status.into());
        }
        Some(Ok(response)) => {
            if let Ok(Some(answer)) = Answer::of_service(&mut respond, response, encoding)
                && let Some(ended_by) = send(answer, &mut deadline, begin_turn).await
            {
                call.ended(ended_by);
            }
        }
    }
}

/// Sends an answer to its end, or to the client's. `begin_turn` says why the call must end before, if it must. Where it
/// was ended before, by which code.
async fn send(
    mut answer: Answer,
    deadline: &mut Deadline,
    mut begin_turn: impl FnMut(&mut Context<'_>) -> Option<Status>,
) -> Option<Code> {
    let ended_by = poll_fn(|cx| {
        if let Some(refusal) = begin_turn(cx) {
            return Poll::Ready(Some(refusal));
        }
        if answer.poll_send(cx).is_ready() || answer.poll_cancelled(cx).is_ready() {
            return Poll::Ready(None);
        }
        deadline.poll_passed(cx).map(|()| Some(Deadline::status()))
    })
    .await;
    let status = ended_by?;
    answer.end(&status);
    Some(status.code())
}

/// When a call's time is over.
struct Deadline {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn new(timeout: Option<Duration>) -> Deadline {
        Deadline { sleep: timeout.map(|timeout| Box::pin(tokio::time::sleep(timeout))) }
    }

    fn status() -> Status {
        Status::deadline_exceeded("context deadline exceeded")
    }

    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            None => Poll::Pending,
            // The runtime's timers count milliseconds; a client may give less.
            Some(sleep) if sleep.deadline() <= Instant::now() => Poll::Ready(()),
            Some(sleep) => sleep.as_mut().poll(cx),
        }
    }

    /// Works until the work is done, the time is over (then the error says so), or the client cancels (`None`).
    /// `begin_turn` says why the call must end before, if it must.
    async fn bound<T>(
        &mut self,
        respond: &mut SendResponse<Bytes>,
        mut work: Pin<&mut impl Future<Output = Result<T, Status>>>,
        mut begin_turn: impl FnMut(&mut Context<'_>) -> Option<Status>,
    ) -> Option<Result<T, Status>> {
        poll_fn(|cx| {
            if let Some(refusal) = begin_turn(cx) {
                return Poll::Ready(Some(Err(refusal)));
            }
            if respond.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            // The clock first: a call whose time is over changes nothing any more.
            if self.poll_passed(cx).is_ready() {
                return Poll::Ready(Some(Err(Deadline::status())));
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// What is read of a request that is not gRPC's.
struct PlainBody {
    frames: RecvStream,
}

impl http_body::Body for PlainBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let ended = |error: h2::Error| Status::cancelled(error.to_string());
        match ready!(self.frames.poll_data(cx)) {
            None => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(ended(error)))),
            Some(Ok(data)) => {
                let released = self.frames.flow_control().release_capacity(data.len());
                Poll::Ready(Some(released.map(|()| Frame::data(data)).map_err(ended)))
            }
        }
    }
}

/// What a tonic service reads of a call.
struct RequestBody {
    messages: Arc<Mutex<Messages>>,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        lock(&self.messages).poll_framed(cx).map_ok(Frame::data)
    }
}

fn lock(messages: &Mutex<Messages>) -> MutexGuard<'_, Messages> {
    messages.lock().expect("no panic while it is held")
}
