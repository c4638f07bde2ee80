//! The answer to a RangeStream: a Range's, as messages that are merged by the client.
//!
//! Each message has keys of its own; header, `more` and `count` are in the last one alone, as in etcd. Between two
//! messages nothing is in memory but a view, a place in it and the keys of one look ahead: whether a message is the last
//! is known when it is made.

use super::key_value::KeyValue;
use super::kv::count;
use super::range_answer::{Records, field_bytes, key_value};
use crate::pb;
use detcd_engine::mvcc::Scan;
use detcd_engine::request::{RangeResponse, RecordRef};

/// Chunks of a RangeResponse, to be made one after the other.
#[derive(Debug)]
pub struct RangeChunks {
    header: Option<pb::ResponseHeader>,
    records: Records,
    /// Goes into the next chunk.
    ahead: Option<RecordRef>,
    keys_only: bool,
    /// Of records that are scanned it is known at their end.
    more: Option<bool>,
    count: u64,
    is_over: bool,
}

impl RangeChunks {
    /// A chunk ends with the record that reaches this.
    pub const CHUNK_BYTES: usize = 256 * 1024;

    /// Of keys that were found already.
    pub fn of_found(header: Option<pb::ResponseHeader>, found: RangeResponse) -> RangeChunks {
        let RangeResponse { kvs, keys_only, more, count } = found;
        RangeChunks::new(header, Records::Found(kvs.into_iter()), keys_only, Some(more), count)
    }

    /// Of keys that are found as they are sent. Looks at the first of them, and counts all.
    pub fn of_scan(header: Option<pb::ResponseHeader>, scan: Scan) -> RangeChunks {
        let (keys_only, count) = (scan.request().keys_only, scan.count());
        RangeChunks::new(header, Records::of_scan(scan), keys_only, None, count)
    }

    fn new(
        header: Option<pb::ResponseHeader>,
        mut records: Records,
        keys_only: bool,
        more: Option<bool>,
        count: u64,
    ) -> RangeChunks {
        let ahead = records.next();
        RangeChunks { header, records, ahead, keys_only, more, count, is_over: false }
    }

    /// Whether the next chunk takes more than putting together what was found.
    pub fn looks_at_keys(&self) -> bool {
        matches!(self.records, Records::Scanned(..))
    }

    /// The next chunk; `None` when the last was made.
    pub fn next_chunk(&mut self) -> Option<pb::RangeStreamResponse> {
        if self.is_over {
            return None;
        }
        let (mut kvs, mut bytes): (Vec<KeyValue>, usize) = (Vec::new(), 0);
        while bytes < Self::CHUNK_BYTES
            && let Some(record) = self.ahead.take()
        {
            let record = key_value(record, self.keys_only);
            bytes += field_bytes(&record);
            kvs.push(record);
            self.ahead = self.records.next();
        }
        let mut chunk = pb::RangeResponse { kvs, ..Default::default() };
        if self.ahead.is_none() {
            self.is_over = true;
            chunk.header = self.header;
            chunk.more = self.more.unwrap_or_else(|| self.records.has_more());
            chunk.count = count(self.count);
        }
        Some(pb::RangeStreamResponse { range_response: Some(chunk) })
    }
}

#[cfg(test)]
#[path = "range_chunks_tests.rs"]
mod tests;
