//! Service Auth. Passwords end here: what goes further is their hashes.

use super::{CallMetadata, Service};
use crate::log_in;
use crate::pb;
use crate::wire::auth;
use crate::wire::error::status;
use detcd_engine::request::{
    AuthChange, AuthIs, AuthStatus, Reply, RequestError, RoleGet, RoleList, Secret, UserGet, UserList,
};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

impl Service {
    /// Makes a change, and heads the answer.
    async fn change(
        &self,
        metadata: &MetadataMap,
        change: Result<AuthChange, RequestError>,
    ) -> Result<Option<pb::ResponseHeader>, Status> {
        let metadata = self.call_metadata(metadata)?;
        let Reply { revision, term, response: () } = self.call(metadata, change.map_err(status)?).await?;
        Ok(self.header(revision, term))
    }

    /// A new password's hash, for who may give one: hashing takes long by design, and is done for nobody else.
    async fn hashed(&self, metadata: CallMetadata, password: String) -> Result<Secret, Status> {
        self.administrator(metadata).await?;
        log_in::hashed(&self.member, password).await.map_err(status)
    }
}

#[tonic::async_trait]
impl pb::auth_server::Auth for Service {
    async fn auth_enable(
        &self,
        request: Request<pb::AuthEnableRequest>,
    ) -> Result<Response<pb::AuthEnableResponse>, Status> {
        let (metadata, _, _) = request.into_parts();
        let header = self.change(&metadata, Ok(AuthChange::Enable)).await?;
        Ok(Response::new(pb::AuthEnableResponse { header }))
    }

    async fn auth_disable(
        &self,
        request: Request<pb::AuthDisableRequest>,
    ) -> Result<Response<pb::AuthDisableResponse>, Status> {
        let (metadata, _, _) = request.into_parts();
        let header = self.change(&metadata, Ok(AuthChange::Disable)).await?;
        Ok(Response::new(pb::AuthDisableResponse { header }))
    }

    async fn auth_status(
        &self,
        request: Request<pb::AuthStatusRequest>,
    ) -> Result<Response<pb::AuthStatusResponse>, Status> {
        let metadata = self.call_metadata(request.metadata())?;
        let Reply { revision, term, response } = self.call(metadata, AuthStatus).await?;
        let AuthIs { enabled, auth_revision } = response;
        Ok(Response::new(pb::AuthStatusResponse {
            header: self.header(revision, term),
            enabled,
            auth_revision,
        }))
    }

    /// Whatever token comes with it is not looked at: who logs in may have one that is no longer good.
    async fn authenticate(
        &self,
        request: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::AuthenticateResponse>, Status> {
        self.call_metadata(request.metadata())?;
        let pb::AuthenticateRequest { name, password } = request.into_inner();
        let token = log_in::log_in(&self.member, name, password).await.map_err(status)?;
        let header = self.header(token.revision, token.term);
        Ok(Response::new(pb::AuthenticateResponse { header, token: token.response }))
    }

    async fn user_add(
        &self,
        request: Request<pb::AuthUserAddRequest>,
    ) -> Result<Response<pb::AuthUserAddResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let pb::AuthUserAddRequest { name, password, options, .. } = asked;
        let password = if options.is_some_and(|options| options.no_password) {
            None
        } else {
            Some(self.hashed(self.call_metadata(&metadata)?, password).await?)
        };
        let header = self.change(&metadata, Ok(AuthChange::UserAdd { name, password })).await?;
        Ok(Response::new(pb::AuthUserAddResponse { header }))
    }

