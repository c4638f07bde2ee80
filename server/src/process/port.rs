//! What is served on a port, and one of its connections from accept to end.

use super::connection::{self, Unread};
use super::door::{Admitted, Door, Version};
use super::http::Http;
use super::http1;
use super::services::Services;
use super::stream::Socket;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

/// Everything that the connections of one address need.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) door: Door,
    /// For calls of gRPC.
    pub(crate) services: Option<Arc<Services>>,
    /// For everything else; over HTTP/2 with TLS alone, as with etcd.
    pub(crate) http: Option<Arc<Http>>,
    pub(crate) limits: connection::Limits,
}

impl Port {
    /// Serves a connection until the client closes it, or, once `stop` is ready, until its calls have ended.
    pub(crate) async fn serve(
        self: Arc<Port>,
        socket: Socket,
        remote: Option<SocketAddr>,
        unread: Unread,
        stop: impl Future<Output = ()>,
    ) {
        let mut stop = pin!(stop);
        // On the heap: what a handshake needs is not kept for as long as the connection is open.
        let opened = Box::pin(self.door.open(socket, remote));
        let admitted = tokio::select! {
            biased;
            () = &mut stop => return,
            admitted = opened => admitted,
        };
        let Some(Admitted { stream, version, is_tls, certificate_name }) = admitted else { return };
        match version {
            Version::Http1 => {
                if let Some(http) = &self.http {
                    Box::pin(http1::serve(stream, Arc::clone(http), is_tls, stop)).await;
                }
            }
            Version::Http2 => {
                let http = if is_tls { self.http.clone() } else { None };
                if self.services.is_some() || http.is_some() {
                    let answers =
                        connection::Answers { services: self.services.clone(), http, certificate_name };
                    connection::serve(stream, answers, self.limits, unread, stop).await;
                }
            }
        }
    }
}
