//! Watch streams: whatever a client says on them and whenever it reads, each watcher is told every change it asked for,
//! once, in order and a revision at a time, until it is canceled.

use crate::cluster::{Cluster, Received};
use crate::draw::Draw;
use crate::split;
use crate::txn_parse::ready_member;
use bytes::Bytes;
use detcd::pb;
use detcd::pb::watch_request::RequestUnion;
use detcd::wire::{kv, txn, watch};
use detcd_engine::ids::{StreamId, WatchId};
use detcd_engine::mvcc::RecordRef;
use detcd_engine::request::{CompactRequest, Request, RequestError};
use detcd_engine::txn::check;
use detcd_engine::watch::{Event, WatchResponse};
use detcd_engine::watch::{WatchCreate, WatchInput};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const ACTIONS_MAX: usize = 300;
/// Large enough that few of them fill a stream, few enough to be held at once.
const LARGE_VALUE_BYTES: usize = 128 * 1024;
const LARGE_VALUES_MAX: usize = 16;
/// How far the clock may go in all: past the end of every lease, which takes some ten thousand ticks.
const PASSED_MS_MAX: u64 = 1_200_000;

/// What a watcher was promised.
struct Watcher {
    create: WatchCreate,
    /// Everything below has been told.
    next_revision: i64,
    /// Of the events of `next_revision` so many have been told, in fragments.
    received_it: usize,
}

#[derive(Default)]
struct Stream {
    watchers: BTreeMap<WatchId, Watcher>,
    /// Ended by compaction and not canceled since: their ids stay taken, and no progress is told.
    compacted_ids: BTreeSet<WatchId>,
    asked: VecDeque<WatchCreate>,
    /// Received and not yet taken in by the client.
    owed: VecDeque<usize>,
}

struct World {
    member: Cluster,
    /// Every change since this began, in order.
    history: Vec<RecordRef>,
    streams: BTreeMap<StreamId, Stream>,
    next_stream: u64,
    large_values: usize,
}

/// Messages of one stream as they are, each with its length before it and a put after it; or streams, writes,
/// compactions and a client that reads when it likes.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    let mut world = World::new();
    if as_it_is {
        let mut rest = Bytes::copy_from_slice(body);
        for at in 0..ACTIONS_MAX {
            let Ok(message) = pb::WatchRequest::decode_length_delimited(&mut rest) else { break };
            if let Some(asked) = watch::watch_request(message) {
                world.say(StreamId(0), asked);
            }
            let key = [b'a' + (at % 4) as u8];
            world.put(&key, b"v");
            world.drain(StreamId(0), usize::MAX);
        }
    } else {
        let mut draw = Draw::new(body);
        for _ in 0..ACTIONS_MAX {
            if draw.is_empty() {
                break;
            }
            world.act(&mut draw);
        }
    }
    world.finish();
}

impl World {
    fn new() -> World {
        let member = ready_member();
        let store = member.engine(0).expect("it runs").state().store();
        let history = store.history_from(1).cloned().collect();
        World { member, history, streams: BTreeMap::new(), next_stream: 1, large_values: 0 }
    }

    fn revision(&self) -> i64 {
        self.member.engine(0).expect("it runs").state().store().revision()
    }

