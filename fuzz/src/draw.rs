//! An input's bytes as choices: small worlds in which keys collide, ranges touch and numbers stand at their edges.

use arbitrary::Unstructured;
use bytes::Bytes;
use detcd::pb;
use detcd::pb::compare::TargetUnion;
use detcd::pb::request_op::Request as Op;

/// Deeper nesting is asked for by inputs that are bytes of a message themselves.
const DEPTH_MAX: usize = 6;
/// Numbers at which codecs and comparisons change their minds.
const EDGES: [i64; 12] = [0, 1, 2, 3, -1, -2, i64::MAX, i64::MIN, i64::MAX - 1, 1 << 32, 1 << 62, 127];

/// What is left of the input. Where nothing is left every choice is the first one.
#[derive(Debug)]
pub struct Draw<'a>(Unstructured<'a>);

impl<'a> Draw<'a> {
    /// From the start of `input`.
    pub fn new(input: &'a [u8]) -> Draw<'a> {
        Draw(Unstructured::new(input))
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// Below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0.int_in_range(0..=limit - 1).unwrap_or_default()
    }

    /// One of two.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Any number, those at the edges often.
    pub fn number(&mut self) -> i64 {
        let kind = self.byte();
        match EDGES.get(usize::from(kind)) {
            Some(edge) => *edge,
            None if kind < 200 => i64::from(self.byte()),
            None => self.0.arbitrary().unwrap_or_default(),
        }
    }

    /// Any unsigned number, likewise.
    pub fn unsigned(&mut self) -> u64 {
        self.number().cast_unsigned()
    }

    /// A number close to `near`, or any.
    pub fn near(&mut self, near: i64) -> i64 {
        match self.byte() {
            0..64 => 0,
            64..200 => near.saturating_add(self.below(7) as i64 - 3),
            _ => self.number(),
        }
    }

    /// Up to `most` bytes as they stand.
    pub fn bytes(&mut self, most: usize) -> Bytes {
        let length = self.below(most + 1).min(self.0.len());
        Bytes::copy_from_slice(self.0.bytes(length).unwrap_or_default())
    }

    /// A key of few, which nest: never empty.
    pub fn key(&mut self) -> Bytes {
        let pick = self.byte();
        let letters = [b'a' + (pick & 3), b'a' + (pick >> 2 & 3), b'\0'];
        match pick >> 4 {
            0..=8 => Bytes::copy_from_slice(&letters[..1]),
            9..=13 => Bytes::copy_from_slice(&letters[..2]),
            14 => Bytes::copy_from_slice(&letters),
            _ => Bytes::from([&b"\xff"[..], &self.bytes(40)].concat()),
        }
    }

    /// A key, seldom none at all.
    fn wire_key(&mut self) -> Bytes {
        if self.below(24) == 23 { Bytes::new() } else { self.key() }
    }

    /// The end of a range as the wire has it.
    pub fn range_end(&mut self) -> Bytes {
        match self.below(4) {
            0 => Bytes::new(),
            1 => Bytes::from_static(b"\0"),
            _ => self.key(),
        }
    }

    /// Short, seldom long.
    pub fn value(&mut self) -> Bytes {
        match self.byte() {
            250.. => Bytes::from(vec![b'v'; self.below(4096)]),
            _ => self.bytes(6),
        }
    }

    /// A lease of few, most often none.
    pub fn lease(&mut self) -> i64 {
        match self.byte() {
            0..128 => 0,
            byte @ 128..250 => i64::from(byte % 4) + 1,
            _ => self.number(),
        }
    }

    /// A Range of a store that stands at `revision`.
    pub fn range_request(&mut self, revision: i64) -> pb::RangeRequest {
        let mut request = pb::RangeRequest {
            key: self.wire_key(),
            range_end: self.range_end(),
            ..pb::RangeRequest::default()
        };
        let which = self.byte();
        if which & 1 != 0 {
            request.limit = self.near(2);
        }
        if which & 2 != 0 {
            request.revision = self.near(revision);
        }
        if which & 4 != 0 {
            request.sort_order = self.below(5) as i32 - 1;
            request.sort_target = self.below(7) as i32 - 1;
        }
        if which & 8 != 0 {
            request.min_mod_revision = self.near(revision);
            request.max_mod_revision = self.near(revision);
        }
        if which & 16 != 0 {
            request.min_create_revision = self.near(revision);
            request.max_create_revision = self.near(revision);
        }
        request.serializable = which & 32 != 0;
        request.keys_only = which & 64 != 0;
        request.count_only = which & 128 != 0;
        request
    }

    /// A Put.
    pub fn put_request(&mut self) -> pb::PutRequest {
        let which = self.byte();
        let ignore_value = which & 7 == 7;
        let ignore_lease = which >> 3 & 7 == 7;
        pb::PutRequest {
            key: self.wire_key(),
            value: if ignore_value && which & 128 == 0 { Bytes::new() } else { self.value() },
            lease: if ignore_lease && which & 128 == 0 { 0 } else { self.lease() },
            prev_kv: which & 64 != 0,
            ignore_value,
            ignore_lease,
        }
    }

    /// A DeleteRange.
    pub fn delete_request(&mut self) -> pb::DeleteRangeRequest {
        pb::DeleteRangeRequest { key: self.wire_key(), range_end: self.range_end(), prev_kv: self.flag() }
    }

    /// A Txn against a store that stands at `revision`, with nested ones.
    pub fn txn_request(&mut self, revision: i64) -> pb::TxnRequest {
        self.txn_at_depth(revision, 0)
    }

    fn txn_at_depth(&mut self, revision: i64, depth: usize) -> pb::TxnRequest {
        let (compares, success, failure) = (self.below(4), self.below(5), self.below(4));
        pb::TxnRequest {
            compare: (0..compares).map(|_| self.compare(revision)).collect(),
            success: (0..success).map(|_| self.operation(revision, depth)).collect(),
            failure: (0..failure).map(|_| self.operation(revision, depth)).collect(),
        }
    }

    fn compare(&mut self, revision: i64) -> pb::Compare {
        let operand = match self.below(6) {
            0 => Some(TargetUnion::Version(self.near(1))),
            1 => Some(TargetUnion::CreateRevision(self.near(revision))),
            2 => Some(TargetUnion::ModRevision(self.near(revision))),
            3 => Some(TargetUnion::Value(self.value())),
            4 => Some(TargetUnion::Lease(self.lease())),
            _ => None,
        };
        pb::Compare {
            result: self.below(5) as i32,
            target: self.below(6) as i32,
            key: self.wire_key(),
            range_end: self.range_end(),
            target_union: operand,
        }
    }

    fn operation(&mut self, revision: i64, depth: usize) -> pb::RequestOp {
        let request = match self.below(8) {
            0..=2 => Some(Op::RequestPut(self.put_request())),
            3 | 4 => Some(Op::RequestRange(self.range_request(revision))),
            5 => Some(Op::RequestDeleteRange(self.delete_request())),
            6 if depth < DEPTH_MAX => Some(Op::RequestTxn(self.txn_at_depth(revision, depth + 1))),
            6 => Some(Op::RequestPut(self.put_request())),
            _ if self.byte() == 0 => None,
            _ => Some(Op::RequestRange(self.range_request(revision))),
        };
        pb::RequestOp { request }
    }

    /// A new watcher on a store that stands at `revision`.
    pub fn watch_create(&mut self, revision: i64) -> pb::WatchCreateRequest {
        let which = self.byte();
        let mut filters = Vec::new();
        if which & 1 != 0 {
            filters.push(self.below(3) as i32);
        }
        pb::WatchCreateRequest {
            key: self.wire_key(),
            range_end: self.range_end(),
            start_revision: if which & 2 != 0 { self.near(revision) } else { 0 },
            progress_notify: which & 4 != 0,
            filters,
            prev_kv: which & 8 != 0,
            watch_id: if which & 16 != 0 { self.near(3) } else { 0 },
            fragment: which & 32 != 0,
        }
    }
}
