//! Handshakes between two sides in memory.

use super::{Tls, TlsError, self_signed};
use crate::process::flags::{Allowed, KeyPair, TlsSettings, Versions};
use rustls::pki_types::ServerName;
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[path = "../../../tests/processes/certificates.rs"]
mod certificates;
use certificates::{Authority, Issued, write};

/// An authority, what it signed for a server at `localhost`, and the files of that.
struct Site {
    dir: TempDir,
    authority: Authority,
    server: TlsSettings,
}

fn pair(dir: &Path, name: &str, issued: &Issued) -> Option<KeyPair> {
    let certificate = write(dir, &format!("{name}.pem"), &issued.certificate);
    Some(KeyPair { certificate, key: write(dir, &format!("{name}-key.pem"), &issued.key) })
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new("ca");
        let server = authority.issue("server", &["localhost", "127.0.0.1"], 1);
        let server = TlsSettings {
            certificate: pair(dir.path(), "server", &server),
            trusted_ca: Some(write(dir.path(), "ca.pem", &authority.certificate)),
            ..TlsSettings::default()
        };
        Site { dir, authority, server }
    }

    /// One that trusts the same authority and shows this.
    fn client(&self, shown: Option<&Issued>) -> TlsSettings {
        let certificate = shown.and_then(|issued| pair(self.dir.path(), "client", issued));
        TlsSettings { certificate, trusted_ca: self.server.trusted_ca.clone(), ..TlsSettings::default() }
    }
}

