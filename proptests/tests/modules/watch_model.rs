//! What watch streams are owed: every response is held against what was asked and what happened.
//!
//! A stream's responses leave in the order in which the engine decided them, so the model decides each question when
//! its answer comes by: which watchers there are then, how far each was sent. What it holds against them:
//!
//! * events are those of the reference, in order, none twice, none left out, whole revisions unless fragments were
//!   asked for;
//! * progress at a revision comes when everything up to it was sent;
//! * a watcher ends by its client's word, or because what it still needed is compacted, and says so;
//! * ids, refusals and revisions are etcd's.

use detcd_engine::ids::{StreamId, WatchId};
use detcd_engine::watch::{Event, EventBatch, EventRange, WatchRefusal, WatchResponse};
use detcd_engine::watch::{WatchCreate, WatchInput};
use detcd_proptests::reference::KeyRange;
use detcd_proptests::reference::mvcc::Store;
use detcd_proptests::reference::watch::{self, Watch};
use detcd_proptests::translate;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A watcher as its client sees it.
#[derive(Debug)]
struct Watcher {
    watch: Watch,
    start: i64,
    fragment: bool,
    progress_notify: bool,
    /// Nothing below was left out; nothing below may come.
    next: i64,
    /// Events of revision `next` that came already, in fragments.
    part: usize,
    /// The engine's cursor is not below this.
    floor: i64,
    /// It was created below the compacted revision.
    must_end: bool,
}

/// What was asked and is not answered yet, with the store's newest and oldest revision then.
#[derive(Debug)]
struct Asked {
    input: WatchInput,
    revision: i64,
    compacted: i64,
}

#[derive(Debug, Default)]
struct Stream {
    watchers: BTreeMap<i64, Watcher>,
    /// Ended by compaction. They keep their ids until their client cancels them too.
    compacted_ids: BTreeSet<i64>,
    asked: VecDeque<Asked>,
    next_id: i64,
    undrained_bytes: usize,
}

/// All open streams.
#[derive(Debug, Default)]
pub(crate) struct WatchModel {
    streams: BTreeMap<StreamId, Stream>,
}

