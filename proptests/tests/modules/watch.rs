//! The hub of watches: streams come and go, watchers are created, canceled and asked how far they are while puts,
//! deletes and compactions go on and clients read as slowly as they like.

use crate::cases;
use crate::mvcc::{Step, steps, write_reference, write_store};
use crate::watch_model::WatchModel;
use detcd_engine::ids::{StreamId, WatchId};
use detcd_engine::mvcc::Store;
use detcd_engine::time::Time;
use detcd_engine::watch::Hub;
use detcd_engine::watch::WatchEffects;
use detcd_engine::watch::{WatchCreate, WatchInput};
use detcd_proptests::reference::mvcc::Store as Reference;
use detcd_proptests::strategies::{self, Scene};
use detcd_proptests::translate;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// Two events are more than one response.
const FRAGMENT_BYTES: usize = 180;
const PROGRESS_INTERVAL_MS: u64 = 1_000;

#[derive(Clone, Debug)]
pub(crate) enum Transition {
    Write(Vec<Step>),
    Compact(i64),
    /// A newer snapshot takes the store's place, with all this in it.
    Restore(Vec<Vec<Step>>),
    Input(StreamId, WatchInput),
    /// So many bytes in a thousand of what is not drained yet.
    Drain(StreamId, usize),
    Pump,
    /// Milliseconds go by.
    Pass(u64),
    /// Every client reads all there is.
    Settle,
}

#[derive(Clone, Debug)]
struct Model(Reference);

struct Module {
    store: Store,
    hub: Hub,
    reference: Reference,
    watches: WatchModel,
    now: Time,
}

/// What a client asks of a stream that may be open or not.
pub(crate) fn asks(scene: Scene) -> impl Strategy<Value = WatchInput> + Clone {
    let id = prop_oneof![3 => Just(None), 1 => (0_i64..4).prop_map(Some)];
    let start = prop_oneof![
        3 => Just(0),
        4 => 1..=scene.revision,
        3 => strategies::edges(scene),
    ];
    let flags = (any::<bool>(), proptest::bool::weighted(0.2), proptest::bool::weighted(0.2));
    let more = (any::<bool>(), any::<bool>());
    let create = (id, strategies::key_ranges(), start, flags, more).prop_map(
        |(id, keys, start_revision, (progress_notify, no_put, no_delete), (prev_kv, fragment))| {
            WatchInput::Create(WatchCreate {
                id: id.map(WatchId),
                range: translate::key_range(&keys),
                start_revision,
                progress_notify,
                no_put,
                no_delete,
                prev_kv,
                fragment,
            })
        },
    );
    prop_oneof![
        6 => create,
        2 => (0_i64..4).prop_map(|id| WatchInput::Cancel(WatchId(id))),
        2 => Just(WatchInput::Progress),
        1 => Just(WatchInput::Close),
        2 => Just(WatchInput::Open { require_leader: false }),
    ]
}

pub(crate) fn streams() -> impl Strategy<Value = StreamId> + Clone {
    select(&[StreamId(1), StreamId(2)][..])
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model(Reference::default())).boxed()
    }

    fn transitions(Model(store): &Model) -> BoxedStrategy<Transition> {
        let scene = Scene { revision: store.revision(), compacted: store.compacted() };
        let steps = steps(scene);
        prop_oneof![
            10 => steps.clone().prop_map(Transition::Write),
            2 => strategies::compactions(scene).prop_map(Transition::Compact),
            1 => vec(steps, 0..4).prop_map(Transition::Restore),
            10 => (streams(), asks(scene)).prop_map(|(stream, input)| Transition::Input(stream, input)),
            4 => (streams(), 1_usize..=1000).prop_map(|(stream, share)| Transition::Drain(stream, share)),
            6 => Just(Transition::Pump),
            2 => select(&[1_u64, 999, 1_000, 1_100, 5_000][..]).prop_map(Transition::Pass),
            2 => Just(Transition::Settle),
        ]
        .boxed()
    }

    fn apply(mut state: Model, transition: &Transition) -> Model {
        write(&mut state.0, transition);
        state
    }
}

