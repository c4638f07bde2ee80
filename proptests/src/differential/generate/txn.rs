//! Transactions: every comparison, nested ones, lists at the edge of what is allowed, keys written twice.

use super::Generate;
use crate::symbols::NOW;
use bytes::Bytes;
use detcd::pb;
use pb::compare::TargetUnion;
use pb::request_op::Request;

/// `--max-txn-ops`, as both servers have it.
const OPS_MAX: u64 = 128;

impl Generate {
    pub(super) fn transaction(&mut self) {
        let txn = match self.random.below(60) {
            0 => self.at_the_edge(),
            1 => self.only_reads(),
            _ => self.txn_request(0),
        };
        self.call("Txn", &txn);
    }

    fn txn_request(&mut self, depth: u64) -> pb::TxnRequest {
        let compares = self.random.below(3);
        pb::TxnRequest {
            compare: (0..compares).map(|_| self.comparison()).collect(),
            success: self.branch(depth),
            failure: self.branch(depth),
        }
    }

    /// Some operations. Keys repeat now and then by themselves: then the transaction is refused.
    fn branch(&mut self, depth: u64) -> Vec<pb::RequestOp> {
        let mut ops: Vec<pb::RequestOp> = (0..self.random.below(4)).map(|_| self.operation(depth)).collect();
        if !self.one_in(8) {
            let mut seen = std::collections::BTreeSet::new();
            ops.retain(|op| match &op.request {
                Some(Request::RequestPut(put)) => seen.insert(put.key.clone()),
                _ => true,
            });
        }
        ops
    }

    fn operation(&mut self, depth: u64) -> pb::RequestOp {
        let request = match self.random.below(40) {
            0 => return pb::RequestOp { request: None },
            1..14 => Request::RequestPut(self.put_request()),
            14..20 => Request::RequestDeleteRange(self.delete_request()),
            20..25 if depth < 5 => Request::RequestTxn(self.txn_request(depth + 1)),
            _ => Request::RequestRange(self.range_request()),
        };
        pb::RequestOp { request: Some(request) }
    }

    /// Lists about as long as they may be, and a nested transaction that has what is left.
    fn at_the_edge(&mut self) -> pb::TxnRequest {
        let outer = 1 + self.random.below(OPS_MAX + 1);
        let left = OPS_MAX.saturating_sub(outer);
        let inner = (left + self.random.below(3)).saturating_sub(1);
        let count = |length: u64| {
            let one =
                pb::RangeRequest { key: Bytes::from_static(b"a"), count_only: true, ..Default::default() };
            let op = pb::RequestOp { request: Some(Request::RequestRange(one)) };
            vec![op; usize::try_from(length).expect("about a hundred")]
        };
        let mut nested = pb::TxnRequest::default();
        match self.random.below(3) {
            0 => nested.success = count(inner),
            1 => nested.failure = count(inner),
            _ => nested.compare = (0..inner).map(|_| self.comparison()).collect(),
        }
        let mut success = count(outer - 1);
        success.push(pb::RequestOp { request: Some(Request::RequestTxn(nested)) });
        pb::TxnRequest { success, ..Default::default() }
    }

    /// A transaction that goes past the log.
    fn only_reads(&mut self) -> pb::TxnRequest {
        let ranges = |generate: &mut Generate| {
            let count = generate.random.below(3);
            let range = |_| pb::RequestOp { request: Some(Request::RequestRange(generate.range_request())) };
            (0..count).map(range).collect()
        };
        let compare = vec![self.comparison()];
        pb::TxnRequest { compare, success: ranges(self), failure: ranges(self) }
    }

    fn comparison(&mut self) -> pb::Compare {
        let key = self.key();
        let range_end = if self.one_in(4) { self.range_end(&key) } else { Bytes::new() };
        let target = self.below(5);
        let union = if self.one_in(12) { self.below(5) } else { target };
        let revision = match self.random.below(4) {
            0 => 0,
            1 => self.below(4),
            _ => NOW - self.below(30),
        };
        let target_union = match union {
            0 => TargetUnion::Version(self.below(4)),
            1 => TargetUnion::CreateRevision(revision),
            2 => TargetUnion::ModRevision(revision),
            3 => TargetUnion::Value(self.value()),
            _ => TargetUnion::Lease(self.lease_to_compare()),
        };
        let odd = if self.one_in(60) { 9 } else { 0 };
        pb::Compare {
            result: i32::try_from(self.below(4) + odd).expect("a small number"),
            target: i32::try_from(if self.one_in(60) { 7 } else { target }).expect("a small number"),
            key,
            range_end,
            target_union: if self.one_in(30) { None } else { Some(target_union) },
        }
    }
}