impl WatchModel {
    /// Call it right before the engine is asked, with the store as it is.
    pub(crate) fn asks(&mut self, id: StreamId, input: &WatchInput, store: &Store) {
        if let WatchInput::Open { .. } = input {
            self.streams.insert(id, Stream::default());
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        match input {
            WatchInput::Open { .. } => {}
            WatchInput::Create(_) | WatchInput::Cancel(_) | WatchInput::Progress => {
                let (revision, compacted) = (store.revision(), store.compacted());
                stream.asked.push_back(Asked { input: input.clone(), revision, compacted });
            }
            WatchInput::Drained { bytes } => stream.undrained_bytes -= bytes,
            WatchInput::Close => {
                self.streams.remove(&id);
            }
        }
    }

    pub(crate) fn is_open(&self, id: StreamId) -> bool {
        self.streams.contains_key(&id)
    }

    pub(crate) fn undrained_bytes(&self, id: StreamId) -> usize {
        self.streams.get(&id).map_or(0, |stream| stream.undrained_bytes)
    }

    pub(crate) fn open_streams(&self) -> Vec<StreamId> {
        self.streams.keys().copied().collect()
    }

    /// One response, in the order in which they came.
    pub(crate) fn sent(
        &mut self,
        id: StreamId,
        response: &WatchResponse<EventRange>,
        batches: &[EventBatch],
        store: &Store,
    ) {
        // A stream that was closed may have had something on its way.
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.undrained_bytes += response.size_bytes(batches);
        match response {
            WatchResponse::Events { id, revision, events, fragment } => {
                let watcher = stream.watchers.get_mut(&id.0).unwrap_or_else(|| panic!("events for {id:?}"));
                watcher.sent(events.of(batches), *revision, *fragment, store);
            }
            WatchResponse::Progress { id: WatchId(-1), revision } => stream.progress(*revision, store),
            WatchResponse::Progress { id, revision } => {
                let watcher = stream.watchers.get(&id.0).expect("progress for a watcher that is there");
                assert!(watcher.progress_notify, "nobody asked for progress of {id:?}");
                watcher.assert_abreast(*revision, store);
            }
            WatchResponse::Compacted { id, compact_revision } => {
                let watcher = stream.watchers.remove(&id.0).expect("the end of a watcher that is there");
                stream.compacted_ids.insert(id.0);
                assert!(*compact_revision <= store.compacted(), "compacted at {compact_revision}");
                assert!(watcher.floor < *compact_revision, "{watcher:?} ended at {compact_revision}");
            }
            WatchResponse::Created { .. }
            | WatchResponse::Rejected { .. }
            | WatchResponse::Canceled { .. } => {
                stream.answered(response);
            }
            WatchResponse::NoLeader => panic!("there is always a leader"),
        }
    }

    /// Everything that the engine has said by now was handed to `sent`: no question is open any more.
    pub(crate) fn all_was_sent(&mut self) {
        for stream in self.streams.values_mut() {
            for asked in std::mem::take(&mut stream.asked) {
                let needs_no_answer = match asked.input {
                    WatchInput::Cancel(id) => !stream.is_taken(id.0),
                    WatchInput::Progress => !stream.must_tell_progress(asked.revision),
                    _ => false,
                };
                assert!(needs_no_answer, "no answer to {asked:?} by {stream:?}");
            }
            let left = stream.watchers.values().find(|watcher| watcher.must_end);
            assert!(left.is_none(), "created below the compacted revision and still there: {left:?}");
        }
    }

    /// Every stream was drained and nothing is left to be read: everybody has everything.
    pub(crate) fn all_are_synced(&mut self, store: &Store) {
        for watcher in self.streams.values_mut().flat_map(|stream| stream.watchers.values_mut()) {
            let missing = watcher.missing(store, store.revision());
            assert_eq!(missing, [], "never sent to {watcher:?}");
            watcher.floor = watcher.floor.max(store.revision() + 1);
        }
    }
}

impl Stream {
    /// An answer to the oldest question that has one.
    fn answered(&mut self, response: &WatchResponse<EventRange>) {
        loop {
            let asked = self.asked.pop_front().unwrap_or_else(|| panic!("{response:?} answers nothing"));
            match (&asked.input, response) {
                (WatchInput::Create(create), _) => {
                    return assert_eq!(*response, self.create(create, &asked), "to {create:?}");
                }
                (WatchInput::Cancel(id), _) if self.forget(id.0) => {
                    let expected = WatchResponse::Canceled { id: *id, revision: asked.revision };
                    return assert_eq!(*response, expected);
                }
                (WatchInput::Cancel(_), _) => {}
                (WatchInput::Progress, _) => {
                    assert!(!self.must_tell_progress(asked.revision), "no progress told by {self:?}");
                }
                (other, _) => unreachable!("{other:?} is not kept"),
            }
        }
    }

    fn create(&mut self, create: &WatchCreate, asked: &Asked) -> WatchResponse<EventRange> {
        let Asked { revision, compacted, .. } = *asked;
        let (key, range_end) = create.range.clone().into_pair();
        let keys = KeyRange { key, range_end };
        let reason = if create.start_revision < 0 {
            WatchRefusal::Compacted
        } else if !keys.contains(&keys.key) {
            WatchRefusal::EmptyRange
        } else if create.id.is_some_and(|id| self.is_taken(id.0)) {
            WatchRefusal::DuplicateId
        } else {
            let id = create.id.map_or_else(|| self.pick_id(), |id| id.0);
            let WatchCreate { no_put, no_delete, prev_kv, .. } = *create;
            let start = create.start_revision;
            let next = if start == 0 { revision + 1 } else { start };
            let watcher = Watcher {
                watch: Watch { keys, no_put, no_delete, prev_kv },
                start,
                fragment: create.fragment,
                progress_notify: create.progress_notify,
                next,
                part: 0,
                floor: next,
                must_end: next < compacted,
            };
            self.watchers.insert(id, watcher);
            return WatchResponse::Created { id: WatchId(id), revision };
        };
        WatchResponse::Rejected { revision, reason }
    }

