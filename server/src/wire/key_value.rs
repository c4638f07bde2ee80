//! `mvccpb.KeyValue`, encoded straight from the store's record.
//!
//! A LIST of 10,000 keys would otherwise copy every value into a message first and from there into the frame. The
//! client side, and tests, see the same type with fields of its own. Equality is that of the fields, whichever way
//! they are held.

use super::field;
use bytes::{Buf, BufMut, Bytes};
use detcd_engine::mvcc::RecordRef;
use prost::encoding::{DecodeContext, WireType, skip_field};
use prost::{DecodeError, Message};
use std::hash::{Hash, Hasher};

/// One version of one key.
#[derive(Clone)]
pub struct KeyValue(Repr);

#[derive(Clone)]
enum Repr {
    Record { record: RecordRef, keys_only: bool },
    Fields(Box<OwnFields>),
}

#[derive(Clone, Default)]
struct OwnFields {
    key: Bytes,
    create_revision: i64,
    mod_revision: i64,
    version: i64,
    value: Bytes,
    lease: i64,
}

/// The fields, borrowed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fields<'a> {
    key: &'a [u8],
    create_revision: i64,
    mod_revision: i64,
    version: i64,
    value: &'a [u8],
    lease: i64,
}

impl KeyValue {
    /// The record as it is.
    pub fn of(record: RecordRef) -> KeyValue {
        KeyValue(Repr::Record { record, keys_only: false })
    }

    /// The record without its value, and without its lease: etcd 3.7 answers `keys_only` from its key index, which
    /// knows no leases.
    pub fn keys_only(record: RecordRef) -> KeyValue {
        KeyValue(Repr::Record { record, keys_only: true })
    }

    /// A key and its value, everything else 0.
    pub fn of_pair(key: impl Into<Bytes>, value: impl Into<Bytes>) -> KeyValue {
        let fields = OwnFields { key: key.into(), value: value.into(), ..OwnFields::default() };
        KeyValue(Repr::Fields(Box::new(fields)))
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.fields().key
    }
    /// Main revision at which this generation of the key began.
    pub fn create_revision(&self) -> i64 {
        self.fields().create_revision
    }
    /// Main revision of this version.
    pub fn mod_revision(&self) -> i64 {
        self.fields().mod_revision
    }
    /// Counts the writes of this generation, from 1.
    pub fn version(&self) -> i64 {
        self.fields().version
    }
    /// The value; empty where only keys were asked for.
    pub fn value(&self) -> &[u8] {
        self.fields().value
    }
    /// The lease that the key is attached to, or 0.
    pub fn lease(&self) -> i64 {
        self.fields().lease
    }

    fn fields(&self) -> Fields<'_> {
        match &self.0 {
            Repr::Record { record, keys_only } => record_fields(record, *keys_only),
            Repr::Fields(own) => Fields {
                key: &own.key,
                create_revision: own.create_revision,
                mod_revision: own.mod_revision,
                version: own.version,
                value: &own.value,
                lease: own.lease,
            },
        }
    }

    /// The fields as this message's own, to decode into.
    fn own_fields(&mut self) -> &mut OwnFields {
        if let Repr::Record { .. } = &self.0 {
            let fields = self.fields();
            let own = OwnFields {
                key: Bytes::copy_from_slice(fields.key),
                create_revision: fields.create_revision,
                mod_revision: fields.mod_revision,
                version: fields.version,
                value: Bytes::copy_from_slice(fields.value),
                lease: fields.lease,
            };
            self.0 = Repr::Fields(Box::new(own));
        }
        match &mut self.0 {
            Repr::Fields(own) => own,
            Repr::Record { .. } => unreachable!("replaced just above"),
        }
    }
}

impl Default for KeyValue {
    fn default() -> KeyValue {
        KeyValue(Repr::Fields(Box::default()))
    }
}

impl PartialEq for KeyValue {
    fn eq(&self, other: &KeyValue) -> bool {
        self.fields() == other.fields()
    }
}

impl Eq for KeyValue {}

impl Hash for KeyValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fields().hash(state);
    }
}

impl std::fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = self.fields();
        f.debug_struct("KeyValue")
            .field("key", &Bytes::copy_from_slice(fields.key))
            .field("create_revision", &fields.create_revision)
            .field("mod_revision", &fields.mod_revision)
            .field("version", &fields.version)
            .field("value", &Bytes::copy_from_slice(fields.value))
            .field("lease", &fields.lease)
            .finish()
    }
}

