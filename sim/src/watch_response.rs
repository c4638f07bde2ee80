//! What a client receives on a watch stream: plain data that client transports produce, the history keeps and checkers
//! read.

use detcd_engine::ids::WatchId;
use detcd_proptests::reference::KeyValue;
use server_sim::wire;

/// A watch response, as the client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchResponse {
    /// The watcher exists.
    Created {
        /// Its id.
        id: WatchId,
        /// The header's.
        revision: i64,
    },
    /// It was refused.
    Rejected {
        /// The header's.
        revision: i64,
        /// Why.
        reason: String,
    },
    /// What happened.
    Events {
        /// Whose.
        id: WatchId,
        /// The header's.
        revision: i64,
        /// In order.
        events: Vec<WatchEvent>,
        /// More of the same revision follows.
        fragment: bool,
    },
    /// Nothing more happened up to here. Id −1 speaks for all watchers of the stream.
    Progress {
        /// Whose.
        id: WatchId,
        /// The header's.
        revision: i64,
    },
    /// It is gone as asked.
    Canceled {
        /// Its id.
        id: WatchId,
    },
    /// It is gone: what it needs was compacted.
    Compacted {
        /// Its id.
        id: WatchId,
        /// The oldest revision a watch may start from.
        compact_revision: i64,
    },
    /// The stream ends: there is no leader.
    NoLeader,
}

/// One change of one key, as a watcher receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// A delete: of `kv` the key and the mod revision are given.
    pub is_delete: bool,
    /// The key as the change left it.
    pub kv: KeyValue,
    /// The key before.
    pub prev: Option<KeyValue>,
}

impl WatchEvent {
    /// As a client reads it from its message.
    ///
    /// # Panics
    /// It is of no key.
    pub fn of(event: &wire::Event) -> WatchEvent {
        let fields = event.decoded();
        let kv = fields.kv.as_ref().expect("promise broken: an event is of a key");
        WatchEvent {
            is_delete: fields.kind == 1,
            kv: key_value(kv),
            prev: fields.prev_kv.as_ref().map(key_value),
        }
    }
}

fn key_value(kv: &wire::KeyValue) -> KeyValue {
    KeyValue {
        key: kv.key().to_vec().into(),
        value: kv.value().to_vec().into(),
        create_revision: kv.create_revision(),
        mod_revision: kv.mod_revision(),
        version: kv.version(),
        lease: kv.lease(),
    }
}
