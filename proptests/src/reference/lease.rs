//! Leases: what was granted, and, by one leader's clock, how long it lasts.
//!
//! `Leases` is what every member has. `Deadlines` is the leader's: a list that is looked through from end to end at
//! every question. Milliseconds are those of an explicit clock, from wherever.

use super::request::Refusal;

/// The largest TTL in seconds that may be granted.
pub const TTL_SECS_MAX: i64 = 9_000_000_000;

/// One lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: i64,
    /// Which grant it was, counted from 1: an id may be granted again.
    pub number: u64,
    /// As granted, in seconds.
    pub ttl_secs: i64,
    /// What a leader recorded as left, in seconds; `None` for all of it.
    pub remaining_secs: Option<i64>,
}

/// The leases that there are, in the order of their grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    leases: Vec<Lease>,
    grants: u64,
}

impl Leases {
    /// The lease of this id.
    pub fn get(&self, id: i64) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.id == id)
    }

    /// All leases by id.
    pub fn all(&self) -> Vec<Lease> {
        let mut all = self.leases.clone();
        all.sort_by_key(|lease| lease.id);
        all
    }

    /// How many grants there ever were.
    pub fn grants(&self) -> u64 {
        self.grants
    }

    /// Creates a lease.
    ///
    /// # Errors
    /// `LeaseTtlTooLarge`, `LeaseExists`.
    pub fn grant(&mut self, id: i64, ttl_secs: i64) -> Result<Lease, Refusal> {
        assert!(id != 0 && ttl_secs > 0, "a member chooses an id and raises a TTL before it asks");
        if ttl_secs > TTL_SECS_MAX {
            return Err(Refusal::LeaseTtlTooLarge);
        }
        if self.get(id).is_some() {
            return Err(Refusal::LeaseExists);
        }
        self.grants += 1;
        let lease = Lease { id, number: self.grants, ttl_secs, remaining_secs: None };
        self.leases.push(lease);
        Ok(lease)
    }

    /// Ends a lease; whoever calls deletes its keys.
    ///
    /// # Errors
    /// `LeaseNotFound`.
    pub fn end(&mut self, id: i64) -> Result<(), Refusal> {
        let before = self.leases.len();
        self.leases.retain(|lease| lease.id != id);
        if self.leases.len() == before { Err(Refusal::LeaseNotFound) } else { Ok(()) }
    }

    /// Records what is left of one grant, or that all of it is. Nothing happens where that grant is over.
    pub fn record(&mut self, id: i64, number: u64, remaining_secs: Option<i64>) {
        for lease in self.leases.iter_mut().filter(|lease| (lease.id, lease.number) == (id, number)) {
            lease.remaining_secs = remaining_secs.map(|secs| secs.max(1).min(lease.ttl_secs));
        }
    }
}

/// When one lease is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The lease.
    pub id: i64,
    /// Its grant.
    pub number: u64,
    ttl_ms: u64,
    /// It ends here.
    pub end_ms: u64,
    /// What is left should be recorded here.
    checkpoint_ms: u64,
    /// Its end was handed out and not refused since: it is not due again.
    is_handed_out: bool,
    /// Its end was handed out, be it refused since: it is beyond renewal.
    pub is_expiring: bool,
    /// The end was refused; it is due again here.
    again_ms: u64,
    /// A remaining time is recorded, or on its way.
    pub is_recorded: bool,
    /// It is on its way to have its record cleared.
    is_clearing: bool,
}

/// One leader's deadlines; none on a member that does not lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    is_leading: bool,
    list: Vec<Deadline>,
}

impl Deadlines {
    /// This member leads from now on. Nobody could renew for an election timeout, so every lease gets that more.
    pub fn elect(&mut self, now_ms: u64, election_timeout_ms: u64, leases: &Leases) {
        self.is_leading = true;
        self.list.clear();
        let first_checkpoint_ms = (5 * election_timeout_ms).max(election_timeout_ms + 1_000);
        for lease in leases.all() {
            let left_secs = lease.remaining_secs.unwrap_or(lease.ttl_secs);
            let mut deadline = Deadline::of(&lease, now_ms);
            deadline.end_ms = now_ms.saturating_add(ms(left_secs)).saturating_add(election_timeout_ms);
            deadline.checkpoint_ms = now_ms + first_checkpoint_ms;
            deadline.is_recorded = lease.remaining_secs.is_some();
            self.list.push(deadline);
        }
    }

    /// This member leads no more.
    pub fn resign(&mut self) {
        *self = Deadlines::default();
    }

    /// A lease was granted.
    pub fn granted(&mut self, lease: &Lease, now_ms: u64) {
        if self.is_leading {
            self.list.push(Deadline::of(lease, now_ms));
        }
    }

    /// A lease ended.
    pub fn ended(&mut self, id: i64) {
        self.list.retain(|deadline| deadline.id != id);
    }

