//! Go's notation, and what becomes of words that are none of it. The codes and most texts are those of etcd 3.7.1.

use super::super::go_syntax;
use super::*;
use detcd_engine::config::AutoCompaction;

#[test]
fn the_defaults_are_those_of_etcd() {
    let Settings { server, flags_given, log, notices, .. } = run(&[], &[]).unwrap();
    assert!(flags_given.is_empty());
    assert_eq!((server.name.as_str(), server.data_dir.to_str()), ("default", Some("default.etcd")));
    assert_eq!((server.heartbeat_interval_ms, server.election_timeout_ms), (100, 1000));
    assert_eq!((server.request_bytes_max, server.txn_ops_max), (1_572_864, 128));
    assert_eq!((server.snapshot_commands_min, server.quota_bytes), (10_000, settings::QUOTA_BYTES_DEFAULT));
    assert_eq!((server.auto_compaction, server.watch_progress_interval_ms), (AutoCompaction::Off, 600_000));
    let stderr = vec![LogOutput::Stderr];
    let expected =
        LogSettings { level: LogLevel::Info, format: LogFormat::Json, outputs: stderr, rotation: None };
    assert_eq!((log, notices), (expected, vec![]));
    let (cluster, member) = server.first_cluster().unwrap();
    assert_eq!(
        (cluster.id.to_string(), member.to_string()),
        ("cdf818194e3a8c32".into(), "8e9e05c52164694d".into())
    );
}

#[test]
fn one_dash_two_dashes_and_equals_are_one_and_the_last_wins() {
    for arguments in
        [&["-name", "a"][..], &["--name", "a"], &["-name=a"], &["--name=a"], &["--name=b", "-name", "a"]]
    {
        assert_eq!(run(arguments, &[]).unwrap().server.name, "a", "{arguments:?}");
    }
    assert_eq!(run(&["--name", "-odd"], &[]).unwrap().server.name, "-odd");
    assert_eq!(run(&["--name", "--"], &[]).unwrap().server.name, "--");
    assert_eq!(run(&["--name=a=b"], &[]).unwrap().server.name, "a=b");
    assert_eq!(run(&["--data-dir="], &[]).unwrap().server.data_dir.to_str(), Some("default.etcd"));
}

#[test]
fn booleans_take_their_value_after_an_equals_sign() {
    for on in ["--enable-log-rotation", "--enable-log-rotation=T", "-enable-log-rotation=1"] {
        let log = run(&[on, "--log-outputs=a.log"], &[]).unwrap().log;
        assert!(log.rotation.is_some(), "{on}");
    }
    for off in ["--enable-log-rotation=F", "--enable-log-rotation=0", "--enable-log-rotation=False"] {
        assert_eq!(run(&[off, "--log-outputs=a.log"], &[]).unwrap().log.rotation, None, "{off}");
    }
    refused(&["--pre-vote=maybe"], 2, "invalid value \"maybe\" for flag --pre-vote: expected true or false");
    refused(&["--pre-vote", "false"], 1, "\"false\" is not a valid flag; a boolean takes its value after");
}

#[test]
fn words_that_are_no_flags_are_named() {
    for (arguments, code, text) in [
        (&["stray"][..], 1, "\"stray\" is not a valid flag"),
        (&["-"], 1, "\"-\" is not a valid flag"),
        (&["--", "--name=a"], 1, "\"--name=a\" is not a valid flag"),
        (&["---name=a"], 2, "bad flag syntax: ---name=a"),
        (&["--=a"], 2, "bad flag syntax: --=a"),
        (&["--name"], 2, "flag needs an argument: --name"),
        (&["--no-such-flag=1"], 2, "flag provided but not defined: --no-such-flag"),
        (&["-lisen-peer-urls", "x"], 2, "not defined: --lisen-peer-urls (did you mean --listen-peer-urls?)"),
        (&["gateway", "start"], 1, "gateway is not available in this release"),
        (&["grpc-proxy"], 1, "grpc-proxy is not available in this release"),
    ] {
        refused(arguments, code, text);
    }
    assert!(run(&["--"], &[]).is_ok());
}

