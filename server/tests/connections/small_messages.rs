//! However small the pieces are that a client sends, and however many: its stream is served, at worst slowly.

use crate::processes::Cluster;
use crate::raw::{Connection, KEEP_ALIVE, PUT, WATCH, framed, head};
use bytes::{Bytes, BytesMut};
use detcd::pb;
use detcd::pb::watch_request::RequestUnion;

#[tokio::test]
async fn twenty_five_thousand_renewals_on_one_stream_are_all_answered() {
    const RENEWALS: usize = 25_000;
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    let mut leases = pb::lease_client::LeaseClient::new(member.channel());
    leases.lease_grant(pb::LeaseGrantRequest { id: 7, ttl: 60 }).await.unwrap();

    let mut connection = Connection::to(member).await;
    let mut call = connection.begin(head(KEEP_ALIVE)).await;
    let renewal = framed(&pb::LeaseKeepAliveRequest { id: 7 });
    // Each is a frame of its own, and nobody reads an answer before the last was given to the connection.
    for _ in 0..RENEWALS {
        call.send.send_data(renewal.clone(), false).unwrap();
    }
    for _ in 0..RENEWALS {
        let renewed: pb::LeaseKeepAliveResponse = call.message().await;
        assert_eq!((renewed.id, renewed.ttl), (7, 60));
    }
    connection.still_serves().await;
}

fn create(watch_id: i64) -> pb::WatchRequest {
    let create = pb::WatchCreateRequest { key: "k".into(), watch_id, ..Default::default() };
    pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

fn cancel(watch_id: i64) -> pb::WatchRequest {
    let cancel = pb::WatchCancelRequest { watch_id };
    pb::WatchRequest { request_union: Some(RequestUnion::CancelRequest(cancel)) }
}

#[tokio::test]
async fn ten_thousand_watches_are_created_and_cancelled_on_one_stream() {
    const WATCHES: i64 = 10_000;
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let mut call = connection.begin(head(WATCH)).await;
    for id in 1..=WATCHES {
        call.send.send_data(framed(&create(id)), false).unwrap();
    }
    for id in 1..=WATCHES {
        call.send.send_data(framed(&cancel(id)), false).unwrap();
    }
    let (mut created, mut canceled) = (0, 0);
    for _ in 0..2 * WATCHES {
        let response: pb::WatchResponse = call.message().await;
        if response.created {
            created += 1;
            assert_eq!(response.watch_id, created);
        } else {
            canceled += 1;
            assert!(response.canceled && response.watch_id == canceled, "{response:?}");
        }
    }
    assert_eq!((created, canceled), (WATCHES, WATCHES));
    connection.still_serves().await;
}

#[tokio::test]
async fn a_message_may_come_byte_by_byte() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let put = crate::processes::put("k", vec![b'v'; 50_000]);
    let mut call = connection.begin(head(PUT)).await;
    call.send_in_pieces(framed(&put), 1).await;
    call.send.send_data(Bytes::new(), true).unwrap();
    assert_eq!(call.end().await.unwrap().code(), Some(0));
}

/// The frames of a call that has its answer already are passed over, and cost the connection nothing that adds up.
#[tokio::test]
async fn what_comes_for_calls_that_have_ended_does_no_harm() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    for _ in 0..200 {
        let mut refused = connection.begin(head("/etcdserverpb.KV/NoSuchMethod")).await;
        for _ in 0..100 {
            refused.send.send_data(Bytes::from_static(b"x"), false).unwrap();
        }
        assert_eq!(refused.end().await.unwrap().code(), Some(12));
    }
    connection.still_serves().await;
}

/// A call whose client does not read its answers is not read from either, once its window is full; the calls beside it
/// go on.
#[tokio::test]
async fn a_stream_that_is_not_read_stalls_alone() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut call = connection.begin(head(WATCH)).await;
        let mut requests = BytesMut::new();
        while requests.len() < 4 << 20 {
            requests.extend_from_slice(&framed(&create(1 << 40)));
        }
        call.send.send_data(requests.freeze(), false).unwrap();
        stalled.push(call);
    }
    for _ in 0..20 {
        connection.still_serves().await;
    }
}

/// Messages that are begun and never ended: the memory of a connection is bounded, and the call that goes beyond is
/// refused, alone.
#[tokio::test]
async fn what_a_connection_holds_unread_is_bounded() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    let begun = [b"\0\0\x20\0\0".to_vec(), vec![0; 2 << 20]].concat();
    let begun = Bytes::from(begun).slice(..2 << 20);
    let mut open = Vec::new();
    // 64 MiB in all.
    for _ in 0..32 {
        let mut call = connection.begin(head(PUT)).await;
        call.send_in_pieces(begun.clone(), 1 << 16).await;
        open.push(call);
    }
    let mut beyond = connection.begin(head(PUT)).await;
    beyond.send.send_data(begun.slice(..1 << 16), false).unwrap();
    open.push(beyond);
    // Whichever goes beyond: what was sent last need not come last.
    let ends = open.into_iter().map(|call| Box::pin(call.end()));
    let (end, _, open) = futures_util::future::select_all(ends).await;
    let end = end.unwrap();
    assert_eq!(end.code(), Some(8));
    assert!(
        end.text().starts_with("grpc: requests that wait to be read are larger than max"),
        "{}",
        end.text()
    );
    drop(open);
    connection.still_serves().await;
}
