//! The leader's half of leases: when each is due, and when what is left of it should be recorded.
//!
//! Two queues by time, one for ends and one for checkpoints, each holding every lease once. They are lazy: a renewal
//! only notes the new times, the queue keeps the old, earlier one; when that comes, the lease is filed again under
//! what is true by then. So a renewal touches one map entry, and a lease moves in a queue about twice per TTL
//! however often its client renews. `next_at` may for the same reason be earlier than anything that happens.
//!
//! # When what is left is recorded
//!
//! * Granted or renewed by this leader: when half the TTL has gone by without a renewal.
//! * Not renewed since this leader was elected: after five election timeouts. A cluster whose leaders last at
//!   least that long makes progress towards the end of every abandoned lease. (At least an election timeout and a
//!   second: less would, with the extra election timeout and rounding, record no less than what was there.)
//! * After the first time, every eighth of the TTL, and not more than once a second.
//!
//! What is left is rounded up to whole seconds and so is at least 1: rounding never ends a lease early.

use super::Lessor;
use crate::ids::Grant;
use crate::request::LeaseId;
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// An end that was refused (the CORRUPT alarm is raised) is proposed again after this long (etcd's interval).
const RETRY_AFTER_MS: u64 = 3_000;

/// When leases are due. Empty and inert on a member that does not lead.
#[derive(Debug, Default)]
pub struct Deadlines {
    is_leading: bool,
    leases: BTreeMap<LeaseId, Deadline>,
    /// By `Deadline::end_filed_at`.
    ends: BTreeSet<(Time, LeaseId)>,
    /// By `Deadline::checkpoint_filed_at`; leases with no checkpoint before their end are not in it.
    checkpoints: BTreeSet<(Time, LeaseId)>,
}

#[derive(Debug)]
struct Deadline {
    grant: Grant,
    ttl_ms: u64,
    /// The lease ends here unless it is renewed.
    end_at: Time,
    /// Invariant: not after `end_at`, unless the lease is expiring; `None` only while its end is
    /// proposed and not applied.
    end_filed_at: Option<Time>,
    /// What is left should be recorded here.
    checkpoint_at: Time,
    /// Invariant: not after `checkpoint_at`.
    checkpoint_filed_at: Option<Time>,
    /// Its end was handed out: it is beyond renewal.
    is_expiring: bool,
    /// A remaining TTL is replicated, or was handed out to be.
    is_recorded: bool,
    /// It was proposed to forget the remaining TTL. A checkpoint would come after that in the log and undo it.
    is_clearing: bool,
}

impl Deadlines {
    /// Nothing is due: this member does not lead.
    pub fn new() -> Deadlines {
        Deadlines::default()
    }

    /// This member leads, and has applied all that earlier leaders committed. Every lease starts from what is
    /// replicated as left of it, and an election timeout, in which nobody could have renewed it.
    pub fn promote(&mut self, now: Time, election_timeout_ms: u64, lessor: &Lessor) {
        let first_checkpoint_ms = (5 * election_timeout_ms).max(election_timeout_ms + 1_000);
        let leases: Vec<(LeaseId, Deadline)> = lessor
            .iter()
            .map(|lease| {
                let end_at = now.plus_ms(ms(lease.ttl_left_secs())).plus_ms(election_timeout_ms);
                let mut deadline = Deadline::new(
                    lease.grant(),
                    ms(lease.granted_ttl_secs),
                    end_at,
                    now.plus_ms(first_checkpoint_ms),
                );
                deadline.is_recorded = lease.remaining_ttl_secs.is_some();
                (lease.id, deadline)
            })
            .collect();
        self.ends = leases.iter().filter_map(|(id, deadline)| Some((deadline.end_filed_at?, *id))).collect();
        self.checkpoints =
            leases.iter().filter_map(|(id, deadline)| Some((deadline.checkpoint_filed_at?, *id))).collect();
        self.leases = leases.into_iter().collect();
        self.is_leading = true;
    }

    /// This member leads no more: its deadlines are another leader's to decide.
    pub fn demote(&mut self) {
        *self = Deadlines::default();
    }

