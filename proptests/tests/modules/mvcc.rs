//! The store against a list of all that ever happened: every answer, every revision, whatever was compacted and
//! however far the memory of that was given back.

use crate::cases;
use bytes::Bytes;
use detcd_engine::etcd_file::HashKv;
use detcd_engine::ids::LeaseId;
use detcd_engine::mvcc::{
    RECORD_OVERHEAD_BYTES, RangeResponse, RecordHeader, RecordRef, RevisionError, Store, View,
};
use detcd_proptests::reference::mvcc::{Store as Reference, Version};
use detcd_proptests::reference::{Found, KeyRange, KeyValue, Range, Refusal};
use detcd_proptests::strategies::{self, Scene};
use detcd_proptests::translate;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// One step of a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(Bytes, Bytes, i64),
    Delete(KeyRange),
    Range(Range),
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Before(Vec<KeyValue>),
    Found(Result<Found, Refusal>),
}

#[derive(Clone, Debug)]
enum Transition {
    /// One revision, or none where nothing changes.
    Txn(Vec<Step>),
    Range(Range),
    Compact(i64),
    /// Memory is given back, so many changes of it.
    Slice(usize),
    /// A reader takes the store as it is, and reads it much later.
    KeepView,
    /// The store is made anew from a snapshot's records.
    Rebuild,
}

#[derive(Clone, Debug)]
struct Model {
    store: Reference,
    outcomes: Vec<Outcome>,
    compacted: Result<(), Refusal>,
}

struct Module {
    store: Store,
    /// Does no physical work of compaction, ever.
    lazy: Store,
    kept: Vec<(View, Reference)>,
}

/// A transaction's steps; what it puts hangs on leases that nobody asks about.
pub(crate) fn steps(scene: Scene) -> impl Strategy<Value = Vec<Step>> + Clone {
    let lease = select(&[0_i64, 0, 1, 2][..]);
    let put = (strategies::keys(), strategies::values(), lease);
    let step = prop_oneof![
        5 => put.prop_map(|(key, value, lease)| Step::Put(key, value, lease)),
        2 => strategies::key_ranges().prop_map(Step::Delete),
        1 => strategies::ranges(scene).prop_map(Step::Range),
    ];
    vec(step, 1..5)
}

/// A read inside a transaction: no revision past the one before it, and below the compacted one only 0.
fn range_inside(store: &Reference, base: i64, range: &Range) -> Result<Found, Refusal> {
    if range.revision > base {
        Err(Refusal::FutureRevision)
    } else if range.revision != 0 && range.revision < store.compacted() {
        Err(Refusal::Compacted)
    } else {
        Ok(store.found(range))
    }
}

pub(crate) fn write_reference(store: &mut Reference, steps: &[Step]) {
    tell_reference(store, steps);
}

fn tell_reference(store: &mut Reference, steps: &[Step]) -> Vec<Outcome> {
    let base = store.revision();
    let step = |step: &Step| match step {
        Step::Put(key, value, lease) => {
            let before = store.put(base + 1, key.clone(), value.clone(), *lease);
            Outcome::Before(before.into_iter().collect())
        }
        Step::Delete(keys) => Outcome::Before(store.delete(base + 1, keys)),
        Step::Range(range) => Outcome::Found(range_inside(store, base, range)),
    };
    steps.iter().map(step).collect()
}

pub(crate) fn write_store(store: &mut Store, steps: &[Step]) {
    tell_store(store, steps);
}

fn tell_store(store: &mut Store, steps: &[Step]) -> Vec<Outcome> {
    let base = store.revision();
    let mut write = store.write();
    let mut outcomes = Vec::new();
    for step in steps {
        outcomes.push(match step {
            Step::Put(key, value, lease) => {
                let (record, before) = write.put(key, value, LeaseId(*lease));
                assert_eq!(write.get(key), Some(record), "a transaction reads its own write");
                Outcome::Before(before.iter().map(translate::key_value).collect())
            }
            Step::Delete(keys) => {
                let before = write.delete_range(&translate::key_range(keys));
                Outcome::Before(before.iter().map(translate::key_value).collect())
            }
            Step::Range(range) => {
                let mut looks_left = u64::MAX;
                let answer = write.small_range(&translate::range(range), &mut looks_left);
                Outcome::Found(found(answer.expect("it may look at everything")))
            }
        });
    }
    let changes = write.finish();
    let subs: Vec<u32> = changes.iter().map(RecordRef::sub).collect();
    assert_eq!(subs, (0..).take(changes.len()).collect::<Vec<u32>>(), "sub revisions have no gap");
    assert!(changes.iter().all(|record| record.mod_revision() == base + 1), "one revision");
    assert_eq!(
        store.revision(),
        base + i64::from(!changes.is_empty()),
        "a change is a revision, nothing is none"
    );
    outcomes
}

