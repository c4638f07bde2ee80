//! Clients that ask for much, and those beside them: what takes long is done elsewhere, in pieces, and nobody waits for it.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod processes;
#[path = "connections/raw.rs"]
#[allow(dead_code, reason = "a part is used")]
mod raw;

use detcd::pb;
use processes::{Cluster, Process, put};
use prost::Message;
use raw::{Connection, connect_to, framed, head};
use std::time::{Duration, Instant};

const RANGE: &str = "/etcdserverpb.KV/Range";
const TXN: &str = "/etcdserverpb.KV/Txn";
/// Of 100 bytes each, in the answer 15 MB.
const KEYS: usize = 100_000;
/// What a put may take beside the large ranges, for 99 of 100; on a machine with other work to do, ten times what it takes
/// with nothing beside it, where that is more.
const CANARY_P99_MAX: Duration = Duration::from_millis(100);
/// Ranges of all keys in one transaction: half a second's work.
const LOOKS: usize = 8;
/// One test after the other: each measures, and the others would be the load that it measures.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// The machine has other work to do, which may take so long once; a server that makes puts wait does it every time.
const ROUNDS_MAX: usize = 5;

fn key(number: usize) -> String {
    format!("large/{number:08}")
}

async fn fill(member: &Process) {
    let mut kv = member.kv();
    for first in (0..KEYS).step_by(100) {
        let puts = (first..first + 100).map(|number| pb::RequestOp {
            request: Some(pb::request_op::Request::RequestPut(put(key(number), vec![b'v'; 100]))),
        });
        let txn = pb::TxnRequest { success: puts.collect(), ..Default::default() };
        kv.txn(txn).await.unwrap();
    }
}

fn all() -> pb::RangeRequest {
    pb::RangeRequest { key: "large/".into(), range_end: "large0".into(), ..Default::default() }
}

/// Asks for all keys and reads the answer to its end, again and again.
async fn ask_for_all(mut connection: Connection, stop: tokio::sync::watch::Receiver<bool>) -> usize {
    let mut answers = 0;
    while !*stop.borrow() {
        let end = connection.call(head(RANGE), framed(&all())).await;
        assert_eq!(end.code(), Some(0));
        assert!(end.data.len() > KEYS * 100);
        answers += 1;
    }
    answers
}

/// On a thread of their own: what the others of this process have to read would be waited for here, and not at the member.
async fn puts_beside(member: &Process, seconds: u64) -> Duration {
    let url = member.client_url.clone();
    let puts = async move {
        let mut connection = connect_to(&url).await;
        let mut took = Vec::new();
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(seconds) {
            let one = Instant::now();
            connection.still_serves().await;
            took.push(one.elapsed());
        }
        took.sort();
        took[took.len() * 99 / 100]
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::spawn_blocking(move || runtime.block_on(puts)).await.unwrap()
}

/// What puts may take here and now, with nothing of ours beside them.
async fn bound(member: &Process) -> Duration {
    let alone = puts_beside(member, 1).await;
    CANARY_P99_MAX.max(alone * 10)
}

/// Puts beside what goes on until `stop` is told; how many rounds of it there were in all.
async fn assert_puts_are_served(
    member: &Process,
    p99_max: Duration,
    stop: &tokio::sync::watch::Sender<bool>,
    beside: Vec<tokio::task::JoinHandle<usize>>,
) -> usize {
    let mut found = Vec::new();
    while found.last().is_none_or(|p99| *p99 >= p99_max) {
        assert!(found.len() < ROUNDS_MAX, "puts took more than {p99_max:?} in every round: {found:?}");
        found.push(puts_beside(member, 2).await);
    }
    stop.send_replace(true);
    let mut rounds = 0;
    for task in beside {
        rounds += task.await.unwrap();
    }
    rounds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_ranges_keep_nobody_waiting() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    fill(member).await;
    let p99_max = bound(member).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut asking = Vec::new();
    for _ in 0..8 {
        asking.push(tokio::spawn(ask_for_all(Connection::to(member).await, stopped.clone())));
    }
    let answers = assert_puts_are_served(member, p99_max, &stop, asking).await;
    assert!(answers >= 8, "only {answers} large ranges were answered meanwhile");
}

/// One put, and ranges of all keys, of which each must see all to answer with one.
fn put_and_look_at_all() -> pb::TxnRequest {
    let last_changed = pb::RangeRequest { sort_order: 2, sort_target: 3, limit: 1, ..all() };
    let look = pb::RequestOp { request: Some(pb::request_op::Request::RequestRange(last_changed)) };
    let put = pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put("large/last", "x"))) };
    pb::TxnRequest { success: [put].into_iter().chain(vec![look; LOOKS]).collect(), ..Default::default() }
}

