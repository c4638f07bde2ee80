//! Client connections, spread over one thread a core.
//!
//! Each worker is a runtime of its own on one thread and keeps a connection for its life: no task is stolen, no wake-up
//! crosses threads but the two to the main loop and back. Measured against one work-stealing runtime this takes a
//! quarter off the CPU of a request (docs/performance.md). Connections are dealt out in turn by whoever accepts them,
//! which is fairer than the kernel's hashing with SO_REUSEPORT, and leaves a port in use an error.

use super::listen::serve_connections;
use detcd::grpc::Service;
use std::io;
use std::net::TcpStream;
use std::thread;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Error;
use tracing::warn;

/// Accepted connections that wait for their worker.
const CONNECTIONS_WAITING: usize = 128;
/// After an accept that failed (too many open files, say), so long until the next.
const ACCEPT_PAUSE_MS: u64 = 100;

/// The workers' queues, and how each of them ended.
///
/// Nobody joins the threads: a client that is frozen holds its worker for ever, and joining it would hold the process.
#[derive(Debug)]
pub(crate) struct Workers {
    queues: Vec<mpsc::Sender<TcpStream>>,
    ends: Vec<oneshot::Receiver<Result<(), Error>>>,
}

impl Workers {
    /// Starts a worker for each core. They end some time after `stop` has become true, when open calls have.
    pub(crate) fn start(
        service: &Service,
        request_bytes_max: usize,
        stop: &watch::Receiver<bool>,
    ) -> io::Result<Workers> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let mut workers = Workers { queues: Vec::new(), ends: Vec::new() };
        for worker in 0..count {
            let (queue, connections) = mpsc::channel(CONNECTIONS_WAITING);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (service, stop) = (service.clone(), stop.clone());
            let (ended, end) = oneshot::channel();
            let serve = move || {
                let connections = ReceiverStream::new(connections).map(tokio::net::TcpStream::from_std);
                let served =
                    runtime.block_on(serve_connections(connections, service, request_bytes_max, stop));
                // Nobody asks any more where the process is ending.
                drop(ended.send(served));
            };
            workers.queues.push(queue);
            workers.ends.push(end);
            thread::Builder::new().name(format!("clients-{worker}")).spawn(serve)?;
        }
        Ok(workers)
    }

    /// Deals the connections of a listener out until `stop` becomes true.
    pub(crate) fn accept(&self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let queues = self.queues.clone();
        tokio::spawn(async move {
            let mut next = 0;
            loop {
                let accepted = tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted.and_then(|(connection, _)| prepare(connection)) {
                    Ok(connection) => {
                        // A worker that is gone is stopping, and so is this.
                        drop(queues[next % queues.len()].send(connection).await);
                        next += 1;
                    }
                    Err(error) => {
                        warn!(%error, "failed to accept a connection");
                        tokio::time::sleep(std::time::Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    }
                }
            }
        });
    }

    /// Waits until all of them have ended.
    pub(crate) async fn ended(self) -> Result<(), Error> {
        drop(self.queues);
        for end in self.ends {
            end.await.expect("serving does not panic")?;
        }
        Ok(())
    }
}

/// Without Nagle's delay (a small answer must not wait for the next one), and free of this runtime.
fn prepare(connection: tokio::net::TcpStream) -> io::Result<TcpStream> {
    connection.set_nodelay(true)?;
    connection.into_std()
}
