//! A request and its response, tied by type: whoever asks for a Put takes the answer to a Put, and nothing else.

use super::{
    Alarm, AlarmRequest, AuthChange, AuthIs, AuthRead, AuthRequest, AuthResponse, AuthStatus, Authenticate,
    Authenticated, CompactRequest, DeleteRangeRequest, DeleteRangeResponse, IsSomebody, LeaseGrantRequest,
    LeaseGrantResponse, LeaseId, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, MayAdminister, Member,
    Password, PasswordOf, Permission, PutRequest, RangeRequest, RangeResponse, RecordRef, Reply, Request,
    Response, RoleGet, RoleList, Txn, TxnResponse, UserGet, UserList,
};

/// A kind of request.
pub trait Call: Sized {
    /// What it is answered with.
    type Response;

    /// As the engine takes it.
    fn into_request(self) -> Request;

    /// The response of this kind.
    ///
    /// # Errors
    /// It is of another kind, and given back.
    fn response(response: Response) -> Result<Self::Response, Response>;
}

/// End a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRevoke(pub LeaseId);

/// Start a lease's time again. Answered with the TTL in seconds, 0 where there is no such lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseKeepAlive(pub LeaseId);

/// Every lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseLeases;

/// The members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberList {
    /// Confirm with the leader first.
    pub linearizable: bool,
}

impl Reply {
    /// The reply to a call of this kind.
    ///
    /// # Panics
    /// It answers another kind: the engine answers a request with its own response and no other.
    pub fn to<C: Call>(self) -> Reply<C::Response> {
        let Reply { revision, term, response } = self;
        let response = C::response(response)
            .unwrap_or_else(|other| panic!("{} was answered with {other:?}", std::any::type_name::<C>()));
        Reply { revision, term, response }
    }
}

macro_rules! call {
    ($call:ty, $response:ty, $asked:pat => $request:expr, $found:pat => $answer:expr) => {
        impl Call for $call {
            type Response = $response;

            fn into_request(self) -> Request {
                let $asked = self;
                $request
            }

            fn response(response: Response) -> Result<$response, Response> {
                match response {
                    $found => Ok($answer),
                    other => Err(other),
                }
            }
        }
    };
}

call!(RangeRequest, RangeResponse, range => Request::Range(range), Response::Range(found) => found);
call!(PutRequest, Option<RecordRef>, put => Request::Put(put), Response::Put(before) => before);
call!(
    DeleteRangeRequest, DeleteRangeResponse,
    delete => Request::DeleteRange(delete), Response::DeleteRange(deleted) => deleted
);
call!(Txn, TxnResponse, txn => Request::Txn(txn), Response::Txn(done) => done);
call!(CompactRequest, (), compact => Request::Compact(compact), Response::Compact => ());
call!(
    LeaseGrantRequest, LeaseGrantResponse,
    grant => Request::LeaseGrant(grant), Response::LeaseGrant(granted) => granted
);
call!(LeaseRevoke, (), LeaseRevoke(id) => Request::LeaseRevoke(id), Response::LeaseRevoke => ());
call!(
    LeaseKeepAlive, i64,
    LeaseKeepAlive(id) => Request::LeaseKeepAlive(id), Response::LeaseKeepAlive { ttl_secs, .. } => ttl_secs
);
call!(
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
    asked => Request::LeaseTimeToLive(asked), Response::LeaseTimeToLive(left) => left
);
call!(LeaseLeases, Vec<LeaseId>, LeaseLeases => Request::LeaseLeases, Response::LeaseLeases(leases) => leases);
call!(
    MemberList, Vec<Member>,
    MemberList { linearizable } => Request::MemberList { linearizable }, Response::MemberList(members) => members
);
call!(AlarmRequest, Vec<Alarm>, alarm => Request::Alarm(alarm), Response::Alarm(alarms) => alarms);

macro_rules! auth_call {
    ($call:ty, $response:ty, $asked:pat => $request:expr, $found:pat => $answer:expr) => {
        call!($call, $response, $asked => Request::Auth($request), Response::Auth($found) => $answer);
    };
}

auth_call!(AuthChange, (), change => AuthRequest::Change(change), AuthResponse::Done => ());
auth_call!(
    Authenticate, Authenticated,
    checked => AuthRequest::Authenticate(checked), AuthResponse::Authenticated(told) => told
);
auth_call!(
    AuthStatus, AuthIs,
    AuthStatus => AuthRequest::Read(AuthRead::Status), AuthResponse::Status(status) => status
);
auth_call!(
    UserList, Vec<String>,
    UserList => AuthRequest::Read(AuthRead::UserList), AuthResponse::Names(names) => names
);
auth_call!(
    RoleList, Vec<String>,
    RoleList => AuthRequest::Read(AuthRead::RoleList), AuthResponse::Names(names) => names
);
auth_call!(
    UserGet, Vec<String>,
    UserGet(name) => AuthRequest::Read(AuthRead::UserGet(name)), AuthResponse::Names(roles) => roles
);
auth_call!(
    RoleGet, Vec<Permission>,
    RoleGet(name) => AuthRequest::Read(AuthRead::RoleGet(name)), AuthResponse::Permissions(found) => found
);
auth_call!(
    PasswordOf, Password,
    PasswordOf(name) => AuthRequest::PasswordOf(name), AuthResponse::Password(password) => password
);
auth_call!(MayAdminister, (), MayAdminister => AuthRequest::MayAdminister, AuthResponse::Done => ());
auth_call!(IsSomebody, (), IsSomebody => AuthRequest::IsSomebody, AuthResponse::Done => ());

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(response: Response) -> Reply {
        Reply { revision: 7, term: 2, response }
    }

    #[test]
    fn a_reply_is_taken_as_what_was_asked() {
        let to_put = reply(Response::Put(None)).to::<PutRequest>();
        assert_eq!(to_put, Reply { revision: 7, term: 2, response: None });
        let kept_alive = Response::LeaseKeepAlive { id: LeaseId(5), ttl_secs: 9 };
        assert_eq!(reply(kept_alive).to::<LeaseKeepAlive>().response, 9);
        assert_eq!(LeaseRevoke(LeaseId(5)).into_request(), Request::LeaseRevoke(LeaseId(5)));
    }

    #[test]
    #[should_panic(expected = "CompactRequest was answered with LeaseRevoke")]
    fn a_reply_to_something_else_is_a_fault_of_the_engine() {
        reply(Response::LeaseRevoke).to::<CompactRequest>();
    }
}
