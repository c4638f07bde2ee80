//! What a client asks of a stream and of its watchers.
//!
//! A request sees everything that was published before it: whatever waits in the hub's window is fanned out first,
//! so that answers and events keep their order on the stream.

use super::hub::Hub;
use super::range_map::Slot;
use super::stream::Stream;
use super::watcher::{Position, Watcher};
use super::{EventRange, WatchRefusal, WatchResponse};
use crate::ids::{StreamId, WatchId};
use crate::mvcc::Store;
use crate::time::Time;
use crate::watch::{WatchCreate, WatchInput};

impl Hub {
    /// A new stream. One that requires a leader ends at once where there is none, as in etcd.
    pub fn open(&mut self, id: StreamId, require_leader: bool) {
        if require_leader && self.leaderless.is_some() {
            self.ready.responses.push((id, WatchResponse::NoLeader));
            return;
        }
        let before = self.streams.insert(id, Stream::new(require_leader));
        assert!(before.is_none(), "watch stream {} was opened twice", id.0);
    }

    /// A stream asks for something. Ignored where the stream is gone: the hub may have ended it (no leader) while
    /// this was on its way.
    pub fn handle(&mut self, now: Time, stream: StreamId, input: WatchInput, store: &Store) {
        if let WatchInput::Open { require_leader } = input {
            return self.open(stream, require_leader);
        }
        self.flush(store);
        if !self.streams.contains_key(&stream) {
            return;
        }
        match input {
            WatchInput::Open { .. } => {}
            WatchInput::Create(create) => self.create(now, stream, create, store),
            WatchInput::Cancel(id) => self.cancel(stream, id),
            WatchInput::Progress => self.answer_progress(stream),
            WatchInput::Drained { bytes } => self.drained(stream, bytes),
            WatchInput::Close => self.close(stream),
        }
    }

    /// A stream asked for a watcher that it may not have. Ignored where the stream is gone.
    pub fn refuse(&mut self, stream: StreamId, reason: WatchRefusal, store: &Store) {
        self.flush(store);
        if self.streams.contains_key(&stream) {
            self.respond(stream, WatchResponse::Rejected { revision: self.revision, reason });
        }
    }

    fn create(&mut self, now: Time, stream: StreamId, create: WatchCreate, store: &Store) {
        let revision = self.revision;
        let table = self.streams.get_mut(&stream).expect("looked up by handle");
        let reason = if create.start_revision < 0 {
            Some(WatchRefusal::Compacted)
        } else if create.range.is_empty() {
            Some(WatchRefusal::EmptyRange)
        } else if create.id.is_some_and(|id| table.is_taken(id)) {
            Some(WatchRefusal::DuplicateId)
        } else {
            None
        };
        if let Some(reason) = reason {
            return self.respond(stream, WatchResponse::Rejected { revision, reason });
        }
        let id = create.id.unwrap_or_else(|| table.pick_id());
        let start = if create.start_revision == 0 { revision + 1 } else { create.start_revision };
        let progress_notify = create.progress_notify;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.watchers.push(None);
            Slot(u32::try_from(self.watchers.len() - 1).expect("fewer than 2^32 watchers"))
        });
        let watcher = Watcher::new(stream, id, create, start);
        self.synced.insert(&watcher.range, slot);
        self.watchers[slot.0 as usize] = Some(watcher);
        self.streams.get_mut(&stream).expect("looked up by handle").watchers.insert(id, slot);
        self.respond(stream, WatchResponse::Created { id, revision });
        // I8
        if start < store.compacted_revision() {
            return self.cancel_compacted(slot, store);
        }
        self.place(slot, start);
        if progress_notify {
            self.schedule_progress(now, slot);
        }
    }

    /// An unknown id gets no answer, as in etcd.
    fn cancel(&mut self, stream: StreamId, id: WatchId) {
        let table = self.streams.get_mut(&stream).expect("looked up by handle");
        let was_compacted = table.compacted.remove(&id);
        match table.watchers.get(&id).copied() {
            Some(slot) => self.remove(slot),
            None if was_compacted => {}
            None => return,
        }
        self.respond(stream, WatchResponse::Canceled { id, revision: self.revision });
    }

    fn drained(&mut self, id: StreamId, bytes: usize) {
        let stream = self.streams.get_mut(&id).expect("looked up by handle");
        let outstanding = stream.outstanding_bytes;
        assert!(bytes <= outstanding, "stream {} drained {bytes} of {outstanding} bytes", id.0);
        stream.outstanding_bytes -= bytes;
        // Not before half is free: slices of history as large as one drained response would cost more than they send.
        if stream.outstanding_bytes <= self.fragment_bytes {
            for slot in std::mem::take(&mut stream.blocked) {
                let watcher = self.watcher_mut(slot);
                watcher.position = Position::CatchingUp;
                let (range, cursor) = (watcher.range.clone(), watcher.next_revision);
                self.lagging.insert(&range, slot);
                self.catching_up.insert((cursor, slot));
            }
        }
    }

    pub(super) fn close(&mut self, id: StreamId) {
        let slots: Vec<Slot> = self.streams[&id].watchers.values().copied().collect();
        slots.into_iter().for_each(|slot| self.remove(slot));
        self.streams.remove(&id);
    }

    pub(super) fn cancel_compacted(&mut self, slot: Slot, store: &Store) {
        let watcher = self.watcher_mut(slot);
        let (stream, id) = (watcher.stream, watcher.id);
        self.remove(slot);
        self.streams.get_mut(&stream).expect("a watcher's stream is open").compacted.insert(id);
        self.respond(stream, WatchResponse::Compacted { id, compact_revision: store.compacted_revision() });
    }

    pub(super) fn respond(&mut self, id: StreamId, response: WatchResponse<EventRange>) {
        let stream = self.streams.get_mut(&id).expect("responses go to open streams");
        stream.outstanding_bytes += response.size_bytes(&self.ready.batches);
        self.ready.responses.push((id, response));
    }

    /// Ends a stream; *no leader* is all it is sent.
    pub(super) fn end_leaderless(&mut self, id: StreamId) {
        self.close(id);
        self.ready.responses.push((id, WatchResponse::NoLeader));
    }
}