/// Asks for it again and again; and in between, with compares that look at all keys too, which is refused.
async fn put_and_look(mut connection: Connection, stop: tokio::sync::watch::Receiver<bool>) -> usize {
    let looks_at_all = pb::Compare {
        result: pb::compare::CompareResult::Greater.into(),
        key: "large/".into(),
        range_end: "large0".into(),
        ..Default::default()
    };
    let too_many = pb::TxnRequest { compare: vec![looks_at_all; 128], ..put_and_look_at_all() };
    let mut answers = 0;
    while !*stop.borrow() {
        let end = connection.call(head(TXN), framed(&too_many)).await;
        assert_eq!(
            (end.code(), end.text().as_str()),
            (Some(3), "etcdserver: too many keys compared in txn request")
        );
        let end = connection.call(head(TXN), framed(&put_and_look_at_all())).await;
        assert_eq!(end.code(), Some(0));
        let answer = pb::TxnResponse::decode(&end.data[5..]).unwrap();
        let revision = answer.header.unwrap().revision;
        assert_eq!(answer.responses.len(), 1 + LOOKS);
        for found in answer.responses.into_iter().skip(1) {
            let Some(pb::response_op::Response::ResponseRange(found)) = found.response else {
                panic!("{found:?}")
            };
            assert_eq!((found.count, found.more), (KEYS as i64 + 1, true));
            // What the transaction itself has put, and not what another has since.
            assert_eq!(
                (found.kvs[0].key(), found.kvs[0].mod_revision()),
                (b"large/last".as_slice(), revision)
            );
        }
        answers += 1;
    }
    answers
}

/// The transaction is applied by the thread that applies everybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_write_and_look_at_much_keep_nobody_waiting() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    fill(member).await;
    let p99_max = bound(member).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut asking = Vec::new();
    for _ in 0..2 {
        asking.push(tokio::spawn(put_and_look(Connection::to(member).await, stopped.clone())));
    }
    let answers = assert_puts_are_served(member, p99_max, &stop, asking).await;
    assert!(answers >= 2, "only {answers} transactions were answered meanwhile");
}

