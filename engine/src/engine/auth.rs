//! Users, roles and decisions, where requests come in and answers go out. `crate::auth` decides.

use super::Engine;
use super::reads::WaitingRead;
use crate::command::Command;
use crate::effects::ReadQuery;
use crate::ids::{RequestId, StreamId};
use crate::peer_message::LeaseRequest;
use crate::request::{AuthRead, AuthRequest, AuthResponse, Caller, RequestError, Response};
use crate::state::TokenChange;
use crate::watch::{WatchCreate, WatchInput, WatchRefusal};

/// Whether it is answered from this member's state as it is.
pub(super) fn is_answered_here(request: &AuthRequest) -> bool {
    match request {
        AuthRequest::PasswordOf(_) | AuthRequest::MayAdminister | AuthRequest::IsSomebody => true,
        AuthRequest::Change(_) | AuthRequest::Authenticate(_) | AuthRequest::Read(_) => false,
    }
}

impl Engine {
    pub(super) fn answer_auth(
        &self,
        caller: &Caller,
        request: &AuthRequest,
    ) -> Result<Response, RequestError> {
        let auth = self.state.auth();
        let answer = match request {
            AuthRequest::PasswordOf(name) => auth.password_of(name).map(AuthResponse::Password),
            AuthRequest::MayAdminister => {
                self.state.authorize_administrator(caller).map(|()| AuthResponse::Done)
            }
            AuthRequest::IsSomebody => self.state.authorize_somebody(caller).map(|()| AuthResponse::Done),
            AuthRequest::Change(_) | AuthRequest::Authenticate(_) | AuthRequest::Read(_) => {
                unreachable!("{request:?} is answered once it is confirmed or applied")
            }
        };
        answer.map(Response::Auth)
    }

    pub(super) fn on_waiting_auth(&mut self, id: RequestId, caller: Caller, request: AuthRequest) {
        match request {
            AuthRequest::Change(change) => self.propose_request(id, caller, Command::Auth(change)),
            AuthRequest::Authenticate(checked) => {
                self.propose_request(id, caller, Command::Authenticate(checked));
            }
            AuthRequest::Read(read) => self.read(id, caller, WaitingRead::Auth(id, read)),
            AuthRequest::PasswordOf(_) | AuthRequest::MayAdminister | AuthRequest::IsSomebody => {
                unreachable!("request {id} is answered at once")
            }
        }
    }

    pub(super) fn read_auth(&self, caller: &Caller, read: &AuthRead) -> Result<Response, RequestError> {
        self.state.authorize_auth_read(caller, read)?;
        self.state.auth().read(read).map(Response::Auth)
    }

    /// What is handed out of a transaction that was applied was decided on there.
    pub(super) fn authorize_query(&self, caller: &Caller, query: &ReadQuery) -> Result<(), RequestError> {
        match query {
            ReadQuery::Range(range) => self.state.authorize_range(caller, range),
            ReadQuery::Txn(txn) => self.state.authorize_txn(caller, txn),
            ReadQuery::Rest(_) => Ok(()),
        }
    }

    pub(super) fn authorize_lease_request(
        &self,
        caller: &Caller,
        request: LeaseRequest,
    ) -> Result<(), RequestError> {
        match request {
            LeaseRequest::KeepAlive(lease) => self.state.authorize_renewal(caller, lease),
            LeaseRequest::TimeToLive(asked) => {
                self.state.authorize_time_to_live(caller, asked.id, asked.keys)
            }
        }
    }

    /// A watcher is decided on in the state that it begins in.
    pub(super) fn on_watch_create(
        &mut self,
        stream: StreamId,
        caller: Result<Caller, RequestError>,
        create: WatchCreate,
    ) {
        let decided = caller.and_then(|caller| self.state.authorize_watch(&caller, &create.range));
        match decided {
            Ok(()) => {
                let input = WatchInput::Create(create);
                self.watches.handle(self.now, stream, input, &self.state.mvcc);
            }
            Err(refusal) => {
                let reason = match refusal {
                    RequestError::InvalidAuthToken => WatchRefusal::InvalidAuthToken,
                    RequestError::AuthOldRevision => WatchRefusal::AuthOldRevision,
                    RequestError::UserEmpty => WatchRefusal::UserEmpty,
                    _ => WatchRefusal::PermissionDenied,
                };
                self.watches.refuse(stream, reason, &self.state.mvcc);
            }
        }
    }

    /// Tells whoever keeps simple tokens. What this member had in its log when it started is no news: its tokens went
    /// with the start, or their time would begin anew.
    pub(super) fn on_token_changes(&mut self, changes: Vec<TokenChange>) {
        if self.state.applied().0 > self.log_at_start {
            self.effects.tokens.extend(changes);
        }
    }
}
