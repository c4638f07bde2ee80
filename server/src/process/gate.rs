//! Answers calls of methods that are not built as grpc-go does: tonic answers the same code without a text, and
//! clients show their users the text.

use futures_util::future::{Either, Ready, ready};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// Lets calls of known methods pass.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    /// Methods by full name of their service.
    methods: Arc<BTreeMap<&'static str, &'static [&'static str]>>,
}

impl Gate {
    /// `services`: full names, each with its methods; none where the service answers for itself.
    pub(crate) fn new(services: &[(&'static str, &'static [&'static str])]) -> Gate {
        Gate { methods: Arc::new(services.iter().copied().collect()) }
    }

    /// What is wrong with a call of `path`, which is `/service/method`.
    fn refusal(&self, path: &str) -> Option<Status> {
        let (service, method) = path.strip_prefix('/').unwrap_or(path).rsplit_once('/').unwrap_or_default();
        match self.methods.get(service) {
            Some(methods) if methods.is_empty() || methods.contains(&method) => None,
            Some(_) => Some(Status::unimplemented(format!("unknown method {method} for service {service}"))),
            None if service.is_empty() => {
                Some(Status::unimplemented(format!("malformed method name: {path:?}")))
            }
            None => Some(Status::unimplemented(format!("unknown service {service}"))),
        }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.clone() }
    }
}

/// A service behind the gate.
#[derive(Clone, Debug)]
pub(crate) struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S> Service<http::Request<Body>> for Gated<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<http::Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match self.gate.refusal(request.uri().path()) {
            None => Either::Left(self.inner.call(request)),
            Some(refusal) => Either::Right(ready(Ok(refusal.into_http()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_is_named() {
        let gate = Gate::new(&[("a.B", &["C"]), ("d.E", &[])]);
        let refusal = |path: &str| gate.refusal(path).map(|status| status.message().to_owned());
        assert_eq!(refusal("/a.B/C"), None);
        assert_eq!(refusal("/d.E/Any"), None);
        assert_eq!(refusal("/a.B/X").as_deref(), Some("unknown method X for service a.B"));
        assert_eq!(refusal("/f.G/X").as_deref(), Some("unknown service f.G"));
        assert_eq!(refusal("/").as_deref(), Some("malformed method name: \"/\""));
    }
}
