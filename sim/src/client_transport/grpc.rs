//! gRPC, over madsim's network, from the machine that a client runs on. Each client has its own
//! transport, with its own open streams.
//!
//! madsim-tonic passes messages without encoding them. Here they are encoded and decoded all the same, in both
//! directions: the encoding of the server's hand-written messages is part of what is tested.

mod errors;
mod messages;
mod replies;
mod requests;
mod streams;

use super::{ClientTransport, Loss, WatchFeed};
use crate::cluster::Cluster;
use crate::random::Stream;
use crate::served::Served;
use detcd_engine::request::{LeaseId, Reply, Request, Response};
use madsim::time::sleep;
use messages::{encoded_and_decoded, with_metadata};
use replies::Headers;
use server_sim::clock::BoxFuture;
use server_sim::pb;
use server_sim::wire::EncodedTxn;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use streams::{Feed, KeepAlives};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// How long a call to a member that is down takes to fail.
const TURNED_AWAY: Duration = Duration::from_millis(2);

/// One client's channels to the members of a cluster that serves gRPC.
#[derive(Clone)]
pub struct Grpc(Arc<Inner>);

struct Inner {
    cluster: Cluster,
    served: Served,
    stream: Mutex<Stream>,
    /// Open, unused streams of keepalives, by address and `hasleader`.
    keep_alives: Mutex<BTreeMap<(SocketAddr, bool), Vec<KeepAlives>>>,
}

impl Grpc {
    /// To these members. `stream` draws which keepalives share a stream.
    pub fn new(cluster: Cluster, served: Served, stream: Stream) -> Grpc {
        let (stream, keep_alives) = (Mutex::new(stream), Mutex::default());
        Grpc(Arc::new(Inner { cluster, served, stream, keep_alives }))
    }

    fn headers(&self, member: usize) -> Headers {
        Headers { cluster: self.0.cluster.cluster_id(), member: self.0.cluster.id(member) }
    }

    async fn call(
        self,
        member: usize,
        address: SocketAddr,
        request: Request,
        require_leader: bool,
    ) -> Result<Reply, Status> {
        let headers = self.headers(member);
        match request {
            Request::LeaseKeepAlive(id) => {
                let answer = self.keep_alive(address, id, require_leader).await?;
                let response = Response::LeaseKeepAlive { id: LeaseId(answer.id), ttl_secs: answer.ttl };
                Ok(headers.reply(answer.header, response))
            }
            request => unary(headers, channel(address), request, require_leader).await,
        }
    }

    async fn keep_alive(
        self,
        address: SocketAddr,
        id: LeaseId,
        require_leader: bool,
    ) -> Result<pb::LeaseKeepAliveResponse, Status> {
        let lone = self.0.served.lone_keepalives_per_million;
        if self.0.stream.lock().expect("no panic while it is held").happens(lone) {
            return KeepAlives::open(channel(address), require_leader).await?.ask_once(id).await;
        }
        let place = (address, require_leader);
        let idle = self.lock().entry(place).or_default().pop();
        let mut stream = match idle {
            Some(stream) => stream,
            None => KeepAlives::open(channel(address), require_leader).await?,
        };
        let answer = stream.ask(id).await?;
        self.lock().entry(place).or_default().push(stream);
        Ok(answer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(SocketAddr, bool), Vec<KeepAlives>>> {
        self.0.keep_alives.lock().expect("no panic while it is held")
    }
}

impl ClientTransport for Grpc {
    fn members(&self) -> usize {
        self.0.cluster.size()
    }

    fn ask(
        &self,
        member: usize,
        request: Request,
        require_leader: bool,
    ) -> BoxFuture<'static, Result<Reply, Loss>> {
        let transport = self.clone();
        Box::pin(async move {
            let answer = match transport.0.cluster.address(member) {
                Some(address) => {
                    let answer = transport.call(member, address, request, require_leader).await;
                    answer.map_err(|status| errors::loss(&status))
                }
                None => Err(Loss::NotDone),
            };
            if matches!(answer, Err(Loss::NotDone | Loss::SentAway)) {
                sleep(TURNED_AWAY).await;
            }
            answer
        })
    }

    fn watch(&self, member: usize, require_leader: bool) -> BoxFuture<'static, Option<Box<dyn WatchFeed>>> {
        let transport = self.clone();
        Box::pin(async move {
            let address = transport.0.cluster.address(member)?;
            let (headers, window) = (transport.headers(member), transport.0.served.window);
            let feed = Feed::open(channel(address), headers, require_leader, window).await.ok()?;
            Some(Box::new(feed) as Box<dyn WatchFeed>)
        })
    }
}