#[test]
fn a_value_that_cannot_be_read_says_what_was_expected() {
    for (argument, text) in [
        ("--heartbeat-interval=soon", "--heartbeat-interval: expected a number of milliseconds, 0 or more"),
        ("--election-timeout=-1", "--election-timeout: expected a number"),
        ("--max-request-bytes=1.5", "--max-request-bytes: expected a number of bytes above 0"),
        ("--max-txn-ops=0", "--max-txn-ops: expected a number of operations above 0"),
        ("--snapshot-count=-1", "--snapshot-count: expected"),
        ("--quota-backend-bytes=2GB", "--quota-backend-bytes: expected a number of bytes"),
        ("--quota-backend-bytes=9223372036854775808", "--quota-backend-bytes: expected"),
        ("--max-concurrent-streams=4294967296", "expected a number of streams from 0 to 4294967295"),
        ("--watch-progress-notify-interval=10", "expected a duration such as 300ms"),
        ("--raft-read-timeout=5", "--raft-read-timeout: expected a duration"),
        ("--log-level=loud", "--log-level: expected one of debug, info, warn, error, panic, fatal"),
        ("--initial-cluster-state=old", "--initial-cluster-state: expected one of new, existing"),
        ("--listen-peer-urls=localhost:1", "--listen-peer-urls: expected a URL of http"),
        ("--advertise-client-urls=http://localhost", "--advertise-client-urls: expected a port"),
        ("--v2-deprecation=x", "--v2-deprecation: expected some of not-yet, write-only"),
        ("--feature-gates=Foo=true", "--feature-gates: unrecognized feature gate: Foo"),
        ("--feature-gates=LeaseCheckpoint", "--feature-gates: missing bool value for LeaseCheckpoint"),
        ("--experimental-max-learners=x", "for flag --experimental-max-learners: expected a number"),
    ] {
        refused(&[argument], 2, text);
    }
    // The earlier of two is looked at too.
    refused(&["--election-timeout=x", "--election-timeout=1000"], 2, "--election-timeout: expected");
    // Texts at first, to etcd.
    for (arguments, text) in [
        (&["--auto-compaction-retention=-1"][..], "--auto-compaction-retention: expected hours"),
        (&["--auto-compaction-retention=-5m"], "--auto-compaction-retention: expected hours"),
        (
            &["--auto-compaction-mode=revision", "--auto-compaction-retention=5m"],
            "expected a number of revisions",
        ),
        (&["--initial-cluster=http://a:1"], "--initial-cluster: expected name=http://host:port"),
        (&["--initial-cluster=a=localhost:1"], "--initial-cluster: expected name=URL"),
        (&["--log-outputs=a,,b"], "--log-outputs: expected no empty output between commas"),
    ] {
        refused(arguments, 1, text);
    }
}

#[test]
fn everything_that_is_wrong_is_said() {
    let refusal = run(
        &["--max-txn-ops=0", "--listen-peer-urls=http://a:1,b", "--log-format=xml", "--wal-dir=x", "--nme"],
        &[("ETCD_SNAPSHOT_COUNT", "x")],
    );
    let refusal = refusal.unwrap_err().to_string();
    let lines: Vec<&str> = refusal.lines().collect();
    for text in [
        "--max-txn-ops",
        "binding (http://a:1)",
        "\"http://a:1,b\"",
        "unknown log format: xml",
        "--wal-dir: a log outside",
        "--nme (did you mean --name?)",
        "ETCD_SNAPSHOT_COUNT",
    ] {
        assert_eq!(lines.iter().filter(|line| line.contains(text)).count(), 1, "{text}: {refusal}");
    }
    assert_eq!(lines.len(), 7, "{refusal}");
}

#[test]
fn numbers_are_read_as_go_reads_them() {
    for (text, number) in [
        ("0", Some(0)),
        ("10", Some(10)),
        ("-5", Some(-5)),
        ("+5", Some(5)),
        ("0x10", Some(16)),
        ("0X1f", Some(31)),
        ("0o17", Some(15)),
        ("017", Some(15)),
        ("0b101", Some(5)),
        ("1_000", Some(1000)),
        ("0x_ff", Some(255)),
        ("0_7", Some(7)),
        ("", None),
        ("-", None),
        ("0x", None),
        ("08", None),
        ("1__0", None),
        ("_1", None),
        ("1_", None),
        ("--1", None),
        ("0x-1", None),
        (" 1", None),
        ("1e3", None),
        ("1.0", None),
        ("é1", None),
    ] {
        assert_eq!(go_syntax::number(text), number, "{text:?}");
    }
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
        (settings.server.quota_bytes, settings.notices.len())
    };
    assert_eq!(quota("0"), (settings::QUOTA_BYTES_DEFAULT, 0));
    assert_eq!(quota("-1"), (u64::MAX, 0));
    assert_eq!(quota("8589934592"), (8_589_934_592, 0));
    assert_eq!(quota("8589934593"), (8_589_934_593, 1));
}

