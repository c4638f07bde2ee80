//! Service registry: who serves now? Every instance registers itself under a lease that it keeps renewing. A client
//! lists the instances and watches from the revision of that list on, so that it misses nothing in between.

mod client;

use client::{Cluster, Failure, check};
use std::collections::BTreeMap;

/// Seconds without renewal after which an instance counts as dead.
const TTL: i64 = 2;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    client::run(scenario).await
}

async fn scenario(cluster: Cluster, prefix: String) -> Result<(), Failure> {
    let mut leases = Vec::new();
    for n in 1..=3 {
        let lease = cluster.lease(TTL).await?;
        cluster.put(&format!("{prefix}web-{n}"), &format!("10.0.0.{n}:80"), lease.id).await?;
        println!("web-{n} registers 10.0.0.{n}:80");
        leases.push(lease);
    }
    let (entries, revision) = cluster.list(&prefix).await?;
    let mut serving: BTreeMap<String, String> = entries.into_iter().map(|e| (e.key, e.value)).collect();
    println!("the client lists {} instances and watches from there", serving.len());
    check(serving.len() == 3, "all three are listed")?;
    let mut changes = cluster.watch(&prefix, revision + 1).await?;

    let third = leases.pop().ok_or("three leases")?;
    third.revoke().await?;
    println!("web-3 leaves properly: it revokes its lease");
    let change = changes.next().await?;
    check(change.value.is_none() && change.key.ends_with("web-3"), "the client is told that web-3 is gone")?;
    serving.remove(&change.key);
    println!("the client sees web-3 go");

    drop(leases.pop());
    println!("web-2 dies without a word");
    let change = changes.next().await?;
    check(change.value.is_none() && change.key.ends_with("web-2"), "the client is told that web-2 is gone")?;
    serving.remove(&change.key);
    println!("the client sees web-2 go when its lease ends");

    let lease = cluster.lease(TTL).await?;
    cluster.put(&format!("{prefix}web-4"), "10.0.0.4:80", lease.id).await?;
    let change = changes.next().await?;
    serving.insert(change.key, change.value.ok_or("web-4 registers")?);
    println!("web-4 registers, and the client sees it come");

    let listed: BTreeMap<String, String> =
        cluster.list(&prefix).await?.0.into_iter().map(|e| (e.key, e.value)).collect();
    check(serving == listed, "what the client followed is what is registered")?;
    let names: Vec<&str> = serving.keys().map(|key| &key[prefix.len()..]).collect();
    println!("ok: the client's picture and the registry agree: {}", names.join(" "));
    Ok(())
}