/// A byte each way between two sides; the text is of whoever refused, the server first.
async fn shake(server: &Tls, client: &Tls) -> Result<(), String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accept = async {
        let mut stream = TlsAcceptor::from(server.server().unwrap()).accept(far).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await
    };
    let connect = async {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(client.client().unwrap()).connect(name, near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    let (accepted, connected) = tokio::join!(accept, connect);
    match (accepted, connected) {
        (Ok(()), Ok(7)) => Ok(()),
        (Err(error), _) => Err(error.to_string()),
        (_, Err(error)) => Err(format!("client: {error}")),
        (_, Ok(other)) => panic!("sent 7, got {other}"),
    }
}

async fn between(server: TlsSettings, client: TlsSettings) -> Result<(), String> {
    shake(&Tls::new(server).unwrap(), &Tls::new(client).unwrap()).await
}

#[tokio::test]
async fn whoever_the_authority_signed_for_is_admitted_and_nobody_else() {
    let site = Site::new();
    let other = Authority::new("ca");
    let hosts = ["localhost"];
    for (what, shown, expected) in [
        ("a good one", Some(site.authority.issue("alice", &hosts, 2)), Ok(())),
        ("none", None, Err("peer sent no certificates")),
        ("another authority's", Some(other.issue("alice", &hosts, 2)), Err("invalid peer certificate")),
        (
            "an expired one",
            Some(site.authority.issue_late("alice", &hosts)),
            Err("invalid peer certificate: certificate expired"),
        ),
    ] {
        let shaken = between(site.server.clone(), site.client(shown.as_ref())).await;
        match (shaken, expected) {
            (Ok(()), Ok(())) => {}
            (Err(text), Err(expected)) => assert!(text.contains(expected), "{what}: {text}"),
            (shaken, _) => panic!("{what}: {shaken:?}"),
        }
    }
    let open = TlsSettings { trusted_ca: None, ..site.server.clone() };
    assert_eq!(between(open, site.client(None)).await, Ok(()), "nobody asked for a certificate");
}

#[tokio::test]
async fn a_dialler_believes_the_right_name_of_the_right_authority() {
    let site = Site::new();
    let alice = site.authority.issue("alice", &["localhost"], 2);
    for (what, server, expected) in [
        (
            "a name that was not dialled",
            site.authority.issue("server", &["elsewhere"], 3),
            "not valid for name",
        ),
        (
            "another authority",
            Authority::new("ca").issue("server", &["localhost"], 3),
            "invalid peer certificate",
        ),
        ("an expired one", site.authority.issue_late("server", &["localhost"]), "expired"),
    ] {
        let server =
            TlsSettings { certificate: pair(site.dir.path(), "other", &server), ..site.server.clone() };
        let (server, client) = (Tls::new(server).unwrap(), Tls::new(site.client(Some(&alice))).unwrap());
        let (near, far) = tokio::io::duplex(64 * 1024);
        let accept = TlsAcceptor::from(server.server().unwrap()).accept(far);
        let name = ServerName::try_from("localhost").unwrap();
        let connect = TlsConnector::from(client.client().unwrap()).connect(name, near);
        let (_, connected) = tokio::join!(accept, connect);
        let text = connected.unwrap_err().to_string();
        assert!(text.contains(expected), "{what}: {text}");
    }
    assert!(Tls::new(TlsSettings::default()).unwrap().client().is_err(), "nothing says whom to believe");
}

#[tokio::test]
async fn names_can_be_required() {
    let site = Site::new();
    let alice = site.authority.issue("alice", &["localhost", "a.example"], 2);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (allowed, admitted) in [
        (Allowed::CommonNames(names(&["bob", "alice"])), true),
        (Allowed::CommonNames(names(&["bob"])), false),
        (Allowed::Hostnames(names(&["b.example", "a.example"])), true),
        (Allowed::Hostnames(names(&["b.example"])), false),
    ] {
        let server = TlsSettings { allowed: allowed.clone(), ..site.server.clone() };
        let shaken = between(server, site.client(Some(&alice))).await;
        assert_eq!(shaken.is_ok(), admitted, "{allowed:?}: {shaken:?}");
        if let Err(text) = shaken {
            assert!(text.contains("client certificate authentication failed"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_revoked_is_refused_by_its_number() {
    let site = Site::new();
    let (good, bad) = (
        site.authority.issue("good", &["localhost"], 2),
        site.authority.issue("bad", &["localhost"], 0x80_02),
    );
    for list in [site.authority.revoke(&[0x80_02, 9]), Authority::new("other").revoke(&[0x80_02])] {
        let revoked = Some(write(site.dir.path(), "crl.der", list));
        let server = TlsSettings { revoked, ..site.server.clone() };
        assert_eq!(between(server.clone(), site.client(Some(&good))).await, Ok(()));
        let text = between(server, site.client(Some(&bad))).await.unwrap_err();
        assert!(text.contains("certificate serial 8002 revoked"), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_trusted_itself_may_be_one_that_signs() {
    let site = Site::new();
    let own = certificates::self_signed("own", &["localhost"]);
    let trusted_ca = Some(write(site.dir.path(), "own-ca.pem", &own.certificate));
    let certificate = pair(site.dir.path(), "own", &own);
    let both = TlsSettings { certificate, trusted_ca, ..TlsSettings::default() };
    assert_eq!(between(both.clone(), both.clone()).await, Ok(()));
    let strange = certificates::self_signed("own", &["localhost"]);
    let strange = TlsSettings { certificate: pair(site.dir.path(), "strange", &strange), ..both.clone() };
    assert!(between(both, strange).await.is_err(), "another of the same name");
}

#[tokio::test]
async fn versions_and_cipher_suites_are_as_the_flags_say() {
    let site = Site::new();
    let alice = site.authority.issue("alice", &["localhost"], 2);
    let client = |versions, suites: &[&str]| TlsSettings {
        versions,
        cipher_suites: suites.iter().map(|name| (*name).to_owned()).collect(),
        ..site.client(Some(&alice))
    };
    let server = |versions| TlsSettings { versions, ..site.server.clone() };
    use Versions::{All, Tls12, Tls13};
    assert_eq!(between(server(Tls13), client(All, &[])).await, Ok(()));
    assert_eq!(between(server(Tls12), client(All, &[])).await, Ok(()));
    assert!(between(server(Tls13), client(Tls12, &[])).await.is_err());
    for go in ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"] {
        assert_eq!(between(server(All), client(Tls12, &[go])).await, Ok(()), "{go}");
    }
    let weak = client(All, &["TLS_RSA_WITH_AES_128_CBC_SHA"]);
    assert!(matches!(Tls::new(weak), Err(TlsError::CipherSuite { name }) if name.ends_with("CBC_SHA")));
}

#[tokio::test]
async fn changed_files_are_used_and_broken_ones_are_not() {
    let site = Site::new();
    let alice = site.authority.issue("alice", &["localhost"], 2);
    let (server, client) =
        (Tls::new(site.server.clone()).unwrap(), Tls::new(site.client(Some(&alice))).unwrap());
    assert_eq!(shake(&server, &client).await, Ok(()));
    let broken = write(site.dir.path(), "server.pem", "not a certificate");
    server.look();
    assert_eq!(shake(&server, &client).await, Ok(()), "the one before is still there");
    let elsewhere = site.authority.issue("server", &["elsewhere"], 4);
    std::fs::write(&broken, &elsewhere.certificate).unwrap();
    server.look();
    assert_eq!(shake(&server, &client).await, Ok(()), "a certificate without its key is none");
    pair(site.dir.path(), "server", &elsewhere);
    server.look();
    assert!(shake(&server, &client).await.is_err(), "the new one is for another name");
}

#[tokio::test]
async fn a_certificate_of_our_own_is_made_once_and_encrypts() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = dir.path().join("fixtures/peer");
    let made = self_signed(&fixtures, vec!["localhost".to_owned(), "127.0.0.1".to_owned()], 1).unwrap();
    let before = std::fs::read(&made.key).unwrap();
    assert_eq!(self_signed(&fixtures, Vec::new(), 1).unwrap(), made);
    assert_eq!(std::fs::read(&made.key).unwrap(), before, "made once");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&made.key).unwrap().permissions().mode() & 0o777, 0o600);
    let both = TlsSettings { certificate: Some(made), is_self_signed: true, ..TlsSettings::default() };
    assert_eq!(between(both.clone(), both).await, Ok(()));
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let site = Site::new();
    let ca = site.server.trusted_ca.clone().unwrap();
    let text = |settings: TlsSettings| Tls::new(settings).unwrap_err().to_string();
    let KeyPair { certificate, key } = site.server.certificate.clone().unwrap();
    let of = |certificate: &Path, key: &Path| TlsSettings {
        certificate: Some(KeyPair { certificate: certificate.to_owned(), key: key.to_owned() }),
        ..TlsSettings::default()
    };
    let missing = site.dir.path().join("missing.pem");
    assert!(text(of(&missing, &key)).starts_with(&format!("cannot read {}: ", missing.display())));
    assert!(text(of(&certificate, &certificate)).contains("a private key is expected"));
    assert!(text(of(&ca, &key)).contains("is not the key of the certificate"));
    let crl = TlsSettings { revoked: Some(ca), ..site.server.clone() };
    assert!(text(crl).contains("a list of revoked certificates"), "a certificate is no list");
}
