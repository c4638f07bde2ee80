//! The time that a client gives a call: over, the call is answered so, whatever kind it is, and its work is given up.

use crate::processes::{Cluster, eventually, put};
use crate::raw::{Connection, KEEP_ALIVE, PUT, WATCH, framed, head};
use bytes::Bytes;
use detcd::pb;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_deadline_that_passes_ends_every_kind_of_call() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    for (path, body) in [
        // Waits for its message.
        (PUT, Bytes::new()),
        (WATCH, Bytes::new()),
        (KEEP_ALIVE, framed(&pb::LeaseKeepAliveRequest { id: 5 })),
    ] {
        let since = Instant::now();
        let mut call = connection.begin(head(path).header("grpc-timeout", "300m")).await;
        if !body.is_empty() {
            call.send.send_data(body, false).unwrap();
        }
        let end = call.end().await.unwrap();
        assert_eq!((end.code(), end.text().as_str()), (Some(4), "context deadline exceeded"), "{path}");
        let took = since.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{path}: {took:?}");
    }
    connection.still_serves().await;
}

#[tokio::test]
async fn no_time_at_all_is_a_deadline_too() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = Connection::to(&cluster.members[0]).await;
    for timeout in ["0S", "1n"] {
        let end = connection.call(head(PUT).header("grpc-timeout", timeout), framed(&put("k", "v"))).await;
        assert_eq!((end.code(), end.text().as_str()), (Some(4), "context deadline exceeded"), "{timeout}");
    }
    let long = head(PUT).header("grpc-timeout", "99999999H");
    assert_eq!(connection.call(long, framed(&put("k", "v"))).await.code(), Some(0));
}

/// Without a quorum a put waits seven seconds for one; the client's deadline is shorter, and what it asked is forgotten:
/// proposals that are waited for no more make room for others.
#[tokio::test]
async fn a_put_that_cannot_be_done_is_given_up_at_its_deadline() {
    let mut cluster = Cluster::of_three(&[]).await;
    let leader = cluster.leader().await;
    for other in (0..3).filter(|other| *other != leader) {
        cluster.members[other].kill();
    }
    let mut connection = Connection::to(&cluster.members[leader]).await;
    let since = Instant::now();
    let end = connection.call(head(PUT).header("grpc-timeout", "400m"), framed(&put("k", "late"))).await;
    assert_eq!((end.code(), end.text().as_str()), (Some(4), "context deadline exceeded"));
    assert!(since.elapsed() < Duration::from_secs(5));
    cluster.start_all();
    eventually("the member to serve again", || async {
        cluster.members[leader].kv().put(put("k", "v")).await.ok()
    })
    .await;
}
