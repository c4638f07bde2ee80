//! Sockets: bind all of them before anything else happens, then serve on all of them until told to stop.

use super::gate::Gate;
use super::size_limit::SizeLimit;
use super::workers::Workers;
use detcd::config::Url;
use detcd::grpc::Service;
use detcd::pb;
use detcd::pb::cluster_server::ClusterServer;
use detcd::pb::kv_server::KvServer;
use detcd::pb::lease_server::LeaseServer;
use detcd::pb::maintenance_server::MaintenanceServer;
use detcd::pb::watch_server::WatchServer;
use std::io;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Error, Server};
use tonic_health::ServingStatus;

/// An address that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("--{flag}: listen tcp {address}: bind: {source}")]
pub(crate) struct BindError {
    flag: &'static str,
    address: String,
    source: std::io::Error,
}

/// Clients cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// No thread, or no runtime on it.
    #[error("failed to start the threads that serve clients: {0}")]
    Start(#[from] io::Error),
    /// A worker ended before it was asked to.
    #[error("failed to serve clients: {0}")]
    Serve(#[from] Error),
}

/// What clients may call. The last ones answer for themselves.
const METHODS: [(&str, &[&str]); 8] = [
    ("etcdserverpb.KV", &["Range", "Put", "DeleteRange", "Txn", "Compact"]),
    ("etcdserverpb.Watch", &["Watch"]),
    (
        "etcdserverpb.Lease",
        &["LeaseGrant", "LeaseRevoke", "LeaseKeepAlive", "LeaseTimeToLive", "LeaseLeases"],
    ),
    ("etcdserverpb.Cluster", &["MemberList"]),
    ("etcdserverpb.Maintenance", &["Alarm", "Status"]),
    ("grpc.health.v1.Health", &[]),
    ("grpc.reflection.v1.ServerReflection", &[]),
    ("grpc.reflection.v1alpha.ServerReflection", &[]),
];

/// Binds every URL of a flag.
pub(crate) async fn bind(flag: &'static str, urls: &[Url]) -> Result<Vec<TcpListener>, BindError> {
    let mut listeners = Vec::with_capacity(urls.len());
    for url in urls {
        let address = url.address();
        let listener = TcpListener::bind(&address).await;
        listeners.push(listener.map_err(|source| BindError { flag, address, source })?);
    }
    Ok(listeners)
}

/// A listener as tonic takes it, without Nagle's delay: a small answer must not wait for the next one.
pub(crate) fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

/// Serves clients on all listeners until `stop` becomes true and open calls have ended.
pub(crate) async fn serve_clients(
    listeners: Vec<TcpListener>,
    service: Service,
    request_bytes_max: usize,
    stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let workers = Workers::start(&service, request_bytes_max, &stop)?;
    for listener in listeners {
        workers.accept(listener, stop.clone());
    }
    Ok(workers.ended().await?)
}

/// Serves the connections of one worker.
pub(crate) async fn serve_connections(
    connections: impl Stream<Item = io::Result<TcpStream>>,
    service: Service,
    request_bytes_max: usize,
    stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", ServingStatus::Serving).await;
    Server::builder()
        .layer(Gate::new(&METHODS))
        .layer(SizeLimit::of_requests(request_bytes_max))
        .add_service(KvServer::new(service.clone()).max_decoding_message_size(usize::MAX))
        .add_service(WatchServer::new(service.clone()).max_decoding_message_size(usize::MAX))
        .add_service(LeaseServer::new(service.clone()).max_decoding_message_size(usize::MAX))
        .add_service(ClusterServer::new(service.clone()).max_decoding_message_size(usize::MAX))
        .add_service(MaintenanceServer::new(service).max_decoding_message_size(usize::MAX))
        .add_service(health_service)
        .add_service(reflection().build_v1().expect("our own descriptors are well formed"))
        .add_service(reflection().build_v1alpha().expect("our own descriptors are well formed"))
        .serve_with_incoming_shutdown(connections, stopped(stop))
        .await
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Returns once `stop` is true, or nobody is left to say so.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    _ = stop.wait_for(|&stop| stop).await;
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
