//! What a script can say, and what it means.

use super::cluster::{CLUSTER, Cluster};
use super::words;
use crate::config::{AutoCompaction, Config};
use crate::ids::{Incarnation, LeaseId, MemberId, RequestId, StreamId, WatchId};
use crate::input::{Input, WatchCreate, WatchInput};
use crate::key_range::KeyRange;
use crate::raft::{PeerBody, PeerMessage};
use crate::request::*;
use bytes::Bytes;
use std::error::Error;

/// The first number is always the member that is meant.
#[derive(goldenscript::Command)]
pub(super) enum Command {
    /// A new cluster whose first member leads, unless leader=false.
    Cluster {
        members: u64,
        #[arg(key, optional)]
        leader: Option<bool>,
        #[arg(key, optional)]
        entry_bytes: Option<usize>,
        #[arg(key, optional)]
        entry_commands: Option<usize>,
        #[arg(key, optional)]
        request_bytes: Option<usize>,
        #[arg(key, optional)]
        log_bytes: Option<usize>,
        #[arg(key, optional)]
        quota: Option<u64>,
        #[arg(key, optional)]
        snapshot_commands: Option<u64>,
        #[arg(key, optional)]
        pending: Option<usize>,
        #[arg(key, optional)]
        slice: Option<usize>,
        #[arg(key, optional)]
        keep_ms: Option<u64>,
        #[arg(key, optional)]
        keep_revisions: Option<i64>,
    },
    /// Everything that can happen without time passing.
    Run,
    /// `run`, then so many milliseconds pass; with a second number, for that member alone.
    Go(u64, #[arg(optional)] Option<u64>),
    /// Effects are not taken until `take`.
    Gather(u64),
    Take(u64),
    /// Writes become durable.
    Persist(u64),
    /// Writes wait, in `run` and `go` too.
    Stall(u64),
    Unstall(u64),
    /// Delivers what is queued now, to one member or all.
    Deliver(#[arg(optional)] Option<u64>),
    Drop(#[arg(optional)] Option<u64>),
    Duplicate,
    /// Puts what is queued aside, until `release`.
    Hold,
    Release,
    /// Snapshots wait.
    HoldSnapshots,
    /// The oldest snapshot arrives; with newest=true the newest.
    DeliverSnapshot {
        #[arg(key, optional)]
        newest: Option<bool>,
    },
    ReleaseSnapshots,
    /// Nothing goes to or from this member.
    Partition(u64),
    /// Nothing goes from one member to another.
    Cut(u64, u64),
    Heal,
    Crash(u64),
    Recover(u64),
    /// A crashed member's disk is replaced.
    Wipe(u64),
    /// Prints messages and writes.
    Trace(bool),
    Status(#[arg(optional)] Option<u64>),
    Agree,
    Put {
        member: u64,
        key: String,
        value: String,
        #[arg(key, optional)]
        lease: Option<i64>,
        #[arg(key, optional)]
        prev: Option<bool>,
        #[arg(key, optional)]
        require_leader: Option<bool>,
    },
    /// So many puts of keys k0000…, each with a value of so many bytes.
    Puts {
        member: u64,
        count: u64,
        #[arg(key, optional)]
        bytes: Option<usize>,
        #[arg(key, optional)]
        lease: Option<i64>,
        #[arg(key, optional)]
        prefix: Option<String>,
    },
    Get {
        member: u64,
        range: String,
        #[arg(key, optional)]
        revision: Option<i64>,
        #[arg(key, optional)]
        limit: Option<u64>,
        #[arg(key, optional)]
        serializable: Option<bool>,
        #[arg(key, optional)]
        require_leader: Option<bool>,
    },
    /// So many reads come and are answered: nothing is left of them but the next request's id.
    Reads(u64, u64),
    Del {
        member: u64,
        range: String,
        #[arg(key, optional)]
        prev: Option<bool>,
    },
    /// txn 1 "if version(a)=0 then put a 1, get a else del a"
    Txn(u64, String),
    Compact {
        member: u64,
        revision: i64,
        #[arg(key, optional)]
        physical: Option<bool>,
    },
    Grant(u64, i64, i64),
    Revoke(u64, i64),
    Keepalive(u64, i64),
    Ttl {
        member: u64,
        lease: i64,
        #[arg(key, optional)]
        keys: Option<bool>,
    },
    Leases(u64),
    Members(u64, #[arg(optional)] Option<bool>),
    /// alarm 1 list, alarm 1 raise=corrupt at=2, alarm 1 disarm=nospace at=2
    Alarm {
        member: u64,
        #[arg(key, optional)]
        raise: Option<String>,
        #[arg(key, optional)]
        disarm: Option<String>,
        #[arg(key, optional)]
        at: Option<u64>,
    },
    /// The client of a request leaves.
    Abandon(u64, u64),
    /// The member hands leadership on before it stops.
    Stop(u64),
    /// A stream of a member, opened when first named.
    Open(u64, u64, #[arg(optional)] Option<bool>),
    Watch {
        member: u64,
        stream: u64,
        range: String,
        #[arg(key, optional)]
        id: Option<i64>,
        #[arg(key, optional)]
        start: Option<i64>,
        #[arg(key, optional)]
        prev: Option<bool>,
        #[arg(key, optional)]
        fragment: Option<bool>,
    },
    Cancel(u64, u64, i64),
    Progress(u64, u64),
    Close(u64, u64),
    /// The client of a stream does not read.
    Slow(u64, u64),
    /// It reads what it owes, and reads on.
    Drain(u64, u64),
    /// A message of somebody else's making: stranger 1 from=9 life=1
    Stranger {
        member: u64,
        #[arg(key)]
        from: u64,
        #[arg(key)]
        life: u64,
        #[arg(key, optional)]
        to_life: Option<u64>,
    },
}

/// a is a key, a..c a span, a.. everything from a on.
pub(super) fn key_range(text: &str) -> KeyRange {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    match text.split_once("..") {
        None => KeyRange::One(bytes(text)),
        Some((start, "")) => KeyRange::From(bytes(start)),
        Some((start, end)) => KeyRange::Span { start: bytes(start), end: bytes(end) },
    }
}

pub(super) fn put_request(key: &str, value: &str, lease: i64, prev_kv: bool) -> PutRequest {
    let value = PutValue::Set(Bytes::copy_from_slice(value.as_bytes()));
    let key = Bytes::copy_from_slice(key.as_bytes());
    PutRequest { key, value, lease: PutLease::Set(LeaseId(lease)), prev_kv }
}

fn parse_txn(text: &str) -> Result<Txn, Box<dyn Error>> {
    let (compares, rest) = match text.strip_prefix("if ") {
        Some(rest) => rest.split_once(" then").ok_or("then?")?,
        None => ("", text.strip_prefix("then").ok_or("if or then?")?),
    };
    let (success, failure) = rest.split_once("else").unwrap_or((rest, ""));
    let compares = compares.split(',').filter(|text| !text.trim().is_empty()).map(parse_compare);
    Ok(Txn {
        compares: compares.collect::<Result<_, _>>()?,
        success: parse_ops(success)?,
        failure: parse_ops(failure)?,
    })
}

/// version(a)=0
fn parse_compare(text: &str) -> Result<Compare, Box<dyn Error>> {
    let (target, rest) = text.trim().split_once('(').ok_or("target(range)?")?;
    let (range, rest) = rest.split_once(')').ok_or("target(range)?")?;
    let (result, operand) = rest.split_at(1);
    let result = match result {
        "=" => CompareResult::Equal,
        "<" => CompareResult::Less,
        ">" => CompareResult::Greater,
        _ => return Err(format!("no comparison {result}").into()),
    };
    let operand = match target {
        "version" => CompareOperand::Version(operand.parse()?),
        "mod" => CompareOperand::Mod(operand.parse()?),
        "lease" => CompareOperand::Lease(operand.parse()?),
        "value" => CompareOperand::Value(Bytes::copy_from_slice(operand.as_bytes())),
        _ => return Err(format!("no target {target}").into()),
    };
    Ok(Compare { range: key_range(range), result, operand })
}

fn parse_ops(text: &str) -> Result<Vec<TxnOp>, Box<dyn Error>> {
    let ops = text.split(',').filter(|text| !text.trim().is_empty());
    ops.map(|op| {
        let words: Vec<&str> = op.split_whitespace().collect();
        Ok(match words.as_slice() {
            ["put", key, value] => TxnOp::Put(put_request(key, value, 0, false)),
            ["put", key, value, lease] => TxnOp::Put(put_request(key, value, lease.parse()?, false)),
            ["get", range] => TxnOp::Range(RangeRequest::of(key_range(range))),
            ["get", range, revision] => TxnOp::Range(RangeRequest {
                revision: revision.parse()?,
                ..RangeRequest::of(key_range(range))
            }),
            ["del", range] => {
                TxnOp::DeleteRange(DeleteRangeRequest { range: key_range(range), prev_kv: false })
            }
            _ => return Err(format!("no operation {op}").into()),
        })
    })
    .collect()
}

fn alarm_kind(text: &str) -> Result<AlarmKind, String> {
    match text {
        "nospace" => Ok(AlarmKind::NoSpace),
        "corrupt" => Ok(AlarmKind::Corrupt),
        _ => Err(format!("no alarm {text}")),
    }
}

impl Cluster {
    pub(super) fn perform(&mut self, command: &Command) -> Result<(), Box<dyn Error>> {
        if self.perform_request(command)? || self.perform_watch(command) {
            return Ok(());
        }
        self.perform_on_world(command)
    }

    /// What clients ask.
    fn perform_request(&mut self, command: &Command) -> Result<bool, Box<dyn Error>> {
        let (member, request) = match command {
            Command::Put { member, key, value, lease, prev, require_leader } => {
                let put = put_request(key, value, lease.unwrap_or(0), prev.unwrap_or(false));
                self.ask(*member, require_leader.unwrap_or(false), Request::Put(put));
                return Ok(true);
            }
            Command::Puts { member, count, bytes, lease, prefix } => {
                let value = "x".repeat(bytes.unwrap_or(1));
                let prefix = prefix.as_deref().unwrap_or("k");
                for number in 0..*count {
                    let put = put_request(&format!("{prefix}{number:04}"), &value, lease.unwrap_or(0), false);
                    self.ask(*member, false, Request::Put(put));
                }
                return Ok(true);
            }
            Command::Get { member, range, revision, limit, serializable, require_leader } => {
                let get = RangeRequest {
                    revision: revision.unwrap_or(0),
                    limit: limit.unwrap_or(0),
                    serializable: serializable.unwrap_or(false),
                    ..RangeRequest::of(key_range(range))
                };
                self.ask(*member, require_leader.unwrap_or(false), Request::Range(get));
                return Ok(true);
            }
            Command::Reads(member, count) => {
                self.node(*member).counter += count;
                return Ok(true);
            }
            Command::Del { member, range, prev } => {
                let prev_kv = prev.unwrap_or(false);
                (member, Request::DeleteRange(DeleteRangeRequest { range: key_range(range), prev_kv }))
            }
            Command::Txn(member, text) => (member, Request::Txn(crate::txn::check(parse_txn(text)?, 128)?)),
            Command::Compact { member, revision, physical } => {
                let physical = physical.unwrap_or(false);
                (member, Request::Compact(CompactRequest { revision: *revision, physical }))
            }
            Command::Grant(member, id, ttl_secs) => {
                let grant = LeaseGrantRequest { id: LeaseId(*id), ttl_secs: *ttl_secs };
                (member, Request::LeaseGrant(grant))
            }
            Command::Revoke(member, id) => (member, Request::LeaseRevoke(LeaseId(*id))),
            Command::Keepalive(member, id) => (member, Request::LeaseKeepAlive(LeaseId(*id))),
            Command::Ttl { member, lease, keys } => {
                let ask = LeaseTimeToLiveRequest { id: LeaseId(*lease), keys: keys.unwrap_or(false) };
                (member, Request::LeaseTimeToLive(ask))
            }
            Command::Leases(member) => (member, Request::LeaseLeases),
            Command::Members(member, linearizable) => {
                (member, Request::MemberList { linearizable: linearizable.unwrap_or(true) })
            }
            Command::Alarm { member, raise, disarm, at } => {
                let at = MemberId(at.unwrap_or(*member));
                let alarm = |kind: &String| Ok::<_, String>(Alarm { kind: alarm_kind(kind)?, member: at });
                let request = match (raise, disarm) {
                    (Some(kind), _) => AlarmRequest::Activate(alarm(kind)?),
                    (None, Some(kind)) => AlarmRequest::Deactivate(alarm(kind)?),
                    (None, None) => AlarmRequest::List(None),
                };
                (member, Request::Alarm(request))
            }
            _ => return Ok(false),
        };
        self.ask(*member, false, request);
        Ok(true)
    }

    /// What watch streams ask.
    fn perform_watch(&mut self, command: &Command) -> bool {
        let (member, stream, input) = match command {
            Command::Open(member, stream, require_leader) => {
                self.node(*member).streams.insert(StreamId(*stream));
                (member, stream, WatchInput::Open { require_leader: require_leader.unwrap_or(false) })
            }
            Command::Watch { member, stream, range, id, start, prev, fragment } => {
                if self.node(*member).streams.insert(StreamId(*stream)) {
                    self.step(
                        *member,
                        Input::Watch(StreamId(*stream), WatchInput::Open { require_leader: false }),
                    );
                }
                let create = WatchCreate {
                    id: id.map(WatchId),
                    range: key_range(range),
                    start_revision: start.unwrap_or(0),
                    progress_notify: false,
                    no_put: false,
                    no_delete: false,
                    prev_kv: prev.unwrap_or(false),
                    fragment: fragment.unwrap_or(false),
                };
                (member, stream, WatchInput::Create(create))
            }
            Command::Cancel(member, stream, id) => (member, stream, WatchInput::Cancel(WatchId(*id))),
            Command::Progress(member, stream) => (member, stream, WatchInput::Progress),
            Command::Close(member, stream) => {
                self.node(*member).streams.remove(&StreamId(*stream));
                (member, stream, WatchInput::Close)
            }
            Command::Slow(member, stream) => {
                self.node(*member).slow.insert(StreamId(*stream), 0);
                return true;
            }
            Command::Drain(member, stream) => {
                let bytes = self.node(*member).slow.remove(&StreamId(*stream)).unwrap_or(0);
                (member, stream, WatchInput::Drained { bytes })
            }
            _ => return false,
        };
        self.step(*member, Input::Watch(StreamId(*stream), input));
        true
    }

    /// What the world does to members.
    #[expect(clippy::too_many_lines, reason = "one arm for each verb")]
    fn perform_on_world(&mut self, command: &Command) -> Result<(), Box<dyn Error>> {
        match command {
            Command::Cluster { members, leader, .. } => {
                self.create(*members, |config| turn_knobs(config, command))?;
                if leader.unwrap_or(true) {
                    while !self.engine(1).status().is_leader {
                        self.pass(100, Some(1))?;
                    }
                    // Everybody hears of it and publishes its name.
                    self.pass(300, None)?;
                }
            }
            Command::Run => self.run()?,
            Command::Go(ms, only) => self.pass(*ms, *only)?,
            Command::Gather(id) => self.node(*id).gathers = true,
            Command::Take(id) => {
                self.node(*id).gathers = false;
                self.handle(*id);
            }
            Command::Persist(id) => {
                self.persist(*id);
            }
            Command::Stall(id) => self.node(*id).is_stalled = true,
            Command::Unstall(id) => self.node(*id).is_stalled = false,
            Command::Deliver(to) => {
                let queue = std::mem::take(&mut self.queue);
                let (now, later): (Vec<_>, Vec<_>) =
                    queue.into_iter().partition(|message| to.is_none_or(|to| message.to.0 == to));
                self.queue = later.into();
                now.iter().for_each(|message| self.deliver(message));
            }
            Command::Drop(to) => self.queue.retain(|message| to.is_some_and(|to| message.to.0 != to)),
            Command::Duplicate => self.queue.extend(self.queue.clone()),
            Command::Hold => self.held.append(&mut self.queue),
            Command::Release => self.queue.append(&mut self.held),
            Command::HoldSnapshots => self.holds_snapshots = true,
            Command::DeliverSnapshot { newest } => {
                if newest.unwrap_or(false) {
                    self.snapshots.rotate_right(1);
                }
                if !self.deliver_snapshot()? {
                    return Err("no snapshot is under way".into());
                }
            }
            Command::ReleaseSnapshots => self.holds_snapshots = false,
            Command::Partition(id) => {
                let others: Vec<u64> = self.nodes.keys().copied().filter(|other| other != id).collect();
                self.cut.extend(others.iter().flat_map(|other| [(*id, *other), (*other, *id)]));
            }
            Command::Cut(from, to) => {
                self.cut.insert((*from, *to));
            }
            Command::Heal => self.cut.clear(),
            Command::Crash(id) => self.crash(*id),
            Command::Recover(id) => self.start(*id)?,
            Command::Wipe(id) => self.wipe(*id),
            Command::Trace(on) => self.is_traced = *on,
            Command::Status(only) => self.say_status(*only),
            Command::Agree => self.agree()?,
            Command::Abandon(member, counter) => {
                let boot = self.node(*member).config.boot;
                let id = RequestId { member: MemberId(*member), boot, counter: *counter };
                self.step(*member, Input::Abandon(id));
            }
            Command::Stop(id) => self.step(*id, Input::TransferLeadership),
            Command::Stranger { member, from, life, to_life } => {
                let message = PeerMessage {
                    from: MemberId(*from),
                    from_incarnation: Incarnation(*life),
                    to: MemberId(*member),
                    to_incarnation: to_life.map(Incarnation),
                    body: PeerBody::ReadIndex { attempt: 1 },
                };
                assert_eq!(self.node(*member).config.cluster, CLUSTER);
                self.deliver(&message);
            }
            _ => unreachable!("requests and watches are performed elsewhere"),
        }
        Ok(())
    }

    fn say_status(&mut self, only: Option<u64>) {
        let mut lines = Vec::new();
        for (id, node) in self.nodes.iter().filter(|(id, _)| only.is_none_or(|only| only == **id)) {
            let Some(engine) = &node.engine else {
                lines.push(format!("{id} is down"));
                continue;
            };
            let status = engine.status();
            lines.push(format!(
                "{id} {} leader={} term={} log={} committed={} applied={} revision={} compacted={}",
                if status.is_ready { "ready" } else { "not ready" },
                words::member(status.leader),
                status.term,
                status.last_index,
                status.committed,
                status.applied,
                status.revision,
                status.compacted_revision,
            ));
        }
        lines.iter().for_each(|line| self.say(line));
    }
}

fn turn_knobs(config: &mut Config, command: &Command) {
    let Command::Cluster {
        entry_bytes,
        entry_commands,
        request_bytes,
        log_bytes,
        quota,
        snapshot_commands,
        pending,
        slice,
        keep_ms,
        keep_revisions,
        ..
    } = command
    else {
        unreachable!("only called for a cluster")
    };
    config.entry_bytes_max = entry_bytes.unwrap_or(config.entry_bytes_max);
    config.entry_commands_max = entry_commands.unwrap_or(config.entry_commands_max);
    config.request_bytes_max = request_bytes.unwrap_or(config.request_bytes_max);
    config.log_bytes_max = log_bytes.unwrap_or(config.log_bytes_max);
    config.quota_bytes = quota.unwrap_or(config.quota_bytes);
    config.snapshot_commands_min = snapshot_commands.unwrap_or(config.snapshot_commands_min);
    config.pending_requests_max = pending.unwrap_or(config.pending_requests_max);
    config.compaction_slice_keys = slice.unwrap_or(config.compaction_slice_keys);
    if let Some(period_ms) = keep_ms {
        config.auto_compaction = AutoCompaction::PeriodMs(*period_ms);
    }
    if let Some(revisions) = keep_revisions {
        config.auto_compaction = AutoCompaction::Revisions(*revisions);
    }
}
