//! What an operator says of the TLS of one side: of clients, or of peers.

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
