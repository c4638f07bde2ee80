//! What clients ask of a member, and what its watchers are sent.

use super::{Bounds, MILLISECONDS, Names};
use detcd_engine::request::AuthRequest::{Authenticate, Change, IsSomebody, MayAdminister, PasswordOf, Read};
use detcd_engine::request::{AuthChange, AuthRead, Request};
use prometheus::{Histogram, IntCounter, IntGauge};
use std::collections::BTreeMap;
use std::time::Duration;

/// Each kind of request by its name, and how it is told.
macro_rules! kinds {
    ($($kind:literal = $request:pat),* $(,)?) => {
        const KINDS: &[&str] = &[$($kind),*];

        impl Kind {
            /// What is asked.
            pub fn of(request: &Request) -> Kind {
                Kind(match request { $($request => $kind),* })
            }
        }
    };
}

// By etcd's names. Of what etcd does not count as one, the name is our own.
kinds! {
    "Range" = Request::Range(_),
    "Put" = Request::Put(_),
    "DeleteRange" = Request::DeleteRange(_),
    "Txn" = Request::Txn(_),
    "Compaction" = Request::Compact(_),
    "LeaseGrant" = Request::LeaseGrant(_),
    "LeaseRevoke" = Request::LeaseRevoke(_),
    "LeaseKeepAlive" = Request::LeaseKeepAlive(_),
    "LeaseTimeToLive" = Request::LeaseTimeToLive(_),
    "LeaseLeases" = Request::LeaseLeases,
    "MemberList" = Request::MemberList { .. },
    "Alarm" = Request::Alarm(_),
    "AuthEnable" = Request::Auth(Change(AuthChange::Enable)),
    "AuthDisable" = Request::Auth(Change(AuthChange::Disable)),
    "AuthUserAdd" = Request::Auth(Change(AuthChange::UserAdd { .. })),
    "AuthUserDelete" = Request::Auth(Change(AuthChange::UserDelete(_))),
    "AuthUserChangePassword" = Request::Auth(Change(AuthChange::UserChangePassword { .. })),
    "AuthUserGrantRole" = Request::Auth(Change(AuthChange::UserGrantRole { .. })),
    "AuthUserRevokeRole" = Request::Auth(Change(AuthChange::UserRevokeRole { .. })),
    "AuthRoleAdd" = Request::Auth(Change(AuthChange::RoleAdd(_))),
    "AuthRoleDelete" = Request::Auth(Change(AuthChange::RoleDelete(_))),
    "AuthRoleGrantPermission" = Request::Auth(Change(AuthChange::RoleGrantPermission { .. })),
    "AuthRoleRevokePermission" = Request::Auth(Change(AuthChange::RoleRevokePermission { .. })),
    "AuthStatus" = Request::Auth(Read(AuthRead::Status)),
    "AuthUserList" = Request::Auth(Read(AuthRead::UserList)),
    "AuthRoleList" = Request::Auth(Read(AuthRead::RoleList)),
    "AuthUserGet" = Request::Auth(Read(AuthRead::UserGet(_))),
    "AuthRoleGet" = Request::Auth(Read(AuthRead::RoleGet(_))),
    "Authenticate" = Request::Auth(Authenticate(_)),
    "AuthCheck" = Request::Auth(PasswordOf(_) | MayAdminister | IsSomebody),
}

/// Successes and failures of one kind.
#[derive(Debug)]
struct ByOutcome {
    ok: Histogram,
    failed: Histogram,
}

/// Of clients' requests and watches.
#[derive(Debug)]
pub struct RequestMetrics {
    durations: BTreeMap<&'static str, ByOutcome>,
    range: ByOutcome,
    ranges: IntCounter,
    hash: Histogram,
    backup: Histogram,
    events_sent: IntCounter,
    events_pending: IntGauge,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Kind(&'static str);

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
        let by_outcome = |kind: &str| ByOutcome {
            ok: durations.with_label_values(&[kind, "true"]),
            failed: durations.with_label_values(&[kind, "false"]),
        };
        RequestMetrics {
            durations: KINDS.iter().map(|kind| (*kind, by_outcome(kind))).collect(),
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
