//! From an accepted socket to a stream that is known to speak HTTP/1.1 or HTTP/2: what a port admits.
//!
//! ```text
//!    socket ── TLS? (first byte) ── handshake ── whose certificate? ─┬─ HTTP/2 (ALPN, or its preface)
//!          └── not ──────────────────────────────────────────────────┴─ HTTP/1.1 (anything else)
//! ```
//!
//! URLs of both schemes may share an address. All of this is one connection's own time, which is bounded: whoever says
//! nothing, or half a word, delays nobody else.

use super::stream::{Rewound, Socket, Stream};
use super::tls::Tls;
use detcd::clock::{Clock, RealClock};
use detcd::line_limit::LineLimit;
use http::HeaderValue;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{Acceptor, ParsedCertificate};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::either::Either;
use tracing::warn;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// From the socket to the first bytes of HTTP, a handshake of TLS included. etcd gives the handshake as much.
const OPEN_MAX: Duration = Duration::from_secs(10);
/// The first byte of a handshake: a record of that kind.
const TLS_HANDSHAKE: u8 = 0x16;
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What may come in at a port.
#[derive(Debug)]
pub(crate) struct Door {
    /// Whose port it is, for the log.
    side: Side,
    /// Whether a connection may be without TLS.
    is_plain: bool,
    /// For connections with TLS.
    tls: Option<Arc<Tls>>,
    clock: RealClock,
    rejected: LineLimit,
}

/// Who comes to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Peer,
}

/// A connection that was admitted.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) stream: Stream,
    pub(crate) version: Version,
    pub(crate) is_tls: bool,
    /// The common name of its certificate, where clients must show one by `--client-cert-auth`: who asks, unless a call
    /// comes with a token.
    pub(crate) certificate_name: Option<HeaderValue>,
}

/// What it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

impl Door {
    /// For the connections of one address: `is_plain` and `tls` as the URLs are that name it.
    pub(crate) fn new(side: Side, is_plain: bool, tls: Option<Arc<Tls>>) -> Door {
        assert!(is_plain || tls.is_some(), "a port admits something");
        Door { side, is_plain, tls, clock: RealClock::start(), rejected: LineLimit::new() }
    }

    /// Finds out what a connection is; `None` where it is not admitted, has ended, or took too long.
    pub(crate) async fn open(&self, socket: Socket, remote: Option<SocketAddr>) -> Option<Admitted> {
        match timeout(OPEN_MAX, self.admit(Rewound::new(socket), remote)).await {
            Ok(Ok(admitted)) => admitted,
            Ok(Err(rejected)) => {
                self.log(remote, &rejected);
                None
            }
            Err(_) => None,
        }
    }

