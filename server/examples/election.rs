//! Leader election with failover: every candidate enters its name under a lease; the one who entered first leads, and
//! when its name goes the next one does. Nobody is asked and nobody votes: the store's order decides.

mod client;

use client::{Cluster, Failure, Lease, check};

/// Seconds until a dead leader is replaced.
const TTL: i64 = 2;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    client::run(scenario).await
}

async fn scenario(cluster: Cluster, prefix: String) -> Result<(), Failure> {
    let mut changes = cluster.watch(&prefix, 0).await?;
    let mut leases = Vec::new();
    for name in ["alice", "bob", "carol"] {
        leases.push(enter(&cluster, &prefix, name).await?);
        let change = changes.next().await?;
        check(change.value.as_deref() == Some(name), "candidates enter in this order")?;
        println!("{name} enters");
    }
    let mut terms = vec![leader(&cluster, &prefix).await?];
    println!("{} leads", terms[0].0);

    drop(leases.remove(0));
    println!("alice dies");
    check(changes.next().await?.value.is_none(), "a dead candidate's name goes")?;
    terms.push(leader(&cluster, &prefix).await?);
    println!("{} leads as soon as alice's lease ends", terms[1].0);

    leases.push(enter(&cluster, &prefix, "alice").await?);
    changes.next().await?;
    println!("alice comes back and enters behind the others");
    check(leader(&cluster, &prefix).await? == terms[1], "the leader stays")?;
    println!("{} still leads", terms[1].0);

    leases.remove(0).revoke().await?;
    println!("bob resigns");
    check(changes.next().await?.value.is_none(), "a name goes with its lease")?;
    terms.push(leader(&cluster, &prefix).await?);
    println!("{} leads at once", terms[2].0);

    let names: Vec<&str> = terms.iter().map(|(name, _)| name.as_str()).collect();
    check(names == ["alice", "bob", "carol"], "leaders follow each other in the order of entry")?;
    check(terms.is_sorted_by(|a, b| a.1 < b.1), "terms rise")?;
    println!("ok: {}, each with a higher term than the one before", names.join(", then "));
    Ok(())
}

async fn enter(cluster: &Cluster, prefix: &str, name: &str) -> Result<Lease, Failure> {
    let lease = cluster.lease(TTL).await?;
    cluster.create(&format!("{prefix}{:x}", lease.id), name, lease.id).await?.ok_or("a lease enters once")?;
    Ok(lease)
}

/// Who leads, and the revision of the entry: the leader's term.
async fn leader(cluster: &Cluster, prefix: &str) -> Result<(String, i64), Failure> {
    let (candidates, _) = cluster.list(prefix).await?;
    let first = candidates.into_iter().next().ok_or("there is a candidate")?;
    Ok((first.value, first.create_revision))
}
