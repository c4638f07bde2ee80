//! Leases: granted, renewed, asked about, hung keys on, revoked, and all of that where there is none.

use super::Generate;
use crate::catalog::Rpc;
use crate::script::Step;
use crate::symbols::LEASE;
use detcd::pb;

/// Seconds between the times of two leases: none catches up with another while a script runs, so their order is known.
const STEP_SECS: i64 = 100_000;
/// At most so many live at once.
const LIVE_MAX: usize = 8;

/// The time of a lease that ends by itself: the requests before that take a few milliseconds.
const ENDS_AFTER_SECS: i64 = 5;

/// What the script asked for.
#[derive(Default)]
pub(super) struct Leases {
    /// Whether servers are left to choose ids: then the hashes of what hangs on such leases cannot be compared.
    pub(super) may_choose: bool,
    live: Vec<i64>,
    granted: i64,
    /// Grants that left the id to the server.
    chosen: i64,
}

impl Leases {
    pub(super) fn all(&self) -> Vec<i64> {
        self.live.clone()
    }
}

impl Generate {
    pub(super) fn lease(&mut self) {
        match self.random.below(10) {
            0..3 if self.leases.live.len() < LIVE_MAX => self.grant(),
            3 => self.short_lived(),
            4..6 => self.revoke(),
            6..9 => {
                let id = self.any_lease();
                self.keep_alive(id);
            }
            _ => self.time_to_live(),
        }
    }

    fn grant(&mut self) {
        let leaves_choice = self.leases.may_choose && self.one_in(3);
        let id = match (leaves_choice, self.random.below(12)) {
            (true, _) => 0,
            (false, 0) => self.any_lease(),
            (false, 1) => *self.pick(&[i64::MIN, -1, i64::MAX]),
            (false, _) => 1 + self.below(40),
        };
        self.leases.granted += 1;
        let ttl = STEP_SECS * self.leases.granted;
        self.call("LeaseGrant", &pb::LeaseGrantRequest { ttl, id });
        if leaves_choice {
            self.leases.live.push(LEASE + self.leases.chosen);
            self.leases.chosen += 1;
        } else if !self.leases.live.contains(&id) {
            self.leases.live.push(id);
        }
    }

    /// A lease with the least or the most time there is, ended before that is over.
    fn short_lived(&mut self) {
        let ttl = *self.pick(&[0, 1, 2, 3, -5, i64::MIN, 9_000_000_000, 9_000_000_001, i64::MAX]);
        let id = 500 + self.below(3);
        self.call("LeaseGrant", &pb::LeaseGrantRequest { ttl, id });
        self.keep_alive(id);
        self.call("LeaseRevoke", &pb::LeaseRevokeRequest { id });
    }

    /// A lease that ends by itself with its keys, those it lost and those it won, and perhaps in a restart.
    ///
    /// Its time starts again there at etcd, and goes on at detcd: it must be over at both, so nothing else is asked.
    pub(super) fn lease_that_ends(&mut self) {
        let id = 600 + self.below(3);
        self.call("LeaseGrant", &pb::LeaseGrantRequest { ttl: ENDS_AFTER_SECS, id });
        for _ in 0..1 + self.random.below(8) {
            let mut put = self.put_request();
            put.lease = if put.ignore_lease || self.one_in(4) { put.lease } else { id };
            self.call("Put", &put);
        }
        match self.random.below(4) {
            0 => self.keep_alive(id),
            1 => self.restart(),
            2 => self.delete(),
            _ => {}
        }
        self.call("LeaseTimeToLive", &pb::LeaseTimeToLiveRequest { id, keys: true });
        let rpc = Rpc::named("LeaseTimeToLive").expect("a call of etcd's");
        self.steps.push(Step::AwaitEnd(rpc.request(&pb::LeaseTimeToLiveRequest { id, keys: true })));
    }

    fn revoke(&mut self) {
        let id = self.any_lease();
        self.leases.live.retain(|live| *live != id);
        self.call("LeaseRevoke", &pb::LeaseRevokeRequest { id });
    }

    fn keep_alive(&mut self, id: i64) {
        let rpc = Rpc::named("LeaseKeepAlive").expect("a call of etcd's");
        self.steps.push(Step::KeepAlive(rpc.request(&pb::LeaseKeepAliveRequest { id })));
    }

    pub(super) fn time_to_live(&mut self) {
        let id = self.any_lease();
        let keys = self.one_in(2);
        self.call("LeaseTimeToLive", &pb::LeaseTimeToLiveRequest { id, keys });
    }

    /// Mostly one that lives.
    fn any_lease(&mut self) -> i64 {
        if self.leases.live.is_empty() || self.one_in(8) {
            return *self.pick(&[0, 404, -1, i64::MAX, i64::MIN, 7]);
        }
        let live = self.leases.live.clone();
        *self.pick(&live)
    }

    pub(super) fn lease_of_put(&mut self) -> i64 {
        if self.one_in(3) { self.any_lease() } else { 0 }
    }

    /// Ids that the servers chose are large at both, but not in the same order: only given ones are compared with.
    pub(super) fn lease_to_compare(&mut self) -> i64 {
        let given: Vec<i64> = self.leases.live.iter().copied().filter(|id| *id < LEASE).collect();
        if given.is_empty() || self.one_in(3) { 0 } else { *self.pick(&given) }
    }
}
