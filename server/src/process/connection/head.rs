//! The head of a call: what its HTTP/2 headers ask for, or why it cannot be served.
//!
//! Checked in grpc-go's order and refused with its codes, texts and HTTP status, since that is what etcd's clients have
//! been told so far. Of the metadata only what a service reads is kept: a mesh may add what it likes to each of ten
//! thousand open streams.

use super::limits::METADATA_BYTES_MAX;
use super::timeout;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use std::time::Duration;
use tonic::Status;
use tonic::metadata::MetadataMap;

use detcd::grpc::CERTIFICATE_NAME;

/// What services read of a caller's metadata.
const METADATA_READ: [&str; 4] = ["hasleader", "client-api-version", "token", "authorization"];
/// HTTP/2 counts so much for each header besides its name and value (RFC 9113, 6.5.2).
const HEADER_OVERHEAD_BYTES: usize = 32;

/// How messages of a call are compressed, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all.
    Identity,
    /// Those that say so.
    Gzip,
}

/// A call that can be looked up.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) path: String,
    pub(super) encoding: Result<Encoding, Status>,
    /// How long the client waits from now on.
    pub(super) timeout: Option<Duration>,
    /// Only what services read.
    pub(super) metadata: MetadataMap,
}

impl Head {
    /// Notes the name in the certificate of its connection. No client can: its own metadata of that name was passed over.
    pub(super) fn note_certificate(&mut self, name: HeaderValue) {
        let mut headers = std::mem::take(&mut self.metadata).into_headers();
        headers.insert(CERTIFICATE_NAME, name);
        self.metadata = MetadataMap::from_headers(headers);
    }
}

/// A call that is refused before anybody looks for its method.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Other than 200 where grpc-go answers so.
    pub(super) http: StatusCode,
    pub(super) status: Status,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal { http: StatusCode::OK, status }
    }
}

/// Reads a call's head.
pub(super) fn read(parts: &Parts) -> Result<Head, Refusal> {
    let headers = &parts.headers;
    let mut size_bytes = 0;
    let mut malformed = None;
    for (name, value) in headers {
        size_bytes += name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES;
        if name.as_str().ends_with("-bin") {
            malformed = check_binary(name, value).err().or(malformed);
        } else if name == timeout::HEADER {
            malformed = timeout::parse(value.as_bytes()).err().or(malformed);
        }
    }
    if size_bytes > METADATA_BYTES_MAX {
        return Err(Status::resource_exhausted(format!(
            "grpc: received metadata larger than max ({size_bytes} vs. {METADATA_BYTES_MAX})"
        ))
        .into());
    }
    check_hosts(parts)?;
    check_content_type(headers)?;
    if let Some(text) = malformed {
        return Err(Refusal { http: StatusCode::BAD_REQUEST, status: Status::internal(text) });
    }
    if parts.method != Method::POST {
        let text =
            format!("Received a HEADERS frame with :method {:?} which should be POST", parts.method.as_str());
        return Err(Refusal { http: StatusCode::METHOD_NOT_ALLOWED, status: Status::internal(text) });
    }
    let timeout = headers.get(timeout::HEADER).map(|value| timeout::parse(value.as_bytes()));
    Ok(Head {
        path: parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned(),
        encoding: encoding(headers.get("grpc-encoding")),
        timeout: timeout.map(|timeout| timeout.expect("looked at above")),
        metadata: metadata(headers),
    })
}

fn check_hosts(parts: &Parts) -> Result<(), Refusal> {
    let hosts = parts.headers.get_all(HOST).iter().count();
    if hosts < 2 {
        return Ok(());
    }
    let authorities = usize::from(parts.uri.authority().is_some());
    let text = format!(
        "num values of :authority: {authorities}, num values of host: {hosts}, both must only have 1 value as per \
         HTTP/2 spec"
    );
    Err(Refusal { http: StatusCode::BAD_REQUEST, status: Status::internal(text) })
}

/// Whether a request is gRPC's to answer or to refuse, where a port serves others too.
pub(super) fn may_be_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.contains("application/grpc"))
}

/// `application/grpc`, alone or with a subtype.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(CONTENT_TYPE).map_or(b"".as_slice(), HeaderValue::as_bytes);
    match value.strip_prefix(b"application/grpc") {
        Some([] | [b'+' | b';', ..]) => Ok(()),
        _ => {
            let shown = String::from_utf8_lossy(value);
            let status = Status::invalid_argument(format!("invalid gRPC request content-type {shown:?}"));
            Err(Refusal { http: StatusCode::UNSUPPORTED_MEDIA_TYPE, status })
        }
    }
}

/// A `-bin` header holds base64, padded or not.
fn check_binary(name: &HeaderName, value: &HeaderValue) -> Result<(), String> {
    let value = value.as_bytes();
    let decoded = match value.len() % 4 {
        0 => STANDARD.decode(value),
        _ => STANDARD_NO_PAD.decode(value),
    };
    decoded.map(drop).map_err(|error| {
        let offset = match error {
            base64::DecodeError::InvalidByte(offset, _)
            | base64::DecodeError::InvalidLastSymbol(offset, _) => offset,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => value.len(),
        };
        format!(
            "malformed binary metadata {:?} in header {:?}: illegal base64 data at input byte {offset}",
            String::from_utf8_lossy(value),
            name.as_str()
        )
    })
}

