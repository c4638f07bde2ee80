//! Which certificates are admitted: what rustls verifies, and what etcd asks beyond that or gives way in.
//!
//! - A certificate that is itself among the trusted ones is good, even where it may sign others: `openssl req -x509` makes
//!   such, and Go takes them.
//! - A serial number in the list of revoked ones is refused, whoever issued it, anywhere in the chain.
//! - Common names or host names can be required.

use crate::process::flags::Allowed;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::collections::BTreeSet;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What is asked of a certificate, besides that it is valid.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) trusted: Vec<CertificateDer<'static>>,
    /// Serial numbers, without leading zeros.
    pub(super) revoked: BTreeSet<Vec<u8>>,
    pub(super) allowed: Allowed,
    pub(super) provider: Arc<CryptoProvider>,
}

/// For those that connect to us.
#[derive(Debug)]
pub(super) struct OfClients {
    pub(super) rules: Arc<Rules>,
    pub(super) inner: Arc<dyn ClientCertVerifier>,
}

/// For those to whom we connect; `None` believes anybody that can sign.
#[derive(Debug)]
pub(super) struct OfServers {
    pub(super) rules: Arc<Rules>,
    pub(super) inner: Option<Arc<dyn ServerCertVerifier>>,
}

fn refused(text: String) -> Error {
    Error::General(text)
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok((_, parsed)) => Ok(parsed),
        Err(_) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
    }
}

/// A serial number as Go compares it.
pub(super) fn significant(serial: &[u8]) -> Vec<u8> {
    serial.iter().copied().skip_while(|&byte| byte == 0).collect()
}

impl Rules {
    /// What the inner verifier said, but for a trusted certificate that may sign others.
    fn unless_trusted_itself<T>(
        &self,
        verified: Result<T, Error>,
        leaf: &CertificateDer<'_>,
        now: UnixTime,
        good: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        match verified {
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.is_trusted_itself(leaf, now)? =>
            {
                good()
            }
            verified => verified,
        }
    }

    fn is_trusted_itself(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<bool, Error> {
        if !self.trusted.iter().any(|trusted| trusted == leaf) {
            return Ok(false);
        }
        let now_secs = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = parsed(leaf)?.validity.clone();
        let is_valid =
            validity.not_before.timestamp() <= now_secs && now_secs <= validity.not_after.timestamp();
        if is_valid { Ok(true) } else { Err(Error::InvalidCertificate(CertificateError::Expired)) }
    }

    fn admit(&self, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        for certificate in chain.iter().chain([leaf]) {
            let serial = significant(parsed(certificate)?.raw_serial());
            if self.revoked.contains(&serial) {
                let hex: String = serial.iter().map(|byte| format!("{byte:02x}")).collect();
                return Err(refused(format!("transport: certificate serial {hex} revoked")));
            }
        }
        let is_allowed = match &self.allowed {
            Allowed::Anybody => true,
            Allowed::CommonNames(names) => {
                let subject = parsed(leaf)?;
                let name = subject.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
                names.iter().any(|allowed| name == Some(allowed))
            }
            Allowed::Hostnames(names) => {
                let certificate = ParsedCertificate::try_from(leaf)?;
                names.iter().any(|allowed| {
                    let allowed = ServerName::try_from(allowed.as_str());
                    allowed.is_ok_and(|allowed| verify_server_name(&certificate, &allowed).is_ok())
                })
            }
        };
        if is_allowed { Ok(()) } else { Err(refused("client certificate authentication failed".to_owned())) }
    }
}

impl ClientCertVerifier for OfClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(leaf, chain, now);
        let verified =
            self.rules.unless_trusted_itself(verified, leaf, now, || Ok(ClientCertVerified::assertion()))?;
        self.rules.admit(leaf, chain)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl ServerCertVerifier for OfServers {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(inner) = &self.inner {
            let verified = inner.verify_server_cert(leaf, chain, name, ocsp, now);
            self.rules.unless_trusted_itself(verified, leaf, now, || {
                verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
                Ok(ServerCertVerified::assertion())
            })?;
        }
        self.rules.admit(leaf, chain)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.rules.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.rules.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rules.provider.signature_verification_algorithms.supported_schemes()
    }
}
