//! Which path is which method.

/// A path of the gateway.
#[derive(Debug)]
pub(super) struct Binding {
    path: &'static str,
    /// `package.Service/Method`.
    pub(super) method: &'static str,
    /// Whether messages come in a stream and answers go in one: a line of JSON each.
    pub(super) is_stream: bool,
}

const fn unary(path: &'static str, method: &'static str) -> Binding {
    Binding { path, method, is_stream: false }
}

const fn stream(path: &'static str, method: &'static str) -> Binding {
    Binding { path, method, is_stream: true }
}

/// Those of the methods that are there. Some have an older path besides.
pub(super) const BINDINGS: &[Binding] = &[
    unary("/v3/kv/range", "etcdserverpb.KV/Range"),
    unary("/v3/kv/put", "etcdserverpb.KV/Put"),
    unary("/v3/kv/deleterange", "etcdserverpb.KV/DeleteRange"),
    unary("/v3/kv/txn", "etcdserverpb.KV/Txn"),
    unary("/v3/kv/compaction", "etcdserverpb.KV/Compact"),
    stream("/v3/watch", "etcdserverpb.Watch/Watch"),
    unary("/v3/lease/grant", "etcdserverpb.Lease/LeaseGrant"),
    unary("/v3/lease/revoke", "etcdserverpb.Lease/LeaseRevoke"),
    unary("/v3/kv/lease/revoke", "etcdserverpb.Lease/LeaseRevoke"),
    stream("/v3/lease/keepalive", "etcdserverpb.Lease/LeaseKeepAlive"),
    unary("/v3/lease/timetolive", "etcdserverpb.Lease/LeaseTimeToLive"),
    unary("/v3/kv/lease/timetolive", "etcdserverpb.Lease/LeaseTimeToLive"),
    unary("/v3/lease/leases", "etcdserverpb.Lease/LeaseLeases"),
    unary("/v3/kv/lease/leases", "etcdserverpb.Lease/LeaseLeases"),
    unary("/v3/cluster/member/list", "etcdserverpb.Cluster/MemberList"),
    unary("/v3/maintenance/alarm", "etcdserverpb.Maintenance/Alarm"),
    unary("/v3/maintenance/status", "etcdserverpb.Maintenance/Status"),
];

pub(super) fn find(path: &str) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.path == path)
}
