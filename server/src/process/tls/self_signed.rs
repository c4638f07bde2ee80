//! `--auto-tls` and `--peer-auto-tls`: a certificate that we make ourselves, once for each data directory. It encrypts
//! and proves nothing.

use crate::process::flags::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair as Key};
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;
use tracing::{info, warn};

const DAY_SECS: u64 = 24 * 60 * 60;

/// The certificate and the key in `dir`, made where they are not there: for these hosts, valid for `years`.
pub(crate) fn self_signed(dir: &Path, hosts: Vec<String>, years: u32) -> Result<KeyPair, Box<dyn Error>> {
    let pair = KeyPair { certificate: dir.join("cert.pem"), key: dir.join("key.pem") };
    if pair.certificate.exists() && pair.key.exists() {
        return Ok(pair);
    }
    let mut parameters = CertificateParams::new(hosts)?;
    let not_before = SystemTime::now();
    let valid = std::time::Duration::from_secs(u64::from(years) * 365 * DAY_SECS);
    let not_after = not_before.checked_add(valid).ok_or("--self-signed-cert-validity is too long")?;
    parameters.not_before = not_before.into();
    parameters.not_after = not_after.into();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "etcd");
    parameters.distinguished_name = name;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = Key::generate()?;
    let certificate = parameters.self_signed(&key)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // The key first: with both there, nothing is made again.
    write(&pair.key, key.serialize_pem().as_bytes())?;
    write(&pair.certificate, certificate.pem().as_bytes())?;
    warn!(years, "automatically generate certificates");
    info!(path = %pair.certificate.display(), "created cert file");
    info!(path = %pair.key.display(), "created key file");
    Ok(pair)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
