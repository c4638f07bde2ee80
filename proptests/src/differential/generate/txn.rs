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
        let mut txn = match self.random.below(60) {
            0 => self.at_the_edge(),
            1 => self.only_reads(),
            _ => self.txn_request(0),
        };
        spare_etcd(&mut txn, None);
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

/// Lets no put keep a value or a lease where the transaction may have deleted its key before, and tells from which key
/// on all may be deleted when it has run.
///
/// Only a delete without an end may stand beside such a put (others are refused as duplicates). etcd 3.7.1 looks at
/// the store before the transaction, finds the key, deletes it, and panics when the put asks for it: nothing would be
/// left to compare with. `delete-without-an-end-beside-a-put-that-keeps.script` asks what may be asked around it.
fn spare_etcd(txn: &mut pb::TxnRequest, emptied_from: Option<Bytes>) -> Option<Bytes> {
    let mut after = emptied_from.clone();
    for branch in [&mut txn.success, &mut txn.failure] {
        let mut emptied_from = emptied_from.clone();
        for operation in branch {
            match &mut operation.request {
                Some(Request::RequestPut(put))
                    if emptied_from.as_ref().is_some_and(|from| *from <= put.key) =>
                {
                    (put.ignore_value, put.ignore_lease) = (false, false);
                }
                Some(Request::RequestDeleteRange(delete)) if delete.range_end == b"\0".as_slice() => {
                    emptied_from = lower(emptied_from, Some(delete.key.clone()));
                }
                Some(Request::RequestTxn(nested)) => emptied_from = spare_etcd(nested, emptied_from),
                _ => {}
            }
        }
        after = lower(after, emptied_from);
    }
    after
}

/// The lower of two keys, where there are two.
fn lower(one: Option<Bytes>, other: Option<Bytes>) -> Option<Bytes> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rpc;
    use prost::Message;
    use prost_reflect::DynamicMessage;

    fn spared(text: &str) -> String {
        let rpc = Rpc::named("Txn").unwrap();
        let message = DynamicMessage::parse_text_format(rpc.input(), text).unwrap();
        let mut txn = pb::TxnRequest::decode(message.encode_to_vec().as_slice()).unwrap();
        spare_etcd(&mut txn, None);
        rpc.request(&txn).to_text_format()
    }

    #[test]
    fn no_put_keeps_what_its_transaction_may_have_deleted() {
        let delete = "{request_delete_range{key:\"b\",range_end:\"\\000\"}}";
        let keep = |key: &str| format!("{{request_put{{key:\"{key}\",ignore_value:true}}}}");
        let put = "{request_put{key:\"c\"}}";
        let inner = |branch: &str, ops: &str| format!("{{request_txn{{{branch}:[{ops}]}}}}");
        let both = |ops: [&str; 2]| format!("success:[{}]", ops.join(","));
        let (c, in_then, in_else) = (keep("c"), inner("success", delete), inner("failure", delete));
        for first in [delete, &in_then, &in_else] {
            assert_eq!(spared(&both([first, &c])), both([first, put]));
            let nested = inner("failure", &c);
            assert_eq!(spared(&both([first, &nested])), both([first, &inner("failure", put)]));
        }
        let bounded = "{request_delete_range{key:\"b\",range_end:\"z\"}}";
        for fine in [both([&c, delete]), both([delete, &keep("a")]), both([bounded, &c])] {
            assert_eq!(spared(&fine), fine);
        }
        let apart = format!("success:[{delete}],failure:[{c}]");
        assert_eq!(spared(&apart), apart);
    }
}
