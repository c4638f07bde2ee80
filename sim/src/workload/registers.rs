//! Clients that read, put, delete and swap a few keys, one at a time. Some read right after a change from another
//! member: a deposed leader that does not know it yet must not answer from its own state.

use super::client::{Client, put};
use crate::check::real_time::writes;
use crate::history::Outcome;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{
    Compare, CompareOperand, CompareResult, DeleteRangeRequest, RangeRequest, Reply, Request, Response, Txn,
    TxnOp,
};
use std::collections::BTreeMap;

/// Of clients in a million: those that read their changes from another member.
const OBSERVED_PER_MILLION: u32 = 250_000;
/// Of their changes in a million: those that are read so.
const OBSERVATIONS_PER_MILLION: u32 = 300_000;

/// One client, to the end.
pub async fn run(mut client: Client) {
    // The revision at which the client thinks each key was last changed.
    let mut last_seen: BTreeMap<Bytes, i64> = BTreeMap::new();
    let mut observer = client.concurrent_session();
    let is_observed = observer.stream.happens(OBSERVED_PER_MILLION);
    while client.goes_on().await {
        let key = client.key();
        let request = draw(&mut client, &key, last_seen.get(&key).copied().unwrap_or(0));
        if let Outcome::Done(reply) = client.ask_with_retries(request).await {
            if is_observed && writes(&reply.response) && observer.stream.happens(OBSERVATIONS_PER_MILLION) {
                read_elsewhere(&mut observer, client.member, &key).await;
            }
            last_seen.insert(key, seen(&reply));
        }
    }
}

/// At any member but the one that was asked, which is the next where there are no more.
async fn read_elsewhere(observer: &mut Client, asked: usize, key: &Bytes) {
    let members = observer.transport.members();
    observer.member = (asked + 1 + observer.stream.index(members.max(2) - 1)) % members;
    observer.ask(Request::Range(RangeRequest::of(KeyRange::One(key.clone())))).await;
}

fn draw(client: &mut Client, key: &Bytes, expected: i64) -> Request {
    let (reads, deletes) = (client.load.reads_per_million, client.load.deletes_per_million);
    let swaps = client.load.swaps_per_million;
    let die = u32::try_from(client.stream.within(0..1_000_000)).expect("below a million");
    if die < reads {
        let serializable = client.stream.happens(client.load.serializable_per_million);
        return Request::Range(RangeRequest { serializable, ..RangeRequest::of(KeyRange::One(key.clone())) });
    }
    let prev_kv = client.stream.happens(500_000);
    if die < reads + deletes {
        return Request::DeleteRange(DeleteRangeRequest { range: KeyRange::One(key.clone()), prev_kv });
    }
    let value = client.value();
    let mut put = put(key, value);
    put.prev_kv = prev_kv;
    if die < reads + deletes + swaps { swap(expected, put) } else { Request::Put(put) }
}

/// A put on condition that the key was last changed at this revision; 0 where it is not there.
fn swap(expected: i64, put: detcd_engine::request::PutRequest) -> Request {
    let range = KeyRange::One(put.key.clone());
    Request::Txn(Txn {
        compares: vec![Compare {
            range: range.clone(),
            result: CompareResult::Equal,
            operand: CompareOperand::Mod(expected),
        }],
        success: vec![TxnOp::Put(put)],
        failure: vec![TxnOp::Range(RangeRequest::of(range))],
    })
}

fn seen(reply: &Reply) -> i64 {
    match &reply.response {
        Response::Range(found) => found.kvs.first().map_or(0, |record| record.mod_revision()),
        Response::Put(_) => reply.revision,
        Response::Txn(txn) if txn.succeeded => reply.revision,
        _ => 0,
    }
}
