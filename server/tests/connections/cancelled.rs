//! Calls that are cancelled as soon as they are made, by the thousand: they cost a bounded amount of memory, and the
//! calls beside them are served in time.

use crate::processes::{Cluster, Process};
use crate::raw::{Connection, WATCH, framed, head};
use detcd::pb;
use detcd::pb::watch_request::RequestUnion;
use h2::Reason;
use std::time::{Duration, Instant};

const CANCELS: usize = 20_000;
/// What a put may take beside them, for 99 of 100.
const CANARY_P99_MAX: Duration = Duration::from_millis(100);
/// The machine has other work to do, which may take so long once; a server that makes puts wait does it every time.
const ROUNDS_MAX: usize = 5;

fn watch_of(key: &'static str) -> pb::WatchRequest {
    let create = pb::WatchCreateRequest { key: key.into(), ..Default::default() };
    pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

/// Puts on a connection until it is told to stop; how long each took.
async fn canary(mut connection: Connection, stop: tokio::sync::watch::Receiver<bool>) -> Vec<Duration> {
    let mut took = Vec::new();
    while !*stop.borrow() {
        let since = Instant::now();
        connection.still_serves().await;
        took.push(since.elapsed());
    }
    took
}

fn p99(took: &mut [Duration]) -> Duration {
    took.sort();
    took[took.len() * 99 / 100]
}

/// Puts beside cancelled calls, and on another connection, are in time in one round at least.
async fn rounds_beside(member: &Process, is_begun: bool) {
    let mut found = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let (beside, elsewhere) = cancel_beside_others(member, is_begun, 100).await;
        found.push((beside, elsewhere));
        if beside.max(elsewhere) < CANARY_P99_MAX {
            return;
        }
    }
    panic!("in no round were puts in time: p99 beside cancelled calls and elsewhere {found:?}");
}

/// Cancels calls on a connection while puts go over another, and a watch of the same one goes on. `together`: so many
/// are cancelled before a put goes over the same connection and is waited for. The p99 of the puts on both connections.
async fn cancel_beside_others(member: &Process, is_begun: bool, together: usize) -> (Duration, Duration) {
    let mut connection = Connection::to(member).await;
    let mut watch = connection.begin(head(WATCH)).await;
    watch.send.send_data(framed(&watch_of("still")), false).unwrap();
    assert!(watch.message::<pb::WatchResponse>().await.created);

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let other = tokio::spawn(canary(Connection::to(member).await, stopped));
    let mut same = Vec::new();
    for cancel in 1..=CANCELS {
        let mut call = connection.begin(head(WATCH)).await;
        if is_begun {
            call.send.send_data(framed(&watch_of("k")), false).unwrap();
        }
        call.send.send_reset(Reason::CANCEL);
        if cancel % together == 0 {
            let since = Instant::now();
            connection.still_serves().await;
            same.push(since.elapsed());
        }
    }
    stop.send_replace(true);
    let mut other = other.await.unwrap();
    let puts = same.len() + other.len();
    assert!(other.len() > 10, "only {} puts went on", other.len());
    let mut events = 0;
    while events < puts {
        let response: pb::WatchResponse = watch.message().await;
        events += response.events.len();
    }
    connection.still_serves().await;
    (p99(&mut same), p99(&mut other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_watches_are_opened_and_cancelled_at_once() {
    let cluster = Cluster::alone(&[]).await;
    let member = &cluster.members[0];
    rounds_beside(member, false).await;
    rounds_beside(member, true).await;
    let before = member.anon_kb();
    cancel_beside_others(member, true, 100).await;
    let grown_kb = member.anon_kb().saturating_sub(before);
    assert!(grown_kb < 16 * 1024, "{CANCELS} cancelled watches left {grown_kb} kB");
    // Now so fast that thousands of them are open at once.
    cancel_beside_others(member, false, CANCELS).await;
    let grown_kb = member.anon_kb().saturating_sub(before);
    assert!(grown_kb < 192 * 1024, "{CANCELS} watches at once took {grown_kb} kB");
}
