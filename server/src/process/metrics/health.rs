//! How often and with what result the member was asked whether it is well.

use detcd::metrics::Names;
use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Registry};

/// Of `/health`, and of the checks of `/livez` and `/readyz`.
#[derive(Debug)]
pub(crate) struct HealthMetrics {
    healthy: IntCounter,
    unhealthy: IntCounter,
    result: IntGaugeVec,
    checks: IntCounterVec,
}

impl HealthMetrics {
    pub(super) fn new(registry: &Registry) -> HealthMetrics {
        let names = Names(registry);
        HealthMetrics {
            healthy: names.counter("etcd_server_health_success", "Times that /health said yes."),
            unhealthy: names.counter("etcd_server_health_failures", "Times that /health said no."),
            result: names.gauges(
                "etcd_server_healthcheck",
                "Whether a check of /livez or /readyz passed when it was made last.",
                &["type", "name"],
            ),
            checks: names.counters(
                "etcd_server_healthchecks_total",
                "Checks of /livez and /readyz, by their result.",
                &["type", "name", "status"],
            ),
        }
    }

    /// `/health` was asked.
    pub(crate) fn told(&self, is_healthy: bool) {
        if is_healthy { &self.healthy } else { &self.unhealthy }.inc();
    }

    /// A check was made for a probe.
    pub(crate) fn checked(&self, probe: &str, check: &str, has_passed: bool) {
        self.result.with_label_values(&[probe, check]).set(i64::from(has_passed));
        let status = if has_passed { "success" } else { "error" };
        self.checks.with_label_values(&[probe, check, status]).inc();
    }
}
