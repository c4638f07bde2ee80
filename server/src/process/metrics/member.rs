//! What a member counts and holds, and what it is: plain numbers and names of the engine's, under etcd's names.

use detcd::handle::MemberHandle;
use detcd::wire::maintenance::{CLUSTER_VERSION, ETCD_VERSION};
use detcd_engine::engine::{Counters, LEASE_TTL_CLASSES, LeaseTtls, Measurements, Status};
use detcd_engine::request::AlarmKind;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use std::time::SystemTime;

/// What is looked at.
struct Seen {
    status: Status,
    measurements: Measurements,
    reads: u64,
    /// In seconds since 1970; 0 where none was finished since the start.
    last_compaction_secs: u64,
}

impl Seen {
    fn counters(&self) -> &Counters {
        &self.measurements.counters
    }
}

/// Name, type, help, value. Some that end in `_total` are gauges: etcd has them so.
type Row = (&'static str, MetricType, &'static str, fn(&Seen) -> u64);

use MetricType::{COUNTER, GAUGE};

/// What every member knows at once.
const OF_STATUS: &[Row] = &[
    (
        "etcd_debugging_auth_revision",
        GAUGE,
        "How often users, roles or what they may do were changed.",
        |seen| seen.status.auth_revision,
    ),
    (
        "etcd_debugging_mvcc_compact_revision",
        GAUGE,
        "The oldest revision that can be read; 0 where all can.",
        |seen| u64::try_from(seen.status.compacted_revision).unwrap_or(0),
    ),
    ("etcd_debugging_mvcc_current_revision", GAUGE, "The newest revision.", |seen| {
        seen.status.revision.unsigned_abs()
    }),
    (
        "etcd_mvcc_db_total_size_in_bytes",
        GAUGE,
        "What keys, values and their history take. detcd has no file that grows beyond it.",
        |seen| seen.status.state_bytes,
    ),
    (
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        GAUGE,
        "What of it the newest versions take: the rest is history, which a compaction gives back.",
        |seen| seen.status.live_bytes,
    ),
    (
        "etcd_debugging_mvcc_db_compaction_last",
        GAUGE,
        "When the memory was given back of what a compaction forgot, in seconds since 1970; 0 where it was not yet.",
        |seen| seen.last_compaction_secs,
    ),
    ("etcd_server_has_leader", GAUGE, "Whether this member knows a leader.", |seen| {
        u64::from(seen.status.leader.is_some())
    }),
    ("etcd_server_is_leader", GAUGE, "Whether this member leads.", |seen| u64::from(seen.status.is_leader)),
    ("etcd_server_is_learner", GAUGE, "Whether this member only listens.", |seen| {
        u64::from(seen.status.is_learner)
    }),
    ("etcd_server_proposals_applied_total", GAUGE, "The last entry of the log that was applied.", |seen| {
        seen.status.applied
    }),
    (
        "etcd_server_proposals_committed_total",
        GAUGE,
        "The last entry of the log that is committed.",
        |seen| seen.status.committed,
    ),
    ("etcd_server_quota_backend_bytes", GAUGE, "--quota-backend-bytes.", |seen| seen.status.quota_bytes),
];

/// What the main loop is asked for.
const OF_MEASUREMENTS: &[Row] = &[
    ("etcd_debugging_lease_granted_total", COUNTER, "Leases granted.", |seen| seen.counters().leases_granted),
    ("etcd_debugging_lease_renewed_total", COUNTER, "Keepalives answered while this member led.", |seen| {
        seen.counters().leases_renewed
    }),
    ("etcd_debugging_lease_revoked_total", COUNTER, "Leases ended, by clients or by time.", |seen| {
        seen.counters().leases_ended
    }),
    ("etcd_debugging_server_lease_expired_total", COUNTER, "Leases ended by time.", |seen| {
        seen.counters().leases_expired
    }),
    (
        "etcd_debugging_mvcc_db_compaction_keys_total",
        COUNTER,
        "Versions whose memory was given back.",
        |seen| seen.counters().compacted_versions,
    ),
    ("etcd_debugging_mvcc_keys_total", GAUGE, "Keys that are there.", |seen| seen.measurements.keys),
    ("etcd_debugging_mvcc_slow_watcher_total", GAUGE, "Watchers that were not sent all yet.", |seen| {
        seen.measurements.slow_watchers
    }),
    ("etcd_debugging_mvcc_total_put_size_in_bytes", GAUGE, "Keys and values of all puts.", |seen| {
        seen.counters().put_bytes
    }),
    ("etcd_debugging_mvcc_watch_stream_total", GAUGE, "Watch streams.", |seen| {
        seen.measurements.watch_streams
    }),
    ("etcd_debugging_mvcc_watcher_total", GAUGE, "Watchers.", |seen| seen.measurements.watchers),
    ("etcd_mvcc_delete_total", COUNTER, "DeleteRanges applied.", |seen| seen.counters().deletes),
    ("etcd_mvcc_put_total", COUNTER, "Puts applied.", |seen| seen.counters().puts),
    ("etcd_mvcc_range_total", COUNTER, "Ranges evaluated here, and those of transactions applied.", |seen| {
        seen.counters().txn_ranges + seen.reads
    }),
    ("etcd_mvcc_txn_total", COUNTER, "Transactions applied that did several things.", |seen| {
        seen.counters().txns
    }),
    ("etcd_server_leader_changes_seen_total", COUNTER, "How often another leader was seen.", |seen| {
        seen.counters().leader_changes
    }),
    ("etcd_server_proposals_failed_total", COUNTER, "Clients' commands whose time was over.", |seen| {
        seen.counters().proposals_failed
    }),
    ("etcd_server_proposals_pending", GAUGE, "Clients' commands that wait to be applied.", |seen| {
        seen.measurements.proposals_pending
    }),
    ("etcd_server_read_indexes_failed_total", COUNTER, "Reads that no leader confirmed in time.", |seen| {
        seen.counters().reads_failed
    }),
];

