//! TLS of the two sides, clients and other members, and who may ask over HTTP: the flags about both, read.

use super::reading::Reading;
use detcd::url::Url;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Files and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    /// `--cert-file` and `--key-file`: shown to whoever connects, and, without the next, to whom we connect.
    pub(crate) certificate: Option<KeyPair>,
    /// `--client-cert-file` and `--client-key-file`: shown to whom we connect.
    pub(crate) client_certificate: Option<KeyPair>,
    /// `--trusted-ca-file`: certificates must be signed by one of these. Those that connect need one then.
    pub(crate) trusted_ca: Option<PathBuf>,
    /// `--client-cert-auth`: those that connect need a certificate, even without `trusted_ca` (then one that the
    /// system trusts).
    pub(crate) client_cert_auth: bool,
    /// `--client-crl-file`: the serial numbers in it are refused, whoever issued them, as etcd does.
    pub(crate) revoked: Option<PathBuf>,
    /// Whose certificates are admitted of those that are valid.
    pub(crate) allowed: Allowed,
    /// A certificate that names hosts is good for these alone: where its connection comes from is held against it.
    pub(crate) checks_address: bool,
    /// The certificate is one that we made ourselves: those to whom we connect may show what they like, as they do the
    /// same.
    pub(crate) is_self_signed: bool,
    /// `--tls-min-version` and `--tls-max-version`.
    pub(crate) versions: Versions,
    /// `--cipher-suites`, by Go's names; none for all.
    pub(crate) cipher_suites: Vec<String>,
}

/// A certificate with its chain, and its key; both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Whose certificates are admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// All that are valid.
    #[default]
    Anybody,
    /// Those whose subject has one of these common names.
    CommonNames(Vec<String>),
    /// Those that are good for one of these names or addresses.
    Hostnames(Vec<String>),
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Versions {
    /// 1.2 and 1.3.
    #[default]
    All,
    /// At most 1.2.
    Tls12,
    /// At least 1.3.
    Tls13,
}

impl TlsSettings {
    /// Whether those that connect need a certificate.
    pub(crate) fn needs_client_certificate(&self) -> bool {
        self.client_cert_auth || self.trusted_ca.is_some()
    }

    /// Every file that is read.
    pub(crate) fn files(&self) -> Vec<&PathBuf> {
        let pairs = [&self.certificate, &self.client_certificate];
        let pairs = pairs.into_iter().flatten().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain([&self.trusted_ca, &self.revoked].into_iter().flatten()).collect()
    }
}

/// What an operator says of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SideTls {
    pub(crate) settings: TlsSettings,
    /// `--auto-tls`, `--peer-auto-tls`: make a certificate where none is given.
    pub(crate) is_automatic: bool,
}

/// Who may ask over HTTP. Empty, or with `*` among the names: everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// `--host-whitelist`.
    pub(crate) hosts: BTreeSet<String>,
    /// `--cors`.
    pub(crate) origins: BTreeSet<String>,
}

/// Flags of one side.
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

impl Reading<'_> {
    /// TLS with clients, which listen on none but these URLs.
    pub(super) fn client_tls(&mut self, urls: &[Url]) -> SideTls {
        self.side(&CLIENTS, urls, false)
    }

    /// TLS with other members. A certificate that names hosts is held against where its connection comes from.
    pub(super) fn peer_tls(&mut self, urls: &[Url]) -> SideTls {
        let checks_address = !self.values.boolean("peer-skip-client-san-verification");
        self.side(&PEERS, urls, checks_address)
    }

    /// Who may ask over HTTP.
    pub(super) fn access(&self) -> Access {
        let names = |flag| self.list(flag).into_iter().collect();
        Access { hosts: names("host-whitelist"), origins: names("cors") }
    }

    fn side(&mut self, names: &Names, urls: &[Url], checks_address: bool) -> SideTls {
        let common_names = names.allowed_cn.map(|flag| self.list(flag)).unwrap_or_default();
        let hostnames = self.list(names.allowed_hostname);
        if let (Some(flag), false, false) = (names.allowed_cn, common_names.is_empty(), hostnames.is_empty())
        {
            self.contradiction(format!("--{flag} and --{} are mutually exclusive", names.allowed_hostname));
        }
        let allowed = match (common_names.is_empty(), hostnames.is_empty()) {
            (true, true) => Allowed::Anybody,
            (false, _) => Allowed::CommonNames(common_names),
            (true, false) => Allowed::Hostnames(hostnames),
        };
        let settings = TlsSettings {
            certificate: self.pair(names.cert, names.key),
            client_certificate: self.pair(names.client_cert, names.client_key),
            trusted_ca: self.path(names.trusted_ca),
            client_cert_auth: self.values.boolean(names.client_cert_auth),
            revoked: self.path(names.revoked),
            allowed,
            checks_address,
            is_self_signed: false,
            versions: self.versions(),
            cipher_suites: self.list("cipher-suites"),
        };
        let is_automatic = self.values.boolean(names.auto);
        if let Some(url) = urls.iter().find(|url| url.is_tls)
            && settings.certificate.is_none()
            && !is_automatic
        {
            let address = url.address();
            self.contradiction(format!(
                "cannot listen on TLS for {address}: KeyFile and CertFile are not presented"
            ));
        }
        SideTls { settings, is_automatic }
    }

    fn pair(&mut self, certificate: &'static str, key: &'static str) -> Option<KeyPair> {
        match (self.path(certificate), self.path(key)) {
            (Some(certificate), Some(key)) => Some(KeyPair { certificate, key }),
            (None, None) => None,
            (found, _) => {
                let (given, missing) = if found.is_some() { (certificate, key) } else { (key, certificate) };
                self.contradiction(format!("--{given} is given without --{missing}"));
                None
            }
        }
    }

    /// What of the two flags is no version, or none that goes together, is told by `rules`.
    fn versions(&self) -> Versions {
        match (self.values.text("tls-min-version"), self.values.text("tls-max-version")) {
            ("TLS1.3", _) => Versions::Tls13,
            (_, "TLS1.2") => Versions::Tls12,
            _ => Versions::All,
        }
    }

    /// The names of a list.
    fn list(&self, flag: &'static str) -> Vec<String> {
        let names = self.values.text(flag).split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn path(&self, flag: &'static str) -> Option<PathBuf> {
        Some(self.values.text(flag)).filter(|path| !path.is_empty()).map(PathBuf::from)
    }
}