    /// A grant was applied.
    pub fn granted(&mut self, grant: Grant, ttl_secs: i64, now: Time) {
        if !self.is_leading {
            return;
        }
        let (id, ttl_ms) = (grant.lease, ms(ttl_secs));
        let deadline = Deadline::new(grant, ttl_ms, now.plus_ms(ttl_ms), now.plus_ms(ttl_ms / 2));
        self.ends.extend(deadline.end_filed_at.map(|at| (at, id)));
        self.checkpoints.extend(deadline.checkpoint_filed_at.map(|at| (at, id)));
        let before = self.leases.insert(id, deadline);
        assert!(before.is_none(), "lease {} granted while it has the deadline {before:?}", id.0);
    }

    /// A keepalive went through: leadership is confirmed and nothing is recorded any more. False where that comes
    /// too late (the lease is gone or expiring): the client is told TTL 0.
    pub fn renewed(&mut self, id: LeaseId, ttl_secs: i64, now: Time) -> bool {
        let Some(deadline) = self.leases.get_mut(&id) else { return false };
        if deadline.is_expiring {
            return false;
        }
        let ttl_ms = ms(ttl_secs);
        deadline.ttl_ms = ttl_ms;
        // A deadline never comes closer: a lease just taken over has an election timeout more than its TTL.
        deadline.end_at = deadline.end_at.max(now.plus_ms(ttl_ms));
        deadline.checkpoint_at = now.plus_ms(ttl_ms / 2);
        deadline.is_recorded = false;
        deadline.is_clearing = false;
        self.file_checkpoint(id);
        true
    }

    /// The lease's end was applied.
    pub fn removed(&mut self, id: LeaseId) {
        let Some(deadline) = self.leases.remove(&id) else { return };
        match deadline.end_filed_at {
            Some(at) => {
                let was_filed = self.ends.remove(&(at, id));
                assert!(was_filed, "lease {} had no end filed: {deadline:?}", id.0);
            }
            None => assert!(deadline.is_expiring, "lease {} was never to end: {deadline:?}", id.0),
        }
        if let Some(at) = deadline.checkpoint_filed_at {
            self.checkpoints.remove(&(at, id));
        }
    }

    /// Leases to revoke, the longest overdue first. Each is expiring from now on, and handed out once: what a leader
    /// proposes is applied, or it leads no more.
    pub fn take_due(&mut self, now: Time, max: usize) -> Vec<Grant> {
        let mut due = Vec::new();
        while due.len() < max {
            let Some(&(at, id)) = self.ends.first().filter(|(at, _)| *at <= now) else { break };
            self.ends.remove(&(at, id));
            let deadline = self.leases.get_mut(&id).expect("a filed lease has a deadline");
            assert_eq!(deadline.end_filed_at, Some(at), "lease {} filed twice", id.0);
            if deadline.end_at > at {
                // Renewed since it was filed. It may be due all the same, after others that ended before it.
                deadline.end_filed_at = Some(deadline.end_at);
                self.ends.insert((deadline.end_at, id));
            } else {
                deadline.is_expiring = true;
                deadline.end_filed_at = None;
                due.push(deadline.grant);
            }
        }
        due
    }

    /// The end of this lease was refused when it was applied: it is due again a little later.
    pub fn refused(&mut self, grant: Grant, now: Time) {
        if let Some(deadline) = self.leases.get_mut(&grant.lease)
            && deadline.grant == grant
            && deadline.end_filed_at.is_none()
        {
            let again_at = now.plus_ms(RETRY_AFTER_MS);
            deadline.end_filed_at = Some(again_at);
            self.ends.insert((again_at, grant.lease));
        }
    }

