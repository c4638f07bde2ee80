//! Configuration push: one writer, a thousand watchers. Every watcher gets every version, once, in order.

mod client;

use client::{Cluster, Failure, check};
use std::sync::Arc;
use tokio::sync::Barrier;

const WATCHERS: usize = 1_000;
const VERSIONS: usize = 10;
/// Watchers on one connection.
const PER_CONNECTION: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    client::run(scenario).await
}

async fn scenario(cluster: Cluster, prefix: String) -> Result<(), Failure> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:2379".to_owned());
    let watching = Arc::new(Barrier::new(WATCHERS + 1));
    let mut watchers = Vec::new();
    for n in 0..WATCHERS / PER_CONNECTION {
        let connection = Cluster::connect(&url).await?;
        for m in 0..PER_CONNECTION {
            let watcher = follow(connection.clone(), prefix.clone(), watching.clone());
            watchers.push((n * PER_CONNECTION + m, tokio::spawn(watcher)));
        }
    }
    watching.wait().await;
    println!("{WATCHERS} watchers on {} connections wait for a configuration", WATCHERS / PER_CONNECTION);

    let mut revisions = Vec::new();
    for version in 1..=VERSIONS {
        revisions.push(cluster.put(&format!("{prefix}config"), &format!("version {version}"), 0).await?);
    }
    println!("the writer pushes {VERSIONS} versions");

    let mut events = 0;
    for (n, watcher) in watchers {
        let seen = watcher.await??;
        events += seen.len();
        check(seen == revisions, &format!("watcher {n} sees every version once, in order"))?;
    }
    println!("ok: every watcher saw every version once and in order: {events} events");
    Ok(())
}

/// Watches until the last version has come; the revisions seen.
async fn follow(cluster: Cluster, prefix: String, watching: Arc<Barrier>) -> Result<Vec<i64>, Failure> {
    let changes = cluster.watch(&prefix, 0).await;
    watching.wait().await;
    let mut changes = changes?;
    let mut seen = Vec::new();
    while seen.len() < VERSIONS {
        let change = changes.next().await?;
        let expected = format!("version {}", seen.len() + 1);
        check(change.value.as_ref() == Some(&expected), "versions come in order")?;
        seen.push(change.revision);
    }
    Ok(seen)
}