    /// A client keeps a lease alive; false where it comes too late.
    pub fn renew(&mut self, id: i64, now_ms: u64) -> bool {
        let Some(deadline) = self.list.iter_mut().find(|deadline| deadline.id == id && !deadline.is_expiring)
        else {
            return false;
        };
        deadline.end_ms = deadline.end_ms.max(now_ms.saturating_add(deadline.ttl_ms));
        deadline.checkpoint_ms = now_ms.saturating_add(deadline.ttl_ms / 2);
        deadline.is_recorded = false;
        deadline.is_clearing = false;
        true
    }

    /// What is due and was not handed out yet, the longest overdue first; it is handed out now.
    pub fn take_due(&mut self, now_ms: u64, max: usize) -> Vec<(i64, u64)> {
        let mut due: Vec<&mut Deadline> = self
            .list
            .iter_mut()
            .filter(|deadline| deadline.due_ms().is_some_and(|at| at <= now_ms))
            .collect();
        due.sort_by_key(|deadline| (deadline.due_ms(), deadline.id));
        due.truncate(max);
        due.iter_mut().for_each(|deadline| {
            deadline.is_handed_out = true;
            deadline.is_expiring = true;
        });
        due.into_iter().map(|deadline| (deadline.id, deadline.number)).collect()
    }

    /// An end that was handed out was refused: it is due again after `RETRY_AFTER_MS`.
    pub fn refused(&mut self, id: i64, number: u64, now_ms: u64) {
        for deadline in self.list.iter_mut().filter(|deadline| (deadline.id, deadline.number) == (id, number))
        {
            if deadline.is_handed_out {
                deadline.is_handed_out = false;
                deadline.again_ms = now_ms + RETRY_AFTER_MS;
            }
        }
    }

    /// What is left of those that look abandoned, in whole seconds, rounded up; by id.
    pub fn take_checkpoints(&mut self, now_ms: u64) -> Vec<(i64, u64, i64)> {
        let mut taken = Vec::new();
        for deadline in &mut self.list {
            let is_over = deadline.is_expiring || deadline.end_ms <= now_ms;
            if is_over || deadline.checkpoint_ms > now_ms {
                continue;
            }
            if !deadline.is_clearing {
                let left_ms = (deadline.end_ms - now_ms).min(deadline.ttl_ms);
                let left_secs = i64::try_from(left_ms.div_ceil(1000)).expect("a TTL in seconds");
                taken.push((deadline.id, deadline.number, left_secs));
                deadline.is_recorded = true;
            }
            deadline.checkpoint_ms = now_ms + (deadline.ttl_ms / 8).max(1_000);
        }
        taken.sort_unstable();
        taken
    }

    /// Whether what is recorded of a lease must be cleared before it is renewed.
    pub fn needs_clearing(&self, id: i64) -> bool {
        self.get(id).is_some_and(|deadline| deadline.is_recorded)
    }

    /// It was asked to clear it. Nothing more is recorded until it is renewed.
    pub fn clearing(&mut self, id: i64) {
        self.list
            .iter_mut()
            .filter(|deadline| deadline.id == id)
            .for_each(|deadline| deadline.is_clearing = true);
    }

    /// The deadline of a lease.
    pub fn get(&self, id: i64) -> Option<&Deadline> {
        self.list.iter().find(|deadline| deadline.id == id)
    }

    /// Milliseconds that a lease has left.
    pub fn remaining_ms(&self, id: i64, now_ms: u64) -> Option<u64> {
        let deadline = self.get(id)?;
        Some(if deadline.is_expiring { 0 } else { deadline.end_ms.saturating_sub(now_ms) })
    }

    /// Every lease, the soonest to end first.
    pub fn soonest_first(&self) -> Vec<i64> {
        let mut ends: Vec<(u64, i64)> =
            self.list.iter().map(|deadline| (deadline.end_ms, deadline.id)).collect();
        ends.sort_unstable();
        ends.into_iter().map(|(_, id)| id).collect()
    }

    /// The moment before which nothing is due.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.list.iter().filter_map(Deadline::due_ms).min()
    }
}

/// After so long an end that was refused is due again.
const RETRY_AFTER_MS: u64 = 3_000;

impl Deadline {
    fn of(lease: &Lease, now_ms: u64) -> Deadline {
        let ttl_ms = ms(lease.ttl_secs);
        Deadline {
            id: lease.id,
            number: lease.number,
            ttl_ms,
            end_ms: now_ms.saturating_add(ttl_ms),
            checkpoint_ms: now_ms.saturating_add(ttl_ms / 2),
            is_handed_out: false,
            is_expiring: false,
            again_ms: 0,
            is_recorded: false,
            is_clearing: false,
        }
    }

    fn due_ms(&self) -> Option<u64> {
        (!self.is_handed_out).then_some(self.end_ms.max(self.again_ms))
    }
}

fn ms(secs: i64) -> u64 {
    u64::try_from(secs).expect("a TTL is positive") * 1000
}