/// Every call connects anew: madsim-tonic keeps no connections.
fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("an address is a URL").connect_lazy()
}

async fn unary(
    headers: Headers,
    channel: Channel,
    request: Request,
    require_leader: bool,
) -> Result<Reply, Status> {
    // Each the same: encode, call, decode.
    macro_rules! call {
        ($client:ident :: $Client:ident . $method:ident, $message:expr) => {{
            let request = with_metadata(encoded_and_decoded($message), require_leader);
            encoded_and_decoded(pb::$client::$Client::new(channel).$method(request).await?.into_inner())
        }};
    }
    Ok(match request {
        Request::Range(range) => {
            let answer = call!(kv_client::KvClient.range, requests::range(range));
            headers.reply(answer.header, Response::Range(replies::range(answer)))
        }
        Request::Put(put) => {
            let answer = call!(kv_client::KvClient.put, requests::put(put));
            headers.reply(answer.header, Response::Put(answer.prev_kv.as_ref().map(replies::record)))
        }
        Request::DeleteRange(delete) => {
            let answer = call!(kv_client::KvClient.delete_range, requests::delete_range(delete));
            headers.reply(answer.header, Response::DeleteRange(replies::delete_range(answer)))
        }
        Request::Txn(txn) => {
            let answer = call!(kv_client::KvClient.txn, EncodedTxn::from(requests::txn(txn.clone())));
            headers.reply(answer.header, Response::Txn(replies::txn(answer, &txn)))
        }
        Request::Compact(compact) => {
            let answer = call!(kv_client::KvClient.compact, requests::compact(compact));
            headers.reply(answer.header, Response::Compact)
        }
        Request::LeaseGrant(grant) => {
            let answer = call!(lease_client::LeaseClient.lease_grant, requests::lease_grant(grant));
            headers.reply(answer.header, Response::LeaseGrant(replies::lease_grant(&answer)))
        }
        Request::LeaseRevoke(id) => {
            let message = pb::LeaseRevokeRequest { id: id.0 };
            let answer = call!(lease_client::LeaseClient.lease_revoke, message);
            headers.reply(answer.header, Response::LeaseRevoke)
        }
        Request::LeaseTimeToLive(asked_for) => {
            let message = requests::lease_time_to_live(asked_for);
            let answer = call!(lease_client::LeaseClient.lease_time_to_live, message);
            headers.reply(answer.header, Response::LeaseTimeToLive(replies::lease_time_to_live(answer)))
        }
        Request::LeaseLeases => {
            let answer = call!(lease_client::LeaseClient.lease_leases, pb::LeaseLeasesRequest {});
            let leases = answer.leases.iter().map(|lease| LeaseId(lease.id)).collect();
            headers.reply(answer.header, Response::LeaseLeases(leases))
        }
        Request::MemberList { linearizable } => {
            let message = pb::MemberListRequest { linearizable };
            let answer = call!(cluster_client::ClusterClient.member_list, message);
            headers.reply(answer.header, Response::MemberList(replies::members(answer.members)))
        }
        Request::Alarm(alarm) => {
            let answer = call!(maintenance_client::MaintenanceClient.alarm, requests::alarm(alarm));
            headers.reply(answer.header, Response::Alarm(replies::alarms(&answer.alarms)))
        }
        Request::Auth(_) => unreachable!("no workload has users"),
        Request::LeaseKeepAlive(_) => unreachable!("keepalives have streams"),
    })
}
