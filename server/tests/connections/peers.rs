//! The peer port, which speaks the same HTTP/2: small frames do no harm there either, and what nobody needs is bounded.

use crate::processes::{Cluster, eventually};
use crate::raw::{connect_to, framed, head};
use detcd::peer::pb::{Frame, InspectRequest};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn ten_thousand_small_frames_do_not_end_a_peers_connection() {
    let cluster = Cluster::alone(&[]).await;
    let mut connection = connect_to(&cluster.members[0].peer_url).await;
    let mut call = connection.begin(head("/detcd.peer.Peer/Messages")).await;
    let small = framed(&Frame { frame: "no frame of ours".into() });
    for _ in 0..10_000 {
        call.send.send_data(small.clone(), false).unwrap();
    }
    // The first of them is refused, and with it the stream; the connection is not.
    assert_eq!(call.end().await.unwrap().code(), Some(9));
    let end = connection.call(head("/detcd.peer.Peer/Inspect"), framed(&InspectRequest {})).await;
    assert_eq!(end.code(), Some(0));
}

#[tokio::test]
async fn the_connections_of_a_peer_port_are_bounded() {
    let cluster = Cluster::alone(&[]).await;
    let address = cluster.members[0].peer_url.strip_prefix("http://").unwrap().to_owned();
    let mut connections = Vec::new();
    for _ in 0..200 {
        connections.push(TcpStream::connect(&address).await.unwrap());
    }
    // The last ones are closed as they are accepted; the first ones may still begin to speak.
    let last = connections.last_mut().unwrap();
    let read = tokio::time::timeout(Duration::from_secs(5), last.read(&mut [0; 100])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    drop(connections);
    eventually("the port to serve again", || async { cluster.members[0].inspect().await }).await;
}
