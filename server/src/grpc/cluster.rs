//! Service Cluster.

use super::Service;
use crate::pb;
use crate::wire::maintenance;
use detcd_engine::request::{Reply, Request, Response};
use tonic::Status;

#[tonic::async_trait]
impl pb::cluster_server::Cluster for Service {
    async fn member_list(
        &self,
        request: tonic::Request<pb::MemberListRequest>,
    ) -> Result<tonic::Response<pb::MemberListResponse>, Status> {
        let caller = self.caller(request.metadata())?;
        let linearizable = request.into_inner().linearizable;
        let Reply { term, response, .. } = self.ask(caller, Request::MemberList { linearizable }).await?;
        let Response::MemberList(members) = response else {
            panic!("a MemberList was answered with {response:?}")
        };
        Ok(tonic::Response::new(maintenance::member_list_response(self.header(0, term), members)))
    }
}
