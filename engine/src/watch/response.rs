//! What leaves on watch streams: responses, and what each counts against the room of its stream.
//!
//! Every response is a `WatchResponse`, from here to the client. Only its events change their form: the engine finds
//! them once and refers to them, the shell encodes them once, and a client decodes them.

use crate::ids::{StreamId, WatchId};
use crate::mvcc::RecordRef;

/// What watch streams are to be told.
///
/// An event is in `batches` once, however many watchers see it, so that the shell encodes it once.
#[derive(Debug, Default, PartialEq)]
pub struct WatchEffects {
    /// Shared by the responses that name them by position.
    pub batches: Vec<EventBatch>,
    /// In order within each stream.
    pub responses: Vec<(StreamId, WatchResponse<EventRange>)>,
}

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

/// What a response costs besides its events, in the accounting of `WatchResponse::size_bytes`.
pub(super) const RESPONSE_BYTES: usize = 64;
/// What an event costs besides its keys and values, likewise.
const EVENT_BYTES: usize = 48;

impl Event {
    /// About its size on the wire, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let size_bytes = |record: &RecordRef| record.key().len() + record.value().len();
        EVENT_BYTES + size_bytes(&self.record) + self.prev.as_ref().map_or(0, size_bytes)
    }
}

/// One response on a watch stream (etcd's `WatchResponse`). `E` is how it holds its events: by reference to a batch as
/// it leaves the engine (`EventRange`), and whatever becomes of that on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchResponse<E> {
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
        /// Why.
        reason: WatchRefusal,
    },
    /// Events for a watcher.
    Events {
        /// Its id.
        id: WatchId,
        /// The store's revision when they were sent; not below any of them.
        revision: i64,
        /// At least one.
        events: E,
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

/// Events of a response, by reference: some of a batch in `WatchEffects::batches`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRange {
    /// The batch's position.
    pub batch: usize,
    /// First event of the batch to send.
    pub first: usize,
    /// One past the last.
    pub end: usize,
}

/// Why a watch is refused. The texts are etcd's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchRefusal {
    /// No key can be in its range.
    #[error("mvcc: watcher range is empty")]
    EmptyRange,
    /// Another watcher of the stream has the id that it asks for.
    #[error("mvcc: duplicate watch ID provided on the WatchStream")]
    DuplicateId,
    /// It asks for a negative start revision. One that was compacted is `WatchResponse::Compacted`.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// Its caller sends a token that is not good. These four are etcd's errors as its clients print them.
    #[error("rpc error: code = Unauthenticated desc = etcdserver: invalid auth token")]
    InvalidAuthToken,
    /// Its caller's proof is older than the last change of users, roles and permissions.
    #[error("rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old")]
    AuthOldRevision,
    /// Auth is on, and its caller is nobody.
    #[error("rpc error: code = InvalidArgument desc = etcdserver: user name is empty")]
    UserEmpty,
    /// Its caller may not read these keys.
    #[error("rpc error: code = PermissionDenied desc = etcdserver: permission denied")]
    PermissionDenied,
}

impl WatchRefusal {
    /// Each once.
    pub const ALL: &[WatchRefusal] = &[
        WatchRefusal::EmptyRange,
        WatchRefusal::DuplicateId,
        WatchRefusal::Compacted,
        WatchRefusal::InvalidAuthToken,
        WatchRefusal::AuthOldRevision,
        WatchRefusal::UserEmpty,
        WatchRefusal::PermissionDenied,
    ];
}

/// Who takes responses may hold back less than this, in bytes, before it says `WatchInput::Drained`. A stream that ran
/// full goes on once no more than one full response is outstanding, which is more than is ever held back.
pub const DRAINED_BYTES_DUE: usize = 64 * 1024;

impl<E> WatchResponse<E> {
    /// The same response, its events held in another way.
    pub fn map_events<T>(self, events_of: impl FnOnce(E) -> T) -> WatchResponse<T> {
        match self {
            WatchResponse::Created { id, revision } => WatchResponse::Created { id, revision },
            WatchResponse::Rejected { revision, reason } => WatchResponse::Rejected { revision, reason },
            WatchResponse::Events { id, revision, events, fragment } => {
                WatchResponse::Events { id, revision, events: events_of(events), fragment }
            }
            WatchResponse::Progress { id, revision } => WatchResponse::Progress { id, revision },
            WatchResponse::Canceled { id, revision } => WatchResponse::Canceled { id, revision },
            WatchResponse::Compacted { id, compact_revision } => {
                WatchResponse::Compacted { id, compact_revision }
            }
            WatchResponse::NoLeader => WatchResponse::NoLeader,
        }
    }
}

impl WatchResponse<EventRange> {
    /// What this response counts against its stream's room, in bytes: about its size on the wire. `batches` are those
    /// of the `WatchEffects` it came in. Whoever sends it returns exactly this by `WatchInput::Drained`, once the
    /// transport has taken it.
    pub fn size_bytes(&self, batches: &[EventBatch]) -> usize {
        match self {
            WatchResponse::Events { events, .. } => {
                RESPONSE_BYTES + events.of(batches).iter().map(Event::size_bytes).sum::<usize>()
            }
            _ => RESPONSE_BYTES,
        }
    }
}

impl EventRange {
    /// The events themselves. `batches` are those of the `WatchEffects` that the response came in.
    pub fn of(self, batches: &[EventBatch]) -> &[Event] {
        &batches[self.batch].events[self.first..self.end]
    }
}
