//! Elections: the first in a queue leads, and its key's value is what it proclaims.

use super::claim::{Claim, Held, claim, grant};
use super::queue::{Place, Queue};
use super::{Refusal, ask};
use crate::handle::MemberHandle;
use bytes::Bytes;
use detcd_engine::request::{LeaseId, RecordRef, Reply};

/// A leadership, as its holder was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// Its key.
    pub key: Bytes,
    /// Of the key: with another one it is another's.
    pub create_revision: i64,
    /// The leader's lease.
    pub lease: LeaseId,
}

/// Waits until the candidate leads. Dropping the future gives up.
///
/// # Errors
/// The claim went before its turn came, or a request was refused; then the claim is given up.
pub async fn campaign(
    member: &MemberHandle,
    name: Bytes,
    lease: LeaseId,
    value: Bytes,
) -> Result<Held, Refusal> {
    claim(member, Claim { name, lease, value: Some(value), if_lost: Refusal::NotLeader }).await
}

/// Gives the leader's value anew. As in etcd a leadership without a lease gets one.
///
/// # Errors
/// `NotLeader` where the leadership has ended, or a request was refused.
pub async fn proclaim(
    member: &MemberHandle,
    leadership: Leadership,
    value: Bytes,
) -> Result<Reply<()>, Refusal> {
    let Leadership { key, create_revision, lease } = leadership;
    let lease = match lease {
        LeaseId(0) => grant(member).await?.id,
        lease => lease,
    };
    Place { key, create_revision }.put(member, value, lease).await?.ok_or(Refusal::NotLeader)
}

/// Ends a leadership. One that has ended stays so.
///
/// # Errors
/// A request was refused.
pub async fn resign(member: &MemberHandle, leadership: Leadership) -> Result<Reply<()>, Refusal> {
    let Leadership { key, create_revision, .. } = leadership;
    Ok(Place { key, create_revision }.leave(member).await?)
}

/// The leader's key.
///
/// # Errors
/// `NoLeader` where nobody leads, or a request was refused.
pub async fn leader(member: &MemberHandle, name: &[u8]) -> Result<Reply<RecordRef>, Refusal> {
    let Reply { revision, term, response } = ask(member, Queue::of(name).first()).await?;
    let record = response.kvs.into_iter().next().ok_or(Refusal::NoLeader)?;
    Ok(Reply { revision, term, response: record })
}
