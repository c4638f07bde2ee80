//! The events of a watch response, encoded: once for each batch, however many watchers share it.

use bytes::Bytes;
use detcd_engine::watch::{EventRange, WatchResponse};
use std::sync::Arc;

/// Some events of a batch that is encoded and shared: to refer to them costs no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEvents {
    batch: Arc<[Bytes]>,
    first: usize,
    end: usize,
}

impl EncodedEvents {
    /// The events of a range. `encoded` are all batches that the range may refer to, as `wire::encode_batch` makes them.
    pub fn new(range: EventRange, encoded: &[Arc<[Bytes]>]) -> EncodedEvents {
        let EventRange { batch, first, end } = range;
        EncodedEvents { batch: Arc::clone(&encoded[batch]), first, end }
    }

    /// Each event as an encoded `mvccpb.Event` (body only, no field tag).
    pub fn bodies(&self) -> &[Bytes] {
        &self.batch[self.first..self.end]
    }
}

/// How many events a response has.
pub(crate) fn event_count(response: &WatchResponse<EncodedEvents>) -> usize {
    match response {
        WatchResponse::Events { events, .. } => events.bodies().len(),
        _ => 0,
    }
}
