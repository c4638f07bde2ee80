//! Service Cluster.

use super::Service;
use crate::pb;
use crate::wire::maintenance;
use detcd_engine::request::{MemberList, Reply};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl pb::cluster_server::Cluster for Service {
    async fn member_list(
        &self,
        request: Request<pb::MemberListRequest>,
    ) -> Result<Response<pb::MemberListResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let linearizable = request.into_inner().linearizable;
        let Reply { term, response, .. } = self.call(metadata, MemberList { linearizable }).await?;
        Ok(Response::new(maintenance::member_list_response(self.header(0, term), response)))
    }
}
