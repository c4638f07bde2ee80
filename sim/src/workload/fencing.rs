//! Locks and elections as etcd's clients build them: a lease, and a key of one's own under a prefix that all share,
//! created once. The client whose key is the oldest holds the lock or the election. Who waits, watches for the end of
//! the key before its own.
//!
//! The create revision of the own key is the fence: what it guards is written on condition that it still
//! stands. A lock guards another key; an election guards the own key, into which the winner proclaims.

use super::client::{Client, put};
use super::keys::prefix;
use crate::history::{Claim, KeyValue};
use crate::watch_response::WatchResponse;
use bytes::Bytes;
use detcd_engine::key_range::KeyRange;
use detcd_engine::request::{
    Compare, CompareOperand, CompareResult, DeleteRangeRequest, LeaseGrantRequest, LeaseId, PutLease,
    RangeRequest, Request, Response, SortOrder, SortTarget, Txn, TxnOp,
};
use detcd_engine::watch::{WatchCreate, WatchInput};
use madsim::time::timeout;
use std::time::Duration;

/// How long a waiting client waits for a watch response before it reads the prefix again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often it looks, before it gives up.
const LOOKS_MAX: usize = 4;

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It guards a key.
    Lock,
    /// Its winner proclaims a value.
    Election,
}

impl Kind {
    /// The prefix of the keys of those who wait.
    pub fn prefix(self) -> Bytes {
        match self {
            Kind::Lock => Bytes::from_static(b"lock/"),
            Kind::Election => Bytes::from_static(b"election/"),
        }
    }
}

/// The own key.
struct Place {
    key: Bytes,
    lease: LeaseId,
    fence: i64,
}

/// One client, to the end.
pub async fn run(mut client: Client, kind: Kind) {
    while client.goes_on().await {
        let Some(place) = join(&mut client, kind).await else { continue };
        if wait(&mut client, kind, &place).await {
            hold(&mut client, kind, &place).await;
        }
        leave(&mut client, &place).await;
    }
}

/// A lease, and a key on it.
async fn join(client: &mut Client, kind: Kind) -> Option<Place> {
    let grant = LeaseGrantRequest { id: LeaseId(0), ttl_secs: client.load.lease_ttl_secs };
    let Response::LeaseGrant(granted) = client.done(Request::LeaseGrant(grant)).await?.response else {
        panic!("a grant was answered with something else")
    };
    let key = Bytes::from(format!("{}{:x}", String::from_utf8_lossy(&kind.prefix()), granted.id.0));
    let value = client.value();
    let mut put = put(&key, value);
    put.lease = PutLease::Set(granted.id);
    let range = KeyRange::One(key.clone());
    let txn = Txn {
        compares: vec![create_is(&key, 0)],
        success: vec![TxnOp::Put(put)],
        failure: vec![TxnOp::Range(RangeRequest::of(range))],
    };
    let reply = client.done(Request::Txn(txn)).await?;
    let Response::Txn(done) = reply.response else { panic!("a txn was answered with something else") };
    let fence = if done.succeeded {
        reply.revision
    } else {
        // An earlier try has put it after all.
        match done.responses.first() {
            Some(detcd_engine::request::TxnOpResponse::Range { response, .. }) => {
                response.kvs.first()?.create_revision()
            }
            other => panic!("a range was answered with {other:?}"),
        }
    };
    Some(Place { key, lease: granted.id, fence })
}

/// Until the key before it is gone. Whether its own key then was the oldest, as far as it knows.
async fn wait(client: &mut Client, kind: Kind, place: &Place) -> bool {
    for _ in 0..LOOKS_MAX {
        if client.phase.is_quiet() {
            return false;
        }
        let before = RangeRequest {
            limit: 1,
            order: SortOrder::Descend,
            target: SortTarget::Create,
            max_create_revision: place.fence - 1,
            ..RangeRequest::of(prefix(&kind.prefix()))
        };
        let Some((revision, found)) = client.read(before).await else { continue };
        let Some(KeyValue { key, .. }) = found.into_iter().next() else { return true };
        watch_until_deleted(client, key, revision + 1).await;
        client.ask_with_retries(Request::LeaseKeepAlive(place.lease)).await;
    }
    false
}

/// Returns when the key is gone, or it may be worth looking again.
async fn watch_until_deleted(client: &mut Client, key: Bytes, start_revision: i64) {
    let Some(mut feed) = client.open_watch().await else { return };
    let stream = client.history.open_stream(client.place, client.member);
    let ask = WatchInput::Create(WatchCreate {
        id: None,
        range: KeyRange::One(key),
        start_revision,
        progress_notify: false,
        no_put: true,
        no_delete: false,
        prev_kv: false,
        fragment: false,
    });
    client.history.watch_asked(stream, ask.clone());
    feed.send(ask);
    let waiting = async {
        while let Some(response) = feed.next().await {
            client.history.watch_received(stream, response.clone());
            if !matches!(response, WatchResponse::Created { .. }) {
                return;
            }
        }
    };
    // Too long, or gone: the prefix is read again in either case.
    let _ = timeout(LOOK_AGAIN, waiting).await;
    client.history.close_stream(stream);
}

/// Writes what the lock or the election guards, a few times.
async fn hold(client: &mut Client, kind: Kind, place: &Place) {
    for _ in 0..1 + client.stream.index(4) {
        if !client.goes_on().await {
            return;
        }
        let value = client.value();
        let guarded = match kind {
            Kind::Lock => put(&Bytes::from_static(b"guarded"), value),
            Kind::Election => {
                let mut put = put(&place.key, value);
                put.lease = PutLease::Keep;
                put
            }
        };
        let success = vec![TxnOp::Put(guarded)];
        let txn = Txn { compares: vec![create_is(&place.key, place.fence)], success, failure: Vec::new() };
        let Some(reply) = client.done(Request::Txn(txn)).await else { continue };
        if !matches!(reply.response, Response::Txn(txn) if txn.succeeded) {
            return;
        }
        let (prefix, fence, revision) = (kind.prefix(), place.fence, reply.revision);
        client.history.claim(client.place, Claim::FencedWrite { prefix, fence, revision });
        client.ask_with_retries(Request::LeaseKeepAlive(place.lease)).await;
    }
}

/// In order, mostly; else the lease is left to end.
async fn leave(client: &mut Client, place: &Place) {
    let request = match client.stream.index(4) {
        0 => return,
        1 => Request::LeaseRevoke(place.lease),
        _ => Request::DeleteRange(DeleteRangeRequest {
            range: KeyRange::One(place.key.clone()),
            prev_kv: false,
        }),
    };
    client.ask_with_retries(request).await;
}

fn create_is(key: &Bytes, revision: i64) -> Compare {
    Compare {
        range: KeyRange::One(key.clone()),
        result: CompareResult::Equal,
        operand: CompareOperand::Create(revision),
    }
}
