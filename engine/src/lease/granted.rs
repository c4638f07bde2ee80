//! One lease as it was granted, and what cannot be one.

use crate::ids::Grant;
use crate::request::LeaseId;
use twox_hash::XxHash3_128;

/// One lease, as every member knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// `Grant::number`: tells it from other leases that had its id before or have it later.
    pub grant_number: u64,
    /// Its TTL in seconds, fixed at its grant.
    pub granted_ttl_secs: i64,
    /// What a leader last recorded as left, in seconds; `None` means the full TTL.
    pub remaining_ttl_secs: Option<i64>,
}

impl Lease {
    /// What a command that means this lease and no later one of its id says.
    pub fn grant(&self) -> Grant {
        Grant { lease: self.id, number: self.grant_number }
    }

    /// What a new leader starts from, in seconds.
    pub fn ttl_left_secs(&self) -> i64 {
        self.remaining_ttl_secs.unwrap_or(self.granted_ttl_secs)
    }

    /// This lease's share of `Lessor::hash`. A remaining TTL is never negative, so −1 can stand for none.
    pub(super) fn hash(&self) -> u128 {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.grant_number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.granted_ttl_secs.to_le_bytes());
        bytes[24..].copy_from_slice(&self.remaining_ttl_secs.unwrap_or(-1).to_le_bytes());
        XxHash3_128::oneshot(&bytes)
    }
}

/// Leases that no run of commands can have produced: a snapshot says so, and is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLeases {
    /// Leases are written in ascending order of id, each once.
    #[error("lease {} follows lease {}", id.0, after.0)]
    OutOfOrder {
        /// The lease that stands in the wrong place.
        id: LeaseId,
        /// The one before it.
        after: LeaseId,
    },
    /// 0 means "choose one" and is never granted.
    #[error("a lease has id 0")]
    ZeroId,
    /// Grants are numbered from 1, and no lease comes from a grant that was never made.
    #[error("lease {} was granted as number {number} of {grants}", id.0)]
    Number {
        /// The lease.
        id: LeaseId,
        /// Its grant.
        number: u64,
        /// All grants of the cluster.
        grants: u64,
    },
    /// A TTL is at least a second, and what is left of it between a second and all of it.
    #[error("lease {} has a TTL of {granted_ttl_secs} s of which {remaining_ttl_secs:?} s are left", id.0)]
    Ttl {
        /// The lease.
        id: LeaseId,
        /// Its TTL.
        granted_ttl_secs: i64,
        /// What it says is left.
        remaining_ttl_secs: Option<i64>,
    },
}

/// Whether this lease can follow upon the one before it, out of so many grants.
pub(super) fn check(lease: &Lease, after: Option<LeaseId>, grants: u64) -> Result<(), BadLeases> {
    let Lease { id, grant_number: number, granted_ttl_secs, remaining_ttl_secs } = *lease;
    if id.0 == 0 {
        return Err(BadLeases::ZeroId);
    }
    if let Some(after) = after
        && id <= after
    {
        return Err(BadLeases::OutOfOrder { id, after });
    }
    if !(1..=grants).contains(&number) {
        return Err(BadLeases::Number { id, number, grants });
    }
    let is_left_possible = remaining_ttl_secs.is_none_or(|left| (1..=granted_ttl_secs).contains(&left));
    if granted_ttl_secs < 1 || !is_left_possible {
        return Err(BadLeases::Ttl { id, granted_ttl_secs, remaining_ttl_secs });
    }
    Ok(())
}