    fn act(&mut self, draw: &mut Draw<'_>) {
        let stream = StreamId(draw.below(3) as u64);
        match draw.below(16) {
            0..=3 => {
                let create = RequestUnion::CreateRequest(draw.watch_create(self.revision()));
                self.say_on_wire(stream, create);
            }
            4 => {
                let watch_id = draw.near(2);
                self.say_on_wire(stream, RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id }));
            }
            5 => self.say_on_wire(stream, RequestUnion::ProgressRequest(pb::WatchProgressRequest {})),
            6 => self.say(stream, WatchInput::Close),
            7 | 8 => {
                let responses = draw.below(4);
                self.drain(stream, responses);
            }
            9 if self.large_values < LARGE_VALUES_MAX => {
                self.large_values += 1;
                self.put(&draw.key(), &vec![b'v'; LARGE_VALUE_BYTES]);
            }
            10 => {
                let revision = draw.near(self.revision());
                self.write(Request::Compact(CompactRequest { revision, physical: false }));
            }
            11 => {
                let ms = (1 << draw.below(22)).min(PASSED_MS_MAX.saturating_sub(self.member.now_ms()));
                // Leases end, and their keys with them.
                let before = self.revision();
                self.member.run_for(ms);
                self.note_since(before);
            }
            12 => {
                let request = txn::txn_request(draw.txn_request(self.revision()), 128);
                if let Ok(txn) = request.and_then(|txn| check(txn, 128)) {
                    self.write(Request::Txn(txn));
                }
            }
            _ => {
                if let Ok(put) = kv::put_request(draw.put_request()) {
                    self.write(Request::Put(put));
                }
            }
        }
    }

    fn note_since(&mut self, revision: i64) {
        let store = self.member.engine(0).expect("it runs").state().store();
        self.history.extend(store.history_from(revision + 1).cloned());
        self.hear();
    }

    fn put(&mut self, key: &[u8], value: &[u8]) {
        let put = pb::PutRequest {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
            ..pb::PutRequest::default()
        };
        self.write(Request::Put(kv::put_request(put).expect("it has a key")));
    }

    /// Asks and notes what changed before anything can be forgotten.
    fn write(&mut self, request: Request) {
        let before = self.revision();
        let answer = self.member.ask_and_wait(0, request);
        assert!(
            !matches!(answer, Err(RequestError::Timeout)),
            "nothing keeps a member of one from answering"
        );
        self.note_since(before);
    }

    fn say_on_wire(&mut self, stream: StreamId, union: RequestUnion) {
        let message = pb::WatchRequest { request_union: Some(union) };
        let decoded = pb::WatchRequest::decode(Bytes::from(message.encode_to_vec()));
        assert_eq!(decoded.as_ref(), Ok(&message), "a message survives its bytes");
        if let Some(input) = watch::watch_request(message) {
            self.say(stream, input);
        }
    }

    /// A stream that was closed has a new life under another number.
    fn say(&mut self, stream: StreamId, input: WatchInput) {
        let id = StreamId(stream.0 + self.next_stream * 3);
        if input == WatchInput::Close {
            if self.streams.remove(&id).is_some() {
                self.member.watch(0, id, false, input);
                self.next_stream += 1;
                self.streams.keys().copied().collect::<Vec<_>>().into_iter().for_each(|open| {
                    self.member.watch(0, open, false, WatchInput::Close);
                });
                self.streams.clear();
                drop(self.member.take_received());
            }
            return;
        }
        let open = self.streams.entry(id).or_default();
        if let WatchInput::Create(create) = &input {
            open.asked.push_back(create.clone());
        }
        self.member.watch(0, id, false, input);
        self.hear();
    }

    /// The client takes so many responses in.
    fn drain(&mut self, stream: StreamId, responses: usize) {
        let id = StreamId(stream.0 + self.next_stream * 3);
        let Some(open) = self.streams.get_mut(&id) else { return };
        let taken = responses.min(open.owed.len());
        let bytes: usize = open.owed.drain(..taken).sum();
        if bytes > 0 {
            self.member.drained(0, id, bytes);
            self.member.run();
            self.hear();
        }
    }

    fn hear(&mut self) {
        let store = self.member.engine(0).expect("it runs").state().store();
        let compacted = store.compacted_revision();
        for received in self.member.take_received() {
            let Some(stream) = self.streams.get_mut(&received.stream) else { continue };
            stream.owed.push_back(received.size_bytes);
            stream.hear(&self.history, compacted, received);
        }
    }

    /// All is read: nothing that was promised is missing.
    fn finish(&mut self) {
        for _ in 0..1000 {
            let owing: Vec<StreamId> =
                self.streams.iter().filter(|(_, open)| !open.owed.is_empty()).map(|(id, _)| *id).collect();
            if owing.is_empty() {
                break;
            }
            owing.into_iter().for_each(|id| self.drain(StreamId(id.0 - self.next_stream * 3), usize::MAX));
        }
        let before = self.revision();
        self.member.run_for(1000);
        self.note_since(before);
        for (id, stream) in &self.streams {
            for (watch, watcher) in &stream.watchers {
                let missing = watcher.outstanding(&self.history).count();
                assert_eq!(
                    missing, 0,
                    "watcher {watch:?} of stream {id:?} was not told all: {:?}",
                    watcher.create
                );
            }
        }
    }
}

