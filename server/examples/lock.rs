//! Distributed lock: a key that only one can create, under a lease, so that the dead let go.
//!
//! The revision at which the key was created rises from holder to holder. It is the fencing token: what the lock
//! protects can refuse the writes of a holder that lost the lock without noticing.

mod client;

use client::{Cluster, Failure, Lease, check};

/// How often each contender takes the lock.
const TURNS: usize = 20;
/// Seconds.
const TTL: i64 = 2;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    client::run(scenario).await
}

async fn scenario(cluster: Cluster, prefix: String) -> Result<(), Failure> {
    cluster.put(&format!("{prefix}counter"), "0", 0).await?;
    println!(
        "alice and bob each take the lock {TURNS} times; the holder reads a counter and writes it back plus one"
    );
    let (alice, bob) = tokio::join!(
        tokio::spawn(contend(cluster.clone(), prefix.clone(), "alice")),
        tokio::spawn(contend(cluster.clone(), prefix.clone(), "bob")),
    );
    let mut tokens = alice??;
    tokens.extend(bob??);
    let counter = cluster.get(&format!("{prefix}counter")).await?.ok_or("the counter")?.value;
    check(counter == (2 * TURNS).to_string(), &format!("no turn is lost; the counter says {counter}"))?;
    println!("the counter says {counter}: no two held the lock at once");
    tokens.sort_unstable();
    tokens.dedup();
    check(tokens.len() == 2 * TURNS, "every turn has a token of its own")?;
    println!("every turn had a fencing token of its own");

    let lease = cluster.lease(TTL).await?;
    let of_alice = take(&cluster, &prefix, "alice", &lease).await?;
    println!("alice takes the lock and dies");
    drop(lease);
    let lease = cluster.lease(TTL).await?;
    let of_bob = take(&cluster, &prefix, "bob", &lease).await?;
    check(of_bob > of_alice, "the next token is higher")?;
    println!("bob gets it when her lease ends, with a higher token");
    lease.revoke().await?;
    check(cluster.get(&format!("{prefix}lock")).await?.is_none(), "a revoked lease lets go")?;
    println!("ok: bob revokes his lease, and the lock is free");
    Ok(())
}

/// Takes the lock, adds one to the counter the naive way, lets go; the tokens it held.
async fn contend(cluster: Cluster, prefix: String, name: &str) -> Result<Vec<i64>, Failure> {
    let lease = cluster.lease(TTL * 10).await?;
    let counter = format!("{prefix}counter");
    let mut tokens = Vec::new();
    for _ in 0..TURNS {
        let token = take(&cluster, &prefix, name, &lease).await?;
        let read: usize = cluster.get(&counter).await?.ok_or("the counter")?.value.parse()?;
        cluster.put(&counter, &(read + 1).to_string(), 0).await?;
        let released = cluster.delete_unchanged(&format!("{prefix}lock"), token).await?;
        check(released.is_some(), "the holder holds the lock until it lets go")?;
        tokens.push(token);
    }
    lease.revoke().await?;
    Ok(tokens)
}

/// Waits for the lock; its token.
async fn take(cluster: &Cluster, prefix: &str, name: &str, lease: &Lease) -> Result<i64, Failure> {
    let key = format!("{prefix}lock");
    loop {
        if let Some(token) = cluster.create(&key, name, lease.id).await? {
            return Ok(token);
        }
        // Watch from the write that was seen: the delete cannot fall between looking and watching.
        let Some(held) = cluster.get(&key).await? else { continue };
        let mut changes = cluster.watch(&key, held.mod_revision + 1).await?;
        while changes.next().await?.value.is_some() {}
    }
}