    async fn admit(
        &self,
        mut socket: Rewound<Socket>,
        remote: Option<SocketAddr>,
    ) -> Result<Option<Admitted>, Rejected> {
        let tls = match (&self.tls, self.is_plain) {
            (None, _) => None,
            (Some(tls), false) => Some(tls),
            (Some(tls), true) => match socket.sniff(|read| read.first().copied()).await {
                Ok(Some(first)) => (first == TLS_HANDSHAKE).then_some(tls),
                Ok(None) | Err(_) => return Ok(None),
            },
        };
        let Some(tls) = tls else { return Ok(versioned(Rewound::new(Either::Left(socket)), false).await) };
        let Some(stream) = self.handshake(tls, socket, remote).await? else { return Ok(None) };
        let certificate_name = match (self.side, stream.get_ref().1.peer_certificates()) {
            (Side::Client, Some([leaf, ..])) if tls.names_users() => common_name(leaf),
            _ => None,
        };
        let by_alpn = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Some(Version::Http2),
            Some(_) => Some(Version::Http1),
            None => None,
        };
        let stream = Rewound::new(Either::Right(Box::new(stream)));
        Ok(match by_alpn {
            Some(version) => Some(Admitted { stream, version, is_tls: true, certificate_name }),
            None => versioned(stream, true).await.map(|admitted| Admitted { certificate_name, ..admitted }),
        })
    }

    /// `None` for those that ended before they said hello: whoever looks whether a port is open does so.
    async fn handshake(
        &self,
        tls: &Tls,
        socket: Rewound<Socket>,
        remote: Option<SocketAddr>,
    ) -> Result<Option<tokio_rustls::server::TlsStream<Rewound<Socket>>>, Rejected> {
        let rejected = |server_name: Option<String>, error: io::Error| Rejected {
            server_name: server_name.unwrap_or_default(),
            reason: error.to_string(),
        };
        let hello = match LazyConfigAcceptor::new(Acceptor::default(), socket).await {
            Ok(hello) => hello,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(rejected(None, error)),
        };
        let server_name = hello.client_hello().server_name().map(str::to_owned);
        let config = tls.server().expect("a port with TLS has a certificate");
        let stream = hello.into_stream(config).await.map_err(|error| rejected(server_name.clone(), error))?;
        if tls.checks_address()
            && let Some([leaf, ..]) = stream.get_ref().1.peer_certificates()
            && let Some(remote) = remote
        {
            let found = check_address(leaf, remote.ip()).await;
            found.map_err(|reason| Rejected { server_name: server_name.unwrap_or_default(), reason })?;
        }
        Ok(Some(stream))
    }

    /// As etcd words it, but at most once a second.
    fn log(&self, remote: Option<SocketAddr>, rejected: &Rejected) {
        let Some(left_out) = self.rejected.due(self.clock.now()) else { return };
        let remote_addr = remote.map(|remote| remote.to_string()).unwrap_or_default();
        let Rejected { server_name, reason: error } = rejected;
        match self.side {
            Side::Client => {
                warn!(remote_addr, server_name, error, left_out, "rejected connection on client endpoint");
            }
            Side::Peer => {
                warn!(remote_addr, server_name, error, left_out, "rejected connection on peer endpoint");
            }
        }
    }
}

/// A connection that TLS refused.
#[derive(Debug)]
struct Rejected {
    server_name: String,
    reason: String,
}

async fn versioned(mut stream: Stream, is_tls: bool) -> Option<Admitted> {
    let version = stream.sniff(|read| {
        if read.len() >= HTTP2_PREFACE.len() && read.starts_with(HTTP2_PREFACE) {
            Some(Version::Http2)
        } else if HTTP2_PREFACE.starts_with(read) {
            // Nothing that could not still become the preface.
            None
        } else {
            Some(Version::Http1)
        }
    });
    let version = version.await.ok().flatten()?;
    Some(Admitted { stream, version, is_tls, certificate_name: None })
}

/// The name that a certificate gives its owner, as Go reads it: the last one. `None` where it has none, or one that metadata
/// cannot hold.
fn common_name(leaf: &CertificateDer<'_>) -> Option<HeaderValue> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let name = parsed.subject().iter_common_name().last()?.as_str().ok()?;
    HeaderValue::from_bytes(name.as_bytes()).ok()
}

/// A certificate that names addresses or hosts is good for a connection from one of them, as etcd asks of peers. Names
/// are looked up; a name with a wildcard would need a look at who an address belongs to, and is good for none.
async fn check_address(leaf: &CertificateDer<'_>, remote: IpAddr) -> Result<(), String> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let names = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let dns: Vec<String> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    let has_addresses = names.iter().any(|name| matches!(name, GeneralName::IPAddress(_)));
    if dns.is_empty() && !has_addresses {
        return Ok(());
    }
    let certificate = ParsedCertificate::try_from(leaf).map_err(|error| error.to_string())?;
    // An IPv4 address of a socket for both families is meant as such.
    let remote = remote.to_canonical();
    if verify_server_name(&certificate, &ServerName::IpAddress(remote.into())).is_ok() {
        return Ok(());
    }
    for name in &dns {
        let found = tokio::net::lookup_host((name.as_str(), 0)).await;
        if found.is_ok_and(|mut found| found.any(|address| address.ip().to_canonical() == remote)) {
            return Ok(());
        }
    }
    Err(format!("tls: {:?} does not match any of DNSNames {dns:?}", remote.to_string()))
}