/// `measurements` are left out where the main loop did not tell them.
pub(super) fn families(member: &MemberHandle, measurements: Option<Measurements>) -> Vec<MetricFamily> {
    let has_measurements = measurements.is_some();
    let seen = Seen {
        status: member.status(),
        measurements: measurements.unwrap_or_default(),
        reads: member.metrics().requests.reads(),
        last_compaction_secs: member.metrics().tasks.since_compaction().map_or(0, |since| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            now.saturating_sub(since).as_secs()
        }),
    };
    let rows = OF_STATUS.iter().chain(if has_measurements { OF_MEASUREMENTS } else { &[] });
    let mut families: Vec<MetricFamily> = rows
        .map(|(name, kind, help, value)| family(name, *kind, help, vec![number(*kind, value(&seen) as f64)]))
        .collect();
    if has_measurements {
        families.push(lease_ttls(&seen.counters().lease_ttls));
    }
    families.extend(names(member, &seen.status));
    families
}

/// What is told by labels.
fn names(member: &MemberHandle, status: &Status) -> Vec<MetricFamily> {
    let one =
        |name, help, label: &str, value: &str| family(name, GAUGE, help, vec![labelled(&[(label, value)])]);
    let id = member.member_id().to_string();
    let mut names = vec![
        one("etcd_server_id", "This member.", "server_id", &id),
        one(
            "etcd_server_version",
            "What this member answers as its version.",
            "server_version",
            ETCD_VERSION,
        ),
    ];
    if status.is_ready {
        names.push(one("etcd_cluster_version", "The cluster's version.", "cluster_version", CLUSTER_VERSION));
    }
    if !status.alarms.is_empty() {
        let raised = status.alarms.iter().map(|alarm| {
            let kind = match alarm.kind {
                AlarmKind::NoSpace => "NOSPACE",
                AlarmKind::Corrupt => "CORRUPT",
            };
            labelled(&[("server_id", &alarm.member.to_string()), ("alarm_type", kind)])
        });
        names.push(family(
            "etcd_debugging_server_alarms",
            GAUGE,
            "Alarms that are raised.",
            raised.collect(),
        ));
    }
    names
}

fn lease_ttls(ttls: &LeaseTtls) -> MetricFamily {
    let mut histogram = Histogram::default();
    let mut below = 0;
    let bucket = |class: usize| {
        below += ttls.classes[class];
        let mut bucket = Bucket::default();
        bucket.set_upper_bound((1_u64 << class) as f64);
        bucket.set_cumulative_count(below);
        bucket
    };
    histogram.set_bucket((0..LEASE_TTL_CLASSES).map(bucket).collect());
    histogram.set_sample_count(ttls.classes.iter().sum());
    histogram.set_sample_sum(ttls.sum_secs as f64);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    family(
        "etcd_debugging_lease_ttl_total",
        MetricType::HISTOGRAM,
        "TTLs that leases were granted with.",
        vec![metric],
    )
}

fn family(name: &str, kind: MetricType, help: &str, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn number(kind: MetricType, value: f64) -> Metric {
    let mut metric = Metric::default();
    if kind == COUNTER {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}

/// A gauge of 1 that is there for its labels.
fn labelled(labels: &[(&str, &str)]) -> Metric {
    let mut metric = number(GAUGE, 1.0);
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    metric.set_label(labels.iter().map(pair).collect());
    metric
}
