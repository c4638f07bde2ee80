//! Whole members: any sequence of requests, deliveries, losses, repetitions, crashes and hours, to one member or to
//! three. `cluster` asserts what docs/invariants.md says while it happens; afterwards all are started, nothing disturbs
//! them, and they agree.

use crate::cluster::Cluster;
use crate::draw::Draw;
use crate::peer_frame;
use crate::split;
use detcd::pb;
use detcd::wire::{kv, lease, txn, watch};
use detcd_engine::config::{AutoCompaction, Config};
use detcd_engine::ids::{MemberId, StreamId};
use detcd_engine::input::Input;
use detcd_engine::request::{
    Alarm, AlarmKind, AlarmRequest, CompactRequest, LeaseId, LeaseTimeToLiveRequest, Request,
};
use detcd_engine::txn::check;
use detcd_engine::watch::WatchInput;

const ACTIONS_MAX: usize = 400;

/// The first byte chooses the members and how they are set; `=` makes frames up as well, and asks for no agreement.
pub fn run(input: &[u8]) {
    let (is_hostile, body) = split(input);
    let mut draw = Draw::new(body);
    let members = if draw.below(4) == 0 { 1 } else { 3 };
    let knobs: fn(&mut Config) = match draw.below(4) {
        0 => |_| {},
        1 => |config| config.snapshot_commands_min = 3,
        2 => |config| {
            (config.log_bytes_max, config.snapshot_commands_min) = (1, 2);
            (config.entry_commands_max, config.persists_in_flight_max) = (2, 1);
        },
        _ => |config| {
            config.quota_bytes = 8 * 1024;
            config.pending_requests_max = 5;
            config.auto_compaction = AutoCompaction::Revisions(3);
            config.compaction_slice_keys = 1;
        },
    };
    let mut cluster = Cluster::new(members, knobs);
    if draw.flag() {
        cluster.settle();
    }
    if is_hostile {
        cluster.turn_hostile();
    }
    let mut next_stream = 0;
    for _ in 0..ACTIONS_MAX {
        if draw.is_empty() {
            break;
        }
        if is_hostile && draw.below(6) == 5 {
            let message = peer_frame::message(&mut draw, &cluster);
            cluster.step((message.to.0 - 1) as usize, Input::Peer(message));
        } else {
            act(&mut cluster, &mut draw, &mut next_stream);
        }
        drain(&mut cluster);
    }
    if is_hostile {
        cluster.run_for(2000);
    } else {
        cluster.settle();
        cluster.check_states();
    }
}

fn act(cluster: &mut Cluster, draw: &mut Draw<'_>, next_stream: &mut u64) {
    let at = draw.below(cluster.len());
    let message = draw.byte() as usize % cluster.messages().max(1);
    let has_message = cluster.messages() > 0;
    match draw.below(32) {
        0..=7 => {
            let revision = cluster.engine(at).map_or(1, |engine| engine.state().store().revision());
            if let Some(request) = request(draw, revision) {
                let require_leader = draw.below(8) == 7;
                cluster.ask(at, require_leader, request);
            }
        }
        8..=11 if has_message => cluster.deliver(message),
        12 if has_message => cluster.lose(message),
        13 if has_message => cluster.repeat(message),
        14..=16 => drop(cluster.persist_one(at)),
        17 => drop(cluster.finish_checkpoint(at, draw.below(4) > 0)),
        18 => drop(cluster.finish_snapshot(draw.below(4) > 0)),
        19 => {
            let survivors = draw.below(4);
            cluster.crash(at, survivors);
        }
        20 | 21 => cluster.start(at),
        22 => cluster.abandon(at),
        23 => cluster.step(at, Input::TransferLeadership),
        24 => {
            let stream = StreamId(draw.below(3) as u64 + *next_stream);
            if let Some(input) = watch_input(draw) {
                if input == WatchInput::Close {
                    *next_stream += 3;
                }
                cluster.watch(at, stream, draw.flag(), input);
            }
        }
        25 => {
            let to = MemberId(draw.below(cluster.len()) as u64 + 1);
            cluster.step(at, Input::PeerUnreachable(to));
        }
        26 => cluster.run(),
        27 => {
            let ms = 1 << draw.below(20);
            cluster.pass(ms);
        }
        28 | 29 => {
            let ms = 1 << draw.below(12);
            cluster.run_for(ms);
        }
        _ => {
            cluster.pass(100);
            cluster.wake(at);
        }
    }
}

/// Clients read what they are told.
fn drain(cluster: &mut Cluster) {
    for told in cluster.take_received() {
        let is_ended = matches!(told.response, detcd_engine::watch::WatchResponse::NoLeader);
        if !is_ended {
            cluster.drained(told.member, told.stream, told.size_bytes);
        }
    }
}

fn request(draw: &mut Draw<'_>, revision: i64) -> Option<Request> {
    Some(match draw.below(16) {
        0..=4 => Request::Put(kv::put_request(draw.put_request()).ok()?),
        5 => Request::DeleteRange(kv::delete_range_request(draw.delete_request()).ok()?),
        6 | 7 => Request::Range(kv::range_request(draw.range_request(revision)).ok()?),
        8 | 9 => {
            let txn = txn::txn_request(draw.txn_request(revision), 128);
            Request::Txn(txn.and_then(|txn| check(txn, 128)).ok()?)
        }
        10 => Request::Compact(CompactRequest { revision: draw.near(revision), physical: draw.flag() }),
        11 | 12 => {
            let (id, ttl) = (i64::from(draw.byte() % 5), draw.below(20) as i64);
            Request::LeaseGrant(lease::grant_request(pb::LeaseGrantRequest { id, ttl }))
        }
        13 => {
            let id = LeaseId(draw.lease());
            match draw.below(4) {
                0 => Request::LeaseRevoke(id),
                1 => Request::LeaseTimeToLive(LeaseTimeToLiveRequest { id, keys: draw.flag() }),
                2 => Request::LeaseLeases,
                _ => Request::LeaseKeepAlive(id),
            }
        }
        14 => Request::MemberList { linearizable: draw.flag() },
        _ => {
            // A CORRUPT alarm would end the story: everything is refused from then on.
            let alarm = Alarm { kind: AlarmKind::NoSpace, member: MemberId(draw.below(4) as u64) };
            Request::Alarm(match draw.below(4) {
                0 => AlarmRequest::Activate(alarm),
                1 | 2 => AlarmRequest::Deactivate(alarm),
                _ => AlarmRequest::List(None),
            })
        }
    })
}

fn watch_input(draw: &mut Draw<'_>) -> Option<WatchInput> {
    use pb::watch_request::RequestUnion;
    let union = match draw.below(6) {
        0..=2 => RequestUnion::CreateRequest(draw.watch_create(5)),
        3 => RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: draw.near(1) }),
        4 => RequestUnion::ProgressRequest(pb::WatchProgressRequest {}),
        _ => return Some(WatchInput::Close),
    };
    watch::watch_request(pb::WatchRequest { request_union: Some(union) })
}
