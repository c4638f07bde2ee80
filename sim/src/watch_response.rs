//! What a client receives on a watch stream: the engine's responses with their events decoded, which client transports
//! produce, the history keeps and checkers read.

use detcd_proptests::reference::KeyValue;
use server_sim::wire;

/// A watch response, as the client reads it.
pub type WatchResponse = detcd_engine::watch::WatchResponse<Vec<WatchEvent>>;

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
