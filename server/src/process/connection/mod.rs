//! Connections: from a stream to services and back, on HTTP/2.
//!
//! ```text
//!    stream ── paced ── h2 ─┬─ call: head ── messages ── service ── answer
//!                           ├─ call ...
//!                           └─ call ...
//! ```
//!
//! A connection is one task, and its calls are futures within it. A turn of the task reads a bounded number of bytes,
//! then polls each call that something came for: so every call takes what came for it before more is read, whatever
//! runtime the task is on. HTTP/2 itself (frames, header compression, windows, streams) is the crate h2's; what a
//! connection may cost is said in `limits`.

mod answer;
mod call;
mod gzip;
mod head;
mod limits;
mod messages;
mod paced;
mod timeout;

pub(crate) use limits::Limits;
pub(crate) use messages::Unread;

use super::http::Http;
use super::services::Services;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use http::HeaderValue;
use limits::{
    CANCELLED_UNSEEN_MAX, CONNECTION_WINDOW_BYTES, ENDED_STREAMS_KEPT, ENDED_STREAMS_KEPT_MAX,
    FAULTY_STREAMS_MAX, HANDSHAKE_MAX, HEADER_LIST_BYTES_MAX, SMALL_FRAMES_BUDGET_BYTES, STREAM_WINDOW_BYTES,
};
use paced::{Paced, Turn};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// Who answers what comes on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// Calls of gRPC.
    pub(crate) services: Option<Arc<Services>>,
    /// All others, where others are answered.
    pub(crate) http: Option<Arc<Http>>,
    /// The common name of the certificate of this connection, where that says who asks.
    pub(crate) certificate_name: Option<HeaderValue>,
}

/// Serves a connection until the client closes it, or, once `stop` is ready, until its calls have ended.
pub(crate) async fn serve(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    answers: Answers,
    limits: Limits,
    unread: Unread,
    stop: impl Future<Output = ()>,
) {
    // The turns of `paced` are what is fair here: tokio's own budget would leave calls unpolled within one.
    tokio::task::unconstrained(drive(socket, answers, limits, unread, stop)).await;
}

async fn drive(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    answers: Answers,
    limits: Limits,
    unread: Unread,
    stop: impl Future<Output = ()>,
) {
    let turn = Turn::first();
    let handshake = settings(&limits).handshake::<_, Bytes>(Paced::new(socket, turn.clone()));
    let Ok(Ok(mut connection)) = timeout(HANDSHAKE_MAX, handshake).await else {
        return;
    };
    let mut calls = pin!(FuturesUnordered::new());
    // Among the calls, so that it is polled only when it is woken.
    calls.push(Either::Left(async {
        stop.await;
        Ended::Stop
    }));
    let mut calls_open = 0_usize;
    let mut idle = pin!(idle_sleep(&limits));
    poll_fn(|cx| {
        turn.begin();
        while let Poll::Ready(accepted) = connection.poll_accept(cx) {
            let Some(Ok((request, respond))) = accepted else { return Poll::Ready(()) };
            let call = call::serve(answers.clone(), request, respond, unread.clone());
            calls.push(Either::Right(async {
                call.await;
                Ended::Call
            }));
            calls_open += 1;
        }
        while let Poll::Ready(Some(ended)) = calls.poll_next_unpin(cx) {
            match ended {
                Ended::Stop => {
                    connection.graceful_shutdown();
                    // The GOAWAY frame is written by the next turn.
                    cx.waker().wake_by_ref();
                }
                Ended::Call => {
                    calls_open -= 1;
                    idle.set(idle_sleep(&limits));
                }
            }
        }
        // What the calls had to say was put into the connection, which has woken this task to write it.
        match idle.as_mut().as_pin_mut() {
            Some(sleep) if calls_open == 0 => sleep.poll(cx),
            _ => Poll::Pending,
        }
    })
    .await;
}

enum Ended {
    Call,
    Stop,
}

fn idle_sleep(limits: &Limits) -> Option<tokio::time::Sleep> {
    limits.idle_max.map(tokio::time::sleep)
}

fn settings(limits: &Limits) -> h2::server::Builder {
    let mut settings = h2::server::Builder::new();
    settings
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_concurrent_streams(limits.calls_max)
        .max_pending_accept_reset_streams(CANCELLED_UNSEEN_MAX)
        .max_local_error_reset_streams(Some(FAULTY_STREAMS_MAX))
        .max_concurrent_reset_streams(ENDED_STREAMS_KEPT_MAX)
        .reset_stream_duration(ENDED_STREAMS_KEPT)
        .data_frame_budget(SMALL_FRAMES_BUDGET_BYTES);
    settings
}
