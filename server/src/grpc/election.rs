//! Service Election.

use super::Service;
use crate::pb::v3electionpb as pb;
use crate::recipes::{self, Leadership, Observer, Refusal};
use crate::wire::KeyValue;
use detcd_engine::request::{LeaseId, Reply};
use futures_util::stream;
use std::pin::Pin;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl pb::election_server::Election for Service {
    type ObserveStream = Pin<Box<dyn Stream<Item = Result<pb::LeaderResponse, Status>> + Send>>;

    /// The header is that of the claim, as in etcd, however long the candidate waited.
    async fn campaign(
        &self,
        request: Request<pb::CampaignRequest>,
    ) -> Result<Response<pb::CampaignResponse>, Status> {
        let member = self.member_for(request.metadata())?;
        let pb::CampaignRequest { name, lease, value } = request.into_inner();
        let held = recipes::campaign(&member, name.clone(), LeaseId(lease), value).await;
        let held = held.map_err(super::refused)?;
        let Reply { revision, term, response: () } = held.joined;
        let leader = pb::LeaderKey { name, key: held.key, rev: held.create_revision, lease: held.lease.0 };
        Ok(Response::new(pb::CampaignResponse { header: self.header(revision, term), leader: Some(leader) }))
    }

    async fn proclaim(
        &self,
        request: Request<pb::ProclaimRequest>,
    ) -> Result<Response<pb::ProclaimResponse>, Status> {
        let member = self.member_for(request.metadata())?;
        let pb::ProclaimRequest { leader, value } = request.into_inner();
        let proclaimed = recipes::proclaim(&member, leadership(leader)?, value).await;
        let Reply { revision, term, response: () } = proclaimed.map_err(super::refused)?;
        Ok(Response::new(pb::ProclaimResponse { header: self.header(revision, term) }))
    }

    async fn leader(
        &self,
        request: Request<pb::LeaderRequest>,
    ) -> Result<Response<pb::LeaderResponse>, Status> {
        let member = self.member_for(request.metadata())?;
        let leader = recipes::leader(&member, &request.into_inner().name).await;
        let Reply { revision, term, response } = leader.map_err(super::refused)?;
        let kv = Some(KeyValue::of(response));
        Ok(Response::new(pb::LeaderResponse { header: self.header(revision, term), kv }))
    }

    async fn observe(
        &self,
        request: Request<pb::LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let name = request.into_inner().name;
        let observer =
            Observer::new(self.member.on_behalf_of(metadata.proof), &name, metadata.require_leader);
        let headers = self.headers;
        Ok(Response::new(Box::pin(stream::unfold(Some(observer), move |observer| async move {
            let mut observer = observer?;
            match observer.next().await {
                Ok(Reply { revision, term, response }) => {
                    let header = headers.at(revision, term);
                    Some((Ok(pb::LeaderResponse { header, kv: Some(response) }), Some(observer)))
                }
                Err(refusal) => Some((Err(super::refused(refusal)), None)),
            }
        }))))
    }

    async fn resign(
        &self,
        request: Request<pb::ResignRequest>,
    ) -> Result<Response<pb::ResignResponse>, Status> {
        let member = self.member_for(request.metadata())?;
        let resigned = recipes::resign(&member, leadership(request.into_inner().leader)?).await;
        let Reply { revision, term, response: () } = resigned.map_err(super::refused)?;
        Ok(Response::new(pb::ResignResponse { header: self.header(revision, term) }))
    }
}

fn leadership(leader: Option<pb::LeaderKey>) -> Result<Leadership, Status> {
    let leader = leader.ok_or_else(|| super::refused(Refusal::LeaderMissing))?;
    Ok(Leadership { key: leader.key, create_revision: leader.rev, lease: LeaseId(leader.lease) })
}
