//! What a port answers over HTTP, to programs that have no gRPC: load balancers, Kubernetes' probes, people with curl.
//!
//! Answers are whole and small. Statuses, headers and bodies are etcd's, which come from Go's net/http.

mod access;
mod health;
mod reply;

pub(crate) use access::Access;

use bytes::Bytes;
use detcd::handle::MemberHandle;
use http::request::Parts;
use http::{Method, Response};

/// What HTTP is served on a port.
#[derive(Debug)]
pub(crate) struct Http {
    paths: Paths,
    access: Access,
    member: MemberHandle,
}

/// Which of a member's paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paths {
    /// Those for clients.
    Clients,
    /// Health alone, as on `--listen-metrics-urls`.
    Monitoring,
    /// Those for other members.
    Peers,
}

impl Http {
    pub(crate) fn new(paths: Paths, access: Access, member: MemberHandle) -> Http {
        Http { paths, access, member }
    }

    /// Answers a request; its body is read by nobody. `is_tls` says how it came.
    pub(crate) async fn answer(&self, request: &Parts, is_tls: bool) -> Response<Bytes> {
        if !is_tls && let Some(refusal) = self.access.refuse_host(request) {
            return refusal;
        }
        let mut response = if request.method == Method::OPTIONS && self.paths == Paths::Clients {
            reply::text(200, "")
        } else {
            self.route(request).await
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
            (Paths::Clients | Paths::Monitoring, "/health") => health::health(&self.member, request).await,
            (Paths::Clients | Paths::Monitoring, _) => {
                match health::probe(&self.member, path, request).await {
                    Some(response) => response,
                    None => reply::not_found(),
                }
            }
            (Paths::Peers, _) => reply::not_found(),
        }
    }
}

/// The values of a query's parameter, as often as it is given.
fn query(request: &Parts, name: &str) -> Vec<String> {
    let query = request.uri.query().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.filter(|(given, _)| given == name).map(|(_, value)| value.into_owned()).collect()
}