fn write(store: &mut Reference, transition: &Transition) {
    match transition {
        Transition::Write(steps) => write_reference(store, steps),
        // A refused compaction is as good as none.
        Transition::Compact(revision) => _ = store.compact(*revision),
        Transition::Restore(all) => all.iter().for_each(|steps| write_reference(store, steps)),
        _ => {}
    }
}

impl StateMachineTest for Module {
    type SystemUnderTest = Module;
    type Reference = Model;

    fn init_test(_: &Model) -> Module {
        let mut module = Module {
            store: Store::new(),
            hub: Hub::new(FRAGMENT_BYTES, PROGRESS_INTERVAL_MS, 7),
            reference: Reference::default(),
            watches: WatchModel::default(),
            now: Time::ZERO,
        };
        module.ask(StreamId(1), WatchInput::Open { require_leader: false });
        module
    }

    fn apply(mut module: Module, _: &Model, transition: Transition) -> Module {
        write(&mut module.reference, &transition);
        match transition {
            Transition::Write(steps) => module.write(&steps),
            Transition::Compact(revision) => {
                // A refused one changes nothing; what is refused, the store's own module tells.
                let _ = module.store.compact(revision);
                assert_eq!(module.store.compacted_revision(), module.reference.compacted());
            }
            Transition::Restore(all) => {
                all.iter().for_each(|steps| write_store(&mut module.store, steps));
                module.hub.restored(&module.store);
            }
            Transition::Input(stream, input) => module.ask(stream, input),
            Transition::Drain(stream, share) => {
                let bytes = module.watches.undrained_bytes(stream) * share / 1000;
                module.drain(stream, bytes);
            }
            Transition::Pump => _ = module.pump(),
            Transition::Pass(ms) => module.now = module.now.plus_ms(ms),
            Transition::Settle => module.settle(),
        }
        module
    }

    fn teardown(mut module: Module, _: Model) {
        module.settle();
    }
}

impl Module {
    fn write(&mut self, steps: &[Step]) {
        let base = self.store.revision();
        write_store(&mut self.store, steps);
        let changes: Vec<_> = self.store.history_from(base + 1).cloned().collect();
        self.hub.publish(&changes, &self.store);
    }

    fn ask(&mut self, stream: StreamId, input: WatchInput) {
        if input == (WatchInput::Open { require_leader: false }) && self.watches.is_open(stream) {
            return;
        }
        if input == WatchInput::Close {
            // What was said before it counts as said.
            self.pump();
        }
        self.watches.asks(stream, &input, &self.reference);
        self.hub.handle(self.now, stream, input, &self.store);
    }

    fn drain(&mut self, stream: StreamId, bytes: usize) {
        if self.watches.is_open(stream) {
            self.ask(stream, WatchInput::Drained { bytes });
        }
    }

    /// True where there is more to say at once.
    fn pump(&mut self) -> bool {
        let mut out = WatchEffects::default();
        let has_more = self.hub.pump(self.now, &self.store, &mut out);
        for (stream, response) in &out.responses {
            self.watches.sent(*stream, response, &out.batches, &self.reference);
        }
        self.watches.all_was_sent();
        has_more
    }

    fn settle(&mut self) {
        loop {
            while self.pump() {}
            let mut was_drained = false;
            for stream in self.watches.open_streams() {
                let bytes = self.watches.undrained_bytes(stream);
                was_drained |= bytes > 0;
                self.drain(stream, bytes);
            }
            if !was_drained {
                return self.watches.all_are_synced(&self.reference);
            }
        }
    }
}

prop_state_machine! {
    #![proptest_config(cases(1024))]

    #[test]
    fn every_watcher_gets_what_it_is_owed(sequential 1..60 => Module);
}
