//! What members say and do, in a line.

use crate::effects::{CompactionStep, Persist};
use crate::engine::Measurements;
use crate::ids::MemberId;
use crate::peer_message::{LeaseRequest, LeaseResponse, PeerBody, PeerMessage};
use crate::raft::{LogRecord, RaftMessage, RaftMessageKind};
use crate::request::{RangeResponse, RecordRef, Reply, RequestError, Response, TxnOpResponse, TxnResponse};
use crate::state::TokenChange;
use crate::watch::{Event, EventBatch, EventRange, WatchResponse};
use bytes::Bytes;

pub(super) fn compaction(step: CompactionStep) -> String {
    match step {
        CompactionStep::Begun(revision) => format!("compacts to {revision}"),
        CompactionStep::Finished(revision) => format!("has forgotten what is before {revision}"),
    }
}

pub(super) fn answer(answer: &Result<Reply, RequestError>) -> String {
    match answer {
        Ok(Reply { revision, term, response: body }) => {
            format!("{} (revision {revision}, term {term})", response(body))
        }
        Err(error) => format!("\"{error}\""),
    }
}

/// Those that are not 0, each by the name of its field.
pub(super) fn measurements(all: &Measurements) -> String {
    let fields = format!("{all:?}");
    let fields = fields.replace(['{', '}'], "").replace("Measurements", "").replace("counters: Counters", "");
    let (before, ttls) = fields.split_once("lease_ttls: LeaseTtls").expect("a field of the counters");
    let (_, after) = ttls.split_once("sum_secs").expect("a field of the TTLs");
    let fields = format!("{before} ttl_secs{after}");
    let shown = fields.split(',').map(str::trim).filter(|field| !field.ends_with(": 0") && !field.is_empty());
    shown.collect::<Vec<_>>().join(", ")
}

fn record(record: &RecordRef) -> String {
    let value = record.value();
    let shown = match value.len() {
        0..40 => value.escape_ascii().to_string(),
        length => format!("<{length} bytes>"),
    };
    let lease = if record.lease().0 == 0 { String::new() } else { format!("^{}", record.lease().0) };
    format!("{}={shown}@{}{lease}", record.key().escape_ascii(), record.mod_revision())
}

fn records(all: &[RecordRef]) -> String {
    all.iter().map(record).collect::<Vec<_>>().join(" ")
}

fn range(response: &RangeResponse) -> String {
    let more = if response.more { ", more" } else { "" };
    format!("[{}] of {}{more}", records(&response.kvs), response.count)
}

fn txn(response: &TxnResponse) -> String {
    let ops = response.responses.iter().map(|op| match op {
        TxnOpResponse::Range { revision, response } => format!("read@{revision} {}", range(response)),
        TxnOpResponse::Put { revision, prev_kv } => format!("put@{revision}{}", was(prev_kv.as_slice())),
        TxnOpResponse::DeleteRange { revision, response } => {
            format!("deleted@{revision} {}{}", response.deleted, was(&response.prev_kvs))
        }
        TxnOpResponse::Txn(nested) => format!("({})", txn(nested)),
    });
    let branch = if response.succeeded { "then" } else { "else" };
    format!("{branch}: {}", ops.collect::<Vec<_>>().join("; "))
}

fn was(prev: &[RecordRef]) -> String {
    if prev.is_empty() { String::new() } else { format!(", was {}", records(prev)) }
}

