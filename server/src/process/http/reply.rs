//! Answers as Go's net/http gives them.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NOSNIFF: (&str, HeaderValue) = ("x-content-type-options", HeaderValue::from_static("nosniff"));

/// Text.
pub(super) fn text(status: u16, body: impl Into<String>) -> Response<Bytes> {
    let body: String = body.into();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status of ours");
    if !response.body().is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, TEXT);
    }
    response
}

/// JSON.
pub(super) fn json(body: String) -> Response<Bytes> {
    typed(JSON, body)
}

/// Text of some type.
pub(super) fn typed(content_type: HeaderValue, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// An error: a line of text that no browser takes for anything else.
pub(super) fn error(status: u16, line: &str) -> Response<Bytes> {
    let mut response = text(status, format!("{line}\n"));
    response.headers_mut().insert(NOSNIFF.0, NOSNIFF.1);
    response
}

/// Success of a check.
pub(super) fn checked(body: String) -> Response<Bytes> {
    let mut response = text(200, body);
    response.headers_mut().insert(NOSNIFF.0, NOSNIFF.1);
    response
}

pub(super) fn not_found() -> Response<Bytes> {
    error(404, "404 page not found")
}

/// Anything but GET is refused.
pub(super) fn only_get(method: &Method) -> Option<Response<Bytes>> {
    if method == Method::GET {
        return None;
    }
    let mut response = error(405, "Method Not Allowed");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    Some(response)
}
