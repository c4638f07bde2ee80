//! `mvccpb.Event`, encoded once however many watchers see it.
//!
//! A batch of events leaves the engine once; `encode_batch` turns it into shared bytes, and every watch response
//! copies those into its frame. The client side, and tests, read the fields with `decoded`.

use super::key_value::KeyValue;
use bytes::{Buf, BufMut, Bytes};
use detcd_engine::watch::EventBatch;
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};
use std::sync::Arc;

/// One change of one key, encoded (the body: no tag, no length).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Event(Bytes);

/// The fields of an event.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct DecodedEvent {
    /// 0 for a put, 1 for a delete.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// The key as the change left it; of a deletion the key and the mod revision alone.
    #[prost(message, optional, tag = "2")]
    pub kv: Option<KeyValue>,
    /// The key before.
    #[prost(message, optional, tag = "3")]
    pub prev_kv: Option<KeyValue>,
}

impl Event {
    /// An event whose body was encoded by `encode_batch`.
    pub fn of_encoded(body: Bytes) -> Event {
        Event(body)
    }

    /// The encoded body.
    pub fn encoded(&self) -> &Bytes {
        &self.0
    }

    /// The fields.
    pub fn decoded(&self) -> DecodedEvent {
        DecodedEvent::decode(self.0.clone()).expect("encoded by this file, or checked while it was merged")
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.decoded().fmt(f)
    }
}

impl Message for Event {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut fields = self.decoded();
        fields.merge_field(tag, wire_type, buf, ctx)?;
        self.0 = fields.encode_to_vec().into();
        Ok(())
    }

    fn clear(&mut self) {
        *self = Event::default();
    }
}

/// Encodes every event of a batch, in order, into one allocation that all of them share.
pub fn encode_batch(batch: &EventBatch) -> Arc<[Bytes]> {
    let events: Vec<DecodedEvent> = batch.events.iter().map(fields_of).collect();
    let lengths: Vec<usize> = events.iter().map(Message::encoded_len).collect();
    let mut all = Vec::with_capacity(lengths.iter().sum());
    for event in &events {
        event.encode_raw(&mut all);
    }
    let mut rest = Bytes::from(all);
    lengths.into_iter().map(|length| rest.split_to(length)).collect()
}

fn fields_of(event: &detcd_engine::watch::Event) -> DecodedEvent {
    DecodedEvent {
        kind: i32::from(event.record.is_tombstone()),
        kv: Some(KeyValue::of(event.record.clone())),
        prev_kv: event.prev.clone().map(KeyValue::of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use detcd_engine::mvcc::{RecordHeader, RecordRef};
    use detcd_engine::request::LeaseId;
    use detcd_engine::watch;

    fn put(value: &str, mod_revision: i64) -> RecordRef {
        let header = RecordHeader { create_revision: 2, mod_revision, sub: 0, version: 1, lease: LeaseId(8) };
        RecordRef::new(header, b"k", value.as_bytes())
    }

    fn batch() -> EventBatch {
        let events = vec![
            watch::Event { record: put("v", 2), prev: None },
            watch::Event { record: put("w", 3), prev: Some(put("v", 2)) },
            watch::Event { record: RecordRef::tombstone(4, 0, b"k"), prev: Some(put("w", 3)) },
        ];
        EventBatch { events }
    }

    #[test]
    fn a_batch_is_encoded_event_by_event() {
        let encoded = encode_batch(&batch());
        let events: Vec<Event> = encoded.iter().cloned().map(Event::of_encoded).collect();
        let fields: Vec<DecodedEvent> = events.iter().map(Event::decoded).collect();
        assert_eq!(fields.iter().map(|event| event.kind).collect::<Vec<_>>(), [0, 0, 1]);
        assert_eq!(fields[1].prev_kv, fields[0].kv);
        let deleted = fields[2].kv.clone().unwrap();
        assert_eq!((deleted.key(), deleted.mod_revision()), (b"k".as_slice(), 4));
        assert_eq!((deleted.create_revision(), deleted.version(), deleted.lease()), (0, 0, 0));
        for (event, fields) in events.iter().zip(&fields) {
            assert_eq!(event.encode_to_vec(), fields.encode_to_vec(), "as prost would");
            assert_eq!(Event::decode(event.encode_to_vec().as_slice()).as_ref(), Ok(event));
        }
    }

    #[test]
    fn an_event_that_is_nonsense_is_refused_when_it_is_received() {
        for nonsense in [b"\x12\x05\x0a".as_slice(), b"\x12\x02\x0a\x09", b"\x0a\x01k"] {
            assert!(Event::decode(nonsense).is_err(), "{nonsense:?}");
        }
    }
}
