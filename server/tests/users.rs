//! Users, seen by their clients: what each kind of caller is answered to each call, at every member, after restarts too.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;

use detcd::pb::auth_client::AuthClient;
use detcd::pb::authpb::Permission;
use detcd::pb::cluster_client::ClusterClient;
use detcd::pb::kv_client::KvClient;
use detcd::pb::lease_client::LeaseClient;
use detcd::pb::maintenance_client::MaintenanceClient;
use detcd::pb::v3lockpb::lock_client::LockClient;
use detcd::pb::{self, v3lockpb};
use processes::{Cluster, Process, eventually, local_range, put};
use std::future::Future;
use std::pin::Pin;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// Hashing costs least so: these tests are not about that.
const CHEAP: &[&str] = &["--bcrypt-cost=4"];

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Who {
    Nobody,
    /// With a token that was never issued.
    Liar,
    /// May read what begins with `p/`.
    Reader,
    /// May read and write that.
    Owner,
    Root,
}

const EVERYBODY: [Who; 5] = [Who::Nobody, Who::Liar, Who::Reader, Who::Owner, Who::Root];

/// The tokens of those who have one.
struct Tokens {
    reader: String,
    owner: String,
    root: String,
}

impl Tokens {
    fn sign<T>(&self, who: Who, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let token = match who {
            Who::Nobody => return request,
            Who::Liar => "abcdefghijklmnop.1",
            Who::Reader => &self.reader,
            Who::Owner => &self.owner,
            Who::Root => &self.root,
        };
        request.metadata_mut().insert("token", token.parse().unwrap());
        request
    }
}

async fn log_in(member: &Process, name: &str, password: &str) -> Result<String, Status> {
    let asked = pb::AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
    AuthClient::new(member.channel()).authenticate(asked).await.map(|told| told.into_inner().token)
}

async fn log_all_in(member: &Process) -> Tokens {
    Tokens {
        reader: log_in(member, "reader", "r").await.unwrap(),
        owner: log_in(member, "owner", "o").await.unwrap(),
        root: log_in(member, "root", "hush").await.unwrap(),
    }
}

/// Users `root`, `reader` and `owner`, each with a role of that name, and auth on.
async fn set_up(member: &Process) -> Tokens {
    let mut auth = AuthClient::new(member.channel());
    for (name, password) in [("root", "hush"), ("reader", "r"), ("owner", "o")] {
        let (name, password) = (name.to_owned(), password.to_owned());
        auth.user_add(pb::AuthUserAddRequest { name: name.clone(), password, ..Default::default() })
            .await
            .unwrap();
        auth.role_add(pb::AuthRoleAddRequest { name: name.clone() }).await.unwrap();
        auth.user_grant_role(pb::AuthUserGrantRoleRequest { user: name.clone(), role: name }).await.unwrap();
    }
    for (name, perm_type) in [("reader", 0), ("owner", 2)] {
        let perm = Some(Permission { perm_type, key: "p/".into(), range_end: "p0".into() });
        let grant = pb::AuthRoleGrantPermissionRequest { name: name.to_owned(), perm };
        auth.role_grant_permission(grant).await.unwrap();
    }
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    log_all_in(member).await
}

type Answered = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;
type Call = Box<dyn Fn(Channel, &Tokens, Who) -> Answered>;

/// A unary call, ready to be made by anybody.
macro_rules! call {
    ($client:ident . $method:ident, $message:expr) => {
        (stringify!($method), {
            let message = $message;
            Box::new(move |channel: Channel, tokens: &Tokens, who: Who| -> Answered {
                let request = tokens.sign(who, message.clone());
                Box::pin(async move { $client::new(channel).$method(request).await.map(|_: Response<_>| ()) })
            }) as Call
        })
    };
}

