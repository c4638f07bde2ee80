//! Asks a cluster what a Rust program asks of etcd, through the crate `etcd-client`.
//!
//! The endpoints come from DETCD_ENDPOINTS (comma separated). One line is printed per claim; the first one that does not
//! hold ends the run with exit code 1. It knows nothing of the server but its endpoints, so a real etcd passes too.

use etcd_client::{
    Client, Compare, CompareOp, DeleteOptions, Error, EventType, GetOptions, LeaseTimeToLiveOptions,
    PutOptions, SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse, WatchFilterType, WatchOptions, WatchStream,
};
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

/// No claim takes longer than a lease of two seconds and its end.
const BOUND: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let endpoints = std::env::var("DETCD_ENDPOINTS").map_err(|_| "DETCD_ENDPOINTS names no endpoint")?;
    tokio::time::timeout(BOUND, all(&endpoints)).await.map_err(|_| "no answer within a minute")?
}

async fn all(endpoints: &str) -> Result<(), Failure> {
    let endpoints: Vec<&str> = endpoints.split(',').collect();
    let client = Client::connect(&endpoints, None).await?;
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let prefix = format!("etcd-client/{}/", since_1970.as_nanos());
    keys(client.clone(), format!("{prefix}keys/")).await?;
    ranges(client.clone(), format!("{prefix}ranges/")).await?;
    txn(client.clone(), format!("{prefix}txn/")).await?;
    errors(client.clone(), format!("{prefix}errors/")).await?;
    watch(client.clone(), format!("{prefix}watch/")).await?;
    lease(client.clone(), format!("{prefix}lease/")).await?;
    compaction(client.clone(), format!("{prefix}compaction/")).await?;
    operations(client, endpoints.len()).await
}

fn ok(holds: bool, claim: &str) -> Result<(), Failure> {
    println!("{} - {claim}", if holds { "ok" } else { "not ok" });
    if holds { Ok(()) } else { Err(claim.into()) }
}

/// Whether a request failed with this text of the server's.
fn refused<T>(answer: Result<T, Error>, text: &str, claim: &str) -> Result<(), Failure> {
    let told = match &answer {
        Err(Error::GRpcStatus(status)) => status.message(),
        _ => "no refusal",
    };
    if told != text {
        println!("# expected: {text}\n# answered: {told}");
    }
    ok(told == text, claim)
}

async fn keys(mut client: Client, prefix: String) -> Result<(), Failure> {
    let key = format!("{prefix}k");
    let first = client.put(key.as_str(), "one", None).await?.header().ok_or("a header")?.revision();
    let second = client.put(key.as_str(), "two", Some(PutOptions::new().with_prev_key())).await?;
    ok(second.prev_key().is_some_and(|kv| kv.value() == b"one"), "put tells what was there")?;
    let now = client.get(key.as_str(), None).await?;
    let kv = now.kvs().first().ok_or("a key")?;
    ok(kv.value() == b"two" && kv.version() == 2, "get reads the last put")?;
    ok(kv.create_revision() == first && kv.mod_revision() == first + 1, "every put is a revision")?;
    let past = client.get(key.as_str(), Some(GetOptions::new().with_revision(first))).await?;
    ok(past.kvs().first().is_some_and(|kv| kv.value() == b"one"), "get reads the past")?;
    let local = client.get(key.as_str(), Some(GetOptions::new().with_serializable())).await;
    ok(local.is_ok(), "get may be serializable")?;
    let deleted = client.delete(key.as_str(), Some(DeleteOptions::new().with_prev_key())).await?;
    ok(deleted.deleted() == 1 && deleted.prev_kvs().len() == 1, "delete tells how many, and what was there")?;
    ok(client.get(key.as_str(), None).await?.kvs().is_empty(), "a deleted key is gone")?;
    ok(client.delete(key.as_str(), None).await?.deleted() == 0, "a delete of nothing deletes nothing")
}

