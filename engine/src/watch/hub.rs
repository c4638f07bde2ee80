//! The hub: what is published goes to the watchers it concerns, and every watcher is where its cursor says.
//!
//! The hub knows how far the store is (`revision`); every synced watcher has been sent everything up to there, so a
//! new revision costs nothing for the watchers that it does not concern. Changes are collected as they are published
//! and fanned out together, before anything else is written to a stream and at the latest in `pump`: that keeps
//! each stream in order and makes one response of many small revisions.
//!
//! Invariant: every watcher is in exactly one place by its `Position`: in `synced`; in `lagging` and `catching_up`;
//! or in its stream's `blocked`.

use super::fan_out::{FanOut, by_watcher};
use super::range_map::{RangeMap, Slot, next_random};
use super::stream::Stream;
use super::watcher::{Position, Watcher};
use crate::ids::StreamId;
use crate::mvcc::{RecordRef, Store};
use crate::time::Time;
use crate::watch::{EventRange, WatchEffects, WatchResponse};
use std::collections::{BTreeMap, BTreeSet};

/// Published changes are fanned out when there are so many, even before `pump`: a window's responses are counted
/// against the streams' room only once it is full.
pub(super) const WINDOW_RECORDS_MAX: usize = 1_000;
/// As `WINDOW_RECORDS_MAX`, in bytes of keys and values.
pub(super) const WINDOW_BYTES_MAX: usize = 1024 * 1024;

/// All watchers of this member. Member-local: neither replicated nor persisted.
#[derive(Debug)]
pub struct Hub {
    pub(super) fragment_bytes: usize,
    pub(super) progress_interval_ms: u64,
    pub(super) random: u64,
    /// Everything up to here was published. 0 until the first call that says where the store stands.
    pub(super) revision: i64,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    pub(super) watchers: Vec<Option<Watcher>>,
    pub(super) free: Vec<Slot>,
    pub(super) synced: RangeMap,
    pub(super) lagging: RangeMap,
    /// Lagging watchers whose streams have room, the one furthest behind first.
    pub(super) catching_up: BTreeSet<(i64, Slot)>,
    pub(super) progress_due: BTreeSet<(Time, Slot)>,
    /// Published and not yet fanned out.
    window: Vec<RecordRef>,
    window_bytes: usize,
    /// Fanned out and not yet taken.
    pub(super) ready: WatchEffects,
    /// Since when there has been no leader, and when streams that require one have waited long enough.
    pub(super) leaderless: Option<(Time, Time)>,
}

impl Hub {
    /// No streams yet. `fragment_bytes` is the largest response where the client takes fragments
    /// (`--max-request-bytes` and 512 KiB); the seed feeds progress jitter and the shape of the interval tree.
    pub fn new(fragment_bytes: usize, progress_interval_ms: u64, seed: u64) -> Hub {
        let mut random = seed;
        let synced = RangeMap::new(next_random(&mut random));
        let lagging = RangeMap::new(next_random(&mut random));
        Hub {
            fragment_bytes,
            progress_interval_ms: progress_interval_ms.max(100),
            random,
            revision: 0,
            streams: BTreeMap::new(),
            watchers: Vec::new(),
            free: Vec::new(),
            synced,
            lagging,
            catching_up: BTreeSet::new(),
            progress_due: BTreeSet::new(),
            window: Vec::new(),
            window_bytes: 0,
            ready: WatchEffects::default(),
            leaderless: None,
        }
    }

    /// One applied revision's changes, in the order of its operations. Every revision that changes something is
    /// published, in order; `store` is at that revision, or ahead where one command made several.
    pub fn publish(&mut self, changes: &[RecordRef], store: &Store) {
        let Some(first) = changes.first() else { return };
        let revision = first.mod_revision();
        // I1: no revision is left out.
        let is_next = self.revision == 0 || revision == self.revision + 1;
        assert!(is_next, "revision {revision} published after {}", self.revision);
        self.revision = revision;
        if self.synced.is_empty() {
            return;
        }
        self.window_bytes +=
            changes.iter().map(|record| record.key().len() + record.value().len()).sum::<usize>();
        self.window.extend_from_slice(changes);
        if self.window.len() >= WINDOW_RECORDS_MAX || self.window_bytes >= WINDOW_BYTES_MAX {
            self.fan_out_window(store);
        }
    }

    /// Takes what is to be sent, after a bounded piece of what lags was caught up and progress that is due was
    /// added. True where more can be caught up at once: call again without waiting.
    pub fn pump(&mut self, now: Time, store: &Store, out: &mut WatchEffects) -> bool {
        self.flush(store);
        let has_more = self.catch_up(store);
        self.report_progress(now);
        let WatchEffects { batches, responses } = std::mem::take(&mut self.ready);
        let offset = out.batches.len();
        out.batches.extend(batches);
        out.responses.extend(responses.into_iter().map(|(stream, mut response)| {
            if let WatchResponse::Events { events, .. } = &mut response {
                events.batch += offset;
            }
            (stream, response)
        }));
        has_more
    }

    /// The store was replaced by a newer snapshot. Every cursor stays where it is; the history between is read
    /// like any other, and a cursor below the new store's compacted revision is told so.
    pub fn restored(&mut self, store: &Store) {
        // I19
        assert!(
            store.revision() >= self.revision,
            "the store went back to {} from {}",
            store.revision(),
            self.revision
        );
        self.fan_out_window(store);
        let next = self.revision + 1;
        self.revision = store.revision();
        let slots: Vec<Slot> =
            self.streams.values().flat_map(|stream| stream.watchers.values().copied()).collect();
        for slot in slots {
            let watcher = self.watcher_mut(slot);
            if watcher.position == Position::Synced {
                let cursor = watcher.next_revision.max(next);
                self.place(slot, cursor);
            }
        }
    }

