//! Service Maintenance.

use super::Service;
use crate::pb;
use crate::wire::error::status;
use crate::wire::maintenance;
use detcd_engine::request::{Reply, Request, Response};
use tonic::Status;

#[tonic::async_trait]
impl pb::maintenance_server::Maintenance for Service {
    async fn alarm(
        &self,
        request: tonic::Request<pb::AlarmRequest>,
    ) -> Result<tonic::Response<pb::AlarmResponse>, Status> {
        let caller = self.caller(request.metadata())?;
        let Some(asked) = maintenance::alarm_request(request.into_inner()).map_err(status)? else {
            let now = self.member.status();
            let header = self.header(now.revision, now.term);
            return Ok(tonic::Response::new(maintenance::alarm_response(header, Vec::new())));
        };
        let Reply { revision, term, response } = self.ask(caller, Request::Alarm(asked)).await?;
        let Response::Alarm(alarms) = response else { panic!("an Alarm was answered with {response:?}") };
        Ok(tonic::Response::new(maintenance::alarm_response(self.header(revision, term), alarms)))
    }

    async fn status(
        &self,
        request: tonic::Request<pb::StatusRequest>,
    ) -> Result<tonic::Response<pb::StatusResponse>, Status> {
        self.caller(request.metadata())?;
        let now = self.member.status();
        let header = self.header(now.revision, now.term);
        Ok(tonic::Response::new(maintenance::status_response(header, now)))
    }
}
