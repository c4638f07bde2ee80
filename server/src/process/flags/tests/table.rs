//! The table of flags against etcd's names and against docs/compatibility.md.

use super::super::aliases;
use super::super::gates::GATES;
use super::super::table::{Flag, GROUPS, Kind, flags};
use std::collections::BTreeSet;

/// etcd's names: of 3.7.1's help, and what it reads beside.
const ETCD: &str = "
    name data-dir wal-dir snapshot-count heartbeat-interval election-timeout initial-election-tick-advance
    listen-peer-urls listen-client-urls listen-client-http-urls max-snapshots max-wals memory-mlock
    quota-backend-bytes backend-bbolt-freelist-type backend-batch-interval backend-batch-limit max-txn-ops
    max-request-bytes max-concurrent-streams grpc-keepalive-min-time grpc-keepalive-interval
    grpc-keepalive-timeout socket-reuse-port socket-reuse-address enable-grpc-gateway raft-read-timeout
    raft-write-timeout feature-gates

    initial-advertise-peer-urls initial-cluster initial-cluster-state initial-cluster-token
    advertise-client-urls discovery discovery-token discovery-endpoints discovery-dial-timeout
    discovery-request-timeout discovery-keepalive-time discovery-keepalive-timeout discovery-insecure-transport
    discovery-insecure-skip-tls-verify discovery-cert discovery-key discovery-cacert discovery-user
    discovery-password discovery-fallback discovery-proxy discovery-srv discovery-srv-name
    strict-reconfig-check pre-vote auto-compaction-retention auto-compaction-mode v2-deprecation

    cert-file key-file client-cert-auth client-cert-file client-key-file client-crl-file
    client-cert-allowed-hostname trusted-ca-file auto-tls peer-cert-file peer-key-file peer-client-cert-auth
    peer-client-cert-file peer-client-key-file peer-trusted-ca-file peer-cert-allowed-cn
    peer-cert-allowed-hostname peer-auto-tls self-signed-cert-validity peer-crl-file cipher-suites cors
    host-whitelist tls-min-version tls-max-version

    auth-token bcrypt-cost auth-token-ttl

    enable-pprof metrics listen-metrics-urls

    logger log-outputs log-level log-format enable-log-rotation log-rotation-config-json
    warning-unary-request-duration

    enable-distributed-tracing distributed-tracing-address distributed-tracing-service-name
    distributed-tracing-instance-id distributed-tracing-sampling-rate

    corrupt-check-time compact-hash-check-time compaction-batch-limit peer-skip-client-san-verification
    watch-progress-notify-interval warning-apply-duration bootstrap-defrag-threshold-megabytes max-learners
    compaction-sleep-interval downgrade-check-time snapshot-catchup-entries

    force-new-cluster unsafe-no-fsync

    config-file version help
";

#[test]
fn the_names_are_etcds_and_two_of_ours() {
    let etcd: BTreeSet<&str> = ETCD.split_whitespace().collect();
    let ours: BTreeSet<&str> = flags().map(|flag| flag.name).collect();
    assert_eq!(flags().count(), ours.len(), "a name is there twice");
    assert_eq!(etcd.difference(&ours).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(ours.difference(&etcd).collect::<Vec<_>>(), [&"check-config", &"print-config"]);
    for name in aliases::names() {
        assert!(aliases::meant(&name).is_some(), "{name} means nothing");
    }
}

#[test]
fn defaults_have_the_form_of_their_flags() {
    for flag in flags() {
        assert_eq!(flag.form.check(flag.default), Ok(()), "{}", flag.name);
        assert!(super::super::values::is_available(flag, flag.default), "{}", flag.name);
    }
}

fn kind(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Works => ("works", ""),
        Kind::MeansNothing(why) => ("means nothing", why),
        Kind::NotBuilt { what, .. } => ("not built", what),
    }
}

fn default(flag: &Flag) -> String {
    if flag.default.is_empty() { String::new() } else { format!("`{}`", flag.default) }
}

/// The part of the page that lists flags and gates, as the table has them.
fn expected() -> String {
    let mut page = String::new();
    for group in GROUPS {
        page.push_str(&format!(
            "\n### {}\n\n| flag | default | | |\n| --- | --- | --- | --- |\n",
            group.title
        ));
        for flag in group.flags {
            let (word, why) = kind(flag.kind);
            page.push_str(&format!("| `--{}` | {} | {word} | {why} |\n", flag.name, default(flag)));
        }
    }
    page.push_str("\n### Gates of --feature-gates\n\n| gate | default | | |\n| --- | --- | --- | --- |\n");
    for gate in &GATES {
        let (word, why) = kind(gate.kind);
        page.push_str(&format!("| `{}` | `{}` | {word} | {why} |\n", gate.name, gate.default));
    }
    page
}

#[test]
fn docs_compatibility_md_says_of_every_flag_what_becomes_of_it() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (begin, end) = ("<!-- flags -->\n", "\n<!-- end of flags -->");
    let part = page.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    let (part, _) = part.expect("the page's part about flags");
    let expected = expected();
    let (said, known): (BTreeSet<&str>, BTreeSet<&str>) =
        (part.lines().collect(), expected.lines().collect());
    let missing: Vec<&&str> = known.difference(&said).collect();
    let untrue: Vec<&&str> = said.difference(&known).collect();
    assert!(
        missing.is_empty() && untrue.is_empty(),
        "to be written: {missing:#?}\nto be taken out: {untrue:#?}"
    );
    assert_eq!(part.trim(), expected.trim(), "the order of the rows");
}
