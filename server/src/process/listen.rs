//! Sockets: all of them are bound before anything else happens, and accepted from until the member stops.

use detcd::clock::{Clock, RealClock};
use detcd::config::Url;
use detcd::line_limit::LineLimit;
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tracing::warn;

/// Connections that wait to be accepted. More than most kernels allow (`net.core.somaxconn`), which then decide: a
/// thousand clients that come back at once are not turned away.
const BACKLOG: u32 = 4096;
/// After an accept that failed (too many open files, say), so long until the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A connection that is silent so long is asked by the kernel whether its other end lives, and again as often, as Go
/// does.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Questions without an answer before it is closed.
const KEEPALIVE_PROBES: u32 = 9;

/// An address that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("--{flag}: listen tcp {address}: bind: {source}")]
pub(crate) struct BindError {
    flag: &'static str,
    address: String,
    source: io::Error,
}

/// Binds every URL of a flag. URLs of one address are one socket: the same may be named for a host and for all.
pub(crate) async fn bind(flag: &'static str, urls: &[Url]) -> Result<Vec<TcpListener>, BindError> {
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(urls.len());
    for url in urls {
        let address = url.address();
        let bound: Vec<SocketAddr> = listeners.iter().filter_map(|one| one.local_addr().ok()).collect();
        match bind_one(&address, &bound).await {
            Ok(listener) => listeners.extend(listener),
            Err(source) => return Err(BindError { flag, address, source }),
        }
    }
    Ok(listeners)
}

/// Binds the first of an address's meanings that can be bound; `None` where it is bound already.
async fn bind_one(address: &str, bound: &[SocketAddr]) -> io::Result<Option<TcpListener>> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for meaning in tokio::net::lookup_host(address).await? {
        if bound.contains(&meaning) {
            return Ok(None);
        }
        match listen_on(meaning) {
            Ok(listener) => return Ok(Some(listener)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port whose last connections are not forgotten yet can be had again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A listener whose connections are served until the member stops.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    stop: watch::Receiver<bool>,
    clock: RealClock,
    failures: LineLimit,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener, stop: watch::Receiver<bool>) -> Acceptor {
        Acceptor { listener, stop, clock: RealClock::start(), failures: LineLimit::new() }
    }

    /// The next connection, ready to be served; `None` once the member stops.
    pub(crate) async fn next(&mut self) -> Option<TcpStream> {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.stop.wait_for(|&stop| stop) => return None,
                accepted = self.listener.accept() => accepted,
            };
            match accepted.and_then(|(connection, _)| prepare(&connection).map(|()| connection)) {
                Ok(connection) => return Some(connection),
                Err(error) => {
                    if let Some(left_out) = self.failures.due(self.clock.now()) {
                        warn!(%error, left_out, "failed to accept a connection");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Without Nagle's delay: a small answer must not wait for the next one. One whose client is gone without a word is
/// found out.
fn prepare(connection: &TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    sockopt::set_socket_keepalive(connection, true)?;
    sockopt::set_tcp_keepidle(connection, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(connection, KEEPALIVE)?;
    Ok(sockopt::set_tcp_keepcnt(connection, KEEPALIVE_PROBES)?)
}

/// Returns once `stop` is true, or nobody is left to say so.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    _ = stop.wait_for(|&stop| stop).await;
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
