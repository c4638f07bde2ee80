//! What a member measures of itself as it works, under etcd's names where etcd measures the same: for Prometheus.
//!
//! A group belongs to who measures: the disk, the way to the other members, the requests and watches of clients, the
//! member's own tasks. All of a group is there from the start, at zero. Nothing that the member does depends on what it
//! measured. What the engine counts is not here: it is asked for when somebody looks (`MemberHandle::measurements`).
//!
//! docs/metrics.md lists all names, with what has no counterpart in etcd, or none here.

mod disk;
mod peers;
mod requests;
mod tasks;

pub use disk::{DiskMetrics, FileKind};
pub use peers::PeerMetrics;
pub use requests::{Kind, RequestMetrics};
pub use tasks::TaskMetrics;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};
use prometheus::{Registry, exponential_buckets};
use std::sync::Arc;

/// All of one member. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Of the real disk.
    pub disk: Arc<DiskMetrics>,
    /// Of the way to the other members.
    pub peers: Arc<PeerMetrics>,
    /// Of clients' requests and watches.
    pub requests: Arc<RequestMetrics>,
    /// Of the member's own tasks.
    pub tasks: Arc<TaskMetrics>,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let names = Names(&registry);
        let (disk, peers) = (Arc::new(DiskMetrics::new(names)), Arc::new(PeerMetrics::new(names)));
        let (requests, tasks) = (Arc::new(RequestMetrics::new(names)), Arc::new(TaskMetrics::new(names)));
        Metrics { registry, disk, peers, requests, tasks }
    }

    /// Where whoever serves the member registers what it measures itself, and where all of it is gathered.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

/// A histogram's bounds: so many, each twice the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The first.
    pub start: f64,
    /// How many, without the last one that takes all.
    pub count: usize,
}

impl Bounds {
    /// Powers of two from `start` on.
    pub const fn doubling(start: f64, count: usize) -> Bounds {
        Bounds { start, count }
    }
}

/// From a millisecond to eight seconds: what etcd measures disks and calls in.
pub const MILLISECONDS: Bounds = Bounds::doubling(0.001, 14);

/// Registers metrics by their whole names, each once.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a>(pub &'a Registry);

impl Names<'_> {
    fn register<C: Collector + Clone + 'static>(self, made: prometheus::Result<C>) -> C {
        let metric = made.expect("names and labels are written here, and well formed");
        self.0.register(Box::new(metric.clone())).expect("no name is registered twice");
        metric
    }

    /// Counts up.
    pub fn counter(self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    /// A counter for each combination of labels.
    pub fn counters(self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// Goes up and down.
    pub fn gauge(self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    /// A gauge for each combination of labels.
    pub fn gauges(self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// Counts values by how large they are.
    pub fn histogram(self, name: &str, help: &str, bounds: Bounds) -> Histogram {
        self.register(Histogram::with_opts(options(name, help, bounds)))
    }

    /// A histogram for each combination of labels.
    pub fn histograms(self, name: &str, help: &str, labels: &[&str], bounds: Bounds) -> HistogramVec {
        self.register(HistogramVec::new(options(name, help, bounds), labels))
    }
}

fn options(name: &str, help: &str, bounds: Bounds) -> HistogramOpts {
    let Bounds { start, count } = bounds;
    let buckets = exponential_buckets(start, 2.0, count).expect("bounds that grow");
    HistogramOpts::new(name, help).buckets(buckets)
}