fn found(answer: Result<RangeResponse, RevisionError>) -> Result<Found, Refusal> {
    answer.map(|response| translate::found(&response)).map_err(refused)
}

fn refused(error: RevisionError) -> Refusal {
    translate::refusal(error.into()).expect("the store's own refusal")
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model { store: Reference::default(), outcomes: Vec::new(), compacted: Ok(()) }).boxed()
    }

    fn transitions(state: &Model) -> BoxedStrategy<Transition> {
        let scene = Scene { revision: state.store.revision(), compacted: state.store.compacted() };
        prop_oneof![
            12 => steps(scene).prop_map(Transition::Txn),
            6 => strategies::ranges(scene).prop_map(Transition::Range),
            2 => strategies::compactions(scene).prop_map(Transition::Compact),
            3 => (0_usize..6).prop_map(Transition::Slice),
            1 => Just(Transition::KeepView),
            1 => Just(Transition::Rebuild),
        ]
        .boxed()
    }

    fn apply(mut state: Model, transition: &Transition) -> Model {
        state.outcomes.clear();
        match transition {
            Transition::Txn(steps) => state.outcomes = tell_reference(&mut state.store, steps),
            Transition::Range(range) => state.outcomes.push(Outcome::Found(state.store.range(range))),
            Transition::Compact(revision) => state.compacted = state.store.compact(*revision),
            Transition::Slice(_) | Transition::KeepView | Transition::Rebuild => {}
        }
        state
    }
}

impl StateMachineTest for Module {
    type SystemUnderTest = Module;
    type Reference = Model;

    fn init_test(_: &Model) -> Module {
        Module { store: Store::new(), lazy: Store::new(), kept: Vec::new() }
    }

    fn apply(mut module: Module, model: &Model, transition: Transition) -> Module {
        let hash = module.store.hash();
        match transition {
            Transition::Txn(steps) => {
                assert_eq!(tell_store(&mut module.store, &steps), model.outcomes, "answers of a transaction");
                tell_store(&mut module.lazy, &steps);
            }
            Transition::Range(range) => {
                let answer = Outcome::Found(found(module.store.range(&translate::range(&range))));
                assert_eq!(vec![answer], model.outcomes, "{range:?}");
            }
            Transition::Compact(revision) => {
                assert_eq!(module.store.compact(revision).map_err(refused), model.compacted);
                assert_eq!(module.lazy.compact(revision).map_err(refused), model.compacted);
            }
            Transition::Slice(most) => {
                module.store.compact_slice(most);
                assert_eq!(module.store.hash(), hash, "how far a compaction has come shows in the hash");
            }
            Transition::KeepView => module.kept.push((module.store.view(), model.store.clone())),
            Transition::Rebuild => {
                let records = module.store.current().records().cloned().collect();
                let (revision, compacted) = (module.store.revision(), module.store.compacted_revision());
                module.store = Store::from_records(revision, compacted, records).expect("its own records");
                assert_eq!(module.store.hash(), hash, "a store made of its own records");
            }
        }
        module
    }

    fn check_invariants(module: &Module, model: &Model) {
        assert_same(&module.store, &model.store);
        assert_eq!(module.store.hash(), module.lazy.hash(), "members that differ in physical work alone");
    }

    fn teardown(module: Module, model: Model) {
        assert_every_revision(&module.store.view(), &model.store);
        module.kept.iter().for_each(|(view, reference)| assert_every_revision(view, reference));
    }
}

/// What a record is, in the reference's words.
pub(crate) fn version(record: &RecordRef) -> Version {
    Version { is: translate::key_value(record), sub: i64::from(record.sub()) }
}

