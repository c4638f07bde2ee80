//! Leases: what is granted against a list, and a leader's deadlines against another, looked through from end to end.
//!
//! The leader's commands are applied at once or a little later, as the random has it; between the two, leases are
//! renewed, revoked, granted again and taken over by another leader.

use crate::cases;
use bytes::Bytes;
use detcd_engine::ids::{Grant, LeaseId};
use detcd_engine::lease::{Deadlines, Lease, Lessor};
use detcd_engine::time::Time;
use detcd_proptests::reference::lease as reference;
use detcd_proptests::strategies::LEASES;
use detcd_proptests::translate;
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use std::collections::BTreeSet;

const ELECTION_TIMEOUT_MS: u64 = 1_000;

#[derive(Clone, Debug)]
enum Transition {
    Grant(i64, i64),
    Revoke(i64),
    Attach(i64, u8),
    Detach(i64, u8),
    KeepAlive(i64),
    /// A keepalive waits for its clearing to be applied.
    AskToClear(i64),
    Clear(i64),
    /// Milliseconds go by; then at most so many leases are taken, and their ends applied or refused.
    Pass(u64, usize, Fate),
    Elect,
    Resign,
    /// The leases are written to a snapshot and read again.
    Reload,
}

/// What becomes of an end that was proposed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Applied,
    Refused,
    /// Still on its way when this run ends.
    Underway,
}

#[derive(Clone, Debug, Default)]
struct Nothing;

/// Both sides, and which keys hang where.
#[derive(Default)]
struct Module {
    lessor: Lessor,
    deadlines: Deadlines,
    leases: reference::Leases,
    expected: reference::Deadlines,
    attached: BTreeSet<(i64, Bytes)>,
    now_ms: u64,
}

impl ReferenceStateMachine for Nothing {
    type State = Nothing;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Nothing> {
        Just(Nothing).boxed()
    }

    fn transitions(_: &Nothing) -> BoxedStrategy<Transition> {
        let id = select(LEASES);
        let ttl_secs = select(&[1_i64, 2, 3, 3, 10, 60, reference::TTL_SECS_MAX][..]);
        let ms = select(&[0_u64, 1, 499, 500, 999, 1_000, 1_500, 2_000, 5_000, 30_000, 100_000][..]);
        let fate = select(&[Fate::Applied, Fate::Applied, Fate::Refused, Fate::Underway][..]);
        prop_oneof![
            6 => (id.clone(), ttl_secs).prop_map(|(id, ttl_secs)| Transition::Grant(id, ttl_secs)),
            2 => id.clone().prop_map(Transition::Revoke),
            3 => (id.clone(), 0_u8..3).prop_map(|(id, key)| Transition::Attach(id, key)),
            1 => (id.clone(), 0_u8..3).prop_map(|(id, key)| Transition::Detach(id, key)),
            6 => id.clone().prop_map(Transition::KeepAlive),
            1 => id.clone().prop_map(Transition::AskToClear),
            1 => id.prop_map(Transition::Clear),
            8 => (ms, select(&[1_usize, 2, 100][..]), fate)
                .prop_map(|(ms, max, fate)| Transition::Pass(ms, max, fate)),
            2 => Just(Transition::Elect),
            1 => Just(Transition::Resign),
            1 => Just(Transition::Reload),
        ]
        .boxed()
    }

    fn apply(state: Nothing, _: &Transition) -> Nothing {
        state
    }
}

impl StateMachineTest for Module {
    type SystemUnderTest = Module;
    type Reference = Nothing;

    fn init_test(_: &Nothing) -> Module {
        let mut module = Module::default();
        module.elect();
        module
    }

    fn apply(mut module: Module, _: &Nothing, transition: Transition) -> Module {
        match transition {
            Transition::Grant(id, ttl_secs) => module.grant(id, ttl_secs),
            Transition::Revoke(id) => module.revoke(id),
            Transition::Attach(id, key) => {
                if module.lessor.contains(LeaseId(id)) {
                    module.lessor.attach(LeaseId(id), Bytes::from(vec![key]));
                    module.attached.insert((id, Bytes::from(vec![key])));
                }
            }
            Transition::Detach(id, key) => {
                module.lessor.detach(LeaseId(id), &Bytes::from(vec![key]));
                module.attached.remove(&(id, Bytes::from(vec![key])));
            }
            Transition::KeepAlive(id) => module.keep_alive(id),
            Transition::AskToClear(id) => {
                module.deadlines.clearing(LeaseId(id));
                module.expected.clearing(id);
            }
            Transition::Clear(id) => module.record(id, None),
            Transition::Pass(ms, max, fate) => module.pass(ms, max, fate),
            Transition::Elect => module.elect(),
            Transition::Resign => {
                module.deadlines.demote();
                module.expected.resign();
            }
            Transition::Reload => module.reload(),
        }
        module
    }

