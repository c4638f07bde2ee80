//! Calls that are not quite gRPC, each with the answer that etcd 3.7.1 gives: HTTP status, code and text.

use crate::processes::{Cluster, put};
use crate::raw::{Connection, KEEP_ALIVE, PUT, WATCH, framed, framed_bytes, head};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::Request;
use prost::Message;
use std::io::{Read, Write};

fn message() -> Bytes {
    framed(&put("k", "v"))
}

#[tokio::test]
async fn what_is_no_call_of_grpc_is_refused_as_grpc_go_does() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let plain = |method: &str| Request::builder().method(method).uri(format!("http://localhost{PUT}"));
    let grpc = |name: &str, value: &str| head(PUT).header(name, value);
    for (call, http, code, text) in [
        (plain("POST"), 415, 3, "invalid gRPC request content-type \"\""),
        (
            plain("POST").header("content-type", "text/html"),
            415,
            3,
            "invalid gRPC request content-type \"text/html\"",
        ),
        (
            plain("GET").header("content-type", "application/grpc"),
            405,
            13,
            "Received a HEADERS frame with :method \"GET\" which should be POST",
        ),
        (
            grpc("grpc-timeout", "1x"),
            400,
            13,
            "malformed grpc-timeout: transport: timeout unit is not recognized: \"1x\"",
        ),
        (
            grpc("x-bin", "!!!"),
            400,
            13,
            "malformed binary metadata \"!!!\" in header \"x-bin\": illegal base64 data at input byte 0",
        ),
        (
            grpc("grpc-encoding", "snappy"),
            200,
            12,
            "grpc: Decompressor is not installed for grpc-encoding \"snappy\"",
        ),
        (
            grpc("host", "a").header("host", "b"),
            400,
            13,
            "num values of :authority: 1, num values of host: 2, both must only have 1 value as per HTTP/2 spec",
        ),
        (head("/etcdserverpb.KV/Nope"), 200, 12, "unknown method Nope for service etcdserverpb.KV"),
        (head("/nope.KV/Put"), 200, 12, "unknown service nope.KV"),
    ] {
        let end = connection.call(call, message()).await;
        assert_eq!((end.http, end.code(), end.text().as_str()), (http, Some(code), text));
        assert_eq!(end.headers["content-type"], "application/grpc");
    }
    for served in ["application/grpc+proto", "application/grpc;charset=utf-8"] {
        let call = plain("POST").header("content-type", served);
        assert_eq!(connection.call(call, message()).await.code(), Some(0), "{served}");
    }
}

#[tokio::test]
async fn a_message_that_is_missing_cut_or_odd_is_named() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let whole = message();
    for (path, body, code, text) in [
        (PUT, Bytes::new(), 2, "EOF"),
        (PUT, whole.slice(..3), 2, "EOF"),
        (PUT, whole.slice(..8), 2, "unexpected EOF"),
        (WATCH, whole.slice(..8), 13, "unexpected EOF"),
        (KEEP_ALIVE, whole.slice(..8), 13, "unexpected EOF"),
        (KEEP_ALIVE, Bytes::new(), 0, ""),
        (PUT, framed_bytes(2, b""), 13, "grpc: received unexpected payload format 2"),
        (PUT, framed_bytes(1, b"x"), 13, "grpc: compressed flag set with identity or empty encoding"),
        // The second message, and what is no message, is nobody's.
        (PUT, [whole.clone(), whole.clone()].concat().into(), 0, ""),
        (PUT, [whole.clone(), Bytes::from_static(b"\0\0")].concat().into(), 0, ""),
    ] {
        let end = connection.call(head(path), body.clone()).await;
        assert_eq!((end.code(), end.text().as_str()), (Some(code), text), "{path} {body:?}");
    }
}

#[tokio::test]
async fn a_message_too_large_is_refused_before_it_has_come() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    for path in [PUT, WATCH] {
        let mut call = connection.begin(head(path)).await;
        call.send.send_data(Bytes::from_static(b"\0\0\x20\0\x01abc"), false).unwrap();
        let end = call.end().await.unwrap();
        let text = "grpc: received message larger than max (2097153 vs. 2097152)";
        assert_eq!((end.code(), end.text().as_str()), (Some(8), text), "{path}");
    }
    // 3 bytes of key, 4 of the value's tag and length: exactly the 2 MiB that the transport takes, of which the engine
    // takes 1.5.
    let largest = put("k", vec![b'v'; 2_097_152 - 7]);
    let end = connection.call(head(PUT), framed(&largest)).await;
    assert_eq!((end.code(), end.text().as_str()), (Some(3), "etcdserver: request is too large"));
}

#[tokio::test]
async fn metadata_is_served_up_to_a_megabyte_and_beyond_it_that_call_is_refused() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let value = "v".repeat(10_000);
    for (headers, code) in [(2, 0), (7, 0), (103, 0), (105, 8), (300, 8)] {
        let mut call = head(PUT);
        for number in 0..headers {
            call = call.header(format!("x-mesh-{number}"), &value);
        }
        let end = connection.call(call, message()).await;
        assert_eq!(end.code(), Some(code), "{headers} headers: {}", end.text());
        if code == 8 {
            let text = end.text();
            assert!(text.starts_with("grpc: received metadata larger than max ("), "{text}");
        }
    }
    connection.still_serves().await;
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_client_that_compresses_is_answered_compressed() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let large = put("k", vec![b'v'; 100_000]);
    let call = |path: &str| head(path).header("grpc-encoding", "gzip");
    let body = framed_bytes(1, &gzip(&large.encode_to_vec()));
    assert_eq!(connection.call(call(PUT), body).await.code(), Some(0));

    let range = detcd::pb::RangeRequest { key: "k".into(), ..Default::default() };
    // Not every message of a call that compresses must be compressed.
    let end = connection.call(call("/etcdserverpb.KV/Range"), framed(&range)).await;
    assert_eq!((end.code(), end.headers["grpc-encoding"].as_bytes()), (Some(0), b"gzip".as_slice()));
    assert_eq!(end.data[0], 1);
    let mut inflated = Vec::new();
    GzDecoder::new(&end.data[5..]).read_to_end(&mut inflated).unwrap();
    let answer = detcd::pb::RangeResponse::decode(inflated.as_slice()).unwrap();
    assert_eq!(answer.count, 1);
    assert!(end.data.len() < 10_000, "{} bytes for 100,000 equal ones", end.data.len());

    // A stream's answers too, through tonic's services.
    let members = detcd::pb::MemberListRequest { linearizable: true };
    let end = connection.call(call("/etcdserverpb.Cluster/MemberList"), framed(&members)).await;
    assert_eq!((end.code(), end.data[0]), (Some(0), 1));

    let end = connection.call(head(PUT).header("grpc-accept-encoding", "gzip"), message()).await;
    assert!(!end.headers.contains_key("grpc-encoding"), "only who compresses is answered compressed");
}

#[tokio::test]
async fn a_message_that_inflates_beyond_the_limit_is_refused() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let call = || head(PUT).header("grpc-encoding", "gzip");
    let bomb = framed_bytes(1, &gzip(&vec![0; 500_000_000]));
    let end = connection.call(call(), bomb).await;
    let text = "grpc: received message after decompression larger than max 2097152";
    assert_eq!((end.code(), end.text().as_str()), (Some(8), text));
    let end = connection.call(call(), framed_bytes(1, b"garbage")).await;
    assert_eq!(end.code(), Some(13));
    assert!(end.text().starts_with("grpc: failed to decompress the message: "), "{}", end.text());
    connection.still_serves().await;
}