#[test]
fn watches_are_told_no_more_often_than_etcd_would() {
    for (text, ms, notices) in [("5s", 5000, 0), ("100ms", 100, 0), ("99ms", 100, 1), ("0", 600_000, 0)] {
        let settings = run(&[&format!("--watch-progress-notify-interval={text}")], &[]).unwrap();
        let found = (settings.server.watch_progress_interval_ms, settings.notices.len());
        assert_eq!(found, (ms, notices), "{text}");
    }
}

#[test]
fn urls_are_sorted_and_each_is_once() {
    let urls = "--initial-advertise-peer-urls=http://b:1, http://a:1,http://b:1/";
    let server = run(&["--initial-cluster=default=http://a:1,default=http://b:1", urls], &[]).unwrap().server;
    let texts: Vec<&str> = server.initial_advertise_peer_urls.iter().map(|url| url.text.as_str()).collect();
    assert_eq!(texts, ["http://a:1", "http://b:1"]);
    assert!(server.first_cluster().is_ok());
    // An empty list says nothing.
    let server = run(&["--listen-client-urls=", "--advertise-client-urls="], &[]).unwrap().server;
    assert_eq!(server.listen_client_urls[0].text, "http://localhost:2379");
}

#[test]
fn help_and_version_are_printed() {
    for argument in ["-h", "--h", "-help", "--help"] {
        let text = printed(&["--name=x", argument]);
        for flag in super::super::table::flags() {
            assert!(text.contains(&format!("--{} ", flag.name)), "{}: {text}", flag.name);
        }
        // One default is longer than any line.
        let fits = |line: &str| line.len() <= 118 || line.contains("\"maxsize\"");
        assert!(text.lines().all(fits), "{text}");
    }
    let text = printed(&["--version"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "etcd Version: 3.7.1");
    assert!(lines[1].starts_with("Git SHA: ") && lines[2].starts_with("Go Version: "));
    assert!(lines[3].starts_with("Go OS/Arch: ") && lines.len() == 5);
    assert!(run(&["--version=false"], &[]).is_ok());
    refused(&["--max-txn-ops=x", "--help"], 2, "--max-txn-ops");
}

#[test]
fn a_check_says_whether_a_start_would_go_on() {
    assert!(matches!(invoke(&["--check-config"], &[], None), Ok(Invocation::Check(_))));
    let refusal = invoke(&["--check-config", "--nope", "--max-txn-ops=x"], &[], None).unwrap_err();
    assert_eq!((refusal.exit_code, refusal.problems.len()), (1, 2));
}

#[test]
fn settings_are_printed_with_where_they_come_from() {
    let table = match invoke(
        &["--print-config", "-name=m", "--experimental-initial-corrupt-check"],
        &[("ETCD_MAX_TXN_OPS", "9")],
        None,
    ) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("{other:?}"),
    };
    let row = |flag: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.starts_with(&format!("{flag} "))).unwrap();
        line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
    };
    assert_eq!(row("--name"), ["--name", "m", "command line, --name"]);
    assert_eq!(row("--data-dir"), ["--data-dir", "m.etcd", "default"]);
    assert_eq!(row("--initial-cluster"), ["--initial-cluster", "m=http://localhost:2380", "default"]);
    assert_eq!(row("--max-txn-ops"), ["--max-txn-ops", "9", "variable ETCD_MAX_TXN_OPS"]);
    let gate = row("--feature-gates InitialCorruptCheck");
    assert_eq!(gate[1..], ["true", "command line, --experimental-initial-corrupt-check"]);
    let columns: Vec<Option<usize>> = table.lines().take(5).map(|line| line.find("  ")).collect();
    assert!(columns.iter().all(Option::is_some), "{table}");
    let lines = super::super::show::table(&Values::default()).lines().count();
    assert_eq!(lines, 1 + super::super::table::settable().count());
}

#[test]
fn a_secret_is_shown_nowhere() {
    for arguments in [
        ["--discovery-password=hush", "--print-config"],
        ["--discovery-user=me:hush", "--check-config"],
        ["--discovery=http://me:hush@x", "--print-config"],
    ] {
        let text = invoke(&arguments, &[], None).unwrap_err().to_string();
        assert!(!text.contains("hush"), "{text}");
    }
    let mut values = Values::default();
    let given =
        Given { name: "discovery-token".to_owned(), text: "hush".to_owned(), origin: Origin::CommandLine };
    values.flags.insert("discovery-token", given);
    let shown = super::super::show::table(&values);
    assert!(!shown.contains("hush") && shown.contains("***"), "{shown}");
}
