//! Clients and members that encrypt, with certificates and without.

use crate::http_requests::{address, get, say};
use crate::processes::certificates::{Authority, Issued, write};
use crate::processes::{Cluster, eventually, put};
use detcd::pb;
use detcd::pb::auth_client::AuthClient;
use detcd::pb::authpb::UserAddOptions;
use detcd::pb::kv_client::KvClient;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// An authority and the files of what it signed for members at 127.0.0.1.
pub(crate) struct Site {
    dir: TempDir,
    authority: Authority,
}

impl Site {
    pub(crate) fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap(), authority: Authority::new("ca") };
        write(site.dir.path(), "ca.pem", &site.authority.certificate);
        site.install("member", &site.authority.issue("member", &["localhost", "127.0.0.1"], 1));
        site
    }

    fn install(&self, name: &str, issued: &Issued) {
        write(self.dir.path(), &format!("{name}.pem"), &issued.certificate);
        write(self.dir.path(), &format!("{name}-key.pem"), &issued.key);
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Flags of one side, `""` or `"peer-"`.
    fn flags(&self, side: &str, more: &[&str]) -> Vec<String> {
        let dir = self.path().display();
        let mut flags = vec![
            format!("--{side}cert-file={dir}/member.pem"),
            format!("--{side}key-file={dir}/member-key.pem"),
        ];
        flags.extend(more.iter().map(|flag| format!("--{side}{}", flag.replace("DIR", &dir.to_string()))));
        flags
    }

    /// A handshake with what listens there.
    async fn dial(
        &self,
        address: &str,
        shown: Option<&Issued>,
        alpn: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
    }

    async fn kv(&self, url: &str, shown: Option<&Issued>) -> KvClient<Channel> {
        let stream = self.dial(address(url), shown, &["h2"]).await.unwrap();
        let mut stream = Some(TokioIo::new(stream));
        let connector = tower::service_fn(move |_: Uri| {
            std::future::ready(stream.take().ok_or_else(|| io::Error::other("the connection has ended")))
        });
        let endpoint = Endpoint::from_static("http://localhost");
        KvClient::new(endpoint.connect_with_connector(connector).await.unwrap())
    }
}

/// A member with these flags that serves clients in both ways on one address, so that a test can ask whether it is ready.
async fn with_tls_and_without(flags: &[String]) -> (Cluster, String) {
    let mut cluster = Cluster::of(1, &borrowed(flags));
    let member = &mut cluster.members[0];
    let url = member.client_url.clone();
    member.add_flag(&format!("--listen-client-urls={url},{}", url.replace("http:", "https:")));
    member.start();
    member.ready().await;
    (cluster, url)
}

fn borrowed(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn one_port_speaks_grpc_and_http_with_tls_and_without() {
    let site = Site::new();
    let (cluster, url) = with_tls_and_without(&site.flags("", &[])).await;
    cluster.members[0].kv().put(put("plain", "1")).await.unwrap();
    let answer = site.kv(&url, None).await.put(put("tls", "2")).await.unwrap().into_inner();
    assert_eq!(answer.header.unwrap().revision, 3, "one member behind both");
    let address = address(&url);
    let plain = say(TcpStream::connect(address).await.unwrap(), &get("/health")).await;
    assert_eq!(plain.status, 200);
    for alpn in [&["http/1.1"][..], &[]] {
        let stream = site.dial(address, None, alpn).await.unwrap();
        assert_eq!(say(stream, &get("/health")).await.body, plain.body, "HTTP/1.1, {alpn:?} offered");
    }
    let stream = site.dial(address, None, &["h2", "http/1.1"]).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://127.0.0.1/health").body(()).unwrap();
    let response = requests.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(response.status(), 200, "HTTP/2, as curl asks over TLS");
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        all.extend_from_slice(&data.unwrap());
    }
    assert_eq!(all, plain.body.as_bytes());
    let log = cluster.members[0].log();
    assert!(log.contains("serving client traffic securely") && log.contains("insecurely"), "{log}");
}

#[tokio::test]
async fn clients_without_the_right_certificate_are_rejected() {
    let site = Site::new();
    let flags =
        site.flags("", &["client-cert-auth=true", "trusted-ca-file=DIR/ca.pem", "client-crl-file=DIR/crl"]);
    write(site.path(), "crl", site.authority.revoke(&[66]));
    let (cluster, url) = with_tls_and_without(&flags).await;
    let alice = site.authority.issue("alice", &[], 2);
    site.kv(&url, Some(&alice)).await.put(put("a", "1")).await.unwrap();
    let stranger = Authority::new("ca").issue("alice", &[], 2);
    let revoked = site.authority.issue("mallory", &[], 66);
    for (what, shown) in
        [("none", None), ("a stranger's", Some(&stranger)), ("a revoked one", Some(&revoked))]
    {
        let refused = match site.dial(address(&url), shown, &["http/1.1"]).await {
            Err(_) => true,
            // TLS 1.3: the client's side is done before the server has looked at what it showed.
            Ok(stream) => say(stream, &get("/health")).await.status == 0,
        };
        assert!(refused, "{what}");
    }
    let member = &cluster.members[0];
    eventually("a line about it", || async {
        member.log().contains("\"msg\":\"rejected connection on client endpoint\"").then_some(())
    })
    .await;
    assert!(member.log().contains("\"remote-addr\":\"127.0.0.1:"), "{}", member.log());
}

