//! Which path is which method.

/// A path of the gateway.
#[derive(Debug)]
pub(super) struct Binding {
    path: &'static str,
    /// `package.Service/Method`.
    pub(super) method: &'static str,
}

const fn of(path: &'static str, method: &'static str) -> Binding {
    Binding { path, method }
}

/// Those of the methods that are there. Some have an older path besides.
pub(super) const BINDINGS: &[Binding] = &[
    of("/v3/kv/range", "etcdserverpb.KV/Range"),
    of("/v3/kv/put", "etcdserverpb.KV/Put"),
    of("/v3/kv/deleterange", "etcdserverpb.KV/DeleteRange"),
    of("/v3/kv/txn", "etcdserverpb.KV/Txn"),
    of("/v3/kv/compaction", "etcdserverpb.KV/Compact"),
    of("/v3/watch", "etcdserverpb.Watch/Watch"),
    of("/v3/lease/grant", "etcdserverpb.Lease/LeaseGrant"),
    of("/v3/lease/revoke", "etcdserverpb.Lease/LeaseRevoke"),
    of("/v3/kv/lease/revoke", "etcdserverpb.Lease/LeaseRevoke"),
    of("/v3/lease/keepalive", "etcdserverpb.Lease/LeaseKeepAlive"),
    of("/v3/lease/timetolive", "etcdserverpb.Lease/LeaseTimeToLive"),
    of("/v3/kv/lease/timetolive", "etcdserverpb.Lease/LeaseTimeToLive"),
    of("/v3/lease/leases", "etcdserverpb.Lease/LeaseLeases"),
    of("/v3/kv/lease/leases", "etcdserverpb.Lease/LeaseLeases"),
    of("/v3/cluster/member/list", "etcdserverpb.Cluster/MemberList"),
    of("/v3/maintenance/alarm", "etcdserverpb.Maintenance/Alarm"),
    of("/v3/maintenance/status", "etcdserverpb.Maintenance/Status"),
    of("/v3/maintenance/hashkv", "etcdserverpb.Maintenance/HashKV"),
    of("/v3/maintenance/snapshot", "etcdserverpb.Maintenance/Snapshot"),
    of("/v3/maintenance/defragment", "etcdserverpb.Maintenance/Defragment"),
    of("/v3/auth/enable", "etcdserverpb.Auth/AuthEnable"),
    of("/v3/auth/disable", "etcdserverpb.Auth/AuthDisable"),
    of("/v3/auth/status", "etcdserverpb.Auth/AuthStatus"),
    of("/v3/auth/authenticate", "etcdserverpb.Auth/Authenticate"),
    of("/v3/auth/user/add", "etcdserverpb.Auth/UserAdd"),
    of("/v3/auth/user/get", "etcdserverpb.Auth/UserGet"),
    of("/v3/auth/user/list", "etcdserverpb.Auth/UserList"),
    of("/v3/auth/user/delete", "etcdserverpb.Auth/UserDelete"),
    of("/v3/auth/user/changepw", "etcdserverpb.Auth/UserChangePassword"),
    of("/v3/auth/user/grant", "etcdserverpb.Auth/UserGrantRole"),
    of("/v3/auth/user/revoke", "etcdserverpb.Auth/UserRevokeRole"),
    of("/v3/auth/role/add", "etcdserverpb.Auth/RoleAdd"),
    of("/v3/auth/role/get", "etcdserverpb.Auth/RoleGet"),
    of("/v3/auth/role/list", "etcdserverpb.Auth/RoleList"),
    of("/v3/auth/role/delete", "etcdserverpb.Auth/RoleDelete"),
    of("/v3/auth/role/grant", "etcdserverpb.Auth/RoleGrantPermission"),
    of("/v3/auth/role/revoke", "etcdserverpb.Auth/RoleRevokePermission"),
    of("/v3/lock/lock", "v3lockpb.Lock/Lock"),
    of("/v3/lock/unlock", "v3lockpb.Lock/Unlock"),
    of("/v3/election/campaign", "v3electionpb.Election/Campaign"),
    of("/v3/election/proclaim", "v3electionpb.Election/Proclaim"),
    of("/v3/election/leader", "v3electionpb.Election/Leader"),
    of("/v3/election/observe", "v3electionpb.Election/Observe"),
    of("/v3/election/resign", "v3electionpb.Election/Resign"),
];

pub(super) fn find(path: &str) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.path == path)
}
