//! What Prometheus is told: what the member measures (`detcd::metrics`), what it counts and holds (`member`), calls
//! (`calls`), and the process.

mod calls;
pub(crate) mod counted;
mod health;
mod member;

pub(crate) use calls::{Call, CallMetrics, MethodMetrics};
pub(crate) use health::HealthMetrics;

use detcd::handle::MemberHandle;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};
use std::sync::Arc;
use std::time::Duration;

/// What the text is, for HTTP.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// For what only the main loop knows. One that is held up longer is left out, and the rest is told.
const MAIN_LOOP_TIMEOUT: Duration = Duration::from_secs(1);

/// What serving a member measures.
#[derive(Debug)]
pub(crate) struct ServingMetrics {
    pub(crate) calls: Arc<CallMetrics>,
    pub(crate) health: HealthMetrics,
}

impl ServingMetrics {
    /// `is_extensive`: how long calls take, too.
    pub(crate) fn new(registry: &Registry, is_extensive: bool) -> ServingMetrics {
        ServingMetrics {
            calls: CallMetrics::new(registry, is_extensive),
            health: HealthMetrics::new(registry),
        }
    }
}

/// All of it, in Prometheus' text format.
pub(crate) async fn text(member: &MemberHandle) -> String {
    let measurements = tokio::time::timeout(MAIN_LOOP_TIMEOUT, member.measurements()).await.ok().flatten();
    let mut families = member.metrics().registry().gather();
    families.extend(member::families(member, measurements));
    let process = ProcessCollector::for_self().collect();
    families.extend(process.iter().filter_map(as_etcd_names_it));
    families.extend(process);
    families.sort_by(|one, next| one.name().cmp(next.name()));
    TextEncoder::new().encode_to_string(&families).expect("names and labels are well formed")
}

/// etcd tells the process' open files under names of its own, too.
fn as_etcd_names_it(family: &MetricFamily) -> Option<MetricFamily> {
    let (name, help) = match family.name() {
        "process_open_fds" => ("os_fd_used", "Open file descriptors."),
        "process_max_fds" => ("os_fd_limit", "How many there may be."),
        _ => return None,
    };
    let mut family = family.clone();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    Some(family)
}
