//! Leases: keys that are deleted unless a client renews them in time.
//!
//! A lease has two halves, and they live in two places because they are two kinds of state.
//!
//! * **What was granted** is replicated: the id, the number of the grant (an id can be granted again), the TTL, the
//!   attached keys, and sometimes how much of the TTL was left (`Lessor`, changed by `apply` alone, equal on all
//!   members). There is no `Time` in it, since no two members have the same clock.
//! * **When it is due** is the leader's alone (`Deadlines`). A leader that steps down forgets it; a new one
//!   starts every lease again with what the replicated half says is left, and an election timeout on top, because
//!   nobody could renew while there was no leader. A lease may therefore live longer than its TTL, never shorter.
//!
//! Expiry is a command like any other: the leader proposes to revoke what is due, many leases at once, and every
//! member deletes the keys when it applies that.
//!
//! # The rule of a keepalive
//!
//! A keepalive is a write that leaves no trace, so the leader must still be the leader when it answers:
//!
//! 1. Wait for a read-index round that began after the keepalive arrived: at that moment nobody else led.
//! 2. If the lease does not exist, or `Deadlines::is_expiring` (its end was proposed, and may be in the log already),
//!    answer TTL 0.
//! 3. If `Deadlines::needs_clearing`, a remaining TTL is in the log or on its way there, and the next leader would
//!    start from it and end the lease before the full TTL that this answer promises. Call
//!    `Deadlines::clearing`, propose to clear it, and go on when that is applied.
//! 4. `Deadlines::renewed`; answer the TTL it was granted, or 0 if `renewed` said no (the lease came due meanwhile).
//!
//! A leader elected later starts its clock after step 1, and from the full TTL: what was promised holds.
//!
//! # Remaining TTLs
//!
//! If every new leader began with the full TTL, a cluster that changes its leader often would keep abandoned leases
//! for ever. So the leader records how much is left (`Deadlines::take_checkpoints`), for leases that look abandoned:
//! not renewed for half their TTL. Clients renew every third of it, so that a healthy lease costs no log entry.

mod deadlines;
mod granted;
mod lessor;
#[cfg(test)]
mod tests;

pub use deadlines::Deadlines;
pub use granted::{BadLeases, Lease};
pub use lessor::{LeaseView, Lessor};