#[tokio::test]
async fn a_certificate_names_the_user_unless_a_call_comes_with_a_token() {
    let site = Site::new();
    let flags = site.flags("", &["client-cert-auth=true", "trusted-ca-file=DIR/ca.pem"]);
    let (cluster, url) = with_tls_and_without(&flags).await;
    let mut auth = AuthClient::new(cluster.members[0].channel());
    let user = pb::AuthUserAddRequest {
        name: "root".to_owned(),
        options: Some(UserAddOptions { no_password: true }),
        ..Default::default()
    };
    auth.user_add(user).await.unwrap();
    let grant = pb::AuthUserGrantRoleRequest { user: "root".to_owned(), role: "root".to_owned() };
    auth.user_grant_role(grant).await.unwrap();
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    let (root, mallory) = (site.authority.issue("root", &[], 2), site.authority.issue("mallory", &[], 3));
    let mut by_root = site.kv(&url, Some(&root)).await;
    by_root.put(put("a", "1")).await.unwrap();
    let signed = |key: &'static str, value: &'static str| {
        let mut request = tonic::Request::new(put("a", "2"));
        request.metadata_mut().insert(key, value.parse().unwrap());
        request
    };
    let refused = by_root.put(signed("token", "abcdefghijklmnop.1")).await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: invalid auth token");
    let name = detcd::grpc::CERTIFICATE_NAME;
    let mut by_mallory = site.kv(&url, Some(&mallory)).await;
    for request in [tonic::Request::new(put("a", "3")), signed(name, "root")] {
        assert_eq!(by_mallory.put(request).await.unwrap_err().message(), "etcdserver: permission denied");
    }
    let refused = cluster.members[0].kv().put(signed(name, "root")).await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: user name is empty", "without TLS there is no certificate");
}

#[tokio::test]
async fn certificates_are_renewed_while_a_member_runs() {
    let site = Site::new();
    let (_cluster, url) = with_tls_and_without(&site.flags("", &[])).await;
    let mut before = site.kv(&url, None).await;
    site.install("member", &site.authority.issue("member", &["elsewhere"], 3));
    eventually("the new certificate to be shown", || async {
        let refused = site.dial(address(&url), None, &["h2"]).await.err()?;
        refused.to_string().contains("not valid for name").then_some(())
    })
    .await;
    before.put(put("a", "1")).await.expect("connections stay");
}

#[tokio::test]
async fn members_agree_over_tls_and_hear_nobody_without_a_certificate() {
    let site = Site::new();
    let flags = site.flags("peer-", &["client-cert-auth=true", "trusted-ca-file=DIR/ca.pem"]);
    let mut cluster = Cluster::of(3, &borrowed(&flags));
    cluster.members.iter_mut().for_each(|member| member.encrypt_peers());
    cluster.start_all();
    for member in &cluster.members {
        member.ready().await;
    }
    cluster.members[0].kv().put(put("a", "1")).await.unwrap();
    for member in &cluster.members {
        let range = detcd::pb::RangeRequest { key: "a".into(), ..Default::default() };
        assert_eq!(member.kv().range(range).await.unwrap().into_inner().count, 1);
    }
    let peer = &cluster.members[0].peer_url.clone();
    let known = site.authority.issue("a peer", &[], 5);
    let version = site.dial(address(peer), Some(&known), &["http/1.1"]).await.unwrap();
    assert_eq!(say(version, &get("/version")).await.status, 200);
    let elsewhere = site.authority.issue("a peer", &["192.0.2.1"], 6);
    for shown in [None, Some(&elsewhere)] {
        let refused = match site.dial(address(peer), shown, &["http/1.1"]).await {
            Err(_) => true,
            Ok(stream) => say(stream, &get("/version")).await.status == 0,
        };
        assert!(refused, "a certificate of its own place, or none: {}", shown.is_some());
    }
    assert!(cluster.members[0].log().contains("rejected connection on peer endpoint"));
}

#[tokio::test]
async fn certificates_that_members_make_themselves_encrypt() {
    let mut cluster = Cluster::of(3, &["--peer-auto-tls=true", "--auto-tls=true"]);
    cluster.members.iter_mut().for_each(|member| member.encrypt_peers());
    cluster.start_all();
    for member in &cluster.members {
        member.ready().await;
    }
    cluster.members[2].kv().put(put("a", "1")).await.unwrap();
    let made = &cluster.members[0].data_dir;
    assert!(made.join("fixtures/peer/cert.pem").exists() && made.join("member").exists());
}
