//! Names that etcd 3.6 knew and 3.7 does not, and those that etcd has long ignored: manifests still have them.

use super::table::{self, Flag};

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meant {
    /// A flag, under the name of the table or another.
    Flag(&'static Flag),
    /// `--feature-gates` with this gate.
    Gate(&'static str),
    /// Nothing, for a long time.
    Ignored,
}

/// Flags of 3.6 that have since lost their prefix.
pub(crate) const EXPERIMENTAL: [&str; 18] = [
    "bootstrap-defrag-threshold-megabytes",
    "compact-hash-check-time",
    "compaction-batch-limit",
    "compaction-sleep-interval",
    "corrupt-check-time",
    "distributed-tracing-address",
    "distributed-tracing-instance-id",
    "distributed-tracing-sampling-rate",
    "distributed-tracing-service-name",
    "downgrade-check-time",
    "enable-distributed-tracing",
    "max-learners",
    "memory-mlock",
    "peer-skip-client-san-verification",
    "snapshot-catchup-entries",
    "warning-apply-duration",
    "warning-unary-request-duration",
    "watch-progress-notify-interval",
];

/// Flags of 3.6 that are gates since.
pub(crate) const GATED: [(&str, &str); 6] = [
    ("experimental-compact-hash-check-enabled", "CompactHashCheck"),
    ("experimental-enable-lease-checkpoint", "LeaseCheckpoint"),
    ("experimental-enable-lease-checkpoint-persist", "LeaseCheckpointPersist"),
    ("experimental-initial-corrupt-check", "InitialCorruptCheck"),
    ("experimental-stop-grpc-service-on-defrag", "StopGRPCServiceOnDefrag"),
    ("experimental-txn-mode-write-with-shared-buffer", "TxnModeWriteWithSharedBuffer"),
];

/// Flags of etcd 2 and of Go's tests. They take a value after an equals sign alone.
pub(crate) const IGNORED: [&str; 15] = [
    "cluster-active-size",
    "cluster-remove-delay",
    "cluster-sync-interval",
    "config",
    "force",
    "max-result-buffer",
    "max-retry-attempts",
    "peer-election-timeout",
    "peer-heartbeat-interval",
    "retry-interval",
    "snapshot",
    "test.coverprofile",
    "test.outputdir",
    "v",
    "vv",
];

/// What a name without its dashes stands for.
pub(super) fn meant(name: &str) -> Option<Meant> {
    if let Some(flag) = table::find(name) {
        return Some(Meant::Flag(flag));
    }
    if let Some((_, gate)) = GATED.iter().find(|(old, _)| *old == name) {
        return Some(Meant::Gate(gate));
    }
    let short = name.strip_prefix("experimental-").filter(|short| EXPERIMENTAL.contains(short));
    match short {
        Some(short) => table::find(short).map(Meant::Flag),
        None => IGNORED.contains(&name).then_some(Meant::Ignored),
    }
}

/// Every name that sets something: what variables are looked up by, and what a misspelled name is compared with.
pub(super) fn names() -> impl Iterator<Item = String> {
    let gated = GATED.iter().map(|(name, _)| (*name).to_owned());
    let experimental = EXPERIMENTAL.iter().map(|name| format!("experimental-{name}"));
    let ignored = IGNORED.iter().map(|name| (*name).to_owned());
    table::settable().map(|flag| flag.name.to_owned()).chain(gated).chain(experimental).chain(ignored)
}
