use super::*;
use crate::process::door::Side;
use crate::process::settings::QUOTA_BYTES_DEFAULT;
use crate::process::tls::{Allowed, TlsSettings};
use detcd_engine::config::AutoCompaction;
use tracing::level_filters::LevelFilter;

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Settings, FlagError> {
    let arguments = arguments.iter().map(|&argument| argument.to_owned());
    let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    match parse(arguments, environment)? {
        Invocation::Run(settings) => Ok(*settings),
        Invocation::Print(text) => panic!("printed {text}"),
    }
}

#[test]
fn the_defaults_are_those_of_etcd() {
    let settings = run(&[], &[]).unwrap();
    assert_eq!(settings.client_tls.settings, TlsSettings::default());
    assert!(settings.peer_tls.settings.checks_address && settings.listen_client_http_urls.is_empty());
    let Settings { server, flags_given, log_level, warnings, .. } = settings;
    assert!(flags_given.is_empty());
    assert_eq!((server.name.as_str(), server.data_dir.to_str()), ("default", Some("default.etcd")));
    assert_eq!((server.heartbeat_interval_ms, server.election_timeout_ms), (100, 1000));
    assert_eq!((server.request_bytes_max, server.txn_ops_max), (1_572_864, 128));
    assert_eq!((server.snapshot_commands_min, server.quota_bytes), (10_000, QUOTA_BYTES_DEFAULT));
    assert_eq!((server.auto_compaction, server.watch_progress_interval_ms), (AutoCompaction::Off, 600_000));
    assert_eq!((log_level, warnings), (LevelFilter::INFO, vec![]));
    let (cluster, member) = server.first_cluster().unwrap();
    assert_eq!(
        (cluster.id.to_string(), member.to_string()),
        ("cdf818194e3a8c32".into(), "8e9e05c52164694d".into())
    );
}

#[test]
fn one_dash_two_dashes_and_equals_are_one() {
    for arguments in
        [&["-name", "a"][..], &["--name", "a"], &["-name=a"], &["--name=a"], &["--name=b", "-name", "a"]]
    {
        assert_eq!(run(arguments, &[]).unwrap().server.name, "a", "{arguments:?}");
    }
    assert_eq!(run(&["--name", "-odd"], &[]).unwrap().server.name, "-odd");
}

