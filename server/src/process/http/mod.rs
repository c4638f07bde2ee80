//! What a port answers over HTTP, to programs that have no gRPC: load balancers, Kubernetes' probes, people with curl.
//!
//! Statuses, headers and bodies are etcd's, which come from Go's net/http and from the library of its gateway.

mod access;
mod gateway;
mod health;
mod reply;

pub(crate) use gateway::Gateway;

use super::flags::Access;
use super::metrics::{self, ServingMetrics};
use bytes::Bytes;
use detcd::handle::MemberHandle;
use http::HeaderValue;
use http::request::Parts;
use http::{Method, Response};
use http_body_util::Full;
use std::sync::Arc;
use tonic::body::Body;

/// What HTTP is served on a port.
#[derive(Debug)]
pub(crate) struct Http {
    paths: Paths,
    access: Access,
    member: MemberHandle,
    metrics: Arc<ServingMetrics>,
    /// `--enable-grpc-gateway`.
    gateway: Option<Gateway>,
}

/// Which of a member's paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paths {
    /// Those for clients.
    Clients,
    /// Health and metrics alone, as on `--listen-metrics-urls`.
    Monitoring,
    /// Those for other members.
    Peers,
}

impl Http {
    pub(crate) fn new(
        paths: Paths,
        access: Access,
        member: MemberHandle,
        metrics: Arc<ServingMetrics>,
        gateway: Option<Gateway>,
    ) -> Http {
        Http { paths, access, member, metrics, gateway }
    }

    /// Answers a request. `is_tls` says how it came.
    pub(crate) async fn answer(&self, request: &Parts, body: Body, is_tls: bool) -> Response<Body> {
        if !is_tls && let Some(refusal) = self.access.refuse_host(request) {
            return refusal.map(whole);
        }
        let mut response = if request.method == Method::OPTIONS && self.paths == Paths::Clients {
            reply::text(200, "").map(whole)
        } else if let Some(gateway) = &self.gateway
            && ["/v3/", "/v3beta/"].iter().any(|beginning| request.uri.path().starts_with(beginning))
        {
            gateway.answer(request, body).await
        } else {
            // A body that nobody wants is read over, or ends the connection.
            drop(body);
            self.route(request).await.map(whole)
        };
        if self.paths == Paths::Clients {
            self.access.add_cors(request, response.headers_mut());
        }
        response
    }

    async fn route(&self, request: &Parts) -> Response<Bytes> {
        let path = request.uri.path();
        match (self.paths, path) {
            (Paths::Clients | Paths::Peers, "/version") => health::version(&self.member, request),
            (Paths::Clients | Paths::Monitoring, "/health") => {
                health::health(&self.member, &self.metrics.health, request).await
            }
            (Paths::Clients | Paths::Monitoring, "/metrics") => reply::typed(
                HeaderValue::from_static(metrics::CONTENT_TYPE),
                metrics::text(&self.member).await,
            ),
            (Paths::Clients | Paths::Monitoring, _) => {
                match health::probe(&self.member, &self.metrics.health, path, request).await {
                    Some(response) => response,
                    None => reply::not_found(),
                }
            }
            (Paths::Peers, _) => reply::not_found(),
        }
    }
}

fn whole(body: Bytes) -> Body {
    Body::new(Full::new(body))
}

/// The values of a query's parameter, as often as it is given.
fn query(request: &Parts, name: &str) -> Vec<String> {
    let query = request.uri.query().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.filter(|(given, _)| given == name).map(|(_, value)| value.into_owned()).collect()
}
