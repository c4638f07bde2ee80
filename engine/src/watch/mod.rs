//! Watches: cursors into the store's history.
//!
//! A watcher is a range, filters and a cursor: the next revision it has not been sent. Everything follows from that.
//! A watcher that is up to date gets each new revision as it is published. One that is not (it asked for the past,
//! its stream had no room, a snapshot jumped ahead) keeps its cursor and reads the store's history from there, in
//! slices, until it is up to date. There is no other mechanism.
//!
//! What etcd promises on its API page, and where it comes from here:
//!
//! * **Ordered**: a cursor only goes forward, and a stream's outputs leave in the order they were made.
//! * **Unique**: nothing below the cursor is sent, and sending moves it.
//! * **Reliable**: nothing but sending moves it past an event; if compaction overtakes it, the watcher ends and says so.
//! * **Atomic**: windows, slices and responses hold whole revisions; only a watcher that takes fragments sees parts.
//! * **Resumable**: a new watcher with a past start is a cursor like any other.
//! * **Bookmarkable**: progress goes through the same queue as events and speaks only of what was sent.

mod catch_up;
mod fan_out;
mod hub;
mod progress;
mod range_map;
mod streams;
#[cfg(test)]
mod tests;
mod watcher;

pub use hub::Hub;

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

/// What a response costs besides its events, in the accounting of `WatchOutput::size_bytes`.
const RESPONSE_BYTES: usize = 64;
/// What an event costs besides its keys and values, likewise.
const EVENT_BYTES: usize = 48;

impl Event {
    /// About its size on the wire, in bytes.
    fn size_bytes(&self) -> usize {
        let size_bytes = |record: &RecordRef| record.key().len() + record.value().len();
        EVENT_BYTES + size_bytes(&self.record) + self.prev.as_ref().map_or(0, size_bytes)
    }
}

/// Why a watch is refused, in etcd's words.
mod refusal {
    pub(super) const EMPTY_RANGE: &str = "mvcc: watcher range is empty";
    pub(super) const DUPLICATE_ID: &str = "mvcc: duplicate watch ID provided on the WatchStream";
    /// A negative start revision.
    pub(super) const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";
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

/// Who takes outputs may hold back less than this, in bytes, before it says `WatchInput::Drained`. A stream that ran
/// full goes on once no more than one full response is outstanding, which is more than is ever held back.
pub const DRAINED_BYTES_DUE: usize = 64 * 1024;

impl WatchOutput {
    /// What this output counts against its stream's room, in bytes: about its size on the wire. `batches` are those
    /// of the `WatchEffects` it came in. Whoever sends it returns exactly this by `WatchInput::Drained`, once the
    /// transport has taken it.
    pub fn size_bytes(&self, batches: &[EventBatch]) -> usize {
        match self {
            WatchOutput::Events { batch, first, end, .. } => {
                let events = &batches[*batch].events[*first..*end];
                RESPONSE_BYTES + events.iter().map(Event::size_bytes).sum::<usize>()
            }
            _ => RESPONSE_BYTES,
        }
    }
}
