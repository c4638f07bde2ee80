//! Leases: whatever clients do with them and whenever the leader falls, none ends before its time, each ends soon after,
//! and its keys with it.

use crate::cluster::Cluster;
use crate::draw::Draw;
use crate::split;
use crate::txn_parse::{check_leases, ready_member};
use bytes::Bytes;
use detcd::pb;
use detcd::wire::{kv, lease};
use detcd_engine::request::{LeaseId, LeaseTimeToLiveRequest, Request, RequestError, Response};
use prost::Message;
use std::collections::BTreeMap;

/// Eleven minutes of a member's life at most. 150 took up to 259 ms of the processor's time, where 250 are allowed.
const ACTIONS_MAX: usize = 80;
/// etcd's largest TTL.
const TTL_SECS_MAX: i64 = 9_000_000_000;
/// The least TTL of a member with etcd's defaults.
const TTL_SECS_MIN: i64 = 2;
/// A lease may live so much longer than it should: a look at what is due, an entry, an election and some rounding.
const SLACK_MS: u64 = 10_000;
/// Looks from scratch are dear: one after so many actions.
const LOOK_EACH: usize = 25;

/// What is known of a lease from outside.
#[derive(Clone, Copy, Debug)]
struct Known {
    ttl_secs: i64,
    /// It lives until then at least.
    until_ms: u64,
    /// It is gone by then.
    gone_ms: u64,
}

struct World {
    member: Cluster,
    leases: BTreeMap<i64, Known>,
}

/// A grant as it is; or a history of leases, of keys on them, of time and of crashes.
pub fn run(input: &[u8]) {
    let (as_it_is, body) = split(input);
    let mut world = World { member: ready_member(), leases: BTreeMap::new() };
    // The two that a ready member has: granted a while ago and taken over by a new leader since.
    for id in [1, 2] {
        world.leases.insert(id, Known { ttl_secs: 1000, until_ms: 900_000, gone_ms: u64::MAX });
    }
    if as_it_is {
        if let Ok(request) = pb::LeaseGrantRequest::decode(Bytes::copy_from_slice(body)) {
            world.grant(request);
        }
        if let Ok(request) = pb::LeaseTimeToLiveRequest::decode(Bytes::copy_from_slice(body)) {
            world.look(lease::time_to_live_request(request));
        }
        return;
    }
    let mut draw = Draw::new(body);
    for action in 1..=ACTIONS_MAX {
        if draw.is_empty() {
            break;
        }
        world.act(&mut draw);
        world.forget_the_dead();
        if action % LOOK_EACH == 0 {
            check_leases(&mut world.member);
        }
    }
    check_leases(&mut world.member);
    world.member.check_states();
}

