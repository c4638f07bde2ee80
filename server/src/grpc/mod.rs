//! The services: decode, hand over to the member, await, encode. Nothing here knows what a request means.
//!
//! The same source runs on tonic and on the simulated tonic, so it names only what both have: listeners, limits,
//! health and reflection are the binary's (`process`).

mod auth;
mod backup;
mod call_metadata;
mod cluster;
mod election;
mod kv;
mod lease;
mod lock;
mod maintenance;
mod watch;

use crate::handle::MemberHandle;
use crate::pb;
use crate::recipes::Refusal;
use crate::wire::{self, Headers};
use call_metadata::CallMetadata;
use detcd_engine::request::{Call, IsSomebody, MayAdminister, Reply, RequestError};
use tonic::Status;
use tonic::metadata::MetadataMap;

/// Metadata that says whose certificate a connection has shown. Whoever hands calls to the services puts it there, and lets
/// no client do so.
pub const CERTIFICATE_NAME: &str = "x-detcd-certificate-name";

/// What the services are told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `--max-txn-ops`.
    pub txn_ops_max: usize,
}

/// All of a member's services: `pb::kv_server::KvServer::new(service.clone())` and its like make them ready to be
/// added to a server of either world. The two worlds' wrappers have different parameters, so none is named here.
#[derive(Clone, Debug)]
pub struct Service {
    member: MemberHandle,
    headers: Headers,
    limits: Limits,
}

/// The services of this member.
pub fn service(member: MemberHandle, limits: Limits) -> Service {
    let headers = Headers { cluster: member.cluster_id(), member: member.member_id() };
    Service { member, headers, limits }
}

/// A recipe's refusal, as etcd sends it: its recipes are a client of its own, whose errors carry no code. Where the
/// member cannot serve, the code says so all the same: clients turn to another member.
fn refused(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Request(error @ (RequestError::Stopped | RequestError::NoLeader)) => {
            wire::error::status(error)
        }
        refusal => Status::unknown(refusal.to_string()),
    }
}

impl Service {
    /// Reads a call's metadata. `hasleader: true` refuses the call at once where this member knows no leader.
    fn call_metadata(&self, metadata: &MetadataMap) -> Result<CallMetadata, Status> {
        let metadata = call_metadata::read(metadata).map_err(wire::error::status)?;
        if metadata.require_leader && self.member.status().leader.is_none() {
            return Err(wire::error::status(RequestError::NoLeader));
        }
        Ok(metadata)
    }

    /// The member, asked on behalf of a caller.
    fn member_for(&self, metadata: &MetadataMap) -> Result<MemberHandle, Status> {
        Ok(self.member.on_behalf_of(self.call_metadata(metadata)?.proof))
    }

    /// One unary request: the caller's metadata has been looked at, the request is well formed.
    async fn call<C: Call>(&self, metadata: CallMetadata, call: C) -> Result<Reply<C::Response>, Status> {
        let CallMetadata { require_leader, proof } = metadata;
        let reply = self.member.request_by(&proof, call.into_request(), require_leader).await;
        reply.map(Reply::to::<C>).map_err(wire::error::status)
    }

    /// For what the engine is not asked: only administrators may.
    async fn administrator(&self, metadata: CallMetadata) -> Result<(), Status> {
        if !self.member.status().auth_enabled {
            return Ok(());
        }
        self.call(metadata, MayAdminister).await.map(drop)
    }

    /// Likewise: every user may.
    async fn somebody(&self, metadata: CallMetadata) -> Result<(), Status> {
        if !self.member.status().auth_enabled {
            return Ok(());
        }
        self.call(metadata, IsSomebody).await.map(drop)
    }

    /// The header of an answer.
    fn header(&self, revision: i64, term: u64) -> Option<pb::ResponseHeader> {
        self.headers.at(revision, term)
    }
}