async fn ranges(mut client: Client, prefix: String) -> Result<(), Failure> {
    for (key, value) in [("a", "3"), ("b", "1"), ("c", "2"), ("d", "4")] {
        client.put(format!("{prefix}{key}"), value, None).await?;
    }
    let all = || GetOptions::new().with_prefix();
    let values = |answer: etcd_client::GetResponse| -> String {
        answer.kvs().iter().map(|kv| String::from_utf8_lossy(kv.value()).into_owned()).collect()
    };
    ok(values(client.get(prefix.as_str(), Some(all())).await?) == "3124", "a range is in key order")?;
    let sorted = all().with_sort(SortTarget::Value, SortOrder::Descend);
    ok(values(client.get(prefix.as_str(), Some(sorted)).await?) == "4321", "a range sorts by value")?;
    let cut = client.get(prefix.as_str(), Some(all().with_limit(3))).await?;
    ok(
        cut.more() && cut.count() == 4 && cut.kvs().len() == 3,
        "a limit cuts, tells that it did, and counts all",
    )?;
    let counted = client.get(prefix.as_str(), Some(all().with_count_only())).await?;
    ok(counted.count() == 4 && counted.kvs().is_empty(), "a count brings no keys")?;
    let bare = client.get(prefix.as_str(), Some(all().with_keys_only())).await?;
    ok(bare.kvs().iter().all(|kv| kv.value().is_empty()), "keys only brings no values")?;
    let from = GetOptions::new().with_from_key().with_limit(2);
    ok(values(client.get(format!("{prefix}c"), Some(from)).await?) == "24", "a range may have no end")?;
    let deleted = client.delete(prefix.as_str(), Some(DeleteOptions::new().with_prefix())).await?;
    ok(deleted.deleted() == 4, "a range is deleted")
}

async fn txn(mut client: Client, prefix: String) -> Result<(), Failure> {
    let (a, b) = (format!("{prefix}a"), format!("{prefix}b"));
    let before = client.put(a.as_str(), "1", None).await?.header().ok_or("a header")?.revision();
    let swap = |old: &str| {
        Txn::new()
            .when([Compare::value(a.as_str(), CompareOp::Equal, old)])
            .and_then([TxnOp::put(a.as_str(), "2", None), TxnOp::put(b.as_str(), "3", None)])
            .or_else([TxnOp::get(a.as_str(), None)])
    };
    let done = client.txn(swap("1")).await?;
    let revision = done.header().ok_or("a header")?.revision();
    ok(done.succeeded() && revision == before + 1, "a txn whose compares hold writes all at one revision")?;
    let failed = client.txn(swap("1")).await?;
    let read = match failed.op_responses().first() {
        Some(TxnOpResponse::Get(answer)) => answer.kvs().first().is_some_and(|kv| kv.value() == b"2"),
        _ => false,
    };
    ok(!failed.succeeded() && read, "a txn whose compares fail does the other thing")?;
    let create = Txn::new()
        .when([Compare::create_revision(b.as_str(), CompareOp::Equal, 0)])
        .and_then([TxnOp::put(b.as_str(), "stolen", None)]);
    ok(!client.txn(create).await?.succeeded(), "a key is created only once")
}

async fn errors(mut client: Client, prefix: String) -> Result<(), Failure> {
    let key = format!("{prefix}k");
    let lease = Some(PutOptions::new().with_lease(0x7fff_ffff_ffff));
    refused(client.put("", "", None).await, "etcdserver: key is not provided", "a put needs a key")?;
    refused(
        client.put(key.as_str(), "", lease).await,
        "etcdserver: requested lease not found",
        "a lease must exist",
    )?;
    let future = Some(GetOptions::new().with_revision(i64::MAX));
    let text = "etcdserver: mvcc: required revision is a future revision";
    refused(client.get(key.as_str(), future).await, text, "the future cannot be read")?;
    let twice =
        Txn::new().and_then([TxnOp::put(key.as_str(), "1", None), TxnOp::put(key.as_str(), "2", None)]);
    refused(
        client.txn(twice).await,
        "etcdserver: duplicate key given in txn request",
        "a key is put once in a txn",
    )?;
    let large = client.put(key.as_str(), vec![0; 1_600_000], None).await;
    refused(large, "etcdserver: request is too large", "a request has a limit")?;
    ok(client.get(key.as_str(), None).await?.kvs().is_empty(), "a refused request changes nothing")
}

/// The next `n` events of a stream as "+value" and "-".
async fn events(stream: &mut WatchStream, n: usize) -> Result<Vec<String>, Failure> {
    let mut seen = Vec::new();
    while seen.len() < n {
        let answer = stream.message().await?.ok_or("the watch ended")?;
        for event in answer.events() {
            let value =
                event.kv().map(|kv| String::from_utf8_lossy(kv.value()).into_owned()).unwrap_or_default();
            seen.push(if event.event_type() == EventType::Put {
                format!("+{value}")
            } else {
                "-".to_owned()
            });
        }
    }
    Ok(seen)
}

