//! From a started member to a process that serves it, and back to nothing.
//!
//! ```text
//!    bind all ── start the member ── serve peers ── ready? ── serve clients ── signal? ── transfer leadership, stop ── end
//! ```
//!
//! Sockets are bound first, so that a port in use changes nothing on disk. Clients are served only once the member
//! can serve them: until then their connections wait in the listen queue, as with etcd.

use super::door::{Door, Side};
use super::flags::{Access, Settings, SideTls};
use super::http::{Gateway, Http, Paths};
use super::listen::{self, BindError, Bound, Listener};
use super::metrics::ServingMetrics;
use super::port::Port;
use super::services::Services;
use super::tls::{Tls, self_signed};
use super::workers::{self, Workers};
use super::{peers, signals, systemd};
use detcd::grpc::{self, Limits};
use detcd::handle::MemberHandle;
use detcd::peer::grpc::PeerService;
use detcd::url::Url;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{info, warn};

/// How long open calls may take to end once the member has stopped.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// All sockets of a member.
#[derive(Debug)]
pub(crate) struct Listeners {
    clients: Vec<Bound>,
    /// `--listen-client-http-urls`: HTTP then has ports of its own.
    http: Vec<Bound>,
    metrics: Vec<Bound>,
    peers: Vec<Bound>,
}

/// TLS of both sides.
#[derive(Clone, Debug)]
pub(crate) struct Encryption {
    pub(crate) clients: Arc<Tls>,
    pub(crate) peers: Arc<Tls>,
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

impl Encryption {
    /// Reads what the flags name, and makes the certificates that they ask for.
    pub(crate) fn of(settings: &Settings) -> Result<Encryption, Box<dyn Error>> {
        let config = &settings.server;
        let for_clients = [&config.listen_client_urls, &settings.listen_client_http_urls];
        let side = |tls: &SideTls, name: &str, urls: Vec<&Url>| -> Result<Arc<Tls>, Box<dyn Error>> {
            let mut tls = tls.clone();
            if tls.is_automatic && tls.settings.certificate.is_none() {
                let hosts = urls.iter().filter_map(|url| url.host().map(str::to_owned)).collect();
                let dir = config.data_dir.join("fixtures").join(name);
                let made = self_signed(&dir, hosts, settings.self_signed_years)?;
                tls.settings.certificate = Some(made);
                tls.settings.is_self_signed = true;
            }
            Ok(Arc::new(Tls::new(tls.settings)?))
        };
        Ok(Encryption {
            clients: side(&settings.client_tls, "client", for_clients.into_iter().flatten().collect())?,
            peers: side(&settings.peer_tls, "peer", config.listen_peer_urls.iter().collect())?,
        })
    }
}

impl Listeners {
    /// Binds every listen URL.
    pub(crate) async fn bind(settings: &Settings) -> Result<Listeners, BindError> {
        let config = &settings.server;
        Ok(Listeners {
            peers: listen::bind("listen-peer-urls", &config.listen_peer_urls).await?,
            clients: listen::bind("listen-client-urls", &config.listen_client_urls).await?,
            http: listen::bind("listen-client-http-urls", &settings.listen_client_http_urls).await?,
            metrics: listen::bind("listen-metrics-urls", &settings.listen_metrics_urls).await?,
        })
    }
}

/// Serves until a signal asks to stop. An error means that a socket could not be served any more.
pub(crate) async fn serve<Ready, Stop>(
    settings: &Settings,
    mut listeners: Listeners,
    encryption: Encryption,
    member: Started<Ready, Stop>,
) -> Result<(), Box<dyn Error>>
where
    Ready: Future<Output = ()>,
    Stop: Future<Output = ()>,
{
    let Started { handle, peer_service, ready, stop } = member;
    let (stop_serving, stopping) = watch::channel(false);
    for tls in [&encryption.clients, &encryption.peers] {
        tokio::spawn(Arc::clone(tls).keep_current());
    }
    let metrics = Arc::new(ServingMetrics::new(handle.metrics().registry(), settings.has_extensive_metrics));
    let http = Http::new(Paths::Peers, Access::default(), handle.clone(), Arc::clone(&metrics), None);
    let peer_ports = peer_ports(std::mem::take(&mut listeners.peers), &encryption, peer_service, http);
    let peers = tokio::spawn(peers::serve(peer_ports, stopping.clone()));
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
            let tls = &encryption.clients;
            let workers = serve_clients(settings, listeners, tls, handle, metrics, &stopping).await?;
            let mut clients = tokio::spawn(workers.ended());
            tokio::select! {
                biased;
                signal = &mut signal => (signal?, Some(clients)),
                _ = &mut clients => return Err("the threads that serve clients ended on their own".into()),
            }
        }
    };
    info!(signal, "received signal; shutting down");
    systemd::stopping();
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

