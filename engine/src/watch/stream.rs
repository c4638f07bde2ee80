//! One stream: the ids of its watchers, and how much its client has yet to take in.

use super::range_map::Slot;
use crate::ids::WatchId;
use std::collections::{BTreeMap, BTreeSet};

/// One gRPC stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) require_leader: bool,
    pub(super) watchers: BTreeMap<WatchId, Slot>,
    /// Overtaken by compaction, which the client was told, and not cancelled by it since. As in etcd such a watcher
    /// keeps its id until then, and the stream is told no progress.
    pub(super) compacted: BTreeSet<WatchId>,
    /// The next id to try where the client leaves the choice to us.
    next_id: i64,
    /// Sent and not yet drained.
    pub(super) outstanding_bytes: usize,
    /// Watchers that have history to read but no room for it.
    pub(super) blocked: BTreeSet<Slot>,
}

impl Stream {
    pub(super) fn new(require_leader: bool) -> Stream {
        Stream {
            require_leader,
            watchers: BTreeMap::new(),
            compacted: BTreeSet::new(),
            next_id: 0,
            outstanding_bytes: 0,
            blocked: BTreeSet::new(),
        }
    }

    /// Whether another response may be sent: less than two full ones wait at the client's side. What is sent then
    /// may exceed that by one response, or by one revision of any size, which may not be torn.
    pub(super) fn has_room(&self, fragment_bytes: usize) -> bool {
        self.outstanding_bytes < 2 * fragment_bytes
    }

    pub(super) fn is_taken(&self, id: WatchId) -> bool {
        self.watchers.contains_key(&id) || self.compacted.contains(&id)
    }

    /// Ids count up and are not used again when their watchers are gone, as in etcd.
    pub(super) fn pick_id(&mut self) -> WatchId {
        while self.is_taken(WatchId(self.next_id)) {
            self.next_id += 1;
        }
        self.next_id += 1;
        WatchId(self.next_id - 1)
    }
}
