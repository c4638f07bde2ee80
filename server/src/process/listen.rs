//! Sockets: all of them are bound before anything else happens, and accepted from until the member stops.

use super::stream::Socket;
use detcd::clock::{Clock, RealClock};
use detcd::line_limit::LineLimit;
use detcd::url::{Place, Url};
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio_util::either::Either;
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
#[error("--{flag}: listen {network} {address}: bind: {source}")]
pub(crate) struct BindError {
    flag: &'static str,
    network: &'static str,
    address: String,
    source: io::Error,
}

/// A socket that listens, and the URLs that it was bound for: the same address may be named by several.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) urls: Vec<Url>,
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a socket, removed with it.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already: fine. The next start removes what is left.
        _ = std::fs::remove_file(&self.0);
    }
}

impl Bound {
    /// Whether a URL without TLS led here.
    pub(crate) fn is_plain(&self) -> bool {
        self.urls.iter().any(|url| !url.is_tls)
    }

    /// Whether a URL with TLS led here.
    pub(crate) fn is_tls(&self) -> bool {
        self.urls.iter().any(|url| url.is_tls)
    }
}

/// Binds every URL of a flag. URLs of one address are one socket: the same may be named for a host and for all, with
/// TLS and without.
pub(crate) async fn bind(flag: &'static str, urls: &[Url]) -> Result<Vec<Bound>, BindError> {
    let mut all: Vec<Bound> = Vec::with_capacity(urls.len());
    for url in urls {
        let (network, bound) = match &url.place {
            Place::Tcp { .. } => ("tcp", bind_tcp(&url.address(), &all).await),
            Place::Socket(path) => ("unix", bind_file(path, &all)),
        };
        match bound {
            Ok(Found::Bound(at)) => all[at].urls.push(url.clone()),
            Ok(Found::New(listener)) => all.push(Bound { listener, urls: vec![url.clone()] }),
            Err(source) => return Err(BindError { flag, network, address: url.address(), source }),
        }
    }
    Ok(all)
}

/// Where a URL leads.
enum Found {
    /// To what is bound already.
    Bound(usize),
    New(Listener),
}

/// Binds the first of an address's meanings that can be bound.
async fn bind_tcp(address: &str, all: &[Bound]) -> io::Result<Found> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for meaning in tokio::net::lookup_host(address).await? {
        let is_bound = |bound: &Bound| match &bound.listener {
            Listener::Tcp(listener) => listener.local_addr().is_ok_and(|address| address == meaning),
            Listener::Unix(..) => false,
        };
        if let Some(at) = all.iter().position(is_bound) {
            return Ok(Found::Bound(at));
        }
        match listen_on(meaning) {
            Ok(listener) => return Ok(Found::New(Listener::Tcp(listener))),
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

/// What a process that was killed has left there is removed, as etcd does; any other file is not.
fn bind_file(path: &Path, all: &[Bound]) -> io::Result<Found> {
    use std::os::unix::fs::FileTypeExt;
    let is_bound = |bound: &Bound| matches!(&bound.listener, Listener::Unix(_, file) if file.0 == path);
    if let Some(at) = all.iter().position(is_bound) {
        return Ok(Found::Bound(at));
    }
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    Ok(Found::New(Listener::Unix(listener, SocketFile(path.to_owned()))))
}

impl Listener {
    async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (connection, remote) = listener.accept().await?;
                prepare(&connection)?;
                Ok((Either::Left(connection), Some(remote)))
            }
            Listener::Unix(listener, _) => Ok((Either::Right(listener.accept().await?.0), None)),
        }
    }
}

/// A listener whose connections are served until the member stops.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Listener,
    stop: watch::Receiver<bool>,
    clock: RealClock,
    failures: LineLimit,
}

impl Acceptor {
    pub(crate) fn new(listener: Listener, stop: watch::Receiver<bool>) -> Acceptor {
        Acceptor { listener, stop, clock: RealClock::start(), failures: LineLimit::new() }
    }

    /// The next connection, ready to be served, and where it comes from; `None` once the member stops.
    pub(crate) async fn next(&mut self) -> Option<(Socket, Option<SocketAddr>)> {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.stop.wait_for(|&stop| stop) => return None,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => return Some(accepted),
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
