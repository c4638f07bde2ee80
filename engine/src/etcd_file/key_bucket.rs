//! The bucket `key`: every version of every key, in the order of their changes.
//!
//! A version stands under its revision: the main revision (8 bytes, big-endian), `_`, the sub revision (8 bytes,
//! big-endian), and a `t` behind that where it is a tombstone. Its value is an `mvccpb.KeyValue`; a tombstone's has the
//! key alone.

use super::protobuf::PutField;
use crate::mvcc::RecordRef;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::LeaseId;
    use crate::mvcc::RecordHeader;

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
        let tombstone = RecordRef::tombstone(3, 0, b"k");
        let (mut key, mut value) = (Vec::new(), Vec::new());
        put_key(&mut key, &tombstone);
        put_value(&mut value, &tombstone);
        assert_eq!(key, b"\0\0\0\0\0\0\0\x03_\0\0\0\0\0\0\0\0t");
        assert_eq!(value, b"\x0a\x01k");
    }
}
