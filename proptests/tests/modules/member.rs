//! A whole member, through `step` and `take_effects` alone: every answer field for field, leases by its clock, watches,
//! and all of it again after restarts from its own bytes.
//!
//! Transactions are here and nowhere else: what they write can only be asked of a member. The store behind it is
//! held against the reference after every step; leases are asked for, as clients do.

use crate::cases;
use crate::mvcc::{assert_every_revision, assert_same};
use crate::single_member::SingleMember;
use crate::watch::{asks, streams};
use crate::watch_model::WatchModel;
use detcd_engine::ids::{LeaseId, StreamId};
use detcd_engine::memory_member::{check_state, meta_of};
use detcd_engine::request::{
    CompactRequest, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, Reply, Request, RequestError, Response,
};
use detcd_engine::txn;
use detcd_engine::watch::WatchInput;
use detcd_proptests::reference::lease::Deadlines;
use detcd_proptests::reference::{Answer, Cluster, Range, Refusal, Txn, Write};
use detcd_proptests::strategies::{self, LEASES, Scene};
use detcd_proptests::{reference, translate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// `--max-txn-ops`, as low as random transactions are large.
const TXN_OPS_MAX: usize = 5;
/// As members raise it with etcd's election timeout.
const TTL_SECS_MIN: i64 = 2;
const LEASES_PER_COMMAND: usize = 10_000;

#[derive(Clone, Debug)]
enum Transition {
    Write(Write),
    /// In one entry of the log.
    Together(Vec<Write>),
    CompactPhysically(i64),
    Range(Range, bool),
    Read(Txn),
    KeepAlive(i64),
    TimeToLive(i64, bool),
    Leases,
    /// Milliseconds go by at once, as when a process was paused.
    Pass(u64),
    Restart,
    Watch(StreamId, WatchInput),
}

/// What the member should be.
#[derive(Clone, Debug, Default)]
struct Model {
    cluster: Cluster,
    deadlines: Deadlines,
    now_ms: u64,
}

struct Module {
    member: SingleMember,
    /// The generator's own does not know how long a restart takes.
    model: Model,
    watches: WatchModel,
}

impl Model {
    /// A write by a client, from admission on.
    fn write(&mut self, write: &Write) -> Result<Answer, Refusal> {
        let write = match write {
            Write::Txn(txn) => {
                reference::txn::check(txn, TXN_OPS_MAX)?;
                write.clone()
            }
            Write::LeaseGrant(id, ttl_secs) => Write::LeaseGrant(*id, (*ttl_secs).max(TTL_SECS_MIN)),
            _ => write.clone(),
        };
        let answer = self.cluster.apply(&write)?;
        match write {
            Write::LeaseGrant(id, _) => {
                let lease = *self.cluster.leases.get(id).expect("granted just now");
                self.deadlines.granted(&lease, self.now_ms);
            }
            Write::LeaseRevoke(id) => self.deadlines.ended(id),
            _ => {}
        }
        Ok(answer)
    }

    /// Time goes on to `now_ms`, all at once.
    fn pass(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        for (id, _) in self.deadlines.take_due(now_ms, LEASES_PER_COMMAND) {
            self.cluster.revoke(id).expect("a lease that is due is there");
            self.deadlines.ended(id);
        }
        for (id, number, left_secs) in self.deadlines.take_checkpoints(now_ms) {
            self.cluster.leases.record(id, number, Some(left_secs));
        }
    }

    fn keep_alive(&mut self, id: i64) -> i64 {
        let Some(lease) = self.cluster.leases.get(id).copied() else { return 0 };
        if self.deadlines.needs_clearing(id) {
            self.deadlines.clearing(id);
            self.cluster.leases.record(id, lease.number, None);
        }
        if self.deadlines.renew(id, self.now_ms) { lease.ttl_secs } else { 0 }
    }

    fn time_to_live(&self, id: i64, with_keys: bool) -> LeaseTimeToLiveResponse {
        let (lease, left_ms) = (self.cluster.leases.get(id), self.deadlines.remaining_ms(id, self.now_ms));
        let (Some(lease), Some(left_ms)) = (lease, left_ms) else {
            return LeaseTimeToLiveResponse {
                id: LeaseId(id),
                ttl_secs: -1,
                granted_ttl_secs: 0,
                keys: Vec::new(),
            };
        };
        let keys = if with_keys { self.cluster.keys_of(id) } else { Vec::new() };
        LeaseTimeToLiveResponse {
            id: LeaseId(id),
            ttl_secs: i64::try_from(left_ms / 1000).expect("a TTL"),
            granted_ttl_secs: lease.ttl_secs,
            keys: keys.into_iter().map(|is| is.key).collect(),
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Transition> {
        let scene = Scene::of(&model.cluster);
        let lease = select(LEASES);
        let ms = select(&[1_u64, 500, 999, 1_000, 1_001, 2_000, 3_000, 10_000][..]);
        prop_oneof![
            20 => strategies::writes(scene).prop_map(Transition::Write),
            2 => vec(strategies::writes(scene), 2..5).prop_map(Transition::Together),
            1 => strategies::compactions(scene).prop_map(Transition::CompactPhysically),
            5 => (strategies::ranges(scene), any::<bool>())
                .prop_map(|(range, is_serializable)| Transition::Range(range, is_serializable)),
            3 => strategies::reading_txns(scene).prop_map(Transition::Read),
            2 => lease.clone().prop_map(Transition::KeepAlive),
            2 => (lease, any::<bool>()).prop_map(|(id, keys)| Transition::TimeToLive(id, keys)),
            1 => Just(Transition::Leases),
            4 => ms.prop_map(Transition::Pass),
            1 => Just(Transition::Restart),
            4 => (streams(), asks(scene)).prop_map(|(stream, input)| Transition::Watch(stream, input)),
        ]
        .boxed()
    }

    fn apply(mut model: Model, transition: &Transition) -> Model {
        match transition {
            Transition::Write(write) => _ = model.write(write),
            Transition::Together(writes) => writes.iter().for_each(|write| _ = model.write(write)),
            Transition::CompactPhysically(revision) => _ = model.write(&Write::Compact(*revision)),
            Transition::KeepAlive(id) => _ = model.keep_alive(*id),
            Transition::Pass(ms) => model.pass(model.now_ms + ms),
            Transition::Restart => {
                model.deadlines = Deadlines::default();
                model.deadlines.elect(model.now_ms, 1_000, &model.cluster.leases);
            }
            Transition::Range(..)
            | Transition::Read(_)
            | Transition::TimeToLive(..)
            | Transition::Leases
            | Transition::Watch(..) => {}
        }
        model
    }
}

impl StateMachineTest for Module {
    type SystemUnderTest = Module;
    type Reference = Model;

    fn init_test(_: &Model) -> Module {
        let member = SingleMember::new(|config| {
            config.snapshot_commands_min = 8;
            config.compaction_slice_keys = 2;
        });
        let mut model = Model { now_ms: member.now_ms(), ..Model::default() };
        model.deadlines.elect(model.now_ms, 1_000, &model.cluster.leases);
        Module { member, model, watches: WatchModel::default() }
    }

    fn apply(mut module: Module, _: &Model, transition: Transition) -> Module {
        match transition {
            Transition::Write(write) => module.write_all(&[write]),
            Transition::Together(writes) => module.write_all(&writes),
            Transition::CompactPhysically(revision) => {
                let request = CompactRequest { revision, physical: true };
                let expected = module.model.write(&Write::Compact(revision));
                let reply = module.member.ask(Request::Compact(request));
                assert_eq!(answered(reply.map(|reply| reply.response)), expected, "compaction");
            }
            Transition::Range(range, is_serializable) => module.range(&range, is_serializable),
            Transition::Read(txn) => module.read(&txn),
            Transition::KeepAlive(id) => {
                let ttl_secs = module.model.keep_alive(id);
                let response = Response::LeaseKeepAlive { id: LeaseId(id), ttl_secs };
                module.told(Request::LeaseKeepAlive(LeaseId(id)), &response);
            }
            Transition::TimeToLive(id, keys) => module.time_to_live(id, keys),
            Transition::Leases => {
                let ids = module.model.deadlines.soonest_first().into_iter().map(LeaseId).collect();
                module.told(Request::LeaseLeases, &Response::LeaseLeases(ids));
            }
            Transition::Pass(ms) => {
                module.model.pass(module.model.now_ms + ms);
                module.member.pass(ms);
            }
            Transition::Restart => module.restart(),
            Transition::Watch(stream, input) => module.watch(stream, input),
        }
        module.drain();
        module
    }

    fn check_invariants(module: &Module, _: &Model) {
        let state = module.member.engine().state();
        assert_same(state.store(), &module.model.cluster.store);
        let due_ms = module.model.deadlines.next_due_ms().unwrap_or(u64::MAX);
        assert!(module.member.wake_at_ms() <= due_ms, "a lease is due before the member wants to be woken");
    }

    fn teardown(mut module: Module, _: Model) {
        for id in LEASES {
            module.time_to_live(*id, true);
        }
        let state = module.member.engine().state();
        assert_every_revision(&state.store().view(), &module.model.cluster.store);
        check_state(meta_of(state), state);
        module.restart();
        for id in LEASES {
            module.time_to_live(*id, true);
        }
    }
}

impl Module {
    fn write_all(&mut self, writes: &[Write]) {
        let (mut requests, mut expected) = (Vec::new(), Vec::new());
        for write in writes {
            // A transaction is checked before it becomes a request.
            if let Write::Txn(asked) = write {
                let checked = txn::check(translate::txn(asked), TXN_OPS_MAX).map_err(refused);
                let reference = reference::txn::check(asked, TXN_OPS_MAX);
                assert_eq!(checked.as_ref().map(|_| ()).map_err(|refusal| *refusal), reference, "{asked:?}");
                // One that only reads does not wait for the writes that came with it.
                let is_read_apart = writes.len() > 1 && asked.is_read_only();
                if reference.is_err() || is_read_apart {
                    continue;
                }
            }
            requests.push(translate::write(write));
            let answer = self.model.write(write);
            expected.push(answer.map(|answer| (answer, self.model.cluster.store.revision())));
        }
        let replies = self.member.ask_together(requests.clone());
        for ((reply, expected), request) in replies.into_iter().zip(expected).zip(requests) {
            let revision = reply.as_ref().map_or(0, |reply| reply.revision);
            let answer = answered(reply.map(|reply| reply.response));
            assert_eq!(answer.map(|answer| (answer, revision)), expected, "{request:?}");
        }
    }

    fn range(&mut self, range: &Range, is_serializable: bool) {
        let request =
            detcd_engine::request::RangeRequest { serializable: is_serializable, ..translate::range(range) };
        let reply = self.member.ask(Request::Range(request));
        let expected = self.model.cluster.range(range).map(|found| (found, self.revision()));
        let found = reply.map_err(refused).map(|Reply { response, revision, .. }| match response {
            Response::Range(response) => (translate::found(&response), revision),
            other => panic!("{range:?} answered with {other:?}"),
        });
        assert_eq!(found, expected, "{range:?}");
    }

    fn read(&mut self, txn: &Txn) {
        let reply = self.member.ask(Request::Txn(translate::txn(txn)));
        let expected = self.model.cluster.read(txn).map(|answer| (Answer::Txn(answer), self.revision()));
        let revision = reply.as_ref().map_or(0, |reply| reply.revision);
        let answer = answered(reply.map(|reply| reply.response));
        assert_eq!(answer.map(|answer| (answer, revision)), expected, "{txn:?}");
    }

    fn time_to_live(&mut self, id: i64, keys: bool) {
        let request = LeaseTimeToLiveRequest { id: LeaseId(id), keys };
        let expected = self.model.time_to_live(id, keys);
        self.told(Request::LeaseTimeToLive(request), &Response::LeaseTimeToLive(expected));
    }

    fn told(&mut self, request: Request, expected: &Response) {
        let Reply { revision, response, .. } = self.member.ask(request.clone()).expect("never refused");
        assert_eq!((revision, &response), (self.revision(), expected), "{request:?}");
    }

    fn revision(&self) -> i64 {
        self.model.cluster.store.revision()
    }

    fn restart(&mut self) {
        self.drain();
        self.member.restart();
        self.watches = WatchModel::default();
        self.model.now_ms = self.member.now_ms();
        self.model.deadlines = Deadlines::default();
        self.model.deadlines.elect(self.model.now_ms, 1_000, &self.model.cluster.leases);
    }

    fn watch(&mut self, stream: StreamId, input: WatchInput) {
        let is_open = self.watches.is_open(stream);
        if is_open == matches!(input, WatchInput::Open { .. }) {
            return;
        }
        self.watches.asks(stream, &input, &self.model.cluster.store);
        self.member.watch(stream, input);
    }

    /// Clients read what they were sent, at once; a member without anything to do has sent everything.
    fn drain(&mut self) {
        while let Some((stream, response, batches)) = self.member.watched.pop_front() {
            self.watches.sent(stream, &response, &batches, &self.model.cluster.store);
            if self.watches.is_open(stream) {
                let input = WatchInput::Drained { bytes: response.size_bytes(&batches) };
                self.watches.asks(stream, &input, &self.model.cluster.store);
                self.member.watch(stream, input);
            }
        }
        self.watches.all_was_sent();
        self.watches.all_are_synced(&self.model.cluster.store);
    }
}

fn refused(error: RequestError) -> Refusal {
    translate::refusal(error).unwrap_or_else(|| panic!("refused by {error:?}"))
}

fn answered(reply: Result<Response, RequestError>) -> Result<Answer, Refusal> {
    reply.map_err(refused).map(|response| translate::answer(&response).expect("an answer to a write"))
}

prop_state_machine! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_member_answers_as_the_reference(sequential 1..60 => Module);
}

#[test]
fn an_id_that_the_member_chooses_is_a_lease() {
    let mut member = SingleMember::new(|_| {});
    let grant = detcd_engine::request::LeaseGrantRequest { id: LeaseId(0), ttl_secs: 60 };
    let Ok(Reply { response: Response::LeaseGrant(granted), .. }) = member.ask(Request::LeaseGrant(grant))
    else {
        panic!("a grant")
    };
    assert!(granted.id.0 > 0 && granted.ttl_secs == 60, "{granted:?}");
}
