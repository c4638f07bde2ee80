//! What a stream is told when nothing happens: how far it is, and that there is no leader.
//!
//! Progress at revision R is a promise (*bookmarkable*): everything up to R was sent before it, nothing up to R
//! follows. So it is written into the same queue as events, for watchers that are synced only, and never below the
//! revision a watcher asked to start from.

use super::WatchResponse;
use super::hub::Hub;
use super::range_map::{Slot, next_random};
use super::watcher::{Position, ProgressClock};
use crate::ids::{StreamId, WatchId};
use crate::time::Time;

/// Speaks for all watchers of a stream.
const ALL_WATCHERS: WatchId = WatchId(-1);

impl Hub {
    /// A client asks how far its stream is. No answer unless all watchers are synced and past their start (etcd
    /// drops the request likewise; the client asks again), nor to a client that does not read what it was sent, nor
    /// while a watcher that compaction overtook has not been cancelled.
    pub(super) fn answer_progress(&mut self, id: StreamId) {
        let stream = &self.streams[&id];
        let slots: Vec<Slot> = stream.watchers.values().copied().collect();
        let may_tell = stream.has_room(self.fragment_bytes) && stream.compacted.is_empty();
        if may_tell && !slots.is_empty() && slots.into_iter().all(|slot| self.is_synced(slot)) {
            self.respond(id, WatchResponse::Progress { id: ALL_WATCHERS, revision: self.revision });
        }
    }

    /// Periodic progress for the watchers that asked for it and were sent no event for an interval.
    pub(super) fn report_progress(&mut self, now: Time) {
        while let Some(&(at, slot)) = self.progress_due.first().filter(|(at, _)| *at <= now) {
            self.progress_due.remove(&(at, slot));
            let is_synced = self.is_synced(slot);
            let watcher = self.watcher_mut(slot);
            let (stream, id) = (watcher.stream, watcher.id);
            let is_quiet = watcher.progress.is_some_and(|clock| !clock.sent_event);
            if is_synced && is_quiet && self.streams[&stream].has_room(self.fragment_bytes) {
                self.respond(stream, WatchResponse::Progress { id, revision: self.revision });
            }
            self.schedule_progress(now, slot);
        }
    }

    /// The next interval, longer by up to a tenth by chance: the watchers of a client that reconnected need not
    /// report in one burst for ever.
    pub(super) fn schedule_progress(&mut self, now: Time, slot: Slot) {
        let jitter_ms = next_random(&mut self.random) % (self.progress_interval_ms / 10 + 1);
        let due_at = now.plus_ms(self.progress_interval_ms).plus_ms(jitter_ms);
        self.watcher_mut(slot).progress = Some(ProgressClock { due_at, sent_event: false });
        self.progress_due.insert((due_at, slot));
    }

    /// Whether this member has heard of a leader. Streams that require one end after three election timeouts
    /// without. Call it whenever that changes, and at `next_at`.
    pub fn leader_seen(&mut self, now: Time, has_leader: bool, election_timeout_ms: u64) {
        if has_leader {
            self.leaderless = None;
            return;
        }
        let (_, end_at) = *self.leaderless.get_or_insert((now, now.plus_ms(3 * election_timeout_ms)));
        if now < end_at {
            return;
        }
        let waiting: Vec<StreamId> =
            self.streams.iter().filter(|(_, stream)| stream.require_leader).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|id| self.end_leaderless(id));
    }

    /// Whether a watcher has everything up to the hub's revision, and that is not below its start.
    fn is_synced(&mut self, slot: Slot) -> bool {
        let revision = self.revision;
        let watcher = self.watcher_mut(slot);
        watcher.position == Position::Synced && watcher.start_revision <= revision
    }
}