/// What is cheap to compare at every step: numbers, hashes, sizes, and what is kept.
pub(crate) fn assert_same(store: &Store, reference: &Reference) {
    assert_eq!(
        (store.revision(), store.compacted_revision()),
        (reference.revision(), reference.compacted()),
        "newest and oldest revision"
    );
    assert_eq!(store.hash(), store.hash_from_scratch(), "the hash kept up to date");
    let kept = reference.kept();
    let mut records: Vec<Version> = store.current().records().map(version).collect();
    records.sort_by_key(|version| (version.is.mod_revision, version.sub));
    assert_eq!(records, kept, "what is kept");
    let size = |is: &KeyValue| RECORD_OVERHEAD_BYTES + (is.key.len() + is.value.len()) as u64;
    assert_eq!(store.state_bytes(), kept.iter().map(|version| size(&version.is)).sum::<u64>(), "size");
    let live = reference.now(&KeyRange::all());
    assert_eq!(store.live_bytes(), live.iter().map(size).sum::<u64>(), "size of what is live");
    let hashes = kept.iter().map(|version| record(version).hash());
    let records = store.current().records().map(RecordRef::hash);
    let sum = |hashes: &mut dyn Iterator<Item = u128>| hashes.fold(0, u128::wrapping_add);
    assert_eq!(sum(&mut { hashes }), sum(&mut { records }), "the versions' hashes");
}

fn record(version: &Version) -> RecordRef {
    let Version { is, sub } = version;
    let header = RecordHeader {
        create_revision: is.create_revision,
        mod_revision: is.mod_revision,
        sub: u32::try_from(*sub).expect("a short list"),
        version: is.version,
        lease: LeaseId(is.lease),
    };
    RecordRef::new(header, &is.key, &is.value)
}

/// Every range, key and change at every revision there is, and one past either end.
pub(crate) fn assert_every_revision(view: &View, reference: &Reference) {
    let oldest = reference.compacted().max(1) - 1;
    for revision in oldest..=reference.revision() + 1 {
        let range = Range { revision, ..Range::of(KeyRange::all()) };
        assert_eq!(found(view.range(&translate::range(&range))), reference.range(&range), "at {revision}");
        let one = KeyRange::one(Bytes::from_static(b"a"));
        let is_readable = revision >= reference.compacted();
        let at = reference.at(&one, revision).pop().filter(|_| is_readable);
        assert_eq!(view.get_at(b"a", revision).as_ref().map(translate::key_value), at, "a at {revision}");
        let since = revision.max(reference.compacted());
        let changes = reference.versions().iter().filter(|version| version.is.mod_revision >= since);
        let changes: Vec<Version> = changes.cloned().collect();
        assert_eq!(view.history_from(revision).map(version).collect::<Vec<_>>(), changes, "from {revision}");
        assert_eq!(view.changes_since(revision - 1), changes.len() as u64, "after {}", revision - 1);
        let hash = HashKv::begin(view, revision).map(|hash| hash.finish().crc).map_err(refused);
        // Of all revisions 0 alone is not itself.
        let at = if revision == 0 { reference.revision() } else { revision };
        let expected = reference.range(&Range { revision: at, ..range }).map(|_| reference.hash(at));
        assert_eq!(hash, expected, "hash of {revision}");
    }
}

prop_state_machine! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_store_answers_as_the_list(sequential 1..40 => Module);
}

proptest! {
    #![proptest_config(cases(64))]

    /// From one store to each revision, and from there on to each later one, in slices of each size.
    #[test]
    fn a_compaction_at_every_revision_hides_what_the_list_hides(
        txns in vec(steps(Scene { revision: 3, compacted: -1 }), 1..10),
        most in 1_usize..4,
    ) {
        let (mut store, mut reference) = (Store::new(), Reference::default());
        for steps in &txns {
            write_store(&mut store, steps);
            write_reference(&mut reference, steps);
        }
        for first in -1..=store.revision() + 1 {
            let (mut store, mut reference) = (store.clone(), reference.clone());
            compact(&mut store, &mut reference, first);
            // Before, amid and after the physical work of the first.
            while store.compact_slice(most) {
                assert_same(&store, &reference);
            }
            for second in first..=store.revision() {
                let (mut store, mut reference) = (store.clone(), reference.clone());
                compact(&mut store, &mut reference, second);
                assert_every_revision(&store.view(), &reference);
                while store.compact_slice(most) {}
                assert_same(&store, &reference);
                assert_every_revision(&store.view(), &reference);
            }
        }
    }
}

fn compact(store: &mut Store, reference: &mut Reference, revision: i64) {
    assert_eq!(store.compact(revision).map_err(refused), reference.compact(revision), "compact {revision}");
    assert_same(store, reference);
}
