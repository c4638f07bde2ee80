//! Configuration files: etcd's keys and blocks, places in messages, and files that mean harm.

use super::super::yaml;
use super::*;
use detcd_engine::config::AutoCompaction;

fn refusal(text: &str) -> String {
    let refusal = run_file(text).unwrap_err();
    assert_eq!(refusal.exit_code, 1, "{refusal}");
    refusal.to_string()
}

#[test]
fn keys_are_flags_and_blocks_hold_the_others() {
    let text = "\
# a member
name: m1
data-dir:
snapshot-count: 5_000
heartbeat-interval: 0x64
election-timeout: 2000
listen-client-urls: http://127.0.0.1:1, http://127.0.0.1:2
quota-backend-bytes: -1
initial-cluster-state: ''
auto-compaction-retention: 1
watch-progress-notify-interval: 5000000000
log-outputs: [stdout, 'a.log']
enable-log-rotation: yes
enable-pprof: off
client-transport-security:
  cert-file:
  auto-tls: false
peer-transport-security: {client-cert-auth: no, allowed-cn: []}
socket-options: {reuse-address: true}
v2-deprecation: write-only
feature-gates: InitialCorruptCheck=true
";
    let settings = run_file(text).unwrap();
    let server = &settings.server;
    assert_eq!((server.name.as_str(), server.data_dir.to_str()), ("m1", Some("m1.etcd")));
    assert_eq!((server.snapshot_commands_min, server.heartbeat_interval_ms), (5000, 100));
    assert_eq!((server.election_timeout_ms, server.quota_bytes), (2000, u64::MAX));
    assert_eq!(server.auto_compaction, AutoCompaction::PeriodMs(3_600_000));
    assert_eq!((server.watch_progress_interval_ms, server.listen_client_urls.len()), (5000, 2));
    assert_eq!(settings.log.outputs, [LogOutput::Stdout, LogOutput::File("a.log".into())]);
    assert!(settings.log.rotation.is_some());
    let only = Notice::OnlyTheFile { path: "f.yml".to_owned(), ignored: vec![] };
    assert_eq!(settings.notices[0], only);
    let names: Vec<&str> = settings.notices[1..]
        .iter()
        .map(|notice| match notice {
            Notice::MeansNothing { name, .. } => name.as_str(),
            Notice::Deprecated(text) if text.starts_with("--v2-deprecation is deprecated") => {
                "v2-deprecation"
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let gate = "f.yml:21: feature-gates (InitialCorruptCheck=true)";
    assert_eq!(names, ["f.yml:19: socket-options.reuse-address", "v2-deprecation", gate]);
    assert!(settings.flags_given.contains("socket-reuse-address"));
}

#[test]
fn json_is_read_too() {
    let text =
        "{\"name\": \"x\",\n\t\"log-level\": \"debug\", \"log-outputs\": [\"stderr\"], \"pre-vote\": true}";
    let settings = run_file(text).unwrap();
    assert_eq!((settings.server.name.as_str(), settings.log.level), ("x", LogLevel::Debug));
}

#[test]
fn values_of_another_type_are_refused_with_their_place() {
    for (text, expected) in [
        (
            "name: m\nheartbeat-interval: soon",
            "f.yml:2: heartbeat-interval: expected a number of milliseconds, 0 or more, found \"soon\"",
        ),
        (
            "heartbeat-interval: '100'",
            "f.yml:1: heartbeat-interval: expected a number of milliseconds, 0 or more, without quotes, found \"100\"",
        ),
        ("name: [a]", "f.yml:1: name: expected a text, found a list"),
        ("name: {a: b}", "f.yml:1: name: expected a text, found keys with values"),
        (
            "log-outputs: stderr",
            "f.yml:1: log-outputs: expected a list, such as [one, two], found \"stderr\"",
        ),
        ("log-outputs: [[a]]", "f.yml:1: log-outputs: expected a list of texts, found a list"),
        ("pre-vote: 'yes'", "f.yml:1: pre-vote: expected true or false, found \"yes\""),
        (
            "watch-progress-notify-interval: 10m",
            "expected a whole number of nanoseconds without quotes (600000000000 for 10m), found \"10m\"",
        ),
        (
            "\n\npeer-transport-security: 3",
            "f.yml:3: peer-transport-security: expected keys with values, found \"3\"",
        ),
        (
            "peer-transport-security:\n  auto-tls: 1",
            "f.yml:2: peer-transport-security.auto-tls: expected true or false",
        ),
        (
            "initial-cluster-state: old",
            "f.yml:1: initial-cluster-state: expected one of new, existing, found \"old\"",
        ),
        (
            "listen-peer-urls: foo",
            "f.yml:1: listen-peer-urls: expected a URL of http, https, unix or unixs: http://host:port, found \"foo\"",
        ),
        ("client-transport-security:\n  cert-file: x", "--cert-file is given without --key-file"),
        (
            "client-transport-security:\n  allowed-cn: [x]",
            "f.yml:2: client-transport-security.allowed-cn is not",
        ),
        ("discovery-config: {client: {auth: {password: [hush]}}}", "found a value that is not shown"),
        ("feature-gates: Foo=true", "f.yml:1: feature-gates: unrecognized feature gate: Foo"),
        ("experimental-max-learners: 1\nmax-learners: 2", "to different values: use --max-learners alone"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(expected) && !refusal.contains("hush"), "{text:?}: {refusal}");
    }
}

#[test]
fn what_is_passed_over_is_told() {
    let told = |text: &str| {
        let notices = run_file(text).unwrap().notices;
        let passed_over = notices.into_iter().filter_map(|notice| match notice {
            Notice::PassedOver(passed_over) => Some(passed_over),
            _ => None,
        });
        passed_over.collect::<Vec<_>>()
    };
    let unknown = |place: &str, key: &str, meant: Option<&str>| PassedOver::Unknown {
        place: place.to_owned(),
        key: key.to_owned(),
        meant: meant.map(str::to_owned),
    };
    assert_eq!(told("nme: x"), [unknown("f.yml:1", "nme", Some("name"))]);
    assert_eq!(told("something-else-entirely: [1]"), [unknown("f.yml:1", "something-else-entirely", None)]);
    assert_eq!(
        told("peer-transport-security:\n  cert-fil: x\n"),
        [unknown("f.yml:2", "peer-transport-security.cert-fil", Some("peer-transport-security.cert-file"))]
    );
    assert_eq!(
        told("peer-transprt-security:\n  cert-file: x\n"),
        [unknown("f.yml:1", "peer-transprt-security", Some("peer-transport-security"))]
    );
    // What etcd reads from no file, or in a block alone.
    for key in ["peer-crl-file", "raft-read-timeout", "cert-file", "config-file", "version"] {
        let notices = told(&format!("{key}: x"));
        assert!(matches!(&notices[..], [PassedOver::Unknown { .. }]), "{key}: {notices:?}");
    }
    let repeated = PassedOver::Repeated { place: "f.yml:1".to_owned(), key: "name".to_owned() };
    assert_eq!(told("name: a\nname: b"), [repeated]);
    assert_eq!(run_file("name: a\nname: b").unwrap().server.name, "b");
    let documents = PassedOver::Documents { path: "f.yml".to_owned() };
    assert_eq!(told("name: a\n---\nname: b"), [documents]);
    let many: String = (0..50).map(|number| format!("unknown-{number}: 1\n")).collect();
    let notices = told(&many);
    assert_eq!((notices.len(), notices.last()), (21, Some(&PassedOver::More(30))));
}

#[test]
fn keys_are_found_whatever_their_letters_and_texts_may_be_repeated() {
    assert_eq!(run_file("Name: X").unwrap().server.name, "X");
    let server = run_file("name: &n a\ninitial-cluster-token: *n").unwrap().server;
    assert_eq!(server.initial_cluster_token, "a");
    assert_eq!(run_file("").unwrap().server.name, "default");
    assert_eq!(run_file("# nothing\n").unwrap().server.name, "default");
    assert_eq!(run_file("name: 12").unwrap().server.name, "12");
    // In a file the client URLs that are advertised are always set.
    assert!(run_file("listen-client-urls: http://127.0.0.1:1").is_ok());
}

#[test]
fn a_file_stands_alone() {
    let arguments = ["--config-file=f.yml", "--name=a", "--experimental-initial-corrupt-check"];
    let environment = [("ETCD_NAME", "b"), ("ETCD_OTHER", "c"), ("ETCD_CONFIG_FILE", "g.yml")];
    let Ok(Invocation::Run(settings)) = invoke(&arguments, &environment, Some("election-timeout: 2000"))
    else {
        panic!("it runs")
    };
    assert_eq!((settings.server.name.as_str(), settings.server.election_timeout_ms), ("default", 2000));
    let ignored = ["--name", "--experimental-initial-corrupt-check", "ETCD_CONFIG_FILE", "ETCD_NAME"];
    let ignored = ignored.map(str::to_owned);
    let only = Notice::OnlyTheFile { path: "f.yml".to_owned(), ignored: ignored.to_vec() };
    assert_eq!(settings.notices, [only]);
    assert!(!settings.flags_given.contains("name"));
    let environment = [("ETCD_CONFIG_FILE", "g.yml")];
    let Ok(Invocation::Run(settings)) = invoke(&[], &environment, Some("name: x")) else { panic!("it runs") };
    assert_eq!(settings.server.name, "x");
    let refusal = invoke(&[], &environment, None).unwrap_err().to_string();
    assert_eq!(refusal, "ETCD_CONFIG_FILE: open g.yml: no g.yml here");
    // What cannot be read beside it ends the process all the same.
    let refusal = invoke(&["--config-file=f.yml", "--max-txn-ops=x"], &[], Some("")).unwrap_err();
    assert_eq!(refusal.exit_code, 2);
}

#[test]
fn files_that_cannot_be_read_say_where() {
    for (text, expected) in [
        ("name: m\na: b: c\n", "f.yml:2: "),
        ("- a\n", "f.yml:1: expected keys with values"),
        ("just a text", "f.yml:1: expected keys with values"),
        ("name: *a\n", "f.yml:1: "),
        ("name: \"a\n", "f.yml:1: "),
        ("? [a]\n: b\n", "f.yml:1: a key must be a text"),
        ("a: &a [1]\nname: *a\n", "f.yml:2: only a short text or number can be repeated"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.starts_with(expected), "{text:?}: {refusal}");
    }
    let outcome = parse(["--config-file=f.yml".to_owned()], [], |_| Ok(b"name: a\nname: \xff\n".to_vec()));
    assert_eq!(outcome.unwrap_err().to_string(), "f.yml:2: not UTF-8");
}

#[test]
fn files_that_mean_harm_are_refused() {
    let long = "#".repeat(yaml::FILE_BYTES_MAX + 1);
    assert!(refusal(&long).contains("longer than 1048576 bytes"));
    let depth = 100_000;
    for deep in [
        format!("a: {}", "[".repeat(depth)),
        format!("a: {}", "{b: ".repeat(depth)),
        "- ".repeat(depth),
        (0..1000).map(|level| format!("{}a:\n", " ".repeat(level))).collect(),
    ] {
        assert!(refusal(&deep).contains("limit"), "{}", refusal(&deep));
    }
    let many: String = (0..20_000).map(|number| format!("k{number}: 1\n")).collect();
    assert!(refusal(&many).contains("more than 10000 keys and values"));
    let repeated = format!("a: &a {}\nb: [{}]\n", "x".repeat(10_000), "*a, ".repeat(5000));
    assert!(refusal(&repeated).contains("only a short text"));
}