fn keys(keys: &[Bytes]) -> String {
    keys.iter().map(|key| key.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

fn response(response: &Response) -> String {
    match response {
        Response::Range(found) => range(found),
        Response::Put(prev) => format!("put{}", was(prev.as_slice())),
        Response::DeleteRange(done) => format!("deleted {}{}", done.deleted, was(&done.prev_kvs)),
        Response::Txn(done) => txn(done),
        Response::Compact => "compacted".to_owned(),
        Response::LeaseGrant(lease) => format!("lease {} granted for {} s", lease.id.0, lease.ttl_secs),
        Response::LeaseRevoke => "revoked".to_owned(),
        Response::LeaseKeepAlive { id, ttl_secs } => format!("lease {} kept alive for {ttl_secs} s", id.0),
        Response::LeaseTimeToLive(lease) => format!(
            "lease {} has {} of {} s, keys [{}]",
            lease.id.0,
            lease.ttl_secs,
            lease.granted_ttl_secs,
            keys(&lease.keys)
        ),
        Response::LeaseLeases(leases) => {
            let ids: Vec<String> = leases.iter().map(|id| id.0.to_string()).collect();
            format!("leases [{}]", ids.join(" "))
        }
        Response::MemberList(members) => {
            let members = members.iter().map(|member| {
                let incarnation = member.incarnation.map_or("none".to_owned(), |known| known.to_string());
                format!(
                    "{} {:?} {} incarnation {incarnation}",
                    member.id,
                    member.name,
                    member.client_urls.join(",")
                )
            });
            format!("members: {}", members.collect::<Vec<_>>().join("; "))
        }
        Response::Alarm(alarms) => {
            let alarms = alarms.iter().map(|alarm| format!("{:?} at {}", alarm.kind, alarm.member));
            format!("alarms [{}]", alarms.collect::<Vec<_>>().join(", "))
        }
        Response::Auth(answer) => format!("{answer:?}"),
    }
}

/// With the token itself: in a script it is no secret.
pub(super) fn token(change: &TokenChange) -> String {
    match change {
        TokenChange::Issued { user, token } => {
            format!("{user} has {}", token.expose().escape_ascii())
        }
        TokenChange::OfUserVoid(user) => format!("none of {user} counts"),
        TokenChange::AllVoid => "none counts".to_owned(),
    }
}

pub(super) fn watch(response: &WatchResponse<EventRange>, batches: &[EventBatch]) -> String {
    match response {
        WatchResponse::Created { id, revision } => format!("watch {} created (revision {revision})", id.0),
        WatchResponse::Rejected { revision, reason } => {
            format!("rejected: \"{reason}\" (revision {revision})")
        }
        WatchResponse::Events { id, revision, events: shown, fragment } => {
            let more = if *fragment { ", more of it follows" } else { "" };
            format!("watch {} sees {} (revision {revision}{more})", id.0, events(shown.of(batches)))
        }
        WatchResponse::Progress { id, revision } => format!("watch {} is at revision {revision}", id.0),
        WatchResponse::Canceled { id, revision } => format!("watch {} canceled (revision {revision})", id.0),
        WatchResponse::Compacted { id, compact_revision } => {
            format!("watch {} ends: compacted up to {compact_revision}", id.0)
        }
        WatchResponse::NoLeader => "the stream ends: no leader".to_owned(),
    }
}

fn events(events: &[Event]) -> String {
    if events.len() > 12 {
        return format!("{} events", events.len());
    }
    let events = events.iter().map(|event| {
        let change = if event.record.is_tombstone() {
            format!("-{}@{}", event.record.key().escape_ascii(), event.record.mod_revision())
        } else {
            record(&event.record)
        };
        change + &was(event.prev.as_slice())
    });
    events.collect::<Vec<_>>().join(" ")
}

pub(super) fn persist(persist: &Persist) -> String {
    let records = persist.records.iter().map(|record| match record {
        LogRecord::Append { hard_state, entries } => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| {
                    let commands = if entry.data.is_empty() {
                        0
                    } else {
                        crate::command::decode_entry(entry.data.clone()).unwrap().len()
                    };
                    format!("{}({commands} commands)", entry.index)
                })
                .collect();
            let term = hard_state.map_or(String::new(), |hard| format!("term {} ", hard.term));
            format!("{term}[{}]", entries.join(" "))
        }
        LogRecord::Installed { meta, .. } => format!("installed {}", meta.index),
    });
    let records: Vec<String> = records.collect();
    format!("#{} {}, then sends {}", persist.id.0, records.join(", "), persist.then_send.len())
}

/// A heartbeat that confirms nothing, or its answer.
pub(super) fn is_idle(message: &PeerMessage) -> bool {
    let PeerBody::Raft(message) = &message.body else { return false };
    let is_beat = matches!(message.kind, RaftMessageKind::Heartbeat | RaftMessageKind::HeartbeatResponse);
    is_beat && message.context.is_empty()
}

pub(super) fn message(message: &PeerMessage) -> String {
    let PeerMessage { from, to, body, .. } = message;
    let said = match body {
        PeerBody::Raft(message) => raft(message),
        PeerBody::Forward(commands) => format!("forwards {} commands", commands.len()),
        PeerBody::CancelForward { numbers, .. } => format!("cancels {} commands", numbers.len()),
        PeerBody::ReadIndex { .. } => "asks for a read index".to_owned(),
        PeerBody::ReadIndexReply { index: Some(index), .. } => format!("may read at {index}"),
        PeerBody::ReadIndexReply { index: None, .. } => "cannot say a read index".to_owned(),
        PeerBody::LeaseRequest { request: LeaseRequest::KeepAlive(id), .. } => {
            format!("asks to keep lease {} alive", id.0)
        }
        PeerBody::LeaseRequest { request: LeaseRequest::TimeToLive(request), .. } => {
            format!("asks about lease {}", request.id.0)
        }
        PeerBody::LeaseResponse { response: Ok(LeaseResponse::KeepAlive { ttl_secs }), .. } => {
            format!("kept alive for {ttl_secs} s")
        }
        PeerBody::LeaseResponse { response: Ok(LeaseResponse::TimeToLive(left)), .. } => {
            format!("{} s left", left.ttl_secs)
        }
        PeerBody::LeaseResponse { response: Err(error), .. } => format!("\"{error}\""),
    };
    format!("{from} → {to} {said}")
}

fn raft(message: &RaftMessage) -> String {
    let entries: Vec<String> = message.entries.iter().map(|entry| entry.index.to_string()).collect();
    let entries = if entries.is_empty() { String::new() } else { format!(" [{}]", entries.join(" ")) };
    format!("{:?}{entries}", message.kind)
}

pub(super) fn member(id: Option<MemberId>) -> String {
    id.map_or("none".to_owned(), |id| id.to_string())
}