impl Stream {
    fn hear(&mut self, history: &[RecordRef], compacted: i64, received: Received) {
        match received.response {
            WatchResponse::Created { id, revision } => {
                let create = self.asked.pop_front().expect("created because it was asked for");
                assert!(create.id.is_none_or(|wanted| wanted == id), "{id:?} for {create:?}");
                assert!(create.start_revision >= 0 && !create.range.is_empty(), "accepted: {create:?}");
                let next_revision =
                    if create.start_revision == 0 { revision + 1 } else { create.start_revision };
                let before = self.watchers.insert(id, Watcher { create, next_revision, received_it: 0 });
                assert!(before.is_none() && !self.compacted_ids.contains(&id), "{id:?} was taken");
            }
            WatchResponse::Rejected { .. } => {
                let create = self.asked.pop_front().expect("refused because it was asked for");
                let is_taken = create
                    .id
                    .is_some_and(|id| self.watchers.contains_key(&id) || self.compacted_ids.contains(&id));
                assert!(
                    create.start_revision < 0 || create.range.is_empty() || is_taken,
                    "refused: {create:?}"
                );
            }
            WatchResponse::Events { id, revision, events, fragment } => {
                let watcher = self.watchers.get_mut(&id).expect("events go to watchers that are there");
                watcher.hear(history, revision, fragment, &events);
            }
            WatchResponse::Progress { id, revision } => {
                let all = id == watch::NO_WATCH;
                let compacted_ids = &self.compacted_ids;
                assert!(!all || compacted_ids.is_empty(), "progress of a stream that lost {compacted_ids:?}");
                for (_, watcher) in self.watchers.iter().filter(|(of, _)| all || **of == id) {
                    let missing =
                        watcher.outstanding(history).find(|record| record.mod_revision() <= revision);
                    assert_eq!(missing, None, "progress to {revision} of {:?}", watcher.create);
                }
            }
            WatchResponse::Canceled { id, .. } => {
                let was_there = self.watchers.remove(&id).is_some() || self.compacted_ids.remove(&id);
                assert!(was_there, "{id:?} was canceled twice");
            }
            WatchResponse::Compacted { id, compact_revision } => {
                let watcher =
                    self.watchers.remove(&id).expect("only a watcher that is there can be compacted_ids");
                let at = watcher.next_revision;
                assert!(
                    at < compact_revision && compact_revision <= compacted,
                    "{at} and {compact_revision}"
                );
                self.compacted_ids.insert(id);
            }
            WatchResponse::NoLeader => panic!("no stream asked for a leader"),
        }
    }
}

impl Watcher {
    /// What is still to be told, as far as things have come.
    fn outstanding<'a>(&'a self, history: &'a [RecordRef]) -> impl Iterator<Item = &'a RecordRef> {
        let is_wanted = |record: &&RecordRef| {
            let is_filtered = if record.is_tombstone() { self.create.no_delete } else { self.create.no_put };
            self.create.range.contains(record.key()) && !is_filtered
        };
        let from = history.partition_point(|record| record.mod_revision() < self.next_revision);
        history[from..].iter().filter(is_wanted).skip(self.received_it)
    }

    fn hear(&mut self, history: &[RecordRef], revision: i64, fragment: bool, events: &[Event]) {
        assert!(!fragment || self.create.fragment, "a part for one that takes no parts: {:?}", self.create);
        let expected: Vec<&RecordRef> = self.outstanding(history).take(events.len() + 1).collect();
        let found: Vec<&RecordRef> = events.iter().map(|event| &event.record).collect();
        assert!(!found.is_empty(), "a response without events");
        assert_eq!(expected.get(..found.len()), Some(&found[..]), "{:?}", self.create);
        let last = found.last().expect("not empty").mod_revision();
        assert!(last <= revision, "an event of {last} in a response at {revision}");
        let goes_on = expected.get(found.len()).is_some_and(|next| next.mod_revision() == last);
        assert_eq!(goes_on, fragment, "revision {last} is torn: {:?}", self.create);
        for event in events {
            let prev = event.prev.as_ref();
            assert!(self.create.prev_kv || prev.is_none(), "an earlier value that nobody asked for");
            let fits = prev.is_none_or(|prev| {
                prev.key() == event.record.key() && prev.position() < event.record.position()
            });
            assert!(fits, "{prev:?} before {:?}", event.record);
        }
        if fragment {
            let of_last = found.iter().filter(|record| record.mod_revision() == last).count();
            self.received_it = if self.next_revision == last { self.received_it + of_last } else { of_last };
            self.next_revision = last;
        } else {
            (self.next_revision, self.received_it) = (last + 1, 0);
        }
    }
}