fn encoding(value: Option<&HeaderValue>) -> Result<Encoding, Status> {
    match value.map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => Ok(Encoding::Identity),
        Some(b"gzip") => Ok(Encoding::Gzip),
        Some(other) => Err(Status::unimplemented(format!(
            "grpc: Decompressor is not installed for grpc-encoding {:?}",
            String::from_utf8_lossy(other)
        ))),
    }
}

fn metadata(headers: &HeaderMap) -> MetadataMap {
    let mut read = HeaderMap::new();
    for name in METADATA_READ {
        if let Some(value) = headers.get(name) {
            read.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("it was one"));
        }
    }
    MetadataMap::from_headers(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, headers: &[(&str, &[u8])]) -> Result<Head, Refusal> {
        let mut request = http::Request::builder().method(method).uri("http://h/etcdserverpb.KV/Put");
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        read(&request.body(()).unwrap().into_parts().0)
    }

    const GRPC: (&str, &[u8]) = ("content-type", b"application/grpc");

    #[test]
    fn calls_of_grpc_are_served() {
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
            let head = call("POST", &[("content-type", content_type.as_bytes())]).unwrap();
            assert_eq!(
                (head.path.as_str(), head.encoding.unwrap()),
                ("/etcdserverpb.KV/Put", Encoding::Identity)
            );
        }
    }

    #[test]
    fn other_calls_are_refused_as_grpc_go_refuses_them() {
        let refused = |method: &str, headers: &[(&str, &[u8])]| {
            let Refusal { http, status } = call(method, headers).unwrap_err();
            (http.as_u16(), status.code() as i32, status.message().to_owned())
        };
        for (method, headers, http, code, text) in [
            ("POST", vec![], 415, 3, "invalid gRPC request content-type \"\""),
            (
                "POST",
                vec![("content-type", b"text/html".as_slice())],
                415,
                3,
                "invalid gRPC request content-type \"text/html\"",
            ),
            (
                "POST",
                vec![("content-type", b"application/grpc-web".as_slice())],
                415,
                3,
                "invalid gRPC request content-type \"application/grpc-web\"",
            ),
            (
                "GET",
                vec![GRPC],
                405,
                13,
                "Received a HEADERS frame with :method \"GET\" which should be POST",
            ),
            (
                "POST",
                vec![GRPC, ("host", b"a"), ("host", b"b")],
                400,
                13,
                "num values of :authority: 1, num values of host: 2, both must only have 1 value as per HTTP/2 spec",
            ),
            (
                "POST",
                vec![GRPC, ("x-bin", b"!!!")],
                400,
                13,
                "malformed binary metadata \"!!!\" in header \"x-bin\": illegal base64 data at input byte 0",
            ),
            (
                "POST",
                vec![GRPC, ("x-bin", b"aGk,aGk")],
                400,
                13,
                "malformed binary metadata \"aGk,aGk\" in header \"x-bin\": illegal base64 data at input byte 3",
            ),
            (
                "POST",
                vec![GRPC, ("grpc-timeout", b"1x")],
                400,
                13,
                "malformed grpc-timeout: transport: timeout unit is not recognized: \"1x\"",
            ),
        ] {
            assert_eq!(refused(method, &headers), (http, code, text.to_owned()));
        }
    }

    #[test]
    fn binary_metadata_may_be_padded_or_not() {
        for value in [b"aGk".as_slice(), b"aGk=", b""] {
            call("POST", &[GRPC, ("x-bin", value)]).unwrap();
        }
    }

    #[test]
    fn metadata_is_served_up_to_its_limit_and_only_what_is_read_is_kept() {
        let value = vec![b'v'; 100_000];
        let mut headers = vec![GRPC, ("hasleader", b"true".as_slice())];
        headers.extend(std::iter::repeat_n(("x", value.as_slice()), 10));
        assert_eq!(call("POST", &headers).unwrap().metadata.len(), 1);
        headers.push(("x", &value));
        let refusal = call("POST", &headers).unwrap_err();
        assert_eq!(refusal.status.code(), tonic::Code::ResourceExhausted);
    }

    #[test]
    fn an_encoding_that_is_not_there_is_named() {
        let head = |encoding: &[u8]| call("POST", &[GRPC, ("grpc-encoding", encoding)]).unwrap();
        assert_eq!(head(b"gzip").encoding.unwrap(), Encoding::Gzip);
        assert_eq!(head(b"identity").encoding.unwrap(), Encoding::Identity);
        let refusal = head(b"snappy").encoding.unwrap_err();
        assert_eq!(refusal.code(), tonic::Code::Unimplemented);
        assert_eq!(refusal.message(), "grpc: Decompressor is not installed for grpc-encoding \"snappy\"");
    }
}
