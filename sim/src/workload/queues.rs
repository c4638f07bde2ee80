//! A queue: elements are keys under a prefix, taken out by whoever deletes the oldest as it was seen. Each element is
//! taken by one client at most.

use super::client::{Client, put};
use super::keys::prefix;
use crate::history::{Claim, KeyValue, Outcome};
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{
    Compare, CompareOperand, CompareResult, DeleteRangeRequest, RangeRequest, Request, Response, SortOrder,
    SortTarget, Txn, TxnOp,
};

/// One client, to the end.
pub async fn run(mut client: Client) {
    let mut made = 0;
    while client.goes_on().await {
        if client.stream.happens(550_000) {
            made += 1;
            enqueue(&mut client, made).await;
        } else {
            dequeue(&mut client).await;
        }
    }
}

async fn enqueue(client: &mut Client, number: u64) {
    let (element, value) = (Bytes::from(format!("queue/{}.{number}", client.place)), client.value());
    let is_new = Compare {
        range: KeyRange::One(element.clone()),
        result: CompareResult::Equal,
        operand: CompareOperand::Create(0),
    };
    let put = TxnOp::Put(put(&element, value));
    let txn = Txn { compares: vec![is_new], success: vec![put], failure: Vec::new() };
    // Without retries: an element that was put, taken and put again would rightly be taken twice.
    if let Outcome::Done(reply) = client.ask(Request::Txn(txn)).await
        && matches!(reply.response, Response::Txn(txn) if txn.succeeded)
    {
        client.history.claim(client.place, Claim::Enqueued(element));
    }
}

async fn dequeue(client: &mut Client) {
    let oldest = RangeRequest {
        limit: 1,
        order: SortOrder::Ascend,
        target: SortTarget::Create,
        ..RangeRequest::of(prefix(b"queue/"))
    };
    let Some((_, found)) = client.read(oldest).await else { return };
    let Some(KeyValue { key, value, mod_revision, .. }) = found.into_iter().next() else { return };
    let is_there = Compare {
        range: KeyRange::One(key.clone()),
        result: CompareResult::Equal,
        operand: CompareOperand::Mod(mod_revision),
    };
    let take = TxnOp::DeleteRange(DeleteRangeRequest { range: KeyRange::One(key.clone()), prev_kv: true });
    let txn = Txn { compares: vec![is_there], success: vec![take], failure: Vec::new() };
    // A retry that finds the element gone says nothing: the first try may have taken it.
    if let Some(reply) = client.done(Request::Txn(txn)).await
        && matches!(reply.response, Response::Txn(txn) if txn.succeeded)
    {
        client.history.claim(client.place, Claim::Dequeued { element: key, value });
    }
}