    fn is_taken(&self, id: i64) -> bool {
        self.watchers.contains_key(&id) || self.compacted_ids.contains(&id)
    }

    /// Whether anybody had this id.
    fn forget(&mut self, id: i64) -> bool {
        self.watchers.remove(&id).is_some() | self.compacted_ids.remove(&id)
    }

    fn pick_id(&mut self) -> i64 {
        while self.is_taken(self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        self.next_id - 1
    }

    fn progress(&mut self, revision: i64, store: &Store) {
        loop {
            let asked = self.asked.pop_front().expect("nobody asked for progress");
            match asked.input {
                WatchInput::Progress if asked.revision == revision => break,
                WatchInput::Progress => assert!(!self.must_tell_progress(asked.revision)),
                WatchInput::Cancel(id) => {
                    assert!(!self.is_taken(id.0), "{id:?} is still there")
                }
                other => panic!("progress before the answer to {other:?}"),
            }
        }
        assert!(!self.watchers.is_empty(), "progress of no watchers");
        assert!(self.compacted_ids.is_empty(), "progress beside watchers that compaction overtook");
        self.watchers.values().for_each(|watcher| watcher.assert_abreast(revision, store));
    }

    /// Whether all of the watchers are known to be synced and past their start, and nothing waits to be drained.
    fn must_tell_progress(&self, revision: i64) -> bool {
        let is_abreast = |watcher: &Watcher| watcher.floor > revision && watcher.start <= revision;
        self.undrained_bytes == 0
            && self.compacted_ids.is_empty()
            && !self.watchers.is_empty()
            && self.watchers.values().all(is_abreast)
    }
}

impl Watcher {
    /// What was not sent yet of what happened up to a revision.
    fn missing(&self, store: &Store, to: i64) -> Vec<watch::Event> {
        watch::events(store, &self.watch, self.next, to).split_off(self.part)
    }

    fn assert_abreast(&self, revision: i64, store: &Store) {
        assert_eq!(self.missing(store, revision), [], "progress at {revision} told too early to {self:?}");
        assert!(self.start <= revision, "progress at {revision} told to {self:?}, which starts later");
    }

    fn sent(&mut self, events: &[Event], revision: i64, fragment: bool, store: &Store) {
        assert!(!events.is_empty(), "a response without events for {self:?}");
        assert!(!fragment || self.fragment, "{self:?} does not take fragments");
        let missing = self.missing(store, store.revision());
        assert!(missing.len() >= events.len(), "{events:?} sent, {missing:?} missing of {self:?}");
        for (event, expected) in events.iter().zip(&missing) {
            assert_event(event, expected, store);
        }
        let last = events[events.len() - 1].record.mod_revision();
        assert!((last..=store.revision()).contains(&revision), "header {revision} with events up to {last}");
        let continues = missing.get(events.len()).is_some_and(|next| next.is.mod_revision == last);
        assert_eq!(
            fragment, continues,
            "revision {last} is sent whole, or in fragments that say so: {self:?}"
        );
        let of_last = events.iter().filter(|event| event.record.mod_revision() == last).count();
        if fragment {
            self.part = if self.next == last { self.part + of_last } else { of_last };
            self.next = last;
        } else {
            (self.next, self.part) = (last + 1, 0);
        }
        self.floor = self.floor.max(self.next);
    }
}

fn assert_event(event: &Event, expected: &watch::Event, store: &Store) {
    assert_eq!(translate::key_value(&event.record), expected.is, "the key as it is");
    let was = event.prev.as_ref().map(translate::key_value);
    // What was before may be compacted by the time it is looked for.
    let is_forgotten = was.is_none() && expected.is.mod_revision - 1 < store.compacted();
    assert!(was == expected.was || is_forgotten, "{was:?} was before {event:?}, expected {:?}", expected.was);
}
