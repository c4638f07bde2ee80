//! The bucket `key`: every version of every key, in the order of their changes.
//!
//! A version stands under its revision: the main revision (8 bytes, big-endian), `_`, the sub revision (8 bytes,
//! big-endian), and a `t` behind that where it is a tombstone. Its value is an `mvccpb.KeyValue`; a tombstone's has the
//! key alone.

use super::protobuf::{Field, Fields, PutField, Value, length_field_bytes, varint_field_bytes};
use crate::ids::LeaseId;
use crate::mvcc::{RecordHeader, RecordRef};

/// The bucket's name.
pub(super) const NAME: &[u8] = b"key";

/// Main revision, `_`, sub revision.
const REVISION_BYTES: usize = 17;

/// Fields of `mvccpb.KeyValue`.
mod field {
    pub(super) const KEY: u32 = 1;
    pub(super) const CREATE_REVISION: u32 = 2;
    pub(super) const MOD_REVISION: u32 = 3;
    pub(super) const VERSION: u32 = 4;
    pub(super) const VALUE: u32 = 5;
    pub(super) const LEASE: u32 = 6;
}

/// A main revision alone, as etcd notes one.
pub(super) fn revision(main: i64, sub: u32) -> [u8; REVISION_BYTES] {
    let mut bytes = [b'_'; REVISION_BYTES];
    bytes[..8].copy_from_slice(&main.to_be_bytes());
    bytes[9..].copy_from_slice(&u64::from(sub).to_be_bytes());
    bytes
}

/// Appends what a version stands under.
pub(super) fn put_key(out: &mut Vec<u8>, record: &RecordRef) {
    out.extend_from_slice(&revision(record.mod_revision(), record.sub()));
    if record.is_tombstone() {
        out.push(b't');
    }
}

/// Appends its value.
pub(super) fn put_value(out: &mut Vec<u8>, record: &RecordRef) {
    out.put_length_field(field::KEY, record.key());
    if !record.is_tombstone() {
        out.put_varint_field(field::CREATE_REVISION, record.create_revision().cast_unsigned());
        out.put_varint_field(field::MOD_REVISION, record.mod_revision().cast_unsigned());
        out.put_varint_field(field::VERSION, record.version().cast_unsigned());
        out.put_length_field(field::VALUE, record.value());
        out.put_varint_field(field::LEASE, record.lease().0.cast_unsigned());
    }
}

/// How many bytes `put_value` appends.
pub(super) fn value_bytes(record: &RecordRef) -> usize {
    let key = length_field_bytes(record.key().len());
    if record.is_tombstone() {
        return key;
    }
    let numbers =
        [record.create_revision(), record.mod_revision(), record.version(), record.lease().0].into_iter();
    let numbers: usize = numbers.map(|number| varint_field_bytes(number.cast_unsigned())).sum();
    key + numbers + length_field_bytes(record.value().len())
}

/// A version as it was read. The key of what etcd notes to move its revision on is empty.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<RecordRef, String> {
    let (mod_revision, sub, is_tombstone) = decode_key(key)?;
    let mut header = RecordHeader { create_revision: 0, mod_revision: 0, sub, version: 0, lease: LeaseId(0) };
    let (mut name, mut content): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields(value) {
        let Field { number, value } = field?;
        match (u32::try_from(number).unwrap_or(0), value) {
            (field::KEY, Value::Bytes(bytes)) => name = bytes,
            (field::VALUE, Value::Bytes(bytes)) => content = bytes,
            (field::CREATE_REVISION, Value::Varint(number)) => header.create_revision = number.cast_signed(),
            (field::MOD_REVISION, Value::Varint(number)) => header.mod_revision = number.cast_signed(),
            (field::VERSION, Value::Varint(number)) => header.version = number.cast_signed(),
            (field::LEASE, Value::Varint(number)) => header.lease = LeaseId(number.cast_signed()),
            _ => {}
        }
    }
    if is_tombstone || name.is_empty() {
        return Ok(RecordRef::tombstone(mod_revision, sub, name));
    }
    if header.mod_revision != mod_revision {
        return Err(format!("a version of revision {} under revision {mod_revision}", header.mod_revision));
    }
    if header.version < 1 {
        return Err(format!("version {} under revision {mod_revision}", header.version));
    }
    Ok(RecordRef::new(header, name, content))
}

/// Main and sub revision, and whether a tombstone stands there.
fn decode_key(key: &[u8]) -> Result<(i64, u32, bool), String> {
    let problem = || format!("{:?} is not a revision", key.escape_ascii().to_string());
    let is_tombstone = match &key.get(REVISION_BYTES..).ok_or_else(problem)? {
        [] => false,
        [b't'] => true,
        _ => return Err(problem()),
    };
    let (main, sub) = decode_revision(key).ok_or_else(problem)?;
    Ok((main, sub, is_tombstone))
}

/// Main and sub revision, where they stand at the beginning of some bytes.
pub(super) fn decode_revision(bytes: &[u8]) -> Option<(i64, u32)> {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    let (main, rest) = bytes.split_at_checked(8)?;
    let (separator, sub) = rest.get(..9)?.split_first()?;
    let main = i64::try_from(number(main)?).ok()?;
    let sub = u32::try_from(number(sub)?).ok()?;
    (*separator == b'_').then_some((main, sub))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_and_a_tombstone() {
        let (create_revision, mod_revision, sub, version) = (2, 300, 1, 5);
        let header = RecordHeader { create_revision, mod_revision, sub, version, lease: LeaseId(-1) };
        let record = RecordRef::new(header, b"k", b"val");
        let (mut key, mut value) = (Vec::new(), Vec::new());
        put_key(&mut key, &record);
        put_value(&mut value, &record);
        assert_eq!(key, b"\0\0\0\0\0\0\x01\x2c_\0\0\0\0\0\0\0\x01");
        let lease = b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(value, [&b"\x0a\x01k\x10\x02\x18\xac\x02\x20\x05\x2a\x03val"[..], lease].concat());
        assert_eq!(value.len(), value_bytes(&record));
        assert_eq!(decode(&key, &value), Ok(record));
        let tombstone = RecordRef::tombstone(3, 0, b"k");
        let (mut key, mut value) = (Vec::new(), Vec::new());
        put_key(&mut key, &tombstone);
        put_value(&mut value, &tombstone);
        assert_eq!(key, b"\0\0\0\0\0\0\0\x03_\0\0\0\0\0\0\0\0t");
        assert_eq!(value, b"\x0a\x01k");
        assert_eq!(value.len(), value_bytes(&tombstone));
        assert_eq!(decode(&key, &value), Ok(tombstone));
    }
}
