//! The rules of etcd's txn, as tables (docs/etcd-notes.md#transactions).

mod execute;
mod hold;
mod large;
mod refuse;

use super::{check, compare, evaluate, is_read_only, is_serializable, run};
use crate::ids::LeaseId;
use crate::key_range::KeyRange;
use crate::lease::Lessor;
use crate::mvcc::Store;
use crate::request::{
    Compare, CompareOperand, CompareResult, DeleteRangeRequest, PutLease, PutRequest, PutValue, RangeRequest,
    RequestError, Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use bytes::Bytes;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// a is a key, a..c a span, a.. everything from a on.
fn range(text: &str) -> KeyRange {
    match text.split_once("..") {
        None => KeyRange::One(bytes(text)),
        Some((start, "")) => KeyRange::From(bytes(start)),
        Some((start, end)) => KeyRange::Span { start: bytes(start), end: bytes(end) },
    }
}

fn put(key: &str, value: &str) -> TxnOp {
    put_with(key, PutValue::Set(bytes(value)), PutLease::Set(LeaseId(0)))
}

fn put_with(key: &str, value: PutValue, lease: PutLease) -> TxnOp {
    TxnOp::Put(PutRequest { key: bytes(key), value, lease, prev_kv: true })
}

fn get(text: &str) -> TxnOp {
    TxnOp::Range(RangeRequest::of(range(text)))
}

fn get_at(text: &str, revision: i64) -> TxnOp {
    TxnOp::Range(RangeRequest { revision, ..RangeRequest::of(range(text)) })
}

fn delete(text: &str) -> TxnOp {
    TxnOp::DeleteRange(DeleteRangeRequest { range: range(text), prev_kv: true })
}

fn txn(success: Vec<TxnOp>, failure: Vec<TxnOp>) -> Txn {
    Txn { compares: Vec::new(), success, failure }
}

fn nested(success: Vec<TxnOp>, failure: Vec<TxnOp>) -> TxnOp {
    TxnOp::Txn(txn(success, failure))
}

fn holds(text: &str, result: CompareResult, operand: CompareOperand) -> Compare {
    Compare { range: range(text), result, operand }
}

/// A store and its leases, changed by transactions alone.
struct World {
    store: Store,
    leases: Lessor,
}

impl World {
    /// Revision 2: a=m. 3: b=n. 4: b=o on lease 5. 5: c=m. Leases 5 and 6.
    fn new() -> World {
        let mut world = World { store: Store::new(), leases: Lessor::default() };
        world.leases.grant(LeaseId(5), 60).expect("a new lease");
        world.leases.grant(LeaseId(6), 60).expect("a new lease");
        let on_5 = put_with("b", PutValue::Set(bytes("o")), PutLease::Set(LeaseId(5)));
        for op in [put("a", "m"), put("b", "n"), on_5, put("c", "m")] {
            world.run(&txn(vec![op], vec![])).expect("nothing to refuse");
        }
        world
    }

    fn run(&mut self, txn: &Txn) -> Result<TxnResponse, RequestError> {
        let mut write = self.store.write();
        let response = run(&mut write, &mut self.leases, txn)?;
        write.finish();
        Ok(response.unwrap_or_else(|unfinished| unfinished.finish(self.store.current())))
    }

    fn keys(&self, lease: i64) -> Vec<String> {
        self.leases.keys(LeaseId(lease)).map(|key| key.escape_ascii().to_string()).collect()
    }

    fn succeeds(&self, compares: Vec<Compare>) -> bool {
        let txn = Txn { compares, success: Vec::new(), failure: Vec::new() };
        compare::path(&self.store.view(), &txn, &mut 1_000).expect("a small store").succeeded
    }

    /// Refused, and nothing is changed by it.
    #[track_caller]
    fn assert_refused(&mut self, txn: &Txn, error: RequestError) {
        let before = (self.store.hash(), self.store.revision(), self.keys(5), self.keys(6));
        assert_eq!(self.run(txn).map(|done| show(&done)), Err(error), "{txn:?}");
        assert_eq!((self.store.hash(), self.store.revision(), self.keys(5), self.keys(6)), before, "{txn:?}");
        assert_eq!(self.store.hash(), self.store.hash_from_scratch());
    }
}

fn show(response: &TxnResponse) -> String {
    let record = |record: &crate::mvcc::RecordRef| {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        format!("{}={}@{}.{}", text(record.key()), text(record.value()), record.mod_revision(), record.sub())
    };
    let records = |all: &[crate::mvcc::RecordRef]| all.iter().map(record).collect::<Vec<_>>().join(" ");
    let ops = response.responses.iter().map(|op| match op {
        TxnOpResponse::Range { revision, response } => format!("{revision}:[{}]", records(&response.kvs)),
        TxnOpResponse::Put { revision, prev_kv } => {
            format!("{revision}:put({})", records(prev_kv.as_slice()))
        }
        TxnOpResponse::DeleteRange { revision, response } => {
            format!("{revision}:del {}({})", response.deleted, records(&response.prev_kvs))
        }
        TxnOpResponse::Txn(nested) => format!("<{}>", show(nested)),
    });
    let branch = if response.succeeded { "then" } else { "else" };
    std::iter::once(branch.to_owned()).chain(ops).collect::<Vec<_>>().join(" ")
}
