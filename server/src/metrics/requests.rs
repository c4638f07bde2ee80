//! What clients ask of a member, and what its watchers are sent.

use super::{Bounds, MILLISECONDS, Names};
use detcd_engine::request::{AuthChange, AuthRead, AuthRequest, Request};
use prometheus::{Histogram, IntCounter, IntGauge};
use std::time::Duration;

/// Kinds of requests by etcd's names. Of what etcd does not count as one, the name is our own.
const KINDS: [&str; 30] = [
    "Range",
    "Put",
    "DeleteRange",
    "Txn",
    "Compaction",
    "LeaseGrant",
    "LeaseRevoke",
    "LeaseKeepAlive",
    "LeaseTimeToLive",
    "LeaseLeases",
    "MemberList",
    "Alarm",
    "AuthEnable",
    "AuthDisable",
    "AuthUserAdd",
    "AuthUserDelete",
    "AuthUserChangePassword",
    "AuthUserGrantRole",
    "AuthUserRevokeRole",
    "AuthRoleAdd",
    "AuthRoleDelete",
    "AuthRoleGrantPermission",
    "AuthRoleRevokePermission",
    "AuthStatus",
    "AuthUserList",
    "AuthRoleList",
    "AuthUserGet",
    "AuthRoleGet",
    "Authenticate",
    "AuthCheck",
];

/// Successes and failures of one kind.
#[derive(Debug)]
struct ByOutcome {
    ok: Histogram,
    failed: Histogram,
}

/// Of clients' requests and watches.
#[derive(Debug)]
pub struct RequestMetrics {
    durations: Vec<ByOutcome>,
    range: ByOutcome,
    ranges: IntCounter,
    hash: Histogram,
    backup: Histogram,
    events_sent: IntCounter,
    events_pending: IntGauge,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Kind(usize);

impl Kind {
    /// What is asked.
    pub fn of(request: &Request) -> Kind {
        Kind(match request {
            Request::Range(_) => 0,
            Request::Put(_) => 1,
            Request::DeleteRange(_) => 2,
            Request::Txn(_) => 3,
            Request::Compact(_) => 4,
            Request::LeaseGrant(_) => 5,
            Request::LeaseRevoke(_) => 6,
            Request::LeaseKeepAlive(_) => 7,
            Request::LeaseTimeToLive(_) => 8,
            Request::LeaseLeases => 9,
            Request::MemberList { .. } => 10,
            Request::Alarm(_) => 11,
            Request::Auth(AuthRequest::Change(change)) => match change {
                AuthChange::Enable => 12,
                AuthChange::Disable => 13,
                AuthChange::UserAdd { .. } => 14,
                AuthChange::UserDelete(_) => 15,
                AuthChange::UserChangePassword { .. } => 16,
                AuthChange::UserGrantRole { .. } => 17,
                AuthChange::UserRevokeRole { .. } => 18,
                AuthChange::RoleAdd(_) => 19,
                AuthChange::RoleDelete(_) => 20,
                AuthChange::RoleGrantPermission { .. } => 21,
                AuthChange::RoleRevokePermission { .. } => 22,
            },
            Request::Auth(AuthRequest::Read(read)) => match read {
                AuthRead::Status => 23,
                AuthRead::UserList => 24,
                AuthRead::RoleList => 25,
                AuthRead::UserGet(_) => 26,
                AuthRead::RoleGet(_) => 27,
            },
            Request::Auth(AuthRequest::Authenticate(_)) => 28,
            Request::Auth(
                AuthRequest::PasswordOf(_) | AuthRequest::MayAdminister | AuthRequest::IsSomebody,
            ) => 29,
        })
    }
}

impl RequestMetrics {
    pub(super) fn new(names: Names<'_>) -> RequestMetrics {
        let durations = names.histograms(
            "etcd_server_request_duration_seconds",
            "How long requests took until they were decided; reading large ranges comes after that.",
            &["type", "success"],
            MILLISECONDS,
        );
        let range = names.histograms(
            "etcd_server_range_duration_seconds",
            "How long it took to find the keys of ranges, once it was known which state they see.",
            &["success"],
            Bounds::doubling(0.0001, 20),
        );
        let by_outcome = |kind: &&str| ByOutcome {
            ok: durations.with_label_values(&[kind, "true"]),
            failed: durations.with_label_values(&[kind, "false"]),
        };
        RequestMetrics {
            durations: KINDS.iter().map(by_outcome).collect(),
            range: ByOutcome {
                ok: range.with_label_values(&["true"]),
                failed: range.with_label_values(&["false"]),
            },
            ranges: names.counter(
                "detcd_reads_total",
                "Ranges and reading transactions that this member evaluated for its clients.",
            ),
            hash: names.histogram(
                "etcd_mvcc_hash_rev_duration_seconds",
                "How long the hash of a revision took (HashKV).",
                Bounds::doubling(0.01, 15),
            ),
            backup: names.histogram(
                "etcd_disk_backend_snapshot_duration_seconds",
                "How long backups took that clients took to their end.",
                Bounds::doubling(0.01, 17),
            ),
            events_sent: names.counter("etcd_debugging_mvcc_events_total", "Events sent to watchers."),
            events_pending: names.gauge(
                "etcd_debugging_mvcc_pending_events_total",
                "Events for watchers that their streams have not taken yet.",
            ),
        }
    }

    /// A request was decided.
    pub fn decided(&self, kind: Kind, is_ok: bool, took: Duration) {
        self.durations[kind.0].observe(is_ok, took);
    }

    /// A read was evaluated.
    pub fn evaluated(&self, is_ok: bool, took: Duration) {
        self.ranges.inc();
        self.range.observe(is_ok, took);
    }

    /// How many reads were evaluated.
    pub fn reads(&self) -> u64 {
        self.ranges.get()
    }

    /// The hash of a revision was computed.
    pub(crate) fn hashed(&self, took: Duration) {
        self.hash.observe(took.as_secs_f64());
    }

    /// A client has all of a backup.
    pub(crate) fn backed_up(&self, took: Duration) {
        self.backup.observe(took.as_secs_f64());
    }

    /// So many events wait for their stream.
    pub(crate) fn events_wait(&self, events: usize) {
        self.events_pending.add(events as i64);
    }

    /// A stream took so many of them, to be sent; or it is gone, and they are not.
    pub(crate) fn events_taken(&self, events: usize, are_sent: bool) {
        self.events_pending.sub(events as i64);
        if are_sent {
            self.events_sent.inc_by(events as u64);
        }
    }
}

impl ByOutcome {
    fn observe(&self, is_ok: bool, took: Duration) {
        let histogram = if is_ok { &self.ok } else { &self.failed };
        histogram.observe(took.as_secs_f64());
    }
}