/// Calls, and who is served: the reader, the owner, root. Nobody is not, and no liar.
fn calls() -> Vec<((&'static str, Call), [bool; 3])> {
    let name = || "reader".to_owned();
    let (all, readers, owners, roots) =
        ([true, true, true], [true, true, true], [false, true, true], [false, false, true]);
    let delete = |prev_kv| pb::DeleteRangeRequest { key: "p/x".into(), prev_kv, ..Default::default() };
    let lease = |id| pb::LeaseGrantRequest { id, ttl: 1000 };
    vec![
        (call!(KvClient.range, local_range("p/")), readers),
        (call!(KvClient.range, pb::RangeRequest { serializable: false, ..local_range("p/") }), readers),
        (call!(KvClient.range, local_range("q/")), roots),
        (call!(KvClient.put, put("p/a", "1")), owners),
        (call!(KvClient.put, put("q/a", "1")), roots),
        (call!(KvClient.put, pb::PutRequest { lease: 77, ..put("p/a", "1") }), roots),
        (call!(KvClient.delete_range, delete(true)), owners),
        (call!(KvClient.compact, pb::CompactionRequest { revision: 1, physical: false }), roots),
        (call!(LeaseClient.lease_grant, lease(0)), all),
        (call!(LeaseClient.lease_time_to_live, pb::LeaseTimeToLiveRequest { id: 77, keys: false }), all),
        (call!(LeaseClient.lease_time_to_live, pb::LeaseTimeToLiveRequest { id: 77, keys: true }), roots),
        (call!(LeaseClient.lease_leases, pb::LeaseLeasesRequest {}), roots),
        (call!(ClusterClient.member_list, pb::MemberListRequest { linearizable: true }), all),
        (call!(ClusterClient.member_list, pb::MemberListRequest { linearizable: false }), all),
        (call!(MaintenanceClient.status, pb::StatusRequest {}), all),
        (call!(MaintenanceClient.alarm, pb::AlarmRequest::default()), all),
        (call!(MaintenanceClient.alarm, pb::AlarmRequest { action: 2, alarm: 1, member_id: 0 }), roots),
        (call!(MaintenanceClient.alarm, pb::AlarmRequest { action: 2, alarm: 0, member_id: 0 }), roots),
        (call!(LockClient.lock, v3lockpb::LockRequest { name: "p/lock".into(), lease: 78 }), owners),
        (call!(LockClient.unlock, v3lockpb::UnlockRequest { key: "p/lock/4e".into() }), owners),
        (call!(LockClient.unlock, v3lockpb::UnlockRequest { key: "q/lock/4e".into() }), roots),
        (call!(AuthClient.user_list, pb::AuthUserListRequest {}), roots),
        (call!(AuthClient.role_list, pb::AuthRoleListRequest {}), roots),
        (call!(AuthClient.user_get, pb::AuthUserGetRequest { name: name() }), [true, false, true]),
        (call!(AuthClient.role_get, pb::AuthRoleGetRequest { role: name() }), [true, false, true]),
        (call!(AuthClient.auth_enable, pb::AuthEnableRequest {}), roots),
        (
            call!(AuthClient.user_grant_role, pb::AuthUserGrantRoleRequest { user: name(), role: name() }),
            roots,
        ),
    ]
}

#[tokio::test]
async fn every_call_is_answered_by_who_it_is_from() {
    let cluster = Cluster::alone(CHEAP).await;
    let member = &cluster.members[0];
    for id in [77, 78] {
        LeaseClient::new(member.channel())
            .lease_grant(pb::LeaseGrantRequest { id, ttl: 1000 })
            .await
            .unwrap();
    }
    member.kv().put(pb::PutRequest { lease: 77, ..put("q/leased", "1") }).await.unwrap();
    let tokens = set_up(member).await;
    for ((name, call), served) in calls() {
        for who in EVERYBODY {
            let answered = call(member.channel(), &tokens, who).await;
            let expected = match who {
                // The recipes' refusals come without a code, as etcd's do.
                Who::Nobody => "etcdserver: user name is empty",
                Who::Liar => "etcdserver: invalid auth token",
                Who::Reader if !served[0] => "etcdserver: permission denied",
                Who::Owner if !served[1] => "etcdserver: permission denied",
                Who::Root if !served[2] => "etcdserver: permission denied",
                Who::Reader | Who::Owner | Who::Root => "",
            };
            let found = answered.as_ref().err().map_or("", |status| status.message());
            assert_eq!(found, expected, "{name} by {who:?}");
        }
    }
    let log = member.log();
    for secret in [&tokens.root, &tokens.owner, "$2a$", "hush"] {
        assert!(!log.contains(secret), "a secret in the log");
    }
}

#[tokio::test]
async fn rights_are_the_same_at_every_member_and_after_a_restart() {
    let mut cluster = Cluster::of_three(CHEAP).await;
    let leader = cluster.leader().await;
    let tokens = set_up(&cluster.members[0]).await;
    for member in &cluster.members {
        // A token of another member's is waited for.
        member.kv().put(tokens.sign(Who::Owner, put("p/a", "1"))).await.unwrap();
        let refused = member.kv().put(tokens.sign(Who::Reader, put("p/a", "2"))).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::PermissionDenied, "etcdserver: permission denied")
        );
        let refused = member.kv().put(put("p/a", "2")).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::InvalidArgument, "etcdserver: user name is empty")
        );
    }
    cluster.members[leader].kill();
    cluster.members[leader].start();
    let restarted = &cluster.members[leader];
    eventually("it to serve", || async { log_in(restarted, "root", "hush").await.ok() }).await;
    let refused = restarted.kv().put(tokens.sign(Who::Owner, put("p/a", "3"))).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unauthenticated, "etcdserver: invalid auth token")
    );
    let tokens = log_all_in(restarted).await;
    restarted.kv().put(tokens.sign(Who::Owner, put("p/a", "3"))).await.unwrap();
    // A role that goes takes its grants along, at once and everywhere; a password that changes, the tokens.
    let delete = pb::AuthRoleDeleteRequest { role: "owner".to_owned() };
    AuthClient::new(restarted.channel()).role_delete(tokens.sign(Who::Root, delete)).await.unwrap();
    let refused = restarted.kv().put(tokens.sign(Who::Owner, put("p/a", "4"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let (name, password) = ("owner".to_owned(), "other".to_owned());
    let change = pb::AuthUserChangePasswordRequest { name, password, ..Default::default() };
    let mut auth = AuthClient::new(restarted.channel());
    auth.user_change_password(tokens.sign(Who::Root, change)).await.unwrap();
    let refused = restarted.kv().put(tokens.sign(Who::Owner, put("p/a", "4"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(log_in(restarted, "owner", "o").await.unwrap_err().code(), Code::InvalidArgument);
    log_in(restarted, "owner", "other").await.unwrap();
    cluster.agreed().await;
}