    fn check_invariants(module: &Module, _: &Nothing) {
        let leases: Vec<reference::Lease> = module.lessor.iter().map(plain).collect();
        assert_eq!(leases, module.leases.all());
        assert_eq!((module.lessor.len(), module.lessor.grants()), (leases.len(), module.leases.grants()));
        let from_scratch = Lessor::from_leases(module.lessor.grants(), module.lessor.iter().copied());
        assert_eq!(
            module.lessor.hash(),
            from_scratch.expect("its own leases").hash(),
            "the hash kept up to date"
        );
        let now = Time::from_ms(module.now_ms);
        for id in LEASES {
            let lease = LeaseId(*id);
            assert_eq!(module.lessor.get(lease).map(plain).as_ref(), module.leases.get(*id));
            let keys: Vec<Bytes> = module.lessor.keys(lease).cloned().collect();
            let attached = module.attached.iter().filter(|(at, _)| at == id).map(|(_, key)| key.clone());
            assert_eq!(keys, attached.collect::<Vec<_>>(), "keys of lease {id}");
            let left_ms = module.deadlines.remaining_ms(lease, now);
            assert_eq!(left_ms, module.expected.remaining_ms(*id, module.now_ms), "time left of lease {id}");
            assert_eq!(module.deadlines.needs_clearing(lease), module.expected.needs_clearing(*id));
            let is_expiring = module.expected.get(*id).is_some_and(|deadline| deadline.is_expiring);
            assert_eq!(module.deadlines.is_expiring(lease), is_expiring);
        }
        let soonest: Vec<i64> = module.deadlines.soonest_first().into_iter().map(|id| id.0).collect();
        assert_eq!(soonest, module.expected.soonest_first());
        let wake_at_ms = module.deadlines.next_at().map_or(u64::MAX, Time::as_ms);
        assert!(wake_at_ms <= module.expected.next_due_ms().unwrap_or(u64::MAX), "woken too late");
    }
}

impl Module {
    fn now(&self) -> Time {
        Time::from_ms(self.now_ms)
    }

    fn grant(&mut self, id: i64, ttl_secs: i64) {
        let granted = self.lessor.grant(LeaseId(id), ttl_secs);
        let expected = self.leases.grant(id, ttl_secs);
        let plain = granted.map(|grant| (grant.lease.0, grant.number));
        let refused = |error| translate::refusal(error).expect("the lessor's own refusal");
        assert_eq!(plain.map_err(refused), expected.map(|lease| (lease.id, lease.number)));
        if let (Ok(grant), Ok(lease)) = (granted, expected) {
            self.deadlines.granted(grant, ttl_secs, self.now());
            self.expected.granted(&lease, self.now_ms);
        }
    }

    fn revoke(&mut self, id: i64) {
        let keys: Vec<Bytes> =
            self.attached.iter().filter(|(at, _)| *at == id).map(|(_, key)| key.clone()).collect();
        let expected = self.leases.end(id).map(|()| keys);
        let refused = |error| translate::refusal(error).expect("the lessor's own refusal");
        assert_eq!(self.lessor.revoke(LeaseId(id)).map_err(refused), expected);
        if expected.is_ok() {
            self.attached.retain(|(at, _)| *at != id);
            self.deadlines.removed(LeaseId(id));
            self.expected.ended(id);
        }
    }

    fn keep_alive(&mut self, id: i64) {
        let Some(lease) = self.leases.get(id).copied() else { return };
        if self.expected.needs_clearing(id) {
            self.deadlines.clearing(LeaseId(id));
            self.expected.clearing(id);
            self.record(id, None);
        }
        let is_renewed = self.deadlines.renewed(LeaseId(id), lease.ttl_secs, self.now());
        assert_eq!(is_renewed, self.expected.renew(id, self.now_ms), "lease {id} renewed");
    }

    fn record(&mut self, id: i64, left_secs: Option<i64>) {
        let Some(lease) = self.leases.get(id).copied() else { return };
        self.leases.record(id, lease.number, left_secs);
        match left_secs {
            Some(secs) => self.lessor.checkpoint(LeaseId(id), secs),
            None => self.lessor.clear_remaining(LeaseId(id)),
        }
    }

    fn pass(&mut self, ms: u64, max: usize, fate: Fate) {
        self.now_ms += ms;
        let due: Vec<(i64, u64)> = self.deadlines.take_due(self.now(), max).iter().map(number).collect();
        assert_eq!(due, self.expected.take_due(self.now_ms, max), "due at {} ms", self.now_ms);
        for (id, number) in due {
            match fate {
                Fate::Applied => self.revoke(id),
                Fate::Refused => {
                    self.deadlines.refused(Grant { lease: LeaseId(id), number }, self.now());
                    self.expected.refused(id, number, self.now_ms);
                }
                Fate::Underway => {}
            }
        }
        let taken = self.deadlines.take_checkpoints(self.now(), 100);
        let mut taken: Vec<(i64, u64, i64)> =
            taken.iter().map(|(grant, left_secs)| (grant.lease.0, grant.number, *left_secs)).collect();
        taken.sort_unstable();
        assert_eq!(taken, self.expected.take_checkpoints(self.now_ms), "recorded at {} ms", self.now_ms);
        for (id, number, left_secs) in taken {
            assert!(self.lessor.is_granted(Grant { lease: LeaseId(id), number }));
            self.record(id, Some(left_secs));
        }
    }

    fn elect(&mut self) {
        self.deadlines.demote();
        self.deadlines.promote(self.now(), ELECTION_TIMEOUT_MS, &self.lessor);
        self.expected.elect(self.now_ms, ELECTION_TIMEOUT_MS, &self.leases);
    }

    fn reload(&mut self) {
        let view = self.lessor.view();
        self.lessor = Lessor::from_leases(view.grants(), view.iter().copied()).expect("its own leases");
        for (id, key) in &self.attached {
            self.lessor.attach(LeaseId(*id), key.clone());
        }
        assert_eq!(self.lessor.view(), view);
    }
}

fn number(grant: &Grant) -> (i64, u64) {
    (grant.lease.0, grant.number)
}

fn plain(lease: &Lease) -> reference::Lease {
    let Lease { id, grant_number, granted_ttl_secs, remaining_ttl_secs } = *lease;
    let (id, number) = (id.0, grant_number);
    reference::Lease { id, number, ttl_secs: granted_ttl_secs, remaining_secs: remaining_ttl_secs }
}

prop_state_machine! {
    #![proptest_config(cases(2048))]

    #[test]
    fn leases_are_those_of_the_list(sequential 1..60 => Module);
}
