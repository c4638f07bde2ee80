//! Values that do not go together, in etcd's words; what is not there; what means nothing.

use super::*;

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
        (&["--heartbeat-interval=0"], "--heartbeat-interval must be >0 (set to 0ms)"),
        (&["--election-timeout=0"], "--election-timeout must be >0 (set to 0ms)"),
        (
            &["--listen-client-urls=http://127.0.0.1:1"],
            "--advertise-client-urls is required when --listen-client-urls is set explicitly",
        ),
        (&["--listen-peer-urls=http://a.example:1"], "expected IP in URL for binding (http://a.example:1)"),
        (&["--listen-peer-urls=http://:2380"], "expected IP in URL for binding (http://:2380)"),
        (
            &["--listen-client-urls=http://b:1", "--advertise-client-urls=http://b:1"],
            "expected IP in URL for binding (http://b:1)",
        ),
        (
            &["--initial-advertise-peer-urls=http://:2380"],
            "--initial-advertise-peer-urls: \"http://:2380\" must be \"host:port\" (unexpected empty host (http://:2380))",
        ),
        (&["--advertise-client-urls=http://:2379"], "unexpected empty host (http://:2379)"),
        (&["--auto-compaction-mode=hourly"], "unknown auto-compaction-mode \"hourly\""),
        (&["--auto-compaction-mode="], "undefined auto-compaction-mode"),
        (&["--compact-hash-check-time=0s"], "--compact-hash-check-time must be >0 (set to 0s)"),
        (
            &["--discovery-srv=x", "--initial-cluster=a=http://b:1"],
            "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", ",
        ),
        (&["--discovery-token=x"], "both --discovery-token and --discovery-endpoints must be set"),
        (&["--discovery-fallback=proxy"], "--discovery-fallback can't be configured as \"proxy\""),
        (&["--tls-min-version=TLS1.1"], "unexpected TLS version \"TLS1.1\" (must be one of: TLS1.2, TLS1.3)"),
        (
            &["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
            "min version (TLS1.3) is greater than max version (TLS1.2)",
        ),
        (
            &["--tls-min-version=TLS1.3", "--cipher-suites=A"],
            "cipher suites cannot be configured when only TLS1.3 is enabled",
        ),
        (&["--listen-peer-urls=https://localhost:1"], "cannot listen on TLS for localhost:1"),
        (&["--listen-metrics-urls=https://localhost:1"], "cannot listen on TLS for localhost:1"),
        (&["--cert-file=a"], "--cert-file is given without --key-file"),
        (&["--peer-key-file=a"], "--peer-key-file is given without --peer-cert-file"),
        (&["--auto-tls", "--self-signed-cert-validity=0"], "selfSignedCertValidity is invalid"),
        (
            &["--peer-cert-allowed-cn=a", "--peer-cert-allowed-hostname=b"],
            "--peer-cert-allowed-cn and --peer-cert-allowed-hostname are mutually exclusive",
        ),
        (
            &["--feature-gates=LeaseCheckpointPersist=true"],
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
        ),
        (&["--logger=capnslog"], "--logger=capnslog is removed in v3.5"),
        (&["--logger=slog"], "unknown logger option \"slog\""),
        (&["--log-format=xml"], "unknown log format: xml, supported values json, console"),
        (&["--log-outputs=default,stderr"], "multi logoutput for \"default\" is not supported yet"),
        (&["--log-outputs=systemd/journal"], "systemd/journal is not available in this release"),
        (&["--enable-log-rotation"], "--log-outputs requires a single file path when"),
        (&["--enable-log-rotation", "--log-outputs=a,b"], "--log-outputs requires a single file path when"),
    ] {
        refused(arguments, 1, text);
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
fn what_is_not_there_is_refused_but_for_its_default() {
    for (arguments, text) in [
        (&["--wal-dir=x"][..], "--wal-dir: a log outside of --data-dir is not available"),
        (&["--pre-vote=false"], "--pre-vote: an election without that question is not available"),
        (&["--enable-pprof"], "--enable-pprof: profiling over HTTP is not available"),
        (&["--auth-token=other"], "--auth-token: invalid auth options: unknown kind of token \"other\""),
        (&["--unsafe-no-fsync"], "--unsafe-no-fsync: running without fsync is not available"),
        (&["--feature-gates=CompactHashCheck=true"], "CompactHashCheck: comparing members' data is not"),
    ] {
        refused(arguments, 1, text);
    }
    for default in [
        "--wal-dir=",
        "--pre-vote=T",
        "--enable-pprof=false",
        "--bcrypt-cost=0xa",
        "--grpc-keepalive-interval=120m",
        "--feature-gates=CompactHashCheck=false,AllAlpha=false",
    ] {
        assert_eq!(run(&[default], &[]).unwrap().notices, [], "{default}");
    }
}

#[test]
fn what_means_nothing_is_told_where_it_is_not_the_default() {
    let told = |argument: &str| -> Vec<String> {
        let notices = run(&[argument], &[]).unwrap().notices;
        let names = notices.into_iter().map(|notice| match notice {
            Notice::MeansNothing { name, .. } | Notice::Deprecated(name) => name,
            other => panic!("{other:?}"),
        });
        names.collect()
    };
    assert_eq!(told("--max-wals=5"), Vec::<String>::new());
    assert_eq!(told("--backend-batch-interval=0ms"), Vec::<String>::new());
    assert_eq!(told("--max-wals=6"), ["--max-wals"]);
    assert_eq!(told("--socket-reuse-address"), ["--socket-reuse-address"]);
    assert_eq!(
        told("--feature-gates=LeaseCheckpoint=true,StopGRPCServiceOnDefrag=false"),
        ["--feature-gates (LeaseCheckpoint=true)"]
    );
    let deprecated = "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.";
    assert_eq!(told("--max-snapshots=5"), [deprecated]);
    assert_eq!(
        told("--experimental-initial-corrupt-check=true"),
        [
            "--experimental-initial-corrupt-check is deprecated in v3.6 and will be decommissioned in v3.7. Use \
             '--feature-gates=InitialCorruptCheck=true' instead.",
            "--experimental-initial-corrupt-check (InitialCorruptCheck=true)"
        ]
    );
    let ignored = run(&["-v", "--config=x", "--snapshot"], &[]).unwrap().notices;
    let names = ["v", "config", "snapshot"].map(|name| Notice::NoLongerSupported(name.to_owned()));
    assert_eq!(ignored, names);
}

#[test]
fn gates_of_a_stage_are_switched_together() {
    let parsed = gates::parse("AllAlpha=true,LeaseCheckpoint=false").unwrap();
    assert_eq!((parsed["LeaseCheckpoint"], parsed["InitialCorruptCheck"]), (false, true));
    assert!(!parsed.contains_key("FastLeaseKeepAlive") && !parsed.contains_key("CompactHashCheck"));
    assert!(!gates::parse(" AllBeta = F , ").unwrap()["FastLeaseKeepAlive"]);
    assert!(gates::parse("").unwrap().is_empty());
}

#[test]
fn logs_go_where_they_are_told_to() {
    let log = |arguments: &[&str]| run(arguments, &[]).unwrap().log;
    assert_eq!(log(&["--log-outputs="]).outputs, [LogOutput::Stderr]);
    assert_eq!(
        log(&["--log-outputs=stdout,/a/b.log,stderr,stdout"]).outputs,
        [LogOutput::Stderr, LogOutput::Stdout, LogOutput::File("/a/b.log".into())]
    );
    assert_eq!(log(&["--log-level=fatal", "--log-format=console"]).level, LogLevel::Error);
    let rotation = |json: &str| {
        let json = format!("--log-rotation-config-json={json}");
        run(&["--enable-log-rotation", "--log-outputs=a.log", &json], &[])
    };
    let expected = Rotation { file_bytes_max: 3 << 20, age_days_max: 1, files_max: 2, is_compressed: true };
    let json = "{\"maxsize\": 3, \"maxage\": 1, \"MaxBackups\": 2, \"compress\": true, \"localtime\": false}";
    assert_eq!(rotation(json).unwrap().log.rotation, Some(expected));
    assert_eq!(rotation("{}").unwrap().log.rotation.unwrap().file_bytes_max, 100 << 20);
    for (json, text) in [
        ("{", "improperly formatted log rotation config"),
        ("5", "improperly formatted log rotation config"),
        ("{\"maxsize\": \"a\"}", "invalid log rotation config: maxsize: expected a number"),
        ("{\"maxage\": -1}", "invalid log rotation config: maxage: expected a number"),
        ("{\"compress\": 1}", "invalid log rotation config: compress: expected true or false"),
        ("{\"localtime\": true}", "localtime is not available in this release"),
    ] {
        let refusal = rotation(json).unwrap_err().to_string();
        assert!(refusal.contains(text), "{json}: {refusal}");
    }
}
