//! One watcher: a cursor over the store's history, with a range and filters.

use crate::ids::{StreamId, WatchId};
use crate::key_range::KeyRange;
use crate::mvcc::RecordRef;
use crate::time::Time;
use crate::watch::WatchCreate;

/// One subscription of one stream.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) stream: StreamId,
    pub(super) id: WatchId,
    pub(super) range: KeyRange,
    pub(super) no_put: bool,
    pub(super) no_delete: bool,
    pub(super) prev_kv: bool,
    pub(super) fragment: bool,
    /// As the client asked, 0 for the next change. No progress below it is reported.
    pub(super) start_revision: i64,
    /// The cursor: nothing below this revision is ever sent (again). For a synced watcher a lower bound only: the
    /// first revision it asked for. What it has been sent since, the hub's own revision says for all of them.
    pub(super) next_revision: i64,
    pub(super) position: Position,
    pub(super) progress: Option<ProgressClock>,
}

/// Where a watcher's cursor stands, and who moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// It has everything up to the hub's revision, and gets each new revision as it is published.
    Synced,
    /// It reads history, slice by slice, in `pump`.
    CatchingUp,
    /// It would read history, but its stream has no room.
    Blocked,
}

/// Periodic progress, for watchers that asked for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProgressClock {
    /// When to look next.
    pub(super) due_at: Time,
    /// An event was sent since the last look: the client knows how far it is.
    pub(super) sent_event: bool,
}

impl Watcher {
    pub(super) fn new(stream: StreamId, id: WatchId, create: WatchCreate, next_revision: i64) -> Watcher {
        Watcher {
            stream,
            id,
            range: create.range,
            no_put: create.no_put,
            no_delete: create.no_delete,
            prev_kv: create.prev_kv,
            fragment: create.fragment,
            start_revision: create.start_revision,
            next_revision,
            position: Position::Synced,
            progress: None,
        }
    }

    /// Whether a change of a key in its range is for this watcher: not before its cursor, not filtered out.
    pub(super) fn wants(&self, record: &RecordRef) -> bool {
        let is_filtered = if record.is_tombstone() { self.no_delete } else { self.no_put };
        record.mod_revision() >= self.next_revision && !is_filtered
    }
}
