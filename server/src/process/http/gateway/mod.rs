//! etcd's JSON gateway: each method as a path, messages as JSON, on the services that gRPC's clients call.
//!
//! ```text
//!    body ── json ── message ── services ── message ── json ── body
//! ```
//!
//! A call through the gateway is a call: what is refused, and in which words, is the services' to say. Only what HTTP makes
//! of it is here. Messages are known by their descriptors, so a method needs a line in `bindings` and nothing else.

mod bindings;
mod framing;
mod json;
mod request;
mod status;

use crate::process::services::Services;
use bindings::Binding;
use bytes::Bytes;
use detcd::grpc::CERTIFICATE_NAME;
use framing::Unframe;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use json::Described;
use request::{Held, Messages};
use std::sync::{Arc, OnceLock};
use tonic::Status;
use tonic::body::Body;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METADATA_CONTENT_TYPE: (HeaderName, HeaderValue) =
    (HeaderName::from_static("grpc-metadata-content-type"), HeaderValue::from_static("application/grpc"));
/// Headers with this in front are metadata of the call.
const METADATA: &str = "grpc-metadata-";

/// The gateway of a port.
#[derive(Debug)]
pub(crate) struct Gateway {
    services: Arc<Services>,
    /// Read with the first request: a member that is never asked in JSON does without.
    described: OnceLock<Described>,
    held: Held,
}

impl Gateway {
    pub(crate) fn new(services: Arc<Services>) -> Gateway {
        Gateway { services, described: OnceLock::new(), held: Held::default() }
    }

    /// Answers a request below `/v3/`.
    pub(crate) async fn answer(&self, request: &Parts, body: Body) -> Response<Body> {
        // As etcd: older programs ask for it under another name.
        let path = match request.uri.path().strip_prefix("/v3beta/") {
            Some(rest) => format!("/v3/{rest}"),
            None => request.uri.path().to_owned(),
        };
        match self.call(&path, request, body).await {
            Ok(response) => response,
            Err(status) => status::response(&status),
        }
    }

    async fn call(&self, path: &str, request: &Parts, body: Body) -> Result<Response<Body>, Status> {
        let binding = bindings::find(path).ok_or_else(|| Status::not_found("Not Found"))?;
        if request.method != Method::POST {
            return Err(Status::unimplemented("Method Not Allowed"));
        }
        let described = self.described.get_or_init(Described::of_all);
        let method = described.method(binding.method);
        let limit_bytes = self.services.message_bytes_max();
        let mut messages = Messages::new(body, method.input(), limit_bytes, &self.held);
        // Before the call: what cannot be read is refused as such.
        let first = messages.first(method.is_client_streaming()).await?;
        let metadata = metadata(&request.headers);
        let call = self.services.find(&format!("/{}", binding.method))?.metrics.begin(None);
        let response = if method.is_client_streaming() {
            self.services.route(grpc_request(binding, metadata, messages.framed_after(first)), call).await
        } else {
            // The rest of the body, if any, is of no interest.
            drop(messages);
            let body = Body::new(Full::new(first.unwrap_or_default()));
            self.services.route(grpc_request(binding, metadata, body), call).await
        };
        let mut answers = Unframe::new(response, method.output());
        if !method.is_server_streaming() {
            let answer = answers.next().await?.ok_or_else(|| Status::internal("no answer"))?;
            answers.end().await?;
            return Ok(json_response(Full::new(Bytes::from(json::text(&answer)))));
        }
        // A stream that is refused is refused with its status; later, in its last line.
        let first = answers.next().await?;
        let lines = stream::unfold((first, Some(answers)), async |(ready, answers)| {
            let mut answers = answers?;
            let next = match ready {
                Some(message) => Ok(Some(message)),
                None => answers.next().await,
            };
            let (line, rest) = match next {
                Ok(Some(message)) => (format!("{{\"result\":{}}}\n", json::text(&message)), Some(answers)),
                Ok(None) => return None,
                Err(status) => (format!("{{\"error\":{}}}\n", status::body(&status)), None),
            };
            Some((Ok::<_, Status>(Frame::data(Bytes::from(line))), (None, rest)))
        });
        Ok(json_response(StreamBody::new(lines)))
    }
}

fn json_response<B>(body: B) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(METADATA_CONTENT_TYPE.0, METADATA_CONTENT_TYPE.1);
    response
}

fn grpc_request(binding: &Binding, metadata: HeaderMap, body: Body) -> http::Request<Body> {
    let mut request = http::Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("/{}", binding.method).parse().expect("a method's name is a path");
    *request.headers_mut() = metadata;
    request
}

/// What of the headers is for the call: its token, and whatever says that it is.
fn metadata(headers: &HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    metadata.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    metadata.insert("te", HeaderValue::from_static("trailers"));
    for (name, value) in headers {
        if name == AUTHORIZATION {
            metadata.append(AUTHORIZATION, value.clone());
        } else if let Some(name) = name.as_str().strip_prefix(METADATA)
            && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && name != CONTENT_TYPE
            // What says who a certificate is of: the gateway shows none, and nobody may show one through it.
            && name != CERTIFICATE_NAME
        {
            metadata.append(name, value.clone());
        }
    }
    metadata
}

#[cfg(test)]
mod tests;
