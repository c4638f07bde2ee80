//! FIFO queue: two producers, two consumers. An item's place is the revision at which it was put, which the store
//! hands out; a consumer takes the oldest item by deleting it on the condition that it is still there unchanged.

mod client;

use client::{Cluster, Failure, check};
use std::collections::BTreeMap;

/// Items of each producer.
const ITEMS: usize = 50;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    client::run(scenario).await
}

async fn scenario(cluster: Cluster, prefix: String) -> Result<(), Failure> {
    println!("two producers put {ITEMS} items each while two consumers take them");
    let producers = ["red", "blue"].map(|name| tokio::spawn(produce(cluster.clone(), prefix.clone(), name)));
    let consumers = [0, 1].map(|_| tokio::spawn(consume(cluster.clone(), prefix.clone())));
    let mut put = BTreeMap::new();
    for producer in producers {
        put.extend(producer.await??);
    }
    println!("both producers are done");
    cluster.put(&format!("{prefix}done"), "", 0).await?;
    let mut taken = BTreeMap::new();
    for consumer in consumers {
        taken.extend(consumer.await??);
    }
    println!("both consumers found the queue empty after that");

    check(put.len() == 2 * ITEMS, "every put has a revision of its own")?;
    check(taken.len() == put.len(), "every item is taken, and only once")?;
    println!("{} items were put, {} were taken, each once", put.len(), taken.len());
    // Both maps are keyed by revision: one is the order of the puts, the other the order of the takes.
    let in_order = put.values().eq(taken.values());
    check(in_order, "items are taken in the order in which they were put")?;
    println!("ok: they were taken in exactly the order in which they were put");
    Ok(())
}

/// Puts its items; each with the revision of the put.
async fn produce(cluster: Cluster, prefix: String, name: &str) -> Result<BTreeMap<i64, String>, Failure> {
    let mut put = BTreeMap::new();
    for n in 0..ITEMS {
        let item = format!("{name} {n:02}");
        let revision = cluster.create(&format!("{prefix}items/{name}-{n:02}"), &item, 0).await?;
        put.insert(revision.ok_or("the item's key was taken")?, item);
    }
    Ok(put)
}

/// Takes items until the producers are done and nothing is left; each with the revision of the take.
async fn consume(cluster: Cluster, prefix: String) -> Result<BTreeMap<i64, String>, Failure> {
    let mut changes = cluster.watch(&prefix, 0).await?;
    let mut taken = BTreeMap::new();
    loop {
        // "Done" is read before the queue: an empty queue read after it stays empty.
        let done = cluster.get(&format!("{prefix}done")).await?.is_some();
        let (items, _) = cluster.list(&format!("{prefix}items/")).await?;
        match items.first() {
            Some(oldest) => {
                if let Some(revision) = cluster.delete_unchanged(&oldest.key, oldest.mod_revision).await? {
                    taken.insert(revision, oldest.value.clone());
                }
            }
            None if done => return Ok(taken),
            None => drop(changes.next().await?),
        }
    }
}
