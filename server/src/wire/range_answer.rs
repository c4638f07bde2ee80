//! The answer to a Range, encoded piece by piece.
//!
//! A message of gRPC begins with its length. So a large answer is gone through twice: once to know how long it is, which
//! takes the time of looking at its keys, and then again as fast as the client reads, a piece at a time. Between two
//! pieces nothing of it is in memory but a view and a place in it (`detcd_engine::mvcc::Scan`).

use super::key_value::KeyValue;
use super::kv::count;
use crate::pb;
use bytes::{BufMut, Bytes, BytesMut};
use detcd_engine::mvcc::Scan;
use detcd_engine::request::{RangeResponse, RecordRef};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

/// Keys that are looked at for one piece: below a tenth of a millisecond.
const PIECE_KEYS: usize = 512;
/// `RangeResponse.kvs`.
const KVS: u32 = 2;

/// A RangeResponse, on its way to be sent.
#[derive(Debug)]
pub struct RangeAnswer {
    /// Of the whole message.
    length: usize,
    /// In the pieces so far.
    encoded: usize,
    /// Goes first.
    head: Bytes,
    records: Records,
    keys_only: bool,
    /// Goes last.
    tail: Bytes,
}

/// What a Range found, or finds as it is asked for it.
#[derive(Debug)]
pub(super) enum Records {
    Found(std::vec::IntoIter<RecordRef>),
    Scanned(Box<Scan>, std::vec::IntoIter<RecordRef>),
}

impl RangeAnswer {
    /// A piece ends with the record that reaches this.
    pub const PIECE_BYTES: usize = 64 * 1024;

    /// Of keys that were found already.
    pub fn of_found(header: Option<pb::ResponseHeader>, found: RangeResponse) -> RangeAnswer {
        let RangeResponse { kvs, keys_only, more, count } = found;
        let records_bytes = kvs.iter().map(|record| field_bytes(&key_value(record.clone(), keys_only))).sum();
        RangeAnswer::new(header, records_bytes, Records::Found(kvs.into_iter()), keys_only, (more, count))
    }

    /// Of keys that are found as they are sent. Looks at all of them once.
    pub fn of_scan(header: Option<pb::ResponseHeader>, scan: Scan) -> RangeAnswer {
        let (keys_only, count) = (scan.request().keys_only, scan.count());
        let mut ahead = scan.clone();
        let mut records_bytes = 0;
        while !ahead.is_done() {
            let found = ahead.next_keys(PIECE_KEYS);
            records_bytes +=
                found.into_iter().map(|record| field_bytes(&key_value(record, keys_only))).sum::<usize>();
        }
        let more = ahead.has_more();
        RangeAnswer::new(header, records_bytes, Records::of_scan(scan), keys_only, (more, count))
    }

    fn new(
        header: Option<pb::ResponseHeader>,
        records_bytes: usize,
        records: Records,
        keys_only: bool,
        (more, counted): (bool, u64),
    ) -> RangeAnswer {
        let head = pb::RangeResponse { header, ..Default::default() }.encode_to_vec();
        let tail = pb::RangeResponse { more, count: count(counted), ..Default::default() }.encode_to_vec();
        let length = head.len() + records_bytes + tail.len();
        RangeAnswer { length, encoded: 0, head: head.into(), records, keys_only, tail: tail.into() }
    }

    /// How many bytes all pieces have together.
    pub fn encoded_len(&self) -> usize {
        self.length
    }

    /// Appends the next piece; `false` when nothing was left.
    pub fn next_piece(&mut self, piece: &mut BytesMut) -> bool {
        let before = piece.len();
        piece.put(std::mem::take(&mut self.head));
        while piece.len() - before < Self::PIECE_BYTES {
            let Some(record) = self.records.next() else {
                piece.put(std::mem::take(&mut self.tail));
                break;
            };
            let record = key_value(record, self.keys_only);
            encode_key(KVS, WireType::LengthDelimited, piece);
            encode_varint(record.encoded_len() as u64, piece);
            record.encode(piece).expect("the buffer grows");
        }
        self.encoded += piece.len() - before;
        let is_end = piece.len() == before;
        assert!(
            !is_end || self.encoded == self.length,
            "{} bytes were announced, {} sent",
            self.length,
            self.encoded
        );
        !is_end
    }
}

impl Records {
    pub(super) fn of_scan(scan: Scan) -> Records {
        Records::Scanned(Box::new(scan), Vec::new().into_iter())
    }

    /// Whether the limit of a scan left keys out. Of one that is done.
    pub(super) fn has_more(&self) -> bool {
        match self {
            Records::Found(_) => false,
            Records::Scanned(scan, _) => scan.has_more(),
        }
    }

    pub(super) fn next(&mut self) -> Option<RecordRef> {
        match self {
            Records::Found(records) => records.next(),
            Records::Scanned(scan, records) => loop {
                if let Some(record) = records.next() {
                    return Some(record);
                }
                if scan.is_done() {
                    return None;
                }
                *records = scan.next_keys(PIECE_KEYS).into_iter();
            },
        }
    }
}

pub(super) fn key_value(record: RecordRef, keys_only: bool) -> KeyValue {
    if keys_only { KeyValue::keys_only(record) } else { KeyValue::of(record) }
}

/// What a record takes in a RangeResponse.
pub(super) fn field_bytes(record: &KeyValue) -> usize {
    let length = record.encoded_len();
    key_len(KVS) + encoded_len_varint(length as u64) + length
}
