//! Bytes that are no request, on the client port and on the peer port.

use super::Holdings;
use crate::processes::{Cluster, Process, channel, put};
use bytes::Bytes;
use detcd::peer::pb::peer_client::PeerClient;
use detcd::peer::pb::{Frame, SnapshotChunk};
use detcd_engine::frame;
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use detcd_engine::peer_message::{PeerBody, PeerMessage};
use http_body::Body as _;
use std::future::poll_fn;
use std::io::Write;
use std::net::TcpStream;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

/// A body of these bytes, as they are.
struct Raw(Option<Bytes>);

impl http_body::Body for Raw {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

/// Posts a body to a method and answers the status, wherever it stands.
async fn post(member: &Process, path: &str, body: Vec<u8>) -> Status {
    let mut channel = member.channel();
    poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let request = http::Request::post(format!("{}{path}", member.client_url))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Raw(Some(body.into()))))
        .unwrap();
    let response = channel.call(request).await.unwrap();
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let mut body = pin!(response.into_body());
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(trailers) = frame.unwrap().into_trailers() {
            return Status::from_header_map(&trailers).expect("trailers carry the status");
        }
    }
    panic!("an answer without a status");
}

/// A gRPC message that says it has this length.
fn framed(length: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

#[tokio::test]
async fn messages_that_are_cut_or_garbage_are_refused_and_change_nothing() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    member.kv().put(put("a", "value")).await.unwrap();
    let before = Holdings::of(member).await;
    let put_path = "/etcdserverpb.KV/Put";
    // Field 1, key "key"; field 2, value "value".
    let whole = b"\x0a\x03key\x12\x05value";
    for cut in 0..whole.len() {
        let status = post(member, put_path, framed(whole.len() as u32, &whole[..cut])).await;
        assert_eq!((status.code(), status.message()), (Code::Unknown, "unexpected EOF"), "cut at {cut}");
    }
    for cut in 0..5 {
        let status = post(member, put_path, framed(whole.len() as u32, whole)[..cut].to_vec()).await;
        assert_eq!((status.code(), status.message()), (Code::Unknown, "EOF"), "prefix cut at {cut}");
    }
    // A key that claims to be longer than the message, a wire type that does not exist, a string that is none.
    for garbage in [&b"\x0a\x7fkey"[..], b"\x0f\x01", b"\x08\xff\xff"] {
        let status = post(member, put_path, framed(garbage.len() as u32, garbage)).await;
        assert_eq!(status.code(), Code::Internal, "{garbage:x?}: {status:?}");
    }
    for (path, text) in [
        ("/etcdserverpb.KV/Nothing", "unknown method Nothing for service etcdserverpb.KV"),
        ("/etcdserverpb.Nothing/At", "unknown service etcdserverpb.Nothing"),
        ("/detcd.peer.Peer/Inspect", "unknown service detcd.peer.Peer"),
    ] {
        let status = post(member, path, framed(0, b"")).await;
        assert_eq!((status.code(), status.message()), (Code::Unimplemented, text));
    }
    // Not HTTP/2, or no more than its beginning.
    let address = member.client_url.strip_prefix("http://").unwrap();
    let beginning = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x40\x01";
    for bytes in [&b"\0\xff garbage"[..], beginning, &beginning[..20]] {
        TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
    }
    assert_eq!(Holdings::of(member).await, before);
}

async fn send_frame(member: &Process, frame: Vec<u8>) -> Status {
    let frames = tokio_stream::iter([Frame { frame: frame.into() }]);
    let mut peer = PeerClient::new(channel(&member.peer_url));
    peer.messages(frames).await.expect_err("the frame was taken")
}

#[tokio::test]
async fn frames_of_another_cluster_or_damaged_ones_are_refused_and_change_nothing() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let before = member.inspect().await.unwrap();
    let (me, ours) = (MemberId(before.member), ClusterId(before.cluster));
    let message = |to: MemberId| PeerMessage {
        from: MemberId(0xbad),
        from_incarnation: Incarnation(1),
        to,
        to_incarnation: None,
        body: PeerBody::ReadIndex { attempt: 1 },
    };
    let of_another_cluster = frame::encode(&message(me), ClusterId(0x111));
    let to_another = frame::encode(&message(MemberId(0x222)), ours);
    let good = frame::encode(&message(me), ours);
    let mut damaged = good.clone();
    damaged[50] ^= 1;
    let mut other_format = good.clone();
    other_format[4] = 2;
    let table = [
        (
            of_another_cluster.clone(),
            format!("member bad belongs to cluster 111, this one to cluster {ours}"),
        ),
        (to_another, format!("member bad speaks to member 222, this is member {me}")),
        (damaged, "peer frame with checksum ".to_owned()),
        (good[..good.len() - 1].to_vec(), "peer frame with checksum ".to_owned()),
        (b"GET / HTTP/1.1".to_vec(), "not a peer frame: magic ".to_owned()),
        (other_format, "peer frame of format 2, this release speaks format 1".to_owned()),
        (Vec::new(), "malformed peer frame: ".to_owned()),
    ];
    for (frame, text) in table {
        let refusal = send_frame(member, frame).await;
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal:?}");
        assert!(refusal.message().starts_with(&text), "{:?} is not {text:?}", refusal.message());
    }
    // A snapshot of another cluster, and one that is announced by a message of another kind.
    for announcement in [of_another_cluster, good.clone()] {
        let chunk =
            SnapshotChunk { announcement: announcement.into(), last: true, ..SnapshotChunk::default() };
        let mut peer = PeerClient::new(channel(&member.peer_url));
        assert!(peer.snapshot(chunk).await.unwrap().into_inner().refused);
    }
    // Well formed, of our cluster, from somebody who is not in it: taken, not believed.
    let frames = tokio_stream::iter([Frame { frame: good.into() }]);
    PeerClient::new(channel(&member.peer_url)).messages(frames).await.unwrap();
    crate::processes::eventually("the refusal to be logged", || async {
        member.log().contains("member bad is not in this cluster").then_some(())
    })
    .await;
    assert_eq!(member.inspect().await.unwrap(), before);
}
