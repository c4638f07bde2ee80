//! What starts etcd out there, word for word.

use super::*;

/// The variables of Debian's /etc/default/etcd, as its tutorials fill them in.
#[test]
fn the_variables_of_debians_package() {
    let settings = run(
        &[],
        &[
            ("ETCD_NAME", "node1"),
            ("ETCD_DATA_DIR", "/var/lib/etcd/default"),
            ("ETCD_LISTEN_PEER_URLS", "http://10.0.0.1:2380"),
            ("ETCD_LISTEN_CLIENT_URLS", "http://10.0.0.1:2379,http://127.0.0.1:2379"),
            ("ETCD_INITIAL_ADVERTISE_PEER_URLS", "http://10.0.0.1:2380"),
            ("ETCD_INITIAL_CLUSTER", "node1=http://10.0.0.1:2380,node2=http://10.0.0.2:2380"),
            ("ETCD_INITIAL_CLUSTER_STATE", "new"),
            ("ETCD_INITIAL_CLUSTER_TOKEN", "etcd-cluster-01"),
            ("ETCD_ADVERTISE_CLIENT_URLS", "http://10.0.0.1:2379"),
        ],
    );
    let settings = settings.unwrap();
    assert_eq!(settings.notices, []);
    assert_eq!(settings.server.data_dir.to_str(), Some("/var/lib/etcd/default"));
    assert_eq!(settings.server.listen_client_urls.len(), 2);
    assert_eq!(settings.server.first_cluster().unwrap().0.members.len(), 2);
}

/// kubeadm's static pod.
const KUBEADM: [&str; 19] = [
    "--advertise-client-urls=https://10.0.0.1:2379",
    "--cert-file=/etc/kubernetes/pki/etcd/server.crt",
    "--client-cert-auth=true",
    "--data-dir=/var/lib/etcd",
    "--feature-gates=InitialCorruptCheck=true",
    "--initial-advertise-peer-urls=https://10.0.0.1:2380",
    "--initial-cluster=cp1=https://10.0.0.1:2380",
    "--key-file=/etc/kubernetes/pki/etcd/server.key",
    "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379",
    "--listen-metrics-urls=http://127.0.0.1:2381",
    "--listen-peer-urls=https://10.0.0.1:2380",
    "--name=cp1",
    "--peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt",
    "--peer-client-cert-auth=true",
    "--peer-key-file=/etc/kubernetes/pki/etcd/peer.key",
    "--peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
    "--snapshot-count=10000",
    "--trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
    "--watch-progress-notify-interval=5s",
];

#[test]
fn kubeadms_command_line() {
    let settings = run(&KUBEADM, &[]).unwrap();
    assert_eq!(settings.server.watch_progress_interval_ms, 5000);
    assert!(matches!(&settings.notices[..], [Notice::MeansNothing { .. }]), "{:?}", settings.notices);
    assert!(settings.server.first_cluster().is_ok());
    assert!(settings.client_tls.settings.needs_client_certificate());
    assert!(settings.peer_tls.settings.needs_client_certificate());
    assert_eq!(settings.listen_metrics_urls.len(), 1);
    // As it writes it for 3.5.
    let older = KUBEADM.map(|argument| match argument {
        "--feature-gates=InitialCorruptCheck=true" => "--experimental-initial-corrupt-check=true",
        "--watch-progress-notify-interval=5s" => "--experimental-watch-progress-notify-interval=5s",
        other => other,
    });
    assert_eq!(run(&older, &[]).unwrap().server, settings.server);
}

#[test]
fn tls_of_each_side_has_its_own_files_and_rules() {
    let clients =
        ["--cert-file=c", "--key-file=k", "--trusted-ca-file=ca", "--listen-client-urls=https://127.0.0.1:1"];
    let peers = ["--peer-auto-tls", "--listen-peer-urls=https://127.0.0.1:2", "--peer-cert-allowed-cn=a, b"];
    let all = [&clients[..], &peers, &["--advertise-client-urls=https://127.0.0.1:1"]].concat();
    let settings = run(&all, &[]).unwrap();
    assert_eq!(settings.notices, []);
    let of_clients = settings.client_tls.settings;
    assert_eq!(
        of_clients.files().iter().map(|file| file.to_str().unwrap()).collect::<Vec<_>>(),
        ["c", "k", "ca"]
    );
    assert!(of_clients.needs_client_certificate() && !of_clients.checks_address);
    let of_peers = settings.peer_tls;
    assert!(
        of_peers.is_automatic && of_peers.settings.files().is_empty() && of_peers.settings.checks_address
    );
    assert_eq!(of_peers.settings.allowed, Allowed::CommonNames(vec!["a".to_owned(), "b".to_owned()]));
    let unused = run(&["--cert-file=c", "--key-file=k"], &[]).unwrap();
    assert_eq!(unused.notices, [Notice::UnusedCertificate("client")]);
    let plain = run(&[], &[]).unwrap();
    assert_eq!(plain.client_tls.settings, TlsSettings::default());
    assert!(plain.has_gateway && plain.listen_client_http_urls.is_empty());
}

/// What a StatefulSet's environment brings along: service links, and secrets of the image.
#[test]
fn variables_of_kubernetes_services_and_of_images_do_no_harm() {
    let environment = [
        ("ETCD_PORT_2379_TCP", "tcp://10.96.0.9:2379"),
        ("ETCD_SERVICE_HOST", "10.96.0.9"),
        ("ETCD_ROOT_PASSWORD", "hush"),
        ("ETCD_NAME", "etcd-0"),
    ];
    let settings = run(&[], &environment).unwrap();
    assert_eq!((settings.server.name.as_str(), settings.notices.len()), ("etcd-0", 3));
    assert!(!format!("{:?}", settings.notices).contains("hush"));
}
