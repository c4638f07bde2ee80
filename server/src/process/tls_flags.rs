//! The flags about TLS, of both sides, and about who may ask over HTTP.

use super::flag_values::{FlagError, FlagValues};
use super::http::Access;
use super::tls::{Allowed, KeyPair, TlsSettings, Versions};
use detcd::url::Url;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What an operator says of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SideTls {
    pub(crate) settings: TlsSettings,
    /// `--auto-tls`, `--peer-auto-tls`: make a certificate where none is given.
    pub(crate) is_automatic: bool,
}

impl SideTls {
    /// Whether any URL of the side, of all those that are listened on, uses the certificate that is given; refused where
    /// one would need it and there is none.
    pub(super) fn is_used(&self, urls: &[Url]) -> Result<bool, FlagError> {
        let tls = urls.iter().find(|url| url.is_tls);
        let has_certificate = self.settings.certificate.is_some();
        match tls {
            Some(url) if !has_certificate && !self.is_automatic => Err(FlagError::Contradiction(format!(
                "cannot listen on TLS for {}: KeyFile and CertFile are not presented",
                url.address()
            ))),
            Some(_) => Ok(true),
            None => Ok(!has_certificate),
        }
    }
}

/// Flags of one side: clients' or peers'.
struct Names {
    cert: &'static str,
    key: &'static str,
    client_cert: &'static str,
    client_key: &'static str,
    trusted_ca: &'static str,
    client_cert_auth: &'static str,
    revoked: &'static str,
    /// `None` where a side has no such flag.
    allowed_cn: Option<&'static str>,
    allowed_hostname: &'static str,
    auto: &'static str,
}

const CLIENTS: Names = Names {
    cert: "cert-file",
    key: "key-file",
    client_cert: "client-cert-file",
    client_key: "client-key-file",
    trusted_ca: "trusted-ca-file",
    client_cert_auth: "client-cert-auth",
    revoked: "client-crl-file",
    allowed_cn: None,
    allowed_hostname: "client-cert-allowed-hostname",
    auto: "auto-tls",
};

const PEERS: Names = Names {
    cert: "peer-cert-file",
    key: "peer-key-file",
    client_cert: "peer-client-cert-file",
    client_key: "peer-client-key-file",
    trusted_ca: "peer-trusted-ca-file",
    client_cert_auth: "peer-client-cert-auth",
    revoked: "peer-crl-file",
    allowed_cn: Some("peer-cert-allowed-cn"),
    allowed_hostname: "peer-cert-allowed-hostname",
    auto: "peer-auto-tls",
};

impl FlagValues {
    /// TLS with clients.
    pub(super) fn client_tls(&self) -> Result<SideTls, FlagError> {
        self.side(&CLIENTS, false)
    }

    /// TLS with other members. A certificate that names hosts is held against where its connection comes from.
    pub(super) fn peer_tls(&self) -> Result<SideTls, FlagError> {
        let checks_address = !self.boolean("peer-skip-client-san-verification")?;
        self.side(&PEERS, checks_address)
    }

    /// Who may ask over HTTP.
    pub(super) fn access(&self) -> Access {
        let names = |flag| self.list(flag).into_iter().collect::<BTreeSet<_>>();
        Access { hosts: names("host-whitelist"), origins: names("cors") }
    }

    fn side(&self, names: &Names, checks_address: bool) -> Result<SideTls, FlagError> {
        let common_names = names.allowed_cn.map(|flag| self.list(flag)).unwrap_or_default();
        let hostnames = self.list(names.allowed_hostname);
        let allowed = match (common_names.is_empty(), hostnames.is_empty()) {
            (true, true) => Allowed::Anybody,
            (false, true) => Allowed::CommonNames(common_names),
            (true, false) => Allowed::Hostnames(hostnames),
            (false, false) => {
                return Err(FlagError::Contradiction(format!(
                    "--{} and --{} are mutually exclusive",
                    names.allowed_cn.expect("names were given by it"),
                    names.allowed_hostname
                )));
            }
        };
        let settings = TlsSettings {
            certificate: self.pair(names.cert, names.key)?,
            client_certificate: self.pair(names.client_cert, names.client_key)?,
            trusted_ca: self.path(names.trusted_ca),
            client_cert_auth: self.boolean(names.client_cert_auth)?,
            revoked: self.path(names.revoked),
            allowed,
            checks_address,
            is_self_signed: false,
            versions: self.versions()?,
            cipher_suites: self.list("cipher-suites"),
        };
        if settings.versions == Versions::Tls13 && !settings.cipher_suites.is_empty() {
            return Err(FlagError::Contradiction(
                "cipher suites cannot be configured when only TLS1.3 is enabled".to_owned(),
            ));
        }
        Ok(SideTls { settings, is_automatic: self.boolean(names.auto)? })
    }

    fn pair(&self, certificate: &'static str, key: &'static str) -> Result<Option<KeyPair>, FlagError> {
        match (self.path(certificate), self.path(key)) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(KeyPair { certificate, key })),
            (Some(_), None) => {
                Err(FlagError::Contradiction(format!("--{certificate} is given without --{key}")))
            }
            (None, Some(_)) => {
                Err(FlagError::Contradiction(format!("--{key} is given without --{certificate}")))
            }
        }
    }

    fn versions(&self) -> Result<Versions, FlagError> {
        let versions = [("", None), ("TLS1.2", Some(12)), ("TLS1.3", Some(13))];
        let min = self.choice("tls-min-version", &versions)?;
        let max = self.choice("tls-max-version", &versions)?;
        match (min.unwrap_or(12), max.unwrap_or(13)) {
            (12, 13) => Ok(Versions::All),
            (12, _) => Ok(Versions::Tls12),
            (_, 13) => Ok(Versions::Tls13),
            _ => Err(FlagError::Contradiction(
                "min version (TLS1.3) is greater than max version (TLS1.2)".to_owned(),
            )),
        }
    }

    fn path(&self, flag: &'static str) -> Option<PathBuf> {
        Some(self.text(flag)).filter(|path| !path.is_empty()).map(PathBuf::from)
    }
}
