//! Watches: cursors into the store's history.

use crate::ids::WatchId;
use crate::mvcc::RecordRef;

/// Events of one or more whole revisions, in order, found once and shared by every watcher that sees exactly these.
#[derive(Clone, Debug, PartialEq)]
pub struct EventBatch {
    /// In revision order, then in the order of the operations.
    pub events: Vec<Event>,
}

/// One change of one key. A tombstone is a delete, anything else a put.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The key as the change left it.
    pub record: RecordRef,
    /// The key before, where a watcher of this batch asked and it is still known.
    pub prev: Option<RecordRef>,
}

/// One response on a watch stream (etcd's `WatchResponse`), events by reference.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchOutput {
    /// The watcher exists; events, if any, follow.
    Created {
        /// Its id.
        id: WatchId,
        /// The store's revision at its creation.
        revision: i64,
    },
    /// The create request was refused: etcd answers `created` and `canceled` at once, with id −1.
    Rejected {
        /// The store's revision.
        revision: i64,
        /// The reason, in etcd's words.
        reason: &'static str,
    },
    /// Events for a watcher.
    Events {
        /// Its id.
        id: WatchId,
        /// The store's revision when they were sent; not below any of them.
        revision: i64,
        /// Position in `WatchEffects::batches`.
        batch: usize,
        /// First event of the batch to send.
        first: usize,
        /// One past the last.
        end: usize,
        /// More events of the same revision follow in another response.
        fragment: bool,
    },
    /// Nothing happened up to here. Id −1 speaks for all watchers of the stream.
    Progress {
        /// The watcher, or −1.
        id: WatchId,
        /// Everything up to here has been sent.
        revision: i64,
    },
    /// The watcher is gone because the client asked.
    Canceled {
        /// Its id.
        id: WatchId,
        /// The store's revision.
        revision: i64,
    },
    /// The watcher is gone because history it needs was compacted. etcd's header has revision 0 here.
    Compacted {
        /// Its id.
        id: WatchId,
        /// The oldest revision a watch may start from now.
        compact_revision: i64,
    },
    /// The whole stream ends with *no leader*.
    NoLeader,
}
