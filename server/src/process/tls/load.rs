//! From files and rules to what rustls needs, or why that cannot be.

use super::cipher_suites;
use super::rules::{OfClients, OfServers, Rules, significant};
use crate::process::flags::{KeyPair, TlsSettings, Versions};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

/// Why there can be no TLS with these settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read {path}: {reason}: a PEM file with {expected} is expected")]
    File { path: PathBuf, expected: &'static str, reason: String },
    #[error("the key in {key} is not the key of the certificate in {certificate}")]
    KeyOfAnother { certificate: PathBuf, key: PathBuf },
    #[error("certificate {certificate} and key {key} cannot be used: {reason}")]
    Pair { certificate: PathBuf, key: PathBuf, reason: rustls::Error },
    #[error("unexpected TLS cipher suite {name:?}")]
    CipherSuite { name: String },
    #[error("certificates cannot be verified: {0}")]
    Verifier(String),
    #[error("the versions of TLS and the cipher suites do not go together: {0}")]
    Versions(rustls::Error),
}

static ONLY_TLS12: [&SupportedProtocolVersion; 1] = [&TLS12];
static ONLY_TLS13: [&SupportedProtocolVersion; 1] = [&TLS13];

/// What handshakes use.
#[derive(Debug)]
pub(super) struct Material {
    /// `None` without a certificate.
    pub(super) server: Option<Arc<ServerConfig>>,
    /// The error says why nobody would be believed.
    pub(super) client: Result<Arc<ClientConfig>, String>,
}

pub(super) fn load(settings: &TlsSettings) -> Result<Material, TlsError> {
    let cipher_suites = cipher_suites::named(&settings.cipher_suites)?;
    let provider = Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() });
    let trusted = match &settings.trusted_ca {
        Some(path) => certificates(path)?,
        None => Vec::new(),
    };
    let rules = Arc::new(Rules {
        trusted: trusted.clone(),
        revoked: settings.revoked.as_deref().map(revoked).transpose()?.unwrap_or_default(),
        allowed: settings.allowed.clone(),
        provider: Arc::clone(&provider),
    });
    let loaded = Loaded { settings, provider, roots: Arc::new(roots(trusted)), rules };
    let client = match loaded.verifies() {
        // What the system trusts is not read for nothing.
        false => Err("no certificates are configured".to_owned()),
        true => match loaded.client() {
            Err(TlsError::Verifier(reason)) => Err(reason),
            client => Ok(client?),
        },
    };
    Ok(Material { server: loaded.server()?, client })
}

struct Loaded<'a> {
    settings: &'a TlsSettings,
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    rules: Arc<Rules>,
}

impl Loaded<'_> {
    /// Whether anything is said of those to whom we connect.
    fn verifies(&self) -> bool {
        let TlsSettings { certificate, client_certificate, trusted_ca, .. } = self.settings;
        certificate.is_some() || client_certificate.is_some() || trusted_ca.is_some()
    }

    fn server(&self) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        let Some(pair) = &self.settings.certificate else { return Ok(None) };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.versions())
            .map_err(TlsError::Versions)?;
        let key = self.pair(pair)?;
        let with_key = |builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>| {
            builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
        };
        let mut config = if self.settings.needs_client_certificate() {
            let roots = if self.roots.is_empty() { system_roots()? } else { Arc::clone(&self.roots) };
            let inner = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&self.provider));
            let inner = inner.build().map_err(|error| TlsError::Verifier(error.to_string()))?;
            let verifier = OfClients { rules: Arc::clone(&self.rules), inner };
            let mut config = with_key(builder.with_client_cert_verifier(Arc::new(verifier)));
            // A session that is taken up again would not be verified again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        } else {
            with_key(builder.with_no_client_auth())
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(Arc::new(config)))
    }

    fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.versions())
            .map_err(TlsError::Versions)?;
        let inner: Option<Arc<dyn ServerCertVerifier>> = if self.settings.is_self_signed {
            None
        } else {
            let roots = if self.roots.is_empty() { system_roots()? } else { Arc::clone(&self.roots) };
            let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&self.provider));
            Some(inner.build().map_err(|error| TlsError::Verifier(error.to_string()))?)
        };
        let verifier = OfServers { rules: Arc::clone(&self.rules), inner };
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let shown = self.settings.client_certificate.as_ref().or(self.settings.certificate.as_ref());
        let mut config = match shown {
            Some(pair) => builder
                .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(self.pair(pair)?))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.settings.versions {
            Versions::All => rustls::ALL_VERSIONS,
            Versions::Tls12 => &ONLY_TLS12,
            Versions::Tls13 => &ONLY_TLS13,
        }
    }

    fn pair(&self, pair: &KeyPair) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(&pair.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&pair.key)
            .map_err(|error| unreadable(&pair.key, "a private key", error))?;
        match CertifiedKey::from_der(chain, key, &self.provider) {
            Ok(certified) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(TlsError::KeyOfAnother { certificate: pair.certificate.clone(), key: pair.key.clone() })
            }
            Err(reason) => {
                let KeyPair { certificate, key } = pair.clone();
                Err(TlsError::Pair { certificate, key, reason })
            }
        }
    }
}

fn unreadable(path: &Path, expected: &'static str, reason: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), expected, reason: reason.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unreadable(path, "certificates", error))?;
    match certificates.is_empty() {
        true => Err(unreadable(path, "certificates", "there is none")),
        false => Ok(certificates),
    }
}

/// What cannot be read by rustls is trusted by nobody else either.
fn roots(trusted: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted);
    roots
}

/// What the system trusts, for those that name nobody whom they trust.
fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => {
            Err(TlsError::Verifier("neither a trusted CA file is given nor has the system any".to_owned()))
        }
        false => Ok(Arc::new(roots)),
    }
}

/// The serial numbers of a list, DER as etcd wants it, or PEM.
fn revoked(path: &Path) -> Result<BTreeSet<Vec<u8>>, TlsError> {
    let expected = "a list of revoked certificates (PEM or DER)";
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, expected, error))?;
    let from_pem = CertificateRevocationListDer::from_pem_slice(&bytes);
    let der = from_pem.as_ref().map_or(bytes.as_slice(), |list| list.as_ref());
    let (_, list) =
        CertificateRevocationList::from_der(der).map_err(|error| unreadable(path, expected, error))?;
    Ok(list.iter_revoked_certificates().map(|revoked| significant(revoked.raw_serial())).collect())
}
