//! One claim, from a client's request to its answer.
//!
//! A client may leave while it waits, and its claim must not stay behind: those after it would wait for nobody. So a
//! claim is a task of its own, which ends when it has been answered or given up, whatever becomes of the call. Where it
//! cannot be given up, because no quorum can be reached, it goes with its lease.

use super::queue::{Joined, Place, Queue};
use super::{Refusal, ask};
use crate::handle::MemberHandle;
use bytes::Bytes;
use detcd_engine::request::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseId, LeaseKeepAlive, LeaseRevoke, Reply, RequestError,
};
use std::convert::Infallible;
use std::future::Future;
use tokio::sync::oneshot;

/// Of a lease that a claim comes without: etcd's.
const SESSION_TTL_SECS: i64 = 60;
/// A lease is renewed so often within its TTL, as etcd's clients do.
const RENEWALS_PER_TTL: u64 = 3;
/// How often it is tried to give a claim up. Each try takes the time of a request without a quorum.
const LEAVES_MAX: usize = 5;
/// Between two of them.
const LEAVE_AGAIN_MS: u64 = 1_000;

/// What is claimed.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) name: Bytes,
    /// 0: one is granted.
    pub(super) lease: LeaseId,
    /// Put with the claim; where the claim is there already, only if it is given.
    pub(super) value: Option<Bytes>,
    /// Of a claim that went before its turn came.
    pub(super) if_lost: Refusal,
}

/// A claim whose turn has come.
#[derive(Debug)]
pub struct Held {
    /// In the queue.
    pub key: Bytes,
    /// The claim is another one where the key has another create revision.
    pub create_revision: i64,
    /// Its own, or the one that was granted.
    pub lease: LeaseId,
    /// When the claim was made, or found.
    pub joined: Reply<()>,
    /// When its turn had come.
    pub reached: Reply<()>,
}

/// The lease of a claim.
#[derive(Clone, Copy, Debug)]
enum Session {
    /// The client's, who renews it.
    Given(LeaseId),
    /// Ours for as long as the client waits.
    Granted { lease: LeaseId, ttl_secs: u64 },
}

/// Claims, and waits for the turn. Dropping the future gives the claim up.
pub(super) async fn claim(member: &MemberHandle, asked: Claim) -> Result<Held, Refusal> {
    let (caller, answer) = oneshot::channel();
    tokio::spawn(answer_or_leave(member.clone(), asked, caller));
    answer.await.unwrap_or(Err(RequestError::Stopped.into()))
}

async fn answer_or_leave(
    member: MemberHandle,
    asked: Claim,
    mut caller: oneshot::Sender<Result<Held, Refusal>>,
) {
    let session = match Session::open(&member, asked.lease).await {
        Ok(session) => session,
        // Nobody hears it where the client has left.
        Err(refusal) => return drop(caller.send(Err(refusal.into()))),
    };
    let queue = Queue::of(&asked.name);
    // Not ended when the caller leaves: the claim may be in the log already.
    let joined = queue.join(&member, session.lease(), asked.value.clone().unwrap_or_default()).await;
    let outcome = match &joined {
        Err(refusal) => Err(Refusal::from(*refusal)),
        Ok(joined) => tokio::select! {
            biased;
            held = session.kept_alive(&member, turn(&member, &queue, &asked, session, joined)) => held,
            () = caller.closed() => Err(RequestError::Stopped.into()),
        },
    };
    let refused = match outcome {
        Ok(held) => match caller.send(Ok(held)) {
            Ok(()) => return,
            // Left at the last moment. What it had before, it was answered before.
            Err(_) if joined.as_ref().is_ok_and(|joined| !joined.response.is_new) => return,
            Err(_) => None,
        },
        Err(refusal) => Some((caller, refusal)),
    };
    let place = joined.ok().map(|joined| joined.response.place);
    // Before it is answered: a client that claims again with the same lease makes another claim.
    let mut has_left = session.has_left(&member, place.as_ref()).await;
    if let Some((caller, refusal)) = refused {
        drop(caller.send(Err(refusal)));
    }
    for _ in 1..LEAVES_MAX {
        if has_left {
            return;
        }
        member.clock.sleep_until(member.clock.now().plus_ms(LEAVE_AGAIN_MS)).await;
        has_left = session.has_left(&member, place.as_ref()).await;
    }
}

