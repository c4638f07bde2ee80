//! Cipher suites by the names that Go gives them, as etcd's flag has them.

use super::TlsError;
use rustls::CipherSuite;
use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs;

/// The suites of these names, in their order; all where there are none. Go chooses for TLS 1.3 itself, and so do we: those
/// are always among them.
pub(super) fn named(names: &[String]) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let all = aws_lc_rs::ALL_CIPHER_SUITES;
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let of_1_3 = all.iter().filter(|suite| suite.tls13().is_some()).copied();
    let mut suites: Vec<SupportedCipherSuite> = of_1_3.collect();
    for name in names {
        match all.iter().find(|suite| is_called(suite.suite(), name)) {
            Some(suite) if suites.contains(suite) => {}
            Some(suite) => suites.push(*suite),
            None => return Err(TlsError::CipherSuite { name: name.clone() }),
        }
    }
    Ok(suites)
}

/// Go leaves the hash out of the older of the two names that it has for ChaCha20.
fn is_called(suite: CipherSuite, name: &str) -> bool {
    let Some(ours) = suite.as_str() else { return false };
    let go = ours.replacen("TLS13_", "TLS_", 1);
    go == name || go.strip_suffix("_SHA256").is_some_and(|old| old == name && old.ends_with("POLY1305"))
}