impl Message for KeyValue {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        let fields = self.fields();
        field::put_bytes(1, fields.key, buf);
        field::put_int64(2, fields.create_revision, buf);
        field::put_int64(3, fields.mod_revision, buf);
        field::put_int64(4, fields.version, buf);
        field::put_bytes(5, fields.value, buf);
        field::put_int64(6, fields.lease, buf);
    }

    fn encoded_len(&self) -> usize {
        let fields = self.fields();
        field::bytes_len(1, fields.key)
            + field::int64_len(2, fields.create_revision)
            + field::int64_len(3, fields.mod_revision)
            + field::int64_len(4, fields.version)
            + field::bytes_len(5, fields.value)
            + field::int64_len(6, fields.lease)
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        use prost::encoding::{bytes, int64};
        let own = self.own_fields();
        match tag {
            1 => bytes::merge(wire_type, &mut own.key, buf, ctx),
            2 => int64::merge(wire_type, &mut own.create_revision, buf, ctx),
            3 => int64::merge(wire_type, &mut own.mod_revision, buf, ctx),
            4 => int64::merge(wire_type, &mut own.version, buf, ctx),
            5 => bytes::merge(wire_type, &mut own.value, buf, ctx),
            6 => int64::merge(wire_type, &mut own.lease, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn clear(&mut self) {
        *self = KeyValue::default();
    }
}

/// Of a tombstone etcd sends the key and the mod revision alone; its other fields are 0 or empty in the record too.
fn record_fields(record: &RecordRef, keys_only: bool) -> Fields<'_> {
    Fields {
        key: record.key(),
        create_revision: record.create_revision(),
        mod_revision: record.mod_revision(),
        version: record.version(),
        value: if keys_only { &[] } else { record.value() },
        lease: if keys_only { 0 } else { record.lease().0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use detcd_engine::mvcc::RecordHeader;
    use detcd_engine::request::LeaseId;

    /// The message as prost would have derived it.
    #[derive(Clone, PartialEq, Message)]
    struct Derived {
        #[prost(bytes = "bytes", tag = "1")]
        key: Bytes,
        #[prost(int64, tag = "2")]
        create_revision: i64,
        #[prost(int64, tag = "3")]
        mod_revision: i64,
        #[prost(int64, tag = "4")]
        version: i64,
        #[prost(bytes = "bytes", tag = "5")]
        value: Bytes,
        #[prost(int64, tag = "6")]
        lease: i64,
    }

    fn record(key: &[u8], revisions: [i64; 3], value: &[u8], lease: i64) -> RecordRef {
        let [create_revision, mod_revision, version] = revisions;
        let header = RecordHeader { create_revision, mod_revision, sub: 3, version, lease: LeaseId(lease) };
        RecordRef::new(header, key, value)
    }

    /// Each field at its default, small, and as large as it can be.
    fn records() -> Vec<RecordRef> {
        let long = vec![7; 70_000];
        let mut records = vec![RecordRef::tombstone(9, 0, b"gone")];
        for key in [b"k".as_slice(), b"\0\xff", &long] {
            for value in [b"".as_slice(), b"v", &long] {
                for number in [1, 127, 128, i64::MAX] {
                    for lease in [0, 1, -1, i64::MIN] {
                        records.push(record(key, [number, number, 300], value, lease));
                    }
                }
            }
        }
        records
    }

    #[test]
    fn a_record_is_encoded_as_prost_would() {
        for record in records() {
            for keys_only in [false, true] {
                let derived = Derived {
                    key: Bytes::copy_from_slice(record.key()),
                    create_revision: record.create_revision(),
                    mod_revision: record.mod_revision(),
                    version: record.version(),
                    value: if keys_only { Bytes::new() } else { Bytes::copy_from_slice(record.value()) },
                    lease: if keys_only { 0 } else { record.lease().0 },
                };
                let of = if keys_only { KeyValue::keys_only } else { KeyValue::of };
                let ours = of(record.clone());
                let encoded = ours.encode_to_vec();
                assert_eq!(encoded, derived.encode_to_vec());
                assert_eq!(encoded.len(), ours.encoded_len());
                assert_eq!(KeyValue::decode(encoded.as_slice()), Ok(ours));
            }
        }
    }

    #[test]
    fn fields_may_come_in_any_order_and_unknown_ones_are_skipped() {
        let pair = KeyValue::of_pair("k", "v");
        let shuffled = b"\x2a\x01v\x3a\x02??\x0a\x01k";
        assert_eq!(KeyValue::decode(shuffled.as_slice()), Ok(pair));
    }

    #[test]
    fn a_truncated_message_is_an_error() {
        let encoded = KeyValue::of_pair("key", "value").encode_to_vec();
        for length in [1, 2, 4, 6, 7, 11] {
            assert!(KeyValue::decode(&encoded[..length]).is_err(), "{length} bytes");
        }
    }
}
