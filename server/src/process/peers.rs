//! Connections of other members. There is a handful of members, each with two connections and a few calls: whatever is
//! beyond that comes from nobody we know.

use super::connection::{Limits, Unread};
use super::listen::{Acceptor, Listener, stopped};
use super::port::Port;
use detcd::peer::grpc::FRAME_BYTES_MAX;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections at once on a peer URL: two from each member, and as many again that a network has lost without a word.
/// The next one is closed as it is accepted.
const CONNECTIONS_MAX: usize = 128;
/// Bytes of frames on their way in, of all members together: two of the largest.
const UNREAD_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// Calls at once on a connection, and how long one may be without any: members keep theirs busy or open them again.
pub(crate) const LIMITS: Limits = Limits { calls_max: 16, idle_max: Some(Duration::from_secs(60)) };

/// Serves other members on all listeners, until `stop` becomes true and open calls have ended.
pub(crate) async fn serve(listeners: Vec<(Listener, Arc<Port>)>, stop: watch::Receiver<bool>) {
    let unread = Unread::new(UNREAD_BYTES_MAX);
    let mut serving = JoinSet::new();
    for (listener, port) in listeners {
        serving.spawn(serve_one(listener, port, unread.clone(), stop.clone()));
    }
    while serving.join_next().await.is_some() {}
}

async fn serve_one(listener: Listener, port: Arc<Port>, unread: Unread, stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut acceptor = Acceptor::new(listener, stop.clone());
    while let Some((socket, remote)) = acceptor.next().await {
        while connections.try_join_next().is_some() {}
        if connections.len() < CONNECTIONS_MAX {
            connections.spawn(Arc::clone(&port).serve(socket, remote, unread.clone(), stopped(stop.clone())));
        }
    }
    drop(acceptor);
    while connections.join_next().await.is_some() {}
}