/// An answer that nobody reads is not built: neither the range nor its bytes lie in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_read_are_not_built() {
    let _alone = ALONE.lock().await;
    const UNREAD: usize = 50;
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    fill(member).await;
    // The memory of a whole answer is given back some time after.
    let before = member.anon_kb();
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        let mut connection = Connection::to(member).await;
        let mut call = connection.begin(head(RANGE)).await;
        call.send.send_data(framed(&all()), true).unwrap();
        unread.push((connection, call));
    }
    // All have begun: whoever asks last is answered last.
    let mut connection = Connection::to(member).await;
    assert_eq!(connection.call(head(RANGE), framed(&all())).await.code(), Some(0));
    let grown_kb = member.anon_kb().saturating_sub(before);
    assert!(grown_kb < 150 * 1024, "{UNREAD} answers of 15 MB that nobody reads hold {grown_kb} kB");
    // As messages they hold one each, encoded and not.
    let before = member.anon_kb();
    let mut streams = Vec::new();
    for _ in 0..UNREAD {
        let mut stream = member.kv().range_stream(all()).await.unwrap().into_inner();
        let first = stream.message().await.unwrap().unwrap().range_response.unwrap();
        assert_eq!((&first.header, first.count), (&None, 0));
        streams.push((stream, first));
    }
    let grown_kb = member.anon_kb().saturating_sub(before);
    assert!(grown_kb < UNREAD as u64 * 1024, "{UNREAD} streams that nobody reads hold {grown_kb} kB");
    // Now they are read, from the state that they asked about.
    let mut revision = 0;
    for number in 0..KEYS / 100 {
        let answer = member.kv().put(put(key(number * 100), "changed")).await.unwrap();
        revision = answer.into_inner().header.unwrap().revision;
    }
    member.kv().compact(pb::CompactionRequest { revision, physical: true }).await.unwrap();
    for (_, call) in unread.into_iter().take(3) {
        let end = call.end().await.unwrap();
        assert_eq!(end.code(), Some(0));
        let answer = pb::RangeResponse::decode(&end.data[5..]).unwrap();
        assert_eq!((answer.kvs.len(), answer.count, answer.more), (KEYS, KEYS as i64, false));
        assert!(answer.kvs.iter().all(|record| record.value() == [b'v'; 100]));
    }
    for (stream, first) in streams.into_iter().take(3) {
        let answer = merged(first, stream).await;
        assert_eq!((answer.kvs.len(), answer.count, answer.more), (KEYS, KEYS as i64, false));
        assert!(answer.kvs.iter().all(|record| record.value() == [b'v'; 100]));
    }
}

/// The chunks of a stream as one answer.
async fn merged(
    mut merged: pb::RangeResponse,
    mut stream: tonic::Streaming<pb::RangeStreamResponse>,
) -> pb::RangeResponse {
    while let Some(chunk) = stream.message().await.unwrap() {
        let chunk = chunk.range_response.unwrap();
        assert!(merged.header.is_none(), "a chunk behind the last");
        merged.kvs.extend(chunk.kvs);
        (merged.header, merged.more, merged.count) = (chunk.header, chunk.more, chunk.count);
    }
    merged
}

/// Pieces are the same bytes as the whole.
#[tokio::test]
async fn a_large_answer_is_what_the_pages_are() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    fill(member).await;
    let mut connection = Connection::to(member).await;
    let descending = |sort_target| pb::RangeRequest { sort_order: 2, sort_target, ..all() };
    for request in [
        all(),
        pb::RangeRequest { limit: 50_000, ..all() },
        pb::RangeRequest { keys_only: true, ..all() },
        pb::RangeRequest { min_mod_revision: 500, ..all() },
        descending(0),
        descending(3),
        pb::RangeRequest { limit: KEYS as i64, revision: 800, ..all() },
    ] {
        let end = connection.call(head(RANGE), framed(&request)).await;
        assert_eq!(end.code(), Some(0), "{request:?}");
        let answer = pb::RangeResponse::decode(&end.data[5..]).unwrap();
        // Through tonic's service, which a transaction of one range goes to: found at once and encoded whole.
        let op = pb::RequestOp { request: Some(pb::request_op::Request::RequestRange(request.clone())) };
        let txn = pb::TxnRequest { success: vec![op], ..Default::default() };
        let whole = member.kv().txn(txn).await.unwrap().into_inner().responses.remove(0).response;
        let Some(pb::response_op::Response::ResponseRange(whole)) = whole else { panic!("{whole:?}") };
        assert_eq!((answer.count, answer.more), (whole.count, whole.more), "{request:?}");
        assert_eq!(answer.kvs, whole.kvs, "{request:?}");
        assert_eq!(answer.encode_to_vec().len(), end.data.len() - 5, "{request:?}");
        // The streams of the others are refused.
        if let Ok(stream) = member.kv().range_stream(request.clone()).await {
            assert_eq!(
                merged(pb::RangeResponse::default(), stream.into_inner()).await,
                answer,
                "{request:?}"
            );
        }
    }
}