/// Accepts clients on every port that they have, and says so.
async fn serve_clients(
    settings: &Settings,
    listeners: Listeners,
    tls: &Arc<Tls>,
    handle: MemberHandle,
    metrics: Arc<ServingMetrics>,
    stopping: &watch::Receiver<bool>,
) -> Result<Workers, Box<dyn Error>> {
    let service = grpc::service(handle.clone(), Limits { txn_ops_max: settings.server.txn_ops_max });
    let services = Services::of_clients(service, settings.server.request_bytes_max, &metrics.calls).await;
    let ports = ClientPorts {
        services: Arc::new(services),
        handle,
        metrics,
        access: &settings.access,
        calls_max: settings.calls_max,
        has_gateway: settings.has_gateway,
    };
    info!("ready to serve client requests");
    let workers = Workers::start(stopping)?;
    let is_split = !listeners.http.is_empty();
    let kinds = [
        (listeners.clients, if is_split { Traffic::Grpc } else { Traffic::All }),
        (listeners.http, Traffic::Http),
        (listeners.metrics, Traffic::Monitoring),
    ];
    for (bound, traffic) in kinds {
        for one in bound {
            let port = ports.port(&one, traffic, tls);
            workers.accept(one.listener, Arc::new(port), stopping.clone());
        }
    }
    systemd::ready();
    tokio::spawn(systemd::keep_alive(ports.handle));
    Ok(workers)
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    All,
    Grpc,
    Http,
    Monitoring,
}

/// What the ports for clients have in common.
struct ClientPorts<'a> {
    services: Arc<Services>,
    handle: MemberHandle,
    metrics: Arc<ServingMetrics>,
    access: &'a Access,
    calls_max: u32,
    /// `--enable-grpc-gateway`.
    has_gateway: bool,
}

impl ClientPorts<'_> {
    fn port(&self, bound: &Bound, traffic: Traffic, tls: &Arc<Tls>) -> Port {
        announce(bound, traffic);
        let paths = match traffic {
            Traffic::All | Traffic::Http => Some(Paths::Clients),
            Traffic::Monitoring => Some(Paths::Monitoring),
            Traffic::Grpc => None,
        };
        let has_grpc = matches!(traffic, Traffic::All | Traffic::Grpc);
        Port {
            door: door(Side::Client, bound, tls),
            services: has_grpc.then(|| Arc::clone(&self.services)),
            http: paths.map(|paths| {
                let has_gateway = self.has_gateway && paths == Paths::Clients;
                let gateway = has_gateway.then(|| Gateway::new(Arc::clone(&self.services)));
                let (access, metrics) = (self.access.clone(), Arc::clone(&self.metrics));
                Arc::new(Http::new(paths, access, self.handle.clone(), metrics, gateway))
            }),
            limits: workers::limits(self.calls_max),
        }
    }
}

fn peer_ports(
    listeners: Vec<Bound>,
    encryption: &Encryption,
    service: PeerService,
    http: Http,
) -> Vec<(Listener, Arc<Port>)> {
    let (services, http) = (Arc::new(Services::of_peers(service)), Arc::new(http));
    let port = |bound: Bound| {
        let door = door(Side::Peer, &bound, &encryption.peers);
        let (services, http) = (Some(Arc::clone(&services)), Some(Arc::clone(&http)));
        (bound.listener, Arc::new(Port { door, services, http, limits: peers::LIMITS }))
    };
    listeners.into_iter().map(port).collect()
}

fn door(side: Side, bound: &Bound, tls: &Arc<Tls>) -> Door {
    Door::new(side, bound.is_plain(), bound.is_tls().then(|| Arc::clone(tls)))
}

/// The lines that operators and test frameworks wait for.
fn announce(bound: &Bound, traffic: Traffic) {
    let traffic = match traffic {
        Traffic::All => "grpc+http",
        Traffic::Grpc => "grpc",
        Traffic::Http => "http",
        Traffic::Monitoring => {
            info!(urls = ?bound.urls.iter().map(|url| &url.text).collect::<Vec<_>>(), "serving metrics");
            return;
        }
    };
    let address = bound.urls.first().map(|url| url.address()).unwrap_or_default();
    if bound.is_plain() {
        warn!(traffic, address, "serving client traffic insecurely; this is strongly discouraged!");
    }
    if bound.is_tls() {
        info!(traffic, address, "serving client traffic securely");
    }
}
