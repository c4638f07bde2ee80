//! What a follower asks its leader of a lease, and what it is told: bodies of frames.

use crate::codec::{DecodeError, Decoder, Encode};
use crate::ids::LeaseId;
use crate::peer_message::{LeaseRequest, LeaseResponse};
use crate::raft::fields;
use crate::request::{LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, RequestError};

pub(super) fn put_lease_request(out: &mut Vec<u8>, request: &LeaseRequest) {
    match request {
        LeaseRequest::KeepAlive(lease) => {
            out.put_u8_field(1);
            out.put_i64_field(lease.0);
        }
        LeaseRequest::TimeToLive(LeaseTimeToLiveRequest { id, keys }) => {
            out.put_u8_field(2);
            out.put_i64_field(id.0);
            out.put_bool_field(*keys);
        }
    }
}

pub(super) fn lease_request(decoder: &mut Decoder) -> Result<LeaseRequest, DecodeError> {
    match decoder.u8("lease request, kind")? {
        1 => Ok(LeaseRequest::KeepAlive(LeaseId(decoder.i64("lease")?))),
        2 => {
            let id = LeaseId(decoder.i64("lease")?);
            Ok(LeaseRequest::TimeToLive(LeaseTimeToLiveRequest {
                id,
                keys: decoder.bool("lease, keys wanted")?,
            }))
        }
        other => Err(decoder.error("lease request, kind", format!("1 or 2 wanted, {other} found"))),
    }
}

pub(super) fn put_lease_response(out: &mut Vec<u8>, response: &Result<LeaseResponse, RequestError>) {
    match response {
        Err(error) => {
            out.put_u8_field(0);
            out.put_u8_field(error_code(*error));
        }
        Ok(LeaseResponse::KeepAlive { ttl_secs }) => {
            out.put_u8_field(1);
            out.put_i64_field(*ttl_secs);
        }
        Ok(LeaseResponse::TimeToLive(left)) => {
            out.put_u8_field(2);
            out.put_i64_field(left.id.0);
            out.put_i64_field(left.ttl_secs);
            out.put_i64_field(left.granted_ttl_secs);
            out.put_u32_field(u32::try_from(left.keys.len()).expect("a lease's keys fit in a frame"));
            for key in &left.keys {
                out.put_bytes_field(key);
            }
        }
    }
}

pub(super) fn lease_response(
    decoder: &mut Decoder,
) -> Result<Result<LeaseResponse, RequestError>, DecodeError> {
    match decoder.u8("lease response, kind")? {
        0 => {
            let code = decoder.u8("lease response, error")?;
            let error = RequestError::ALL.iter().find(|error| error_code(**error) == code);
            error
                .map(|error| Err(*error))
                .ok_or_else(|| decoder.error("lease response, error", format!("unknown code {code}")))
        }
        1 => Ok(Ok(LeaseResponse::KeepAlive { ttl_secs: decoder.i64("lease, ttl")? })),
        2 => {
            let id = LeaseId(decoder.i64("lease")?);
            let ttl_secs = decoder.i64("lease, ttl")?;
            let granted_ttl_secs = decoder.i64("lease, granted ttl")?;
            let count = decoder.count("lease, keys", 4)?;
            let keys = (0..count).map(|_| decoder.bytes("lease, key").map(fields::owned));
            let keys = keys.collect::<Result<_, _>>()?;
            Ok(Ok(LeaseResponse::TimeToLive(LeaseTimeToLiveResponse {
                id,
                ttl_secs,
                granted_ttl_secs,
                keys,
            })))
        }
        other => Err(decoder.error("lease response, kind", format!("0 to 2 wanted, {other} found"))),
    }
}

/// A new error needs a code here; a code is never given twice. Earlier releases had 19 and 26 and never sent them.
pub(super) fn error_code(error: RequestError) -> u8 {
    match error {
        RequestError::EmptyKey => 1,
        RequestError::KeyNotFound => 2,
        RequestError::ValueProvided => 3,
        RequestError::LeaseProvided => 4,
        RequestError::TooManyOps => 5,
        RequestError::DuplicateKey => 6,
        RequestError::InvalidSortOption => 7,
        RequestError::InvalidClientApiVersion => 8,
        RequestError::Compacted => 9,
        RequestError::FutureRevision => 10,
        RequestError::NoSpace => 11,
        RequestError::LeaseNotFound => 12,
        RequestError::LeaseExists => 13,
        RequestError::LeaseTtlTooLarge => 14,
        RequestError::RequestTooLarge => 15,
        RequestError::TooManyRequests => 16,
        RequestError::NoLeader => 17,
        RequestError::NotLeader => 18,
        RequestError::Stopped => 20,
        RequestError::Timeout => 21,
        RequestError::TimeoutLeaderFailed => 22,
        RequestError::TimeoutConnectionLost => 23,
        RequestError::Corrupt => 24,
        RequestError::UnknownMethod => 25,
        RequestError::TooManyKeysCompared => 27,
        RequestError::UserEmpty => 40,
        RequestError::PermissionDenied => 41,
        RequestError::AuthOldRevision => 42,
        RequestError::RootUserNotExist => 43,
        RequestError::RootRoleNotExist => 44,
        RequestError::UserExists => 45,
        RequestError::UserNotFound => 46,
        RequestError::RoleExists => 47,
        RequestError::RoleNotFound => 48,
        RequestError::RoleEmpty => 49,
        RequestError::AuthFailed => 50,
        RequestError::PermissionNotGiven => 51,
        RequestError::RoleNotGranted => 52,
        RequestError::PermissionNotGranted => 53,
        RequestError::AuthNotEnabled => 54,
        RequestError::InvalidAuthToken => 55,
        RequestError::InvalidAuthMgmt => 56,
        RequestError::NoPasswordUser => 57,
        RequestError::PasswordTooLong => 58,
        RequestError::VerifyOnly => 59,
    }
}
