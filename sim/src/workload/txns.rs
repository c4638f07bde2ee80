//! Transactions over several keys: comparisons of every field, of single keys and of ranges; puts, deletes and ranges
//! (of old revisions too) in both branches; transactions inside.

use super::client::{Client, put};
use super::ranges;
use detcd_engine::request::{
    Compare, CompareOperand, CompareResult, DeleteRangeRequest, PutValue, Request, Txn, TxnOp,
};
use detcd_engine::txn;

/// Operations in a branch, at most.
const OPS_MAX: usize = 4;
/// Transactions inside transactions, at most.
const DEPTH_MAX: usize = 2;

/// One client, to the end.
pub async fn run(mut client: Client) {
    let mut newest = 1;
    while client.goes_on().await {
        let drawn = draw(&mut client, newest, 0);
        // What the wire would refuse (a key put twice on one path) never gets here.
        let Ok(txn) = txn::check(drawn, 128) else { continue };
        if let Some(reply) = client.done(Request::Txn(txn)).await {
            newest = newest.max(reply.revision);
        }
    }
}

fn draw(client: &mut Client, newest: i64, depth: usize) -> Txn {
    let compares = (0..client.stream.index(4)).map(|_| compare(client, newest)).collect();
    let branch = |client: &mut Client| {
        (0..client.stream.index(OPS_MAX + 1)).map(|_| op(client, newest, depth)).collect()
    };
    Txn { compares, success: branch(client), failure: branch(client) }
}

fn op(client: &mut Client, newest: i64, depth: usize) -> TxnOp {
    match client.stream.index(10) {
        0..4 => {
            let (key, value) = (client.key(), client.value());
            let mut put = put(&key, value);
            put.prev_kv = client.stream.happens(500_000);
            if client.stream.happens(100_000) {
                put.value = PutValue::Keep;
            }
            TxnOp::Put(put)
        }
        4..6 => {
            let range = client.some_keys();
            TxnOp::DeleteRange(DeleteRangeRequest { range, prev_kv: client.stream.happens(500_000) })
        }
        6..8 if depth < DEPTH_MAX => TxnOp::Txn(draw(client, newest, depth + 1)),
        _ => TxnOp::Range(ranges::draw(client, newest)),
    }
}

fn compare(client: &mut Client, newest: i64) -> Compare {
    let revision = newest - client.stream.index(8).cast_signed() as i64;
    let operand = match client.stream.index(6) {
        0 => CompareOperand::Version(client.stream.index(4).cast_signed() as i64),
        1 => CompareOperand::Create(revision),
        2 => CompareOperand::Mod(revision),
        3 => CompareOperand::Mod(0),
        4 => CompareOperand::Value(client.value()),
        _ => CompareOperand::Lease(0),
    };
    let result = client.stream.pick(&[
        CompareResult::Equal,
        CompareResult::Greater,
        CompareResult::Less,
        CompareResult::NotEqual,
    ]);
    Compare { range: client.some_keys(), result, operand }
}
