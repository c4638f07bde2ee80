//! A snapshot: what was written is what is read. Only what a reader could still ask for has to be in it.

use super::cluster::Cluster;
use super::key_range::KeyRange;
use super::lease::Lease;
use super::mvcc::Version;
use super::request::KeyValue;

/// Everything that a state is made of, and nothing of how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The newest revision.
    pub revision: i64,
    /// The oldest readable one.
    pub compacted: i64,
    /// Every version that a read or a watch may still ask for, oldest first.
    pub versions: Vec<Version>,
    /// The leases by id.
    pub leases: Vec<Lease>,
    /// How many grants there ever were.
    pub grants: u64,
    /// The keys that hang on a lease, in order.
    pub attached: Vec<KeyValue>,
}

/// What a snapshot of this state holds, and what a state made of that snapshot is.
pub fn of(cluster: &Cluster) -> Snapshot {
    let mut attached = cluster.store.now(&KeyRange::all());
    attached.retain(|is| is.lease != 0);
    Snapshot {
        revision: cluster.store.revision(),
        compacted: cluster.store.compacted(),
        versions: cluster.store.kept(),
        leases: cluster.leases.all(),
        grants: cluster.leases.grants(),
        attached,
    }
}
