//! What can happen to a watch stream.

use crate::ids::WatchId;
use crate::key_range::KeyRange;

/// What a watch stream can ask. A stream exists from `Open` to `Close`.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchInput {
    /// A new stream.
    Open {
        /// End the stream when there has been no leader for three election timeouts.
        require_leader: bool,
    },
    /// A new watcher on it.
    Create(WatchCreate),
    /// End a watcher; an unknown id is ignored, as in etcd.
    Cancel(WatchId),
    /// Say how far all watchers of the stream have come. Answered only when all are synced, as in etcd.
    Progress,
    /// The client took in this many bytes of responses: there is room for more.
    Drained {
        /// As counted by `WatchResponse::size_bytes`.
        bytes: usize,
    },
    /// The stream is gone.
    Close,
}

/// etcd's `WatchCreateRequest`, its range parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchCreate {
    /// Chosen by the client; `None` lets the stream pick the next free one.
    pub id: Option<WatchId>,
    /// The keys.
    pub range: KeyRange,
    /// First revision wanted; 0 for the next change. Negative is refused.
    pub start_revision: i64,
    /// Send progress notifications when nothing happens.
    pub progress_notify: bool,
    /// Leave puts out.
    pub no_put: bool,
    /// Leave deletes out.
    pub no_delete: bool,
    /// Send the key as it was before.
    pub prev_kv: bool,
    /// The client can take one revision's events in several responses.
    pub fragment: bool,
}
