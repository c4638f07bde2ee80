//! Leases: granted with an id or without, kept alive for a while and then not, asked about, revoked; with keys that
//! are attached by a put, moved to another lease, and detached.
//!
//! An id may be any number but zero: half of those that are chosen are as far below it as can be. One that is revoked
//! is now and then renewed at the same moment, at another member: a deposed leader that does not know it yet must not
//! answer from its own memory.

use super::client::{Client, put};
use crate::history::Outcome;
use bytes::Bytes;
use detcd_engine::request::{
    LeaseGrantRequest, LeaseId, LeaseTimeToLiveRequest, PutLease, Request, Response,
};
use madsim::time::sleep;
use std::time::Duration;

/// A lease that this client was granted.
struct Held {
    id: LeaseId,
    ttl: Duration,
}

/// How often a concurrent session renews, at most, until it receives that the lease is gone.
const RENEWALS_MAX: usize = 60;

/// One client, to the end.
pub async fn run(mut client: Client) {
    let mut chosen = 0;
    // Revokes what it was just granted, again and again, while leaders change.
    let is_brief = client.stream.happens(300_000);
    while client.goes_on().await {
        let Some(held) = grant(&mut client, &mut chosen).await else { continue };
        for number in 0..client.stream.index(4) {
            attach(&mut client, held.id, number).await;
        }
        if is_brief {
            revoke(&mut client, &held).await;
            continue;
        }
        keep(&mut client, &held).await;
        match client.stream.index(3) {
            0 => revoke(&mut client, &held).await,
            1 => outlive(&mut client, &held).await,
            // Left to end alone.
            _ => {}
        }
    }
}

async fn grant(client: &mut Client, chosen: &mut i64) -> Option<Held> {
    let id = if client.stream.happens(500_000) {
        LeaseId(0)
    } else {
        // Now and then one that is taken.
        *chosen += i64::from(*chosen == 0 || client.stream.happens(900_000));
        let number = client.place.cast_signed() as i64 * 1_000_000 + *chosen;
        LeaseId(if *chosen % 2 == 0 { number } else { i64::MIN + number })
    };
    let grant = LeaseGrantRequest { id, ttl_secs: client.load.lease_ttl_secs };
    let reply = client.done(Request::LeaseGrant(grant)).await?;
    let Response::LeaseGrant(granted) = reply.response else {
        panic!("a grant was answered with {:?}", reply.response)
    };
    Some(Held { id: granted.id, ttl: Duration::from_secs(granted.ttl_secs.unsigned_abs()) })
}

async fn attach(client: &mut Client, lease: LeaseId, number: usize) {
    let own = Bytes::from(format!("lease/{}.{number}", client.place));
    let key = if client.stream.happens(800_000) { own } else { client.key() };
    let value = client.value();
    let mut put = put(&key, value);
    put.lease = match client.stream.index(12) {
        0 => PutLease::Keep,
        1 => PutLease::Set(LeaseId(0)),
        _ => PutLease::Set(lease),
    };
    client.ask_with_retries(Request::Put(put)).await;
}

/// Renews the lease every third of its time, a few times.
async fn keep(client: &mut Client, held: &Held) {
    for _ in 0..client.stream.index(8) {
        if client.phase.is_quiet() {
            return;
        }
        sleep(held.ttl / 3).await;
        let Some(reply) = client.done(Request::LeaseKeepAlive(held.id)).await else { continue };
        if matches!(reply.response, Response::LeaseKeepAlive { ttl_secs: 0, .. }) {
            return;
        }
        if client.stream.happens(300_000) {
            let keys = client.stream.happens(500_000);
            client.done(Request::LeaseTimeToLive(LeaseTimeToLiveRequest { id: held.id, keys })).await;
        }
    }
}

/// Revokes the lease, half of the time while it is renewed at another member; now and then when most of its time has
/// gone by, so that its remaining TTL is recorded.
async fn revoke(client: &mut Client, held: &Held) {
    let mut session = client.concurrent_session();
    if session.stream.happens(500_000) {
        client.ask_with_retries(Request::LeaseRevoke(held.id)).await;
        return;
    }
    if session.stream.happens(200_000) {
        sleep(held.ttl * 2 / 3).await;
    }
    let revokes = client.ask_with_retries(Request::LeaseRevoke(held.id));
    futures_util::future::join(revokes, renew_until_gone(&mut session, held)).await;
}

/// A deposed leader that does not know it yet may still have the lease.
async fn renew_until_gone(session: &mut Client, held: &Held) {
    for _ in 0..RENEWALS_MAX {
        sleep(session.stream.delay(Duration::from_millis(5))).await;
        let outcome = session.ask(Request::LeaseKeepAlive(held.id)).await;
        let is_gone = match outcome {
            Outcome::Done(reply) => matches!(reply.response, Response::LeaseKeepAlive { ttl_secs: 0, .. }),
            Outcome::Refused(_) => true,
            Outcome::Unknown | Outcome::NotDone => false,
        };
        if is_gone || session.phase.is_quiet() {
            return;
        }
    }
}

/// Queries the lease until it has ended.
async fn outlive(client: &mut Client, held: &Held) {
    while !client.phase.is_quiet() {
        // A delay has a tail: a client that sleeps for a minute is not served within the bound.
        let pause = client.stream.delay(held.ttl / 4).min(held.ttl);
        sleep(pause).await;
        let keys = client.stream.happens(500_000);
        let ask = LeaseTimeToLiveRequest { id: held.id, keys };
        if let Some(reply) = client.done(Request::LeaseTimeToLive(ask)).await
            && matches!(reply.response, Response::LeaseTimeToLive(left) if left.ttl_secs < 0)
        {
            return;
        }
    }
}
