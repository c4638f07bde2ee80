//! `/health`, `/livez`, `/readyz` and `/version`: what says whether a member serves, and as which release.
//!
//! `/health` asks what a client would: alarms, then the leader, then a read. The probes are lists of checks, each of which
//! can be asked for alone; an alarm for lack of space fails none of them, as the member still serves reads.

use super::query;
use super::reply;
use crate::process::metrics::HealthMetrics;
use crate::process::probe;
use bytes::Bytes;
use detcd::handle::MemberHandle;
use detcd::wire::maintenance::{CLUSTER_VERSION, ETCD_VERSION, STORAGE_VERSION};
use detcd_engine::request::AlarmKind;
use http::Response;
use http::request::Parts;
use std::fmt::Write;
use tracing::warn;

/// One thing that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
    NonLearner,
}

use Check::{DataCorruption, LinearizableRead, NonLearner, SerializableRead};

/// Each probe with its checks.
const PROBES: [(&str, &[Check]); 2] = [
    ("livez", &[SerializableRead]),
    ("readyz", &[DataCorruption, SerializableRead, LinearizableRead, NonLearner]),
];

impl Check {
    fn name(self) -> &'static str {
        match self {
            DataCorruption => "data_corruption",
            SerializableRead => "serializable_read",
            LinearizableRead => "linearizable_read",
            NonLearner => "non_learner",
        }
    }

    async fn run(self, member: &MemberHandle) -> Result<(), String> {
        match self {
            DataCorruption => {
                let alarms = member.status().alarms;
                match alarms.iter().any(|alarm| alarm.kind == AlarmKind::Corrupt) {
                    true => Err(format!("alarm activated: {}", alarm_name(AlarmKind::Corrupt))),
                    false => Ok(()),
                }
            }
            SerializableRead => probe::read(member, true).await.map_err(|error| error.to_string()),
            LinearizableRead => probe::read(member, false).await.map_err(|error| error.to_string()),
            NonLearner if member.status().is_learner => Err("not supported for learner".to_owned()),
            NonLearner => Ok(()),
        }
    }
}

fn alarm_name(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::NoSpace => "NOSPACE",
        AlarmKind::Corrupt => "CORRUPT",
    }
}

/// `/version`.
pub(super) fn version(member: &MemberHandle, request: &Parts) -> Response<Bytes> {
    if let Some(refusal) = reply::only_get(&request.method) {
        return refusal;
    }
    // Those of a cluster are decided with its first leader.
    let (cluster, storage) = match member.status().is_ready {
        true => (CLUSTER_VERSION, STORAGE_VERSION),
        false => ("not_decided", "unknown"),
    };
    reply::json(format!(
        "{{\"etcdserver\":\"{ETCD_VERSION}\",\"etcdcluster\":\"{cluster}\",\"storage\":\"{storage}\"}}"
    ))
}

/// `/health`.
pub(super) async fn health(
    member: &MemberHandle,
    metrics: &HealthMetrics,
    request: &Parts,
) -> Response<Bytes> {
    if let Some(refusal) = reply::only_get(&request.method) {
        return refusal;
    }
    let excluded = query(request, "exclude");
    let serializable = query(request, "serializable").first().is_some_and(|value| value == "true");
    let status = member.status();
    let alarm =
        status.alarms.iter().find(|alarm| !excluded.iter().any(|name| name == alarm_name(alarm.kind)));
    let reason = if let Some(alarm) = alarm {
        format!("ALARM {}", alarm_name(alarm.kind))
    } else if !serializable && status.leader.is_none() {
        "RAFT NO LEADER".to_owned()
    } else if let Err(error) = probe::read(member, serializable).await {
        format!("RANGE ERROR:{error}")
    } else {
        metrics.told(true);
        return reply::text(200, "{\"health\":\"true\",\"reason\":\"\"}");
    };
    metrics.told(false);
    warn!(reason, "serving /health false");
    reply::error(503, &format!("{{\"health\":\"false\",\"reason\":\"{reason}\"}}"))
}

/// `/livez`, `/readyz`, and each of their checks below them; `None` for any other path.
pub(super) async fn probe(
    member: &MemberHandle,
    metrics: &HealthMetrics,
    path: &str,
    request: &Parts,
) -> Option<Response<Bytes>> {
    let mut segments = path.strip_prefix('/')?.split('/');
    let name = segments.next()?;
    let (_, checks) = PROBES.iter().find(|(probe, _)| *probe == name)?;
    let (excluded, checks) = match (segments.next(), segments.next()) {
        (None, _) => (query(request, "exclude"), checks.to_vec()),
        (Some(check), None) => (Vec::new(), vec![*checks.iter().find(|known| known.name() == check)?]),
        (Some(_), Some(_)) => return None,
    };
    if let Some(refusal) = reply::only_get(&request.method) {
        return Some(refusal);
    }
    let (mut lines, mut all_passed) = (String::new(), true);
    for check in checks.into_iter().filter(|check| !excluded.iter().any(|name| name == check.name())) {
        let result = check.run(member).await;
        metrics.checked(name, check.name(), result.is_ok());
        let line = match result {
            Ok(()) => writeln!(lines, "[+]{} ok", check.name()),
            Err(reason) => {
                all_passed = false;
                writeln!(lines, "[-]{} failed: {reason}", check.name())
            }
        };
        line.expect("a string takes all");
    }
    if !all_passed {
        warn!(path, reason = lines, "Health check error");
        return Some(reply::error(503, &lines));
    }
    let is_verbose = !query(request, "verbose").is_empty();
    Some(reply::checked(format!("{}ok\n", if is_verbose { lines.as_str() } else { "" })))
}