    /// Which remaining TTLs should be replicated now, in seconds. They count as recorded from here on, whether or
    /// not that is applied.
    pub fn take_checkpoints(&mut self, now: Time, max: usize) -> Vec<(Grant, i64)> {
        let mut taken = Vec::new();
        while taken.len() < max {
            let Some(&(at, id)) = self.checkpoints.first().filter(|(at, _)| *at <= now) else { break };
            self.checkpoints.remove(&(at, id));
            let deadline = self.leases.get_mut(&id).expect("a filed lease has a deadline");
            deadline.checkpoint_filed_at = None;
            if deadline.is_expiring || deadline.end_at <= now {
                // This member slept past both. Filed again, the checkpoint would be due again at once, for ever.
                continue;
            }
            if deadline.checkpoint_at <= now {
                if !deadline.is_clearing {
                    let left_secs = deadline.end_at.ms_since(now).div_ceil(1000).cast_signed();
                    // The election timeout that a takeover adds is not part of the TTL.
                    let ttl_secs = (deadline.ttl_ms / 1000).cast_signed();
                    taken.push((deadline.grant, left_secs.min(ttl_secs)));
                    deadline.is_recorded = true;
                }
                deadline.checkpoint_at = now.plus_ms((deadline.ttl_ms / 8).max(1_000));
            }
            self.file_checkpoint(id);
        }
        taken
    }

    /// Whether a remaining TTL must be cleared through the log before a keepalive of this lease is answered.
    pub fn needs_clearing(&self, id: LeaseId) -> bool {
        self.leases.get(&id).is_some_and(|deadline| deadline.is_recorded)
    }

    /// It was proposed to clear the remaining TTL. Until the lease is renewed, nothing more is recorded of it.
    pub fn clearing(&mut self, id: LeaseId) {
        if let Some(deadline) = self.leases.get_mut(&id) {
            deadline.is_clearing = true;
        }
    }

    /// Whether the lease's end was handed out: it can no longer be renewed.
    pub fn is_expiring(&self, id: LeaseId) -> bool {
        self.leases.get(&id).is_some_and(|deadline| deadline.is_expiring)
    }

    /// Milliseconds until the lease ends; 0 where it is due or expiring, `None` where it has no deadline here.
    pub fn remaining_ms(&self, id: LeaseId, now: Time) -> Option<u64> {
        let deadline = self.leases.get(&id)?;
        Some(if deadline.is_expiring { 0 } else { deadline.end_at.ms_since(now) })
    }

    /// Every lease, the soonest to end first, by id where they end together.
    pub fn soonest_first(&self) -> Vec<LeaseId> {
        let mut ends: Vec<(Time, LeaseId)> =
            self.leases.iter().map(|(id, deadline)| (deadline.end_at, *id)).collect();
        ends.sort_unstable();
        ends.into_iter().map(|(_, id)| id).collect()
    }

    /// When `take_due` or `take_checkpoints` may next have something; not later than they have.
    pub fn next_at(&self) -> Option<Time> {
        let end = self.ends.first().map(|(at, _)| *at);
        let checkpoint = self.checkpoints.first().map(|(at, _)| *at);
        end.into_iter().chain(checkpoint).min()
    }

    /// Files a lease for its next checkpoint, unless it is filed for an earlier moment or ends before that.
    fn file_checkpoint(&mut self, id: LeaseId) {
        let deadline = self.leases.get_mut(&id).expect("the caller has it");
        let is_filed = deadline.checkpoint_filed_at.is_some_and(|at| at <= deadline.checkpoint_at);
        if is_filed || deadline.checkpoint_at >= deadline.end_at {
            return;
        }
        if let Some(at) = deadline.checkpoint_filed_at {
            self.checkpoints.remove(&(at, id));
        }
        deadline.checkpoint_filed_at = Some(deadline.checkpoint_at);
        self.checkpoints.insert((deadline.checkpoint_at, id));
    }
}

impl Deadline {
    fn new(grant: Grant, ttl_ms: u64, end_at: Time, checkpoint_at: Time) -> Deadline {
        Deadline {
            grant,
            ttl_ms,
            end_at,
            end_filed_at: Some(end_at),
            checkpoint_at,
            checkpoint_filed_at: (checkpoint_at < end_at).then_some(checkpoint_at),
            is_expiring: false,
            is_recorded: false,
            is_clearing: false,
        }
    }
}

/// Seconds of a TTL, which is positive, as milliseconds.
fn ms(ttl_secs: i64) -> u64 {
    u64::try_from(ttl_secs).expect("a TTL is positive").saturating_mul(1000)
}
