//! What can be called on a port, and who answers.
//!
//! The calls that most clients make most of the time go straight from their message to the handler and back; the others
//! go through tonic's services. A method that is not built is refused in grpc-go's words: clients show them to users.

use super::framed::Framed;
use super::metrics::{Call, CallMetrics, MethodMetrics, counted};
use bytes::Bytes;
use detcd::grpc::Service;
use detcd::pb;
use detcd::pb::auth_server::AuthServer;
use detcd::pb::cluster_server::ClusterServer;
use detcd::pb::kv_server::KvServer;
use detcd::pb::lease_server::LeaseServer;
use detcd::pb::maintenance_server::MaintenanceServer;
use detcd::pb::v3electionpb::election_server::ElectionServer;
use detcd::pb::v3lockpb::lock_server::LockServer;
use detcd::pb::watch_server::WatchServer;
use detcd::peer::grpc::{FRAME_BYTES_MAX, PeerService};
use detcd::peer::pb::peer_server::PeerServer;
use detcd::wire::EncodedTxn;
use prometheus::Registry;
use prost::Message;
use std::sync::Arc;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic_health::ServingStatus;

/// What etcd adds to `--max-request-bytes` for the message around the request.
const OVERHEAD_BYTES: usize = 512 * 1024;

/// Who answers a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Its handler, with no tonic in between.
    Direct(Direct),
    /// A tonic service, which reads one message.
    Unary,
    /// A tonic service, which reads one message and answers with a stream of them.
    ServerStream,
    /// A tonic service, which reads a stream of messages.
    Streaming,
}

/// A method whose handler is called directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direct {
    Range,
    Put,
    Txn,
}

use Method::{ServerStream, Streaming, Unary};

/// Full names of services, each with its methods.
type Methods = &'static [(&'static str, &'static [(&'static str, Method)])];

/// What clients may call.
const CLIENT_METHODS: Methods = &[
    (
        "etcdserverpb.KV",
        &[
            ("Range", Method::Direct(Direct::Range)),
            ("RangeStream", ServerStream),
            ("Put", Method::Direct(Direct::Put)),
            ("DeleteRange", Unary),
            ("Txn", Method::Direct(Direct::Txn)),
            ("Compact", Unary),
        ],
    ),
    ("etcdserverpb.Watch", &[("Watch", Streaming)]),
    (
        "etcdserverpb.Lease",
        &[
            ("LeaseGrant", Unary),
            ("LeaseRevoke", Unary),
            ("LeaseKeepAlive", Streaming),
            ("LeaseTimeToLive", Unary),
            ("LeaseLeases", Unary),
        ],
    ),
    ("etcdserverpb.Cluster", &[("MemberList", Unary)]),
    (
        "etcdserverpb.Maintenance",
        &[
            ("Alarm", Unary),
            ("Status", Unary),
            ("HashKV", Unary),
            ("Snapshot", ServerStream),
            ("Defragment", Unary),
        ],
    ),
    (
        "etcdserverpb.Auth",
        &[
            ("AuthEnable", Unary),
            ("AuthDisable", Unary),
            ("AuthStatus", Unary),
            ("Authenticate", Unary),
            ("UserAdd", Unary),
            ("UserGet", Unary),
            ("UserList", Unary),
            ("UserDelete", Unary),
            ("UserChangePassword", Unary),
            ("UserGrantRole", Unary),
            ("UserRevokeRole", Unary),
            ("RoleAdd", Unary),
            ("RoleGet", Unary),
            ("RoleList", Unary),
            ("RoleDelete", Unary),
            ("RoleGrantPermission", Unary),
            ("RoleRevokePermission", Unary),
        ],
    ),
    ("v3lockpb.Lock", &[("Lock", Unary), ("Unlock", Unary)]),
    (
        "v3electionpb.Election",
        &[
            ("Campaign", Unary),
            ("Proclaim", Unary),
            ("Leader", Unary),
            ("Observe", ServerStream),
            ("Resign", Unary),
        ],
    ),
    ("grpc.health.v1.Health", &[("Check", Unary), ("Watch", ServerStream)]),
    ("grpc.reflection.v1.ServerReflection", &[("ServerReflectionInfo", Streaming)]),
    ("grpc.reflection.v1alpha.ServerReflection", &[("ServerReflectionInfo", Streaming)]),
];

/// What other members may call.
const PEER_METHODS: Methods =
    &[("detcd.peer.Peer", &[("Messages", Streaming), ("Snapshot", Unary), ("Inspect", Unary)])];

/// Everything that is served on one port.
#[derive(Debug)]
pub(crate) struct Services {
    methods: Methods,
    /// Answers the direct methods.
    direct: Option<Service>,
    routes: Routes,
    message_bytes_max: usize,
    /// Of each service's methods, in the order of `methods`.
    metrics: Vec<Vec<Arc<MethodMetrics>>>,
}

/// A method that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    /// Who answers.
    pub(crate) method: Method,
    /// Where its calls are counted.
    pub(crate) metrics: &'a Arc<MethodMetrics>,
}

