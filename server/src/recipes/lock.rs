//! Locks: the first in a queue holds it, until its key is gone.

use super::claim::{Claim, Held, claim};
use super::{Refusal, ask};
use crate::handle::MemberHandle;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{DeleteRangeRequest, LeaseId, Reply, RequestError};

/// Takes the lock of this name with a lease, and waits as long as it takes. Dropping the future gives up.
///
/// # Errors
/// The claim went before the lock was free, or a request was refused; then the claim is given up.
pub async fn lock(member: &MemberHandle, name: Bytes, lease: LeaseId) -> Result<Held, Refusal> {
    claim(member, Claim { name, lease, value: None, if_lost: Refusal::SessionExpired }).await
}

/// Deletes the key of a lock. One that is not there is no fault.
///
/// # Errors
/// The key is empty, or the request was refused.
pub async fn unlock(member: &MemberHandle, key: Bytes) -> Result<Reply<()>, Refusal> {
    if key.is_empty() {
        return Err(RequestError::EmptyKey.into());
    }
    let delete = DeleteRangeRequest { range: KeyRange::One(key), prev_kv: false };
    let Reply { revision, term, .. } = ask(member, delete).await?;
    Ok(Reply { revision, term, response: () })
}