#[test]
fn a_flag_that_cannot_be_read_says_which_and_what_was_expected() {
    for (arguments, code, text) in [
        (
            &["--heartbeat-interval=soon"][..],
            2,
            "--heartbeat-interval: expected a number of milliseconds above 0",
        ),
        (&["--heartbeat-interval=0"], 2, "--heartbeat-interval: expected a number of milliseconds"),
        (&["--election-timeout=-1"], 2, "--election-timeout: expected"),
        (&["--max-request-bytes=1.5"], 2, "--max-request-bytes: expected a number of bytes"),
        (&["--max-txn-ops=0"], 2, "--max-txn-ops: expected"),
        (&["--snapshot-count=-1"], 2, "--snapshot-count: expected"),
        (&["--quota-backend-bytes=2GB"], 2, "--quota-backend-bytes: expected"),
        (&["--auto-compaction-mode=hourly"], 2, "expected one of periodic, revision"),
        (&["--auto-compaction-retention=-1"], 2, "--auto-compaction-retention: expected hours"),
        (&["--auto-compaction-retention", "-5m"], 2, "--auto-compaction-retention: expected hours"),
        (
            &["--auto-compaction-mode=revision", "--auto-compaction-retention=5m"],
            2,
            "expected a number of revisions",
        ),
        (&["--watch-progress-notify-interval=99ms"], 2, "expected a duration of 100ms or more"),
        (&["--log-level=loud"], 2, "--log-level: expected one of debug, info, warn, error, panic, fatal"),
        (&["--initial-cluster-state=old"], 2, "expected one of new, existing"),
        (&["--initial-cluster=http://a:1"], 2, "--initial-cluster: expected name=http://host:port"),
        (&["--initial-cluster=a=ftp://a:1"], 2, "--initial-cluster: expected name=URL"),
        (
            &["--listen-peer-urls=localhost:1"],
            2,
            "--listen-peer-urls: expected a URL of http, https, unix or unixs",
        ),
        (&["--listen-peer-urls=https://localhost:1"], 1, "cannot listen on TLS for localhost:1"),
        (&["--listen-metrics-urls=https://localhost:1"], 1, "cannot listen on TLS for localhost:1"),
        (&["--cert-file=a"], 1, "--cert-file is given without --key-file"),
        (&["--peer-key-file=a"], 1, "--peer-key-file is given without --peer-cert-file"),
        (&["--tls-min-version=TLS1.1"], 2, "--tls-min-version: expected one of"),
        (&["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"], 1, "min version (TLS1.3)"),
        (&["--tls-min-version=TLS1.3", "--cipher-suites=A"], 1, "when only TLS1.3 is enabled"),
        (
            &["--peer-cert-allowed-cn=a", "--peer-cert-allowed-hostname=b"],
            1,
            "--peer-cert-allowed-cn and --peer-cert-allowed-hostname are mutually exclusive",
        ),
        (&["--advertise-client-urls=http://localhost"], 2, "--advertise-client-urls: expected a port"),
        (&["--name"], 2, "--name"),
        (&["--no-such-flag=1"], 2, "--no-such-flag"),
        (&["-no-such-flag"], 2, "--no-such-flag"),
        (&["stray"], 2, "stray"),
    ] {
        let error = run(arguments, &[]).unwrap_err();
        assert!(error.to_string().contains(text), "{arguments:?}: {error}");
        assert_eq!(error.exit_code(), code, "{arguments:?}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    for (arguments, text) in [
        (
            &["--heartbeat-interval=300"][..],
            "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[300ms]",
        ),
        (
            &["--election-timeout=50001"],
            "--election-timeout[50001ms] is too long, and should be set less than 50000ms",
        ),
        (
            &["--listen-client-urls=http://127.0.0.1:1"],
            "--advertise-client-urls is required when --listen-client-urls is set explicitly",
        ),
        (&["--listen-peer-urls=http://a.example:1"], "expected IP in URL for binding (http://a.example:1)"),
        (
            &["--listen-client-urls=http://b:1", "--advertise-client-urls=http://b:1"],
            "expected IP in URL for binding (http://b:1)",
        ),
    ] {
        let error = run(arguments, &[]).unwrap_err();
        assert!(error.to_string().contains(text), "{arguments:?}: {error}");
        assert_eq!(error.exit_code(), 1, "{arguments:?}");
    }
    assert!(run(&["--election-timeout=50000", "--heartbeat-interval=10000"], &[]).is_ok());
}

#[test]
fn the_first_cluster_must_know_this_member_as_it_advertises_itself() {
    let refusal =
        |arguments: &[&str]| run(arguments, &[]).unwrap().server.first_cluster().unwrap_err().to_string();
    assert!(
        refusal(&["--name=b", "--initial-cluster=a=http://a:1"]).contains("couldn't find local name \"b\"")
    );
    let differs = refusal(&["--name=a", "--initial-cluster=a=http://a:1"]);
    assert!(
        differs.contains("a=http://a:1 but --initial-advertise-peer-urls is http://localhost:2380"),
        "{differs}"
    );
    let twice = refusal(&["--initial-cluster=default=http://localhost:2380,b=http://localhost:2380"]);
    assert!(twice.contains("http://localhost:2380 is given twice"), "{twice}");
    let existing = refusal(&["--initial-cluster-state=existing"]);
    assert!(existing.contains("is existing, but data directory default.etcd holds no member"), "{existing}");
}

#[test]
fn variables_stand_in_for_flags() {
    let environment =
        [("ETCD_NAME", "a"), ("ETCD_MAX_TXN_OPS", ""), ("ETCD_VERSION", "3"), ("ETCDCTL_API", "3")];
    let settings = run(&[], &environment).unwrap();
    assert_eq!((settings.server.name.as_str(), settings.server.txn_ops_max), ("a", 128));
    assert_eq!(settings.warnings, []);
}

#[test]
fn a_variable_that_is_no_flags_is_named_without_its_value() {
    let settings = run(&[], &[("ETCD_SECRET", "hush")]).unwrap();
    assert_eq!(settings.warnings, [Warning::UnknownVariable("ETCD_SECRET".into())]);
}

#[test]
fn a_flag_given_both_ways_is_refused_without_its_value() {
    let error = run(&["--name=a"], &[("ETCD_NAME", "hush")]).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(
        error.to_string().contains("ETCD_NAME is shadowed") && !error.to_string().contains("hush"),
        "{error}"
    );
    let error = run(&[], &[("ETCD_MAX_TXN_OPS", "hush")]).unwrap_err();
    assert_eq!(
        (error.exit_code(), error.to_string().as_str()),
        (
            1,
            "invalid value in environment variable ETCD_MAX_TXN_OPS: expected a number of operations above 0"
        )
    );
}

#[test]
fn auto_compaction_and_quota() {
    let compaction = |mode: &str, retention: &str| {
        let (mode, retention) =
            (format!("--auto-compaction-mode={mode}"), format!("--auto-compaction-retention={retention}"));
        run(&[&mode, &retention], &[]).unwrap().server.auto_compaction
    };
    assert_eq!(compaction("periodic", "2"), AutoCompaction::PeriodMs(7_200_000));
    assert_eq!(compaction("periodic", "5m"), AutoCompaction::PeriodMs(300_000));
    assert_eq!(compaction("periodic", "0s"), AutoCompaction::Off);
    assert_eq!(compaction("revision", "1000"), AutoCompaction::Revisions(1000));
    assert_eq!(compaction("revision", "0"), AutoCompaction::Off);
    let quota = |bytes: &str| {
        let settings = run(&[&format!("--quota-backend-bytes={bytes}")], &[]).unwrap();
        (settings.server.quota_bytes, settings.warnings.len())
    };
    assert_eq!(quota("0"), (QUOTA_BYTES_DEFAULT, 0));
    assert_eq!(quota("-1"), (u64::MAX, 0));
    assert_eq!(quota("8589934592"), (8_589_934_592, 0));
    assert_eq!(quota("8589934593"), (8_589_934_593, 1));
}

#[test]
fn help_and_version_are_printed() {
    for argument in ["-h", "--h", "-help", "--help"] {
        let Ok(Invocation::Print(text)) = parse([argument.to_owned()], []) else { panic!("{argument}") };
        assert!(text.contains("--initial-cluster-token"), "{text}");
    }
    let Ok(Invocation::Print(text)) = parse(["--version".to_owned()], []) else { panic!("a version") };
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "etcd Version: 3.7.1");
    assert!(lines[1].starts_with("Git SHA: ") && lines[2].starts_with("Go Version: "));
    assert!(lines[3].starts_with("Go OS/Arch: ") && lines.len() == 5);
}

#[test]
fn tls_of_each_side_has_its_own_files_and_rules() {
    let clients = &[
        "--cert-file=c",
        "--key-file=k",
        "--trusted-ca-file=ca",
        "--listen-client-urls=https://127.0.0.1:1",
        "--advertise-client-urls=https://127.0.0.1:1",
    ];
    let peers =
        &["--peer-auto-tls=true", "--listen-peer-urls=https://127.0.0.1:2", "--peer-cert-allowed-cn=a, b"];
    let settings = run(&[&clients[..], &peers[..]].concat(), &[]).unwrap();
    assert_eq!(settings.warnings, []);
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
    assert_eq!(unused.warnings, [Warning::UnusedCertificate(Side::Client)]);
}
