//! Connections to other members: each peer URL as its scheme says, with TLS as this member's settings for peers say.

use super::stream::Socket;
use super::tls::Tls;
use detcd::clock::BoxFuture;
use detcd::peer::grpc::{CONNECT_TIMEOUT, Dial};
use detcd::url::{Place, Url};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use tracing::warn;

/// From the first byte to the last of a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

type Connection = TokioIo<Either<Socket, TlsStream<Socket>>>;

/// Dials peer URLs.
#[derive(Debug)]
pub(crate) struct DialPeers {
    tls: Arc<Tls>,
}

impl DialPeers {
    /// With the settings for peers.
    pub(crate) fn new(tls: Arc<Tls>) -> DialPeers {
        DialPeers { tls }
    }
}

impl Dial for DialPeers {
    fn dial(&self, url: &str) -> BoxFuture<'static, Option<Channel>> {
        let (url, tls) = (Url::parse(url), Arc::clone(&self.tls));
        Box::pin(async move {
            let url = url.ok()?;
            let endpoint = endpoint(&url)?;
            let connector = service_fn(move |_: Uri| connect(url.clone(), Arc::clone(&tls)));
            endpoint.connect_with_connector(connector).await.ok()
        })
    }

    fn dial_lazily(&self, url: &str) -> Option<Channel> {
        let (url, tls) = (Url::parse(url).ok()?, Arc::clone(&self.tls));
        let endpoint = endpoint(&url)?;
        Some(
            endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
                connect(url.clone(), Arc::clone(&tls))
            })),
        )
    }
}

/// What a call's `:authority` says; the connection itself is `connect`'s.
fn endpoint(url: &Url) -> Option<Endpoint> {
    let authority = match &url.place {
        Place::Tcp { .. } => url.address(),
        Place::Socket(_) => "localhost".to_owned(),
    };
    Endpoint::from_shared(format!("http://{authority}")).ok()
}

async fn connect(url: Url, tls: Arc<Tls>) -> io::Result<Connection> {
    let socket = timeout(CONNECT_TIMEOUT, reach(&url)).await??;
    if !url.is_tls {
        return Ok(TokioIo::new(Either::Left(socket)));
    }
    let name = url.host().unwrap_or("localhost").to_owned();
    let name =
        ServerName::try_from(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let handshake = TlsConnector::from(tls.client().map_err(io::Error::other)?).connect(name, socket);
    match timeout(HANDSHAKE_MAX, handshake).await? {
        Ok(stream) => Ok(TokioIo::new(Either::Right(stream))),
        Err(error) => {
            // At most as often as connections are tried: once a second.
            warn!(url = %url, %error, "failed to connect to a peer: TLS");
            Err(error)
        }
    }
}

async fn reach(url: &Url) -> io::Result<Socket> {
    match &url.place {
        Place::Tcp { .. } => {
            let stream = TcpStream::connect(url.address()).await?;
            stream.set_nodelay(true)?;
            Ok(Either::Left(stream))
        }
        Place::Socket(path) => Ok(Either::Right(UnixStream::connect(path).await?)),
    }
}
