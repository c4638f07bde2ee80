//! Whether a member answers: a read of a key, whose it may be. What counts is that there is an answer.

use bytes::Bytes;
use detcd::callers::Proof;
use detcd::handle::MemberHandle;
use detcd_engine::key_range::KeyRange;
use detcd_engine::mvcc::RangeRequest;
use detcd_engine::request::{Call, RequestError};

/// Reads this member's own state, or, not `serializable`, what the cluster agrees on.
pub(crate) async fn read(member: &MemberHandle, serializable: bool) -> Result<(), RequestError> {
    let range = KeyRange::One(Bytes::from_static(b"health"));
    let request = RangeRequest { serializable, keys_only: true, limit: 1, ..RangeRequest::of(range) };
    // Whoever may do what: this is about the member.
    member.on_behalf_of(Proof::OfTheProcess).request(request.into_request(), false).await.map(drop)
}