impl World {
    fn act(&mut self, draw: &mut Draw<'_>) {
        let id = i64::from(draw.byte() % 6) + 1;
        match draw.below(16) {
            0..=2 => {
                let ttl = if draw.below(4) == 3 { draw.number() } else { draw.below(12) as i64 };
                let id = if draw.below(8) == 7 { draw.number() } else { id };
                self.grant(pb::LeaseGrantRequest { id, ttl });
            }
            3 => self.revoke(id),
            4 | 5 => self.keep_alive(id),
            6 => self.look(LeaseTimeToLiveRequest { id: LeaseId(id), keys: draw.flag() }),
            7 => {
                let request = kv::delete_range_request(draw.delete_request());
                if let Ok(delete) = request {
                    drop(self.member.ask_and_wait(0, Request::DeleteRange(delete)));
                }
            }
            8..=10 => {
                let put = pb::PutRequest { key: draw.key(), lease: id, ..pb::PutRequest::default() };
                self.put(put);
            }
            11 => {
                let put = draw.put_request();
                if put.lease >= 0 && !put.key.is_empty() {
                    self.put(put);
                }
            }
            12 => self.restart(draw.below(4)),
            _ => {
                let ms = 1 << draw.below(14);
                self.member.run_for(ms);
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.member.now_ms()
    }

    fn ask(&mut self, request: Request) -> Result<Response, RequestError> {
        let answer = self.member.ask_and_wait(0, request);
        answer.map(|reply| reply.response)
    }

    fn grant(&mut self, request: pb::LeaseGrantRequest) {
        let (asked_ms, pb::LeaseGrantRequest { id, ttl }) = (self.now_ms(), request);
        match self.ask(Request::LeaseGrant(lease::grant_request(request))) {
            Ok(Response::LeaseGrant(granted)) => {
                let ttl_secs = granted.ttl_secs;
                assert!(id == 0 || granted.id == LeaseId(id), "{granted:?} instead of {id}");
                assert!(
                    ttl_secs >= ttl.max(TTL_SECS_MIN) && ttl_secs <= TTL_SECS_MAX,
                    "{granted:?} for {ttl} s"
                );
                let known = renewed(ttl_secs, asked_ms, self.now_ms());
                let before = self.leases.insert(granted.id.0, known);
                assert!(
                    before.is_none_or(|before| before.until_ms <= self.now_ms()),
                    "granted twice: {granted:?}"
                );
            }
            Err(RequestError::LeaseTtlTooLarge) => assert!(ttl > TTL_SECS_MAX, "{ttl} s are too many"),
            Err(RequestError::LeaseExists) => assert!(self.leases.contains_key(&id), "lease {id} is unknown"),
            Err(_) => {
                self.leases.entry(id).or_insert(Known { ttl_secs: ttl, until_ms: 0, gone_ms: u64::MAX });
                self.doubt(id);
            }
            Ok(other) => panic!("{other:?} to a grant of {ttl} s"),
        }
    }

    fn revoke(&mut self, id: i64) {
        let is_alive = self.is_alive(id);
        match self.ask(Request::LeaseRevoke(LeaseId(id))) {
            Ok(_) => assert!(self.leases.remove(&id).is_some(), "revoked lease {id}, which is unknown"),
            Err(RequestError::LeaseNotFound) => assert!(!is_alive, "lease {id} ended early"),
            Err(_) => self.doubt(id),
        }
    }

    fn keep_alive(&mut self, id: i64) {
        let (asked_ms, is_alive) = (self.now_ms(), self.is_alive(id));
        match self.ask(Request::LeaseKeepAlive(LeaseId(id))) {
            Ok(Response::LeaseKeepAlive { ttl_secs: 0, .. }) => assert!(!is_alive, "lease {id} ended early"),
            Ok(Response::LeaseKeepAlive { ttl_secs, .. }) => {
                let now_ms = self.now_ms();
                let known = self.leases.get_mut(&id).unwrap_or_else(|| panic!("lease {id} is unknown"));
                assert_eq!(ttl_secs, known.ttl_secs, "the TTL of lease {id}");
                let gone_ms = known.gone_ms;
                *known = renewed(ttl_secs, asked_ms, now_ms);
                if gone_ms == u64::MAX {
                    known.gone_ms = gone_ms;
                }
            }
            Err(_) => self.doubt(id),
            other => panic!("{other:?} to a keepalive"),
        }
    }

    fn look(&mut self, request: LeaseTimeToLiveRequest) {
        let (id, is_alive) = (request.id.0, self.is_alive(request.id.0));
        if let Ok(response) = self.ask(Request::LeaseTimeToLive(request)) {
            let Response::LeaseTimeToLive(left) = response else { panic!("{response:?} to a look") };
            if left.ttl_secs < 0 {
                assert!(!is_alive, "lease {id} ended early");
            } else {
                assert!(self.leases.contains_key(&id), "lease {id} is unknown: {left:?}");
            }
            assert!(request.keys || left.keys.is_empty(), "keys that nobody asked for");
        }
    }

    fn put(&mut self, put: pb::PutRequest) {
        let (id, is_alive) = (put.lease, self.is_alive(put.lease));
        let Ok(put) = kv::put_request(put) else { return };
        match self.ask(Request::Put(put)) {
            Err(RequestError::LeaseNotFound) => assert!(!is_alive, "lease {id} ended early"),
            Ok(_) => {
                assert!(id == 0 || self.leases.contains_key(&id), "a key on lease {id}, which is unknown")
            }
            Err(_) => {}
        }
    }

    /// The leader falls and comes back: every lease has what was recorded as left, and an election timeout.
    fn restart(&mut self, survivors: usize) {
        self.member.crash(0, survivors);
        self.member.start(0);
        self.member.settle();
        let now_ms = self.now_ms();
        for known in self.leases.values_mut() {
            let later_ms = now_ms.saturating_add(ms(known.ttl_secs)).saturating_add(SLACK_MS);
            known.gone_ms = known.gone_ms.max(later_ms);
        }
    }

    fn is_alive(&self, id: i64) -> bool {
        // An answer may take a moment, and what is due then has ended.
        self.leases.get(&id).is_some_and(|known| known.until_ms > self.now_ms() + SLACK_MS)
    }

    /// Nobody can say what became of a request that was not answered.
    fn doubt(&mut self, id: i64) {
        if let Some(known) = self.leases.get_mut(&id) {
            *known = Known { until_ms: 0, gone_ms: u64::MAX, ..*known };
        }
    }

    fn forget_the_dead(&mut self) {
        let now_ms = self.now_ms();
        let dead: Vec<i64> =
            self.leases.iter().filter(|(_, known)| known.gone_ms <= now_ms).map(|(id, _)| *id).collect();
        if dead.is_empty() {
            return;
        }
        let Ok(Response::LeaseLeases(there)) = self.ask(Request::LeaseLeases) else { return };
        for id in dead {
            assert!(!there.contains(&LeaseId(id)), "lease {id} outlives its time: {:?}", self.leases[&id]);
            self.leases.remove(&id);
        }
    }
}

fn renewed(ttl_secs: i64, asked_ms: u64, answered_ms: u64) -> Known {
    let until_ms = asked_ms.saturating_add(ms(ttl_secs));
    let gone_ms = answered_ms.saturating_add(ms(ttl_secs)).saturating_add(SLACK_MS);
    Known { ttl_secs, until_ms, gone_ms }
}

fn ms(secs: i64) -> u64 {
    secs.max(0).cast_unsigned().saturating_mul(1000)
}
