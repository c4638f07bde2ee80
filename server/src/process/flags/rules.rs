//! What etcd refuses only once everything is read: values that it can read and that do not go together, in its words.

use super::duration;
use super::gates;
use super::problem::Problem;
use super::reading::Reading;
use super::table::Kind;
use super::values::{Given, Origin};
use detcd::config::ServerConfig;
use detcd::url::Url;
use std::net::IpAddr;

/// etcd refuses longer elections.
const ELECTION_TIMEOUT_MS_MAX: u64 = 50_000;
/// etcd's phases.
const V2_DEPRECATION: [&str; 5] =
    ["not-yet", "write-only", "write-only-skip-check", "write-only-drop-data", "gone"];

/// Adds what is wrong.
pub(super) fn check(reading: &mut Reading<'_>, server: &ServerConfig) {
    timing(reading, server);
    first_members(reading);
    choices(reading);
    tls(reading);
    feature_gates(reading);
    let values = reading.values;
    let is_from_file = values.flags.values().any(|given| matches!(given.origin, Origin::File { .. }));
    if values.flags.contains_key("listen-client-urls")
        && !values.flags.contains_key("advertise-client-urls")
        && !is_from_file
    {
        reading
            .contradiction("--advertise-client-urls is required when --listen-client-urls is set explicitly");
    }
}

/// A URL to listen on: an address, because a name may come to mean another interface tomorrow.
pub(super) fn bound_url(text: &str, url: Option<&Url>) -> Option<String> {
    let is_bindable = |host: &str| host == "localhost" || host.parse::<IpAddr>().is_ok();
    let is_address = url.is_some_and(|url| url.host().is_none_or(is_bindable));
    (!is_address).then(|| format!("expected IP in URL for binding ({text})"))
}

pub(super) fn advertised_peer_url(text: &str, url: Option<&Url>) -> Option<String> {
    url.is_none().then(|| format!("{text:?} must be \"host:port\" (unexpected empty host ({text}))"))
}

pub(super) fn advertised_client_url(text: &str, url: Option<&Url>) -> Option<String> {
    url.is_none().then(|| {
        format!(
            "{text:?} must be in the format \"host:port\", \"unix:/path/to/socket\" or \
             \"unixs:/path/to/socket\" (unexpected empty host ({text}))"
        )
    })
}

fn timing(reading: &mut Reading<'_>, server: &ServerConfig) {
    let ServerConfig { heartbeat_interval_ms: heartbeat, election_timeout_ms: election, .. } = *server;
    if heartbeat == 0 {
        reading.contradiction("--heartbeat-interval must be >0 (set to 0ms)");
    }
    if election == 0 {
        reading.contradiction("--election-timeout must be >0 (set to 0ms)");
    } else if heartbeat.saturating_mul(5) > election {
        reading.contradiction(format!(
            "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
        ));
    }
    if election > ELECTION_TIMEOUT_MS_MAX {
        reading.contradiction(format!(
            "--election-timeout[{election}ms] is too long, and should be set less than {ELECTION_TIMEOUT_MS_MAX}ms"
        ));
    }
    let interval = reading.values.text("compact-hash-check-time");
    if duration::parse_nanos(interval) == Some(0) {
        reading.contradiction("--compact-hash-check-time must be >0 (set to 0s)");
    }
}

fn first_members(reading: &mut Reading<'_>) {
    let is_set = |flag| !reading.values.text(flag).is_empty();
    let ways = ["initial-cluster", "discovery-endpoints", "discovery-srv"];
    let (ways, token, endpoints) = (
        ways.into_iter().filter(|way| is_set(way)).count(),
        is_set("discovery-token"),
        is_set("discovery-endpoints"),
    );
    if ways > 1 {
        reading.contradiction(
            "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \
             \"discovery-endpoints\" or \"discovery-srv\"",
        );
    }
    if token != endpoints {
        reading.contradiction("both --discovery-token and --discovery-endpoints must be set");
    }
    if reading.values.text("discovery-fallback") == "proxy" {
        reading.contradiction(
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"",
        );
    }
}

fn choices(reading: &mut Reading<'_>) {
    match reading.values.text("auto-compaction-mode") {
        "periodic" | "revision" => {}
        "" => reading.contradiction("undefined auto-compaction-mode"),
        other => {
            let text = format!("unknown auto-compaction-mode {other:?}; expected periodic or revision");
            reading.contradiction(text);
        }
    }
    let phases = reading.values.text("v2-deprecation");
    if !phases.split(',').all(|phase| V2_DEPRECATION.contains(&phase)) {
        reading.wrong("v2-deprecation", &format!("some of {}", V2_DEPRECATION.join(", ")));
    }
}

fn tls(reading: &mut Reading<'_>) {
    let version = |text: &str| match text {
        "" => Ok(None),
        "TLS1.2" => Ok(Some(2)),
        "TLS1.3" => Ok(Some(3)),
        other => Err(format!("unexpected TLS version {other:?} (must be one of: TLS1.2, TLS1.3)")),
    };
    let (min, max) = (reading.values.text("tls-min-version"), reading.values.text("tls-max-version"));
    match (version(min), version(max)) {
        (Ok(least), Ok(Some(most))) if least > Some(most) => {
            reading.contradiction(format!("min version ({min}) is greater than max version ({max})"));
        }
        (Ok(Some(3)), _) if !reading.values.text("cipher-suites").is_empty() => {
            reading.contradiction("cipher suites cannot be configured when only TLS1.3 is enabled");
        }
        (least, most) => {
            for error in [least.err(), most.err()].into_iter().flatten() {
                reading.contradiction(error);
            }
        }
    }
}

fn feature_gates(reading: &mut Reading<'_>) {
    let set = match reading.values.gates_set() {
        Ok(set) => set,
        Err(problem) => return reading.problems.push(problem),
    };
    let is_on = |name: &str| set.get(name).map_or(gates::find(name).default, |(on, _)| *on);
    let has_no_checkpoint = is_on("LeaseCheckpointPersist") && !is_on("LeaseCheckpoint");
    for (name, (on, given)) in &set {
        let gate = gates::find(name);
        if let Kind::NotBuilt { what, .. } = gate.kind
            && *on != gate.default
        {
            let text = format!("{}: {name}: {what} is not available in this release", given.named());
            reading.problems.push(Problem::setting(text));
        }
    }
    if has_no_checkpoint {
        reading.contradiction(
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
        );
    }
}

/// What etcd says of a flag that goes away, or of a name that has.
pub(super) fn deprecation(given: &Given, instead: &str) -> Option<String> {
    let name = &given.name;
    match name.as_str() {
        "max-snapshots" => {
            Some("--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.".to_owned())
        }
        "v2-deprecation" => Some(
            "--v2-deprecation is deprecated and scheduled for removal in v3.8. The default value is enforced, \
             ignoring user input."
                .to_owned(),
        ),
        _ => name.starts_with("experimental-").then(|| {
            format!(
                "--{name} is deprecated in v3.6 and will be decommissioned in v3.7. Use '{instead}' instead."
            )
        }),
    }
}
