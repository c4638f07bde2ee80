//! Service Maintenance.

use super::Service;
use crate::pb;
use crate::wire::error::status;
use crate::wire::maintenance;
use detcd_engine::request::Reply;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl pb::maintenance_server::Maintenance for Service {
    async fn alarm(&self, request: Request<pb::AlarmRequest>) -> Result<Response<pb::AlarmResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let Some(asked) = maintenance::alarm_request(request.into_inner()).map_err(status)? else {
            let now = self.member.status();
            let header = self.header(now.revision, now.term);
            return Ok(Response::new(maintenance::alarm_response(header, Vec::new())));
        };
        let Reply { revision, term, response } = self.call(metadata, asked).await?;
        Ok(Response::new(maintenance::alarm_response(self.header(revision, term), response)))
    }

    async fn status(
        &self,
        request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusResponse>, Status> {
        self.call_metadata(request.metadata())?;
        let now = self.member.status();
        let header = self.header(now.revision, now.term);
        Ok(Response::new(maintenance::status_response(header, now)))
    }
}