    /// An empty password is not hashed, as in etcd: nothing matches it.
    async fn user_change_password(
        &self,
        request: Request<pb::AuthUserChangePasswordRequest>,
    ) -> Result<Response<pb::AuthUserChangePasswordResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let pb::AuthUserChangePasswordRequest { name, password, .. } = asked;
        let password = if password.is_empty() {
            Secret::new("")
        } else {
            self.hashed(self.call_metadata(&metadata)?, password).await?
        };
        let header = self.change(&metadata, Ok(AuthChange::UserChangePassword { name, password })).await?;
        Ok(Response::new(pb::AuthUserChangePasswordResponse { header }))
    }

    async fn user_get(
        &self,
        request: Request<pb::AuthUserGetRequest>,
    ) -> Result<Response<pb::AuthUserGetResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let Reply { revision, term, response } =
            self.call(self.call_metadata(&metadata)?, UserGet(asked.name)).await?;
        Ok(Response::new(pb::AuthUserGetResponse { header: self.header(revision, term), roles: response }))
    }

    async fn user_list(
        &self,
        request: Request<pb::AuthUserListRequest>,
    ) -> Result<Response<pb::AuthUserListResponse>, Status> {
        let (metadata, _, _) = request.into_parts();
        let Reply { revision, term, response } = self.call(self.call_metadata(&metadata)?, UserList).await?;
        Ok(Response::new(pb::AuthUserListResponse { header: self.header(revision, term), users: response }))
    }

    async fn user_delete(
        &self,
        request: Request<pb::AuthUserDeleteRequest>,
    ) -> Result<Response<pb::AuthUserDeleteResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let header = self.change(&metadata, Ok(AuthChange::UserDelete(asked.name))).await?;
        Ok(Response::new(pb::AuthUserDeleteResponse { header }))
    }

    async fn user_grant_role(
        &self,
        request: Request<pb::AuthUserGrantRoleRequest>,
    ) -> Result<Response<pb::AuthUserGrantRoleResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let header = self
            .change(&metadata, Ok(AuthChange::UserGrantRole { user: asked.user, role: asked.role }))
            .await?;
        Ok(Response::new(pb::AuthUserGrantRoleResponse { header }))
    }

    async fn user_revoke_role(
        &self,
        request: Request<pb::AuthUserRevokeRoleRequest>,
    ) -> Result<Response<pb::AuthUserRevokeRoleResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let header = self
            .change(&metadata, Ok(AuthChange::UserRevokeRole { user: asked.name, role: asked.role }))
            .await?;
        Ok(Response::new(pb::AuthUserRevokeRoleResponse { header }))
    }

    async fn role_add(
        &self,
        request: Request<pb::AuthRoleAddRequest>,
    ) -> Result<Response<pb::AuthRoleAddResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let header = self.change(&metadata, Ok(AuthChange::RoleAdd(asked.name))).await?;
        Ok(Response::new(pb::AuthRoleAddResponse { header }))
    }

    async fn role_get(
        &self,
        request: Request<pb::AuthRoleGetRequest>,
    ) -> Result<Response<pb::AuthRoleGetResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let Reply { revision, term, response } =
            self.call(self.call_metadata(&metadata)?, RoleGet(asked.role)).await?;
        Ok(Response::new(pb::AuthRoleGetResponse {
            header: self.header(revision, term),
            perm: auth::permissions(response),
        }))
    }

    async fn role_list(
        &self,
        request: Request<pb::AuthRoleListRequest>,
    ) -> Result<Response<pb::AuthRoleListResponse>, Status> {
        let (metadata, _, _) = request.into_parts();
        let Reply { revision, term, response } = self.call(self.call_metadata(&metadata)?, RoleList).await?;
        Ok(Response::new(pb::AuthRoleListResponse { header: self.header(revision, term), roles: response }))
    }

    async fn role_delete(
        &self,
        request: Request<pb::AuthRoleDeleteRequest>,
    ) -> Result<Response<pb::AuthRoleDeleteResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let header = self.change(&metadata, Ok(AuthChange::RoleDelete(asked.role))).await?;
        Ok(Response::new(pb::AuthRoleDeleteResponse { header }))
    }

    async fn role_grant_permission(
        &self,
        request: Request<pb::AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<pb::AuthRoleGrantPermissionResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let header = self.change(&metadata, auth::grant_permission(asked)).await?;
        Ok(Response::new(pb::AuthRoleGrantPermissionResponse { header }))
    }

    async fn role_revoke_permission(
        &self,
        request: Request<pb::AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<pb::AuthRoleRevokePermissionResponse>, Status> {
        let (metadata, _, asked) = request.into_parts();
        let header = self.change(&metadata, Ok(auth::revoke_permission(asked))).await?;
        Ok(Response::new(pb::AuthRoleRevokePermissionResponse { header }))
    }
}
