//! Service Lock.

use super::Service;
use crate::pb::v3lockpb as pb;
use crate::recipes;
use detcd_engine::request::{LeaseId, Reply};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl pb::lock_server::Lock for Service {
    async fn lock(&self, request: Request<pb::LockRequest>) -> Result<Response<pb::LockResponse>, Status> {
        let member = self.member_for(request.metadata())?;
        let pb::LockRequest { name, lease } = request.into_inner();
        let held = recipes::lock(&member, name, LeaseId(lease)).await.map_err(super::refused)?;
        let Reply { revision, term, response: () } = held.reached;
        Ok(Response::new(pb::LockResponse { header: self.header(revision, term), key: held.key }))
    }

    async fn unlock(
        &self,
        request: Request<pb::UnlockRequest>,
    ) -> Result<Response<pb::UnlockResponse>, Status> {
        let member = self.member_for(request.metadata())?;
        let unlocked = recipes::unlock(&member, request.into_inner().key).await;
        let Reply { revision, term, response: () } = unlocked.map_err(super::refused)?;
        Ok(Response::new(pb::UnlockResponse { header: self.header(revision, term) }))
    }
}