/// Waits for the turn of a claim that was made, or found with another value.
async fn turn(
    member: &MemberHandle,
    queue: &Queue,
    asked: &Claim,
    session: Session,
    joined: &Reply<Joined>,
) -> Result<Held, Refusal> {
    let Reply { revision, term, response: Joined { place, value, is_first, .. } } = joined;
    let joined = Reply { revision: *revision, term: *term, response: () };
    if let Some(asked_value) = asked.value.as_ref().filter(|asked| *asked != value) {
        let told = place.put(member, asked_value.clone(), session.lease()).await?;
        told.ok_or(asked.if_lost)?;
    }
    let reached =
        if *is_first { joined.clone() } else { queue.turn_of(member, place).await?.ok_or(asked.if_lost)? };
    let Place { key, create_revision } = place;
    let (key, create_revision) = (key.clone(), *create_revision);
    Ok(Held { key, create_revision, lease: session.lease(), joined, reached })
}

impl Session {
    async fn open(member: &MemberHandle, lease: LeaseId) -> Result<Session, RequestError> {
        if lease != LeaseId(0) {
            return Ok(Session::Given(lease));
        }
        let granted = grant(member).await?;
        let ttl_secs = u64::try_from(granted.ttl_secs).expect("a lease that is granted has time");
        Ok(Session::Granted { lease: granted.id, ttl_secs })
    }

    fn lease(self) -> LeaseId {
        match self {
            Session::Given(lease) | Session::Granted { lease, .. } => lease,
        }
    }

    /// Works, and meanwhile renews the lease where nobody else can: the client does not know it yet.
    async fn kept_alive<T>(self, member: &MemberHandle, work: impl Future<Output = T>) -> T {
        let Session::Granted { lease, ttl_secs } = self else { return work.await };
        tokio::select! {
            biased;
            done = work => done,
            never = renew(member, lease, ttl_secs) => match never {},
        }
    }

    /// Gives up what was claimed with it; `false` where that may yet succeed.
    async fn has_left(self, member: &MemberHandle, place: Option<&Place>) -> bool {
        use RequestError as E;
        let left = match (self, place) {
            // Whatever was attached to it, or would be by a claim whose outcome is not known, is gone with it.
            (Session::Granted { lease, .. }, _) => ask(member, LeaseRevoke(lease)).await.map(drop),
            (Session::Given(_), Some(place)) => place.leave(member).await.map(drop),
            (Session::Given(_), None) => Ok(()),
        };
        !matches!(
            left,
            Err(E::Timeout | E::TimeoutLeaderFailed | E::TimeoutConnectionLost | E::TooManyRequests)
        )
    }
}

async fn renew(member: &MemberHandle, lease: LeaseId, ttl_secs: u64) -> Infallible {
    loop {
        let pause_ms = ttl_secs * 1_000 / RENEWALS_PER_TTL;
        member.clock.sleep_until(member.clock.now().plus_ms(pause_ms)).await;
        // One that fails is tried again when the next is due; of a lease that is gone the claim tells.
        drop(ask(member, LeaseKeepAlive(lease)).await);
    }
}

/// A lease as etcd gives one to whoever comes without.
pub(super) async fn grant(member: &MemberHandle) -> Result<LeaseGrantResponse, RequestError> {
    let asked = LeaseGrantRequest { id: LeaseId(0), ttl_secs: SESSION_TTL_SECS };
    ask(member, asked).await.map(|granted| granted.response)
}