    /// When `pump` has something to say even if nothing happens.
    pub fn next_at(&self) -> Option<Time> {
        let progress = self.progress_due.first().map(|(at, _)| *at);
        let is_waiting = || self.streams.values().any(|stream| stream.require_leader);
        let no_leader = self.leaderless.map(|(_, end_at)| end_at).filter(|_| is_waiting());
        progress.into_iter().chain(no_leader).min()
    }

    /// Everything published is now in `ready`, and the hub stands where the store stands.
    pub(super) fn flush(&mut self, store: &Store) {
        self.fan_out_window(store);
        // I1: none was made that was not published.
        let is_known = self.revision == 0 || self.revision == store.revision();
        assert!(is_known, "the store is at {}, published is {}", store.revision(), self.revision);
        self.revision = store.revision();
    }

    fn fan_out_window(&mut self, store: &Store) {
        if self.window.is_empty() {
            return;
        }
        let window = std::mem::take(&mut self.window);
        self.window_bytes = 0;
        for (slot, cursor) in self.fan_out(&window, Position::Synced, store) {
            self.place(slot, cursor);
        }
    }

    /// Sends the watchers of one position what they want of a window. Returns those whose streams had no room, with
    /// the first revision that each was not sent.
    pub(super) fn fan_out(
        &mut self,
        window: &[RecordRef],
        position: Position,
        store: &Store,
    ) -> Vec<(Slot, i64)> {
        let map = if position == Position::Synced { &self.synced } else { &self.lagging };
        let mut pairs = Vec::new();
        for (at, record) in (0u32..).zip(window) {
            map.for_each(record.key(), &mut |slot| {
                let watcher = self.watchers[slot.0 as usize].as_ref().expect("a mapped slot is taken");
                if watcher.wants(record) {
                    pairs.push((slot, at));
                }
            });
        }
        let mut shared = FanOut::new(window, store, self.fragment_bytes);
        let mut stopped = Vec::new();
        for (slot, positions) in by_watcher(pairs) {
            let watcher = self.watchers[slot.0 as usize].as_mut().expect("a mapped slot is taken");
            let (prev_kv, fragment) = (watcher.prev_kv, watcher.fragment);
            let (batch, parts) = shared.batch(&positions, prev_kv, fragment, &mut self.ready.batches);
            let stream = self.streams.get_mut(&watcher.stream).expect("a watcher's stream is open");
            for part in parts {
                // I7: a revision that has begun goes on, whether there is room or not.
                if !part.continues && !stream.has_room(self.fragment_bytes) {
                    stopped.push((slot, part.revision));
                    break;
                }
                let (id, revision) = (watcher.id, store.revision());
                let events = EventRange { batch, first: part.first, end: part.end };
                let response = WatchResponse::Events { id, revision, events, fragment: part.fragment };
                stream.outstanding_bytes += response.size_bytes(&self.ready.batches);
                self.ready.responses.push((watcher.stream, response));
                watcher.progress.iter_mut().for_each(|clock| clock.sent_event = true);
            }
        }
        stopped
    }

    /// Puts a watcher where it belongs with its cursor at `cursor`, from wherever it is.
    pub(super) fn place(&mut self, slot: Slot, cursor: i64) {
        self.displace(slot);
        let watcher = self.watchers[slot.0 as usize].as_mut().expect("the caller has it");
        let stream = self.streams.get_mut(&watcher.stream).expect("a watcher's stream is open");
        // I6
        let before = watcher.next_revision;
        assert!(cursor >= before, "watcher {} goes back to {cursor} from {before}", watcher.id.0);
        watcher.next_revision = cursor;
        watcher.position = if cursor > self.revision {
            Position::Synced
        } else if stream.has_room(self.fragment_bytes) {
            Position::CatchingUp
        } else {
            Position::Blocked
        };
        match watcher.position {
            Position::Synced => self.synced.insert(&watcher.range, slot),
            Position::CatchingUp => {
                self.lagging.insert(&watcher.range, slot);
                self.catching_up.insert((cursor, slot));
            }
            Position::Blocked => {
                stream.blocked.insert(slot);
            }
        }
    }

    /// Takes a watcher out of the place its position names.
    fn displace(&mut self, slot: Slot) {
        let watcher = self.watchers[slot.0 as usize].as_ref().expect("the caller has it");
        match watcher.position {
            Position::Synced => self.synced.remove(&watcher.range, slot),
            Position::CatchingUp => {
                self.lagging.remove(&watcher.range, slot);
                self.catching_up.remove(&(watcher.next_revision, slot));
            }
            Position::Blocked => {
                let stream = self.streams.get_mut(&watcher.stream).expect("a watcher's stream is open");
                stream.blocked.remove(&slot);
            }
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        self.displace(slot);
        let watcher = self.watchers[slot.0 as usize].take().expect("displaced just now");
        if let Some(clock) = watcher.progress {
            self.progress_due.remove(&(clock.due_at, slot));
        }
        self.streams
            .get_mut(&watcher.stream)
            .expect("a watcher's stream is open")
            .watchers
            .remove(&watcher.id);
        self.free.push(slot);
    }

    pub(super) fn watcher_mut(&mut self, slot: Slot) -> &mut Watcher {
        self.watchers[slot.0 as usize].as_mut().expect("the caller has it")
    }
}