impl Method {
    /// Whether one request message is read, and not a stream of them.
    pub(crate) fn is_unary(self) -> bool {
        self != Streaming
    }

    /// grpc-go's word for it, in metrics.
    fn kind(self) -> &'static str {
        match self {
            Method::Direct(_) | Unary => "unary",
            ServerStream => "server_stream",
            Streaming => "bidi_stream",
        }
    }
}

impl Services {
    /// For clients, within `--max-request-bytes`.
    pub(crate) async fn of_clients(
        service: Service,
        request_bytes_max: usize,
        metrics: &Arc<CallMetrics>,
    ) -> Services {
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", ServingStatus::Serving).await;
        let mut routes = Routes::builder();
        // The size of a message is bounded before tonic sees it.
        routes
            .add_service(KvServer::new(service.clone()).max_decoding_message_size(usize::MAX))
            .add_service(WatchServer::new(service.clone()).max_decoding_message_size(usize::MAX))
            .add_service(LeaseServer::new(service.clone()).max_decoding_message_size(usize::MAX))
            .add_service(ClusterServer::new(service.clone()).max_decoding_message_size(usize::MAX))
            .add_service(MaintenanceServer::new(service.clone()).max_decoding_message_size(usize::MAX))
            .add_service(AuthServer::new(service.clone()).max_decoding_message_size(usize::MAX))
            .add_service(LockServer::new(service.clone()).max_decoding_message_size(usize::MAX))
            .add_service(ElectionServer::new(service.clone()).max_decoding_message_size(usize::MAX))
            .add_service(health_service)
            .add_service(reflection().build_v1().expect("our own descriptors are well formed"))
            .add_service(reflection().build_v1alpha().expect("our own descriptors are well formed"));
        Services {
            methods: CLIENT_METHODS,
            direct: Some(service),
            routes: routes.routes().prepare(),
            message_bytes_max: request_bytes_max + OVERHEAD_BYTES,
            metrics: counted_methods(CLIENT_METHODS, metrics),
        }
    }

    /// For other members.
    pub(crate) fn of_peers(service: PeerService) -> Services {
        let mut routes = Routes::builder();
        routes.add_service(PeerServer::new(service).max_decoding_message_size(usize::MAX));
        Services {
            methods: PEER_METHODS,
            direct: None,
            routes: routes.routes().prepare(),
            message_bytes_max: FRAME_BYTES_MAX,
            // etcd's members do not talk in gRPC: nobody asks for these.
            metrics: counted_methods(PEER_METHODS, &CallMetrics::new(&Registry::new(), false)),
        }
    }

    /// The largest message of a request.
    pub(crate) fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// Who answers calls of `path`, which is `/service/method`.
    pub(crate) fn find(&self, path: &str) -> Result<Found<'_>, Status> {
        let Some((service, method)) = path.strip_prefix('/').unwrap_or(path).rsplit_once('/') else {
            return Err(Status::unimplemented(format!("malformed method name: {path:?}")));
        };
        let mut services = self.methods.iter().zip(&self.metrics);
        let Some(((_, methods), metrics)) = services.find(|((name, _), _)| *name == service) else {
            return Err(Status::unimplemented(format!("unknown service {service}")));
        };
        match methods.iter().zip(metrics).find(|((name, _), _)| *name == method) {
            Some(((_, method), metrics)) => Ok(Found { method: *method, metrics }),
            None => Err(Status::unimplemented(format!("unknown method {method} for service {service}"))),
        }
    }

    /// Answers a direct method: a message for a message.
    pub(crate) async fn answer(
        &self,
        method: Direct,
        metadata: &MetadataMap,
        message: Bytes,
    ) -> Result<Framed, Status> {
        let service = self.direct.as_ref().expect("only a port with direct methods lists them");
        match method {
            Direct::Range => Framed::in_pieces(service.range_in_pieces(metadata, decoded(message)?).await?),
            Direct::Put => Framed::whole(&service.put(metadata, decoded(message)?).await?),
            Direct::Txn => {
                let request = decoded::<EncodedTxn>(message)?;
                service.txn(metadata, request, |answer| Framed::whole(&answer)).await?
            }
        }
    }

    /// Answers a call through tonic, and counts what goes in and comes out.
    pub(crate) async fn route(&self, request: http::Request<Body>, call: Arc<Call>) -> http::Response<Body> {
        let request = counted::request(request, &call);
        let Ok(response) = tower::Service::call(&mut self.routes.clone(), request).await;
        counted::response(response, call)
    }
}

fn counted_methods(methods: Methods, metrics: &Arc<CallMetrics>) -> Vec<Vec<Arc<MethodMetrics>>> {
    let of_service = |(service, methods): &(&str, &[(&str, Method)])| {
        methods.iter().map(|(name, method)| metrics.method(method.kind(), service, name)).collect()
    };
    methods.iter().map(of_service).collect()
}

fn decoded<M: Message + Default>(message: Bytes) -> Result<M, Status> {
    M::decode(message)
        .map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

#[cfg(test)]
#[path = "services_tests.rs"]
mod tests;
