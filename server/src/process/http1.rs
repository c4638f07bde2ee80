//! A connection on HTTP/1.1, which hyper speaks: requests one after the other.

use super::http::Http;
use super::stream::Stream;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tonic::body::Body;

/// From the end of one request to the end of the next one's head. Probes and scrapes come more often.
const HEAD_MAX: Duration = Duration::from_secs(120);
/// The head of a request; a longer one is refused with 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of a request; more are refused with 431.
const HEADERS_MAX: usize = 128;

/// Serves a connection until the client closes it, or, once `stop` is ready, until its request has ended.
pub(super) async fn serve(stream: Stream, http: Arc<Http>, is_tls: bool, stop: impl Future<Output = ()>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let http = Arc::clone(&http);
        async move {
            let (parts, body) = request.into_parts();
            let response: Response<Body> = http.answer(&parts, Body::new(body), is_tls).await;
            Ok::<_, Infallible>(response)
        }
    });
    let mut settings = http1::Builder::new();
    settings
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut connection = pin!(settings.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        biased;
        // An error is the client's own: it is gone, or did not speak HTTP, and was told.
        _ = &mut connection => return,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    _ = connection.await;
}