async fn watch(mut client: Client, prefix: String) -> Result<(), Failure> {
    let key = format!("{prefix}k");
    let first = client.put(key.as_str(), "1", None).await?.header().ok_or("a header")?.revision();
    let options = WatchOptions::new().with_prefix().with_start_revision(first);
    let mut stream = client.watch(prefix.as_str(), Some(options.clone())).await?;
    client.put(key.as_str(), "2", None).await?;
    client.delete(key.as_str(), None).await?;
    ok(events(&mut stream, 3).await? == ["+1", "+2", "-"], "a watch tells the past, then the present")?;
    let deletes = options.with_filters([WatchFilterType::NoPut]);
    let mut filtered = client.watch(prefix.as_str(), Some(deletes)).await?;
    ok(events(&mut filtered, 1).await? == ["-"], "a filter leaves puts out")?;
    stream.request_progress().await?;
    let answer = stream.message().await?.ok_or("the watch ended")?;
    let revision = answer.header().ok_or("a header")?.revision();
    ok(answer.events().is_empty() && revision >= first + 2, "progress is told on request")?;
    let watch = watch_id(&mut stream, &mut client, &key).await?;
    stream.cancel(watch).await?;
    ok(stream.message().await?.is_none_or(|answer| answer.canceled()), "a cancelled watch says so")
}

/// The id of the stream's watch, from its next event.
async fn watch_id(stream: &mut WatchStream, client: &mut Client, key: &str) -> Result<i64, Failure> {
    client.put(key, "last", None).await?;
    Ok(stream.message().await?.ok_or("the watch ended")?.watch_id())
}

async fn lease(mut client: Client, prefix: String) -> Result<(), Failure> {
    let key = format!("{prefix}k");
    let long = client.lease_grant(600, None).await?;
    ok(long.ttl() == 600, "a lease is granted for what was asked")?;
    client.put(key.as_str(), "v", Some(PutOptions::new().with_lease(long.id()))).await?;
    let told = client.lease_time_to_live(long.id(), Some(LeaseTimeToLiveOptions::new().with_keys())).await?;
    ok(
        told.granted_ttl() == 600 && told.keys() == [key.as_bytes().to_vec()],
        "a lease tells its time and keys",
    )?;
    let (mut keeper, mut answers) = client.lease_keep_alive(long.id()).await?;
    for _ in 0..3 {
        keeper.keep_alive().await?;
        let answer = answers.message().await?.ok_or("the keepalive stream ended")?;
        ok(answer.ttl() == 600, "a renewal renews for the granted time")?;
    }
    ok(client.leases().await?.leases().iter().any(|lease| lease.id() == long.id()), "leases are listed")?;
    client.lease_revoke(long.id()).await?;
    ok(client.get(key.as_str(), None).await?.kvs().is_empty(), "a revoked lease takes its keys along")?;
    let gone = client.lease_revoke(long.id()).await;
    refused(gone, "etcdserver: requested lease not found", "a lease is revoked once")?;

    let short = client.lease_grant(2, None).await?;
    let put = client.put(key.as_str(), "v", Some(PutOptions::new().with_lease(short.id()))).await?;
    let from = put.header().ok_or("a header")?.revision();
    let mut stream = client.watch(key.as_str(), Some(WatchOptions::new().with_start_revision(from))).await?;
    ok(events(&mut stream, 2).await? == ["+v", "-"], "a lease that nobody renews takes its keys along")
}

async fn compaction(mut client: Client, prefix: String) -> Result<(), Failure> {
    let key = format!("{prefix}k");
    let first = client.put(key.as_str(), "1", None).await?.header().ok_or("a header")?.revision();
    let second = client.put(key.as_str(), "2", None).await?.header().ok_or("a header")?.revision();
    client.compact(second, None).await?;
    let past = Some(GetOptions::new().with_revision(first));
    let text = "etcdserver: mvcc: required revision has been compacted";
    refused(client.get(key.as_str(), past).await, text, "what is compacted cannot be read")?;
    refused(client.compact(second, None).await, text, "history is compacted once")?;
    let mut stream = client.watch(key.as_str(), Some(WatchOptions::new().with_start_revision(first))).await?;
    ok(stream.message().await?.is_some_and(|answer| answer.created()), "a watch from there is created")?;
    let answer = stream.message().await?.ok_or("the watch ended")?;
    ok(
        answer.canceled() && answer.compact_revision() == second,
        "a watch from there ends and says where to begin",
    )
}

async fn operations(mut client: Client, endpoints: usize) -> Result<(), Failure> {
    let members = client.member_list().await?.members().len();
    ok(members >= endpoints, "every endpoint is a member's")?;
    let status = client.status().await?;
    ok(status.version().starts_with("3.") && status.leader() != 0, "status tells version and leader")?;
    println!("all passed");
    Ok(())
}
