//! From a started member to a process that serves it, and back to nothing.
//!
//! ```text
//!    bind all ── start the member ── serve peers ── ready? ── serve clients ── signal? ── transfer leadership, stop ── end
//! ```
//!
//! Sockets are bound first, so that a port in use changes nothing on disk. Clients are served only once the member
//! can serve them: until then their connections wait in the listen queue, as with etcd.

use super::listen::{self, BindError};
use super::services::Services;
use super::workers::Workers;
use super::{peers, signals};
use detcd::config::ServerConfig;
use detcd::grpc::{self, Limits};
use detcd::handle::MemberHandle;
use detcd::peer::grpc::PeerService;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

/// How long open calls may take to end once the member has stopped.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// All sockets of a member.
#[derive(Debug)]
pub(crate) struct Listeners {
    clients: Vec<TcpListener>,
    peers: Vec<TcpListener>,
}

/// A member that was started.
pub(crate) struct Started<Ready, Stop> {
    /// For the services.
    pub(crate) handle: MemberHandle,
    /// What other members call.
    pub(crate) peer_service: PeerService,
    /// Resolves once the member has applied what it knew and can serve.
    pub(crate) ready: Ready,
    /// When polled, transfers leadership and stops the member; resolves when that is done.
    pub(crate) stop: Stop,
}

impl Listeners {
    /// Binds every listen URL.
    pub(crate) async fn bind(config: &ServerConfig) -> Result<Listeners, BindError> {
        let peers = listen::bind("listen-peer-urls", &config.listen_peer_urls).await?;
        let clients = listen::bind("listen-client-urls", &config.listen_client_urls).await?;
        Ok(Listeners { clients, peers })
    }
}

/// Serves until a signal asks to stop. An error means that a socket could not be served any more.
pub(crate) async fn serve<Ready, Stop>(
    config: &ServerConfig,
    listeners: Listeners,
    member: Started<Ready, Stop>,
) -> Result<(), Box<dyn Error>>
where
    Ready: Future<Output = ()>,
    Stop: Future<Output = ()>,
{
    let Started { handle, peer_service, ready, stop } = member;
    let (stop_serving, stopping) = watch::channel(false);
    let peers =
        tokio::spawn(peers::serve(listeners.peers, Services::of_peers(peer_service), stopping.clone()));
    let signal = signals::asked_to_stop();
    tokio::pin!(signal);
    let came_early = tokio::select! {
        biased;
        signal = &mut signal => Some(signal?),
        () = ready => None,
    };
    let (signal, clients) = match came_early {
        Some(signal) => (signal, None),
        None => {
            announce(config);
            let service = grpc::service(handle, Limits { txn_ops_max: config.txn_ops_max });
            let services = Arc::new(Services::of_clients(service, config.request_bytes_max).await);
            let workers = Workers::start(&services, &stopping)?;
            for listener in listeners.clients {
                workers.accept(listener, stopping.clone());
            }
            let mut clients = tokio::spawn(workers.ended());
            tokio::select! {
                biased;
                signal = &mut signal => (signal?, Some(clients)),
                _ = &mut clients => return Err("the threads that serve clients ended on their own".into()),
            }
        }
    };
    info!(signal, "received signal; shutting down");
    stop.await;
    stop_serving.send_replace(true);
    let drained = async {
        if let Some(clients) = clients
            && !clients.await?
        {
            return Err("a thread that serves clients did not end in order".into());
        }
        peers.await?;
        Ok::<(), Box<dyn Error>>(())
    };
    match tokio::time::timeout(DRAIN_TIMEOUT, drained).await {
        Ok(ended) => ended?,
        Err(_) => warn!("open calls did not end in time"),
    }
    info!("closed etcd server");
    Ok(())
}

/// The lines that operators and test frameworks wait for.
fn announce(config: &ServerConfig) {
    info!("ready to serve client requests");
    for url in &config.listen_client_urls {
        warn!(
            traffic = "grpc",
            address = %url.address(),
            "serving client traffic insecurely; this is strongly discouraged!"
        );
    }
}
