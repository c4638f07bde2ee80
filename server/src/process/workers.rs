//! Client connections, spread over one thread a core.
//!
//! Each worker is a runtime of its own on one thread and keeps a connection for its life: no task is stolen, no wake-up
//! crosses threads but the two to the main loop and back. Measured against one work-stealing runtime this takes a
//! quarter off the CPU of a request (docs/performance.md). Connections are dealt out in turn by whoever accepts them,
//! which is fairer than the kernel's hashing with SO_REUSEPORT, and leaves a port in use an error.

use super::connection;
use super::listen::{Acceptor, Listener, stopped};
use super::port::Port;
use super::stream::Socket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::either::Either;
use tracing::warn;

/// Accepted connections that wait for their worker.
const CONNECTIONS_WAITING: usize = 128;
/// Bytes of requests that one connection holds unread: 32 of the largest requests there are by default.
const UNREAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a client's connection may cost. As with etcd, its life is not bounded: one that watches has much and says nothing.
pub(crate) fn limits(calls_max: u32) -> connection::Limits {
    connection::Limits { calls_max, idle_max: None }
}

/// An accepted connection on its way from one runtime to another.
#[derive(Debug)]
struct Dealt {
    socket: Either<std::net::TcpStream, std::os::unix::net::UnixStream>,
    remote: Option<SocketAddr>,
    port: Arc<Port>,
}

impl Dealt {
    /// Takes a connection off its runtime.
    fn new(socket: Socket, remote: Option<SocketAddr>, port: &Arc<Port>) -> io::Result<Dealt> {
        let socket = match socket {
            Either::Left(tcp) => Either::Left(tcp.into_std()?),
            Either::Right(unix) => Either::Right(unix.into_std()?),
        };
        Ok(Dealt { socket, remote, port: Arc::clone(port) })
    }

    /// Takes it onto the present one.
    fn socket(self) -> io::Result<(Socket, Option<SocketAddr>, Arc<Port>)> {
        let socket = match self.socket {
            Either::Left(tcp) => Either::Left(TcpStream::from_std(tcp)?),
            Either::Right(unix) => Either::Right(UnixStream::from_std(unix)?),
        };
        Ok((socket, self.remote, self.port))
    }
}

/// The workers' queues, and the end of each of them.
///
/// Nobody joins the threads: a client that is frozen holds its worker for ever, and joining it would hold the process.
#[derive(Debug)]
pub(crate) struct Workers {
    queues: Vec<mpsc::Sender<Dealt>>,
    ends: Vec<oneshot::Receiver<()>>,
}

impl Workers {
    /// Starts a worker for each core. They end some time after `stop` has become true, when open calls have.
    pub(crate) fn start(stop: &watch::Receiver<bool>) -> io::Result<Workers> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let mut workers = Workers { queues: Vec::new(), ends: Vec::new() };
        for worker in 0..count {
            let (queue, connections) = mpsc::channel(CONNECTIONS_WAITING);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let stop = stop.clone();
            let (ended, end) = oneshot::channel();
            let serve = move || {
                runtime.block_on(serve_connections(connections, stop));
                // Nobody asks any more where the process is ending.
                _ = ended.send(());
            };
            workers.queues.push(queue);
            workers.ends.push(end);
            thread::Builder::new().name(format!("clients-{worker}")).spawn(serve)?;
        }
        Ok(workers)
    }

    /// Deals the connections of a listener out until `stop` becomes true.
    pub(crate) fn accept(&self, listener: Listener, port: Arc<Port>, stop: watch::Receiver<bool>) {
        let (queues, mut acceptor) = (self.queues.clone(), Acceptor::new(listener, stop));
        tokio::spawn(async move {
            let mut next = 0;
            while let Some((socket, remote)) = acceptor.next().await {
                match Dealt::new(socket, remote, &port) {
                    Ok(connection) => {
                        // A worker that is gone is stopping, and so is this.
                        drop(queues[next % queues.len()].send(connection).await);
                        next += 1;
                    }
                    Err(error) => warn!(%error, "failed to take a connection off its runtime"),
                }
            }
        });
    }

    /// Waits until all of them have ended; `false` where one ended by a panic.
    pub(crate) async fn ended(self) -> bool {
        drop(self.queues);
        let mut in_order = true;
        for end in self.ends {
            in_order &= end.await.is_ok();
        }
        in_order
    }
}

/// Serves the connections of one worker, until no more come and all have ended.
async fn serve_connections(mut connections: mpsc::Receiver<Dealt>, stop: watch::Receiver<bool>) {
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            // One that panicked has said so; the others go on.
            Some(_) = serving.join_next() => {}
            connection = connections.recv() => match connection.map(Dealt::socket) {
                Some(Ok((socket, remote, port))) => {
                    let unread = connection::Unread::new(UNREAD_BYTES_MAX);
                    serving.spawn(port.serve(socket, remote, unread, stopped(stop.clone())));
                }
                Some(Err(error)) => warn!(%error, "failed to take a connection onto its runtime"),
                None => break,
            },
        }
    }
    while serving.join_next().await.is_some() {}
}
