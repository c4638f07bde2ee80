//! What a script says is done.

use super::cluster::{Cluster, Stranger};
use super::command::Command;
use super::parse::{alarm_kind, key_range, parse_auth, parse_txn, put_request};
use super::words;
use crate::config::{AutoCompaction, Config};
use crate::ids::{Incarnation, LeaseId, MemberId, RequestId, StreamId, WatchId};
use crate::input::Input;
use crate::peer_message::{PeerBody, PeerMessage};
use crate::raft::{RaftMessage, RaftMessageKind};
use crate::request::*;
use crate::watch::{WatchCreate, WatchInput};
use std::error::Error;

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
                self.node(*member).member.request_counter += count;
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
            Command::Auth(member, text) => (member, Request::Auth(parse_auth(text)?)),
            Command::Login(member, name) => (member, Request::Auth(self.log_in(*member, name))),
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

    /// A log-in whose password was checked.
    fn log_in(&mut self, member: u64, name: &str) -> AuthRequest {
        let auth_revision = self.engine(member).state().auth().revision();
        let token = Secret::new(format!("token-of-{name}"));
        AuthRequest::Authenticate(Authenticate { name: name.to_owned(), token, auth_revision })
    }

    /// What watch streams ask.
    fn perform_watch(&mut self, command: &Command) -> bool {
        let (member, stream, input) = match command {
            Command::Open(member, stream, require_leader) => {
                self.node(*member).boot.streams.insert(StreamId(*stream));
                (member, stream, WatchInput::Open { require_leader: require_leader.unwrap_or(false) })
            }
            Command::Watch { member, stream, range, id, start, prev, fragment } => {
                if self.node(*member).boot.streams.insert(StreamId(*stream)) {
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
                let caller = self.caller(*member);
                self.step(*member, Input::WatchAs(StreamId(*stream), Ok(caller), create));
                return true;
            }
            Command::Cancel(member, stream, id) => (member, stream, WatchInput::Cancel(WatchId(*id))),
            Command::Progress(member, stream) => (member, stream, WatchInput::Progress),
            Command::Close(member, stream) => {
                self.node(*member).boot.streams.remove(&StreamId(*stream));
                (member, stream, WatchInput::Close)
            }
            Command::Slow(member, stream) => {
                self.node(*member).boot.slow.insert(StreamId(*stream), 0);
                return true;
            }
            Command::Drain(member, stream) => {
                let bytes = self.node(*member).boot.slow.remove(&StreamId(*stream)).unwrap_or(0);
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
                self.create(*members, |config| turn_knobs(config, command));
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
            Command::Gather(id) => self.node(*id).boot.gathers = true,
            Command::Take(id) => {
                self.node(*id).boot.gathers = false;
                self.handle(*id);
            }
            Command::Persist(id) => {
                self.persist(*id);
            }
            Command::Stall(id) => self.node(*id).boot.is_stalled = true,
            Command::Unstall(id) => self.node(*id).boot.is_stalled = false,
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
            Command::Recover { member, url } => {
                if let Some(url) = url {
                    self.node(*member).member.config.client_urls = vec![url.clone()];
                }
                self.start(*member);
            }
            Command::Wipe(id) => self.wipe(*id),
            Command::BackUp(id) => self.back_up(*id),
            Command::Restore(id) => self.restore(*id),
            Command::Trace(on) => self.is_traced = *on,
            Command::Status(only) => self.say_status(*only),
            Command::Measure(id) => {
                let line = words::measurements(&self.engine(*id).measurements());
                self.say(&format!("{id} {line}"));
            }
            Command::Agree => self.agree(),
            Command::Be { name, at } => {
                self.user = (name != "nobody").then(|| (name.clone(), *at));
            }
            Command::Abandon(member, counter) => {
                let boot = self.node(*member).member.config.boot;
                let id = RequestId { member: MemberId(*member), boot, counter: *counter };
                self.step(*member, Input::Abandon(id));
            }
            Command::Stop(id) => self.step(*id, Input::TransferLeadership),
            Command::Keep(id) => self.keep(*id),
            Command::Announce { member, from, incarnation, term, index, voters } => {
                let (member, from, incarnation) = (*member, *from, *incarnation);
                let stranger =
                    Stranger { member, from, incarnation, term: *term, index: *index, voters: *voters };
                let message = self.announcement(&stranger);
                match self.engine(member).admits_snapshot(&message) {
                    Ok(()) => self.say(&format!("{member} admits a snapshot of {from}")),
                    Err(reason) => self.say(&format!("{member} does not admit: {reason}")),
                }
            }
            Command::Plant { member, from, incarnation, term, index, voters } => {
                let (member, from, incarnation) = (*member, *from, *incarnation);
                self.plant(&Stranger {
                    member,
                    from,
                    incarnation,
                    term: *term,
                    index: *index,
                    voters: *voters,
                })?;
            }
            Command::Heartbeat { member, from, term, commit } => {
                let kind = RaftMessageKind::Heartbeat;
                let beat = RaftMessage { kind, term: *term, commit: *commit, ..RaftMessage::default() };
                self.hand_over(&PeerMessage {
                    from: MemberId(*from),
                    from_incarnation: Incarnation(1),
                    to: MemberId(*member),
                    to_incarnation: None,
                    body: PeerBody::Raft(beat),
                });
            }
            Command::Stranger { member, from, incarnation, to_incarnation } => {
                let message = PeerMessage {
                    from: MemberId(*from),
                    from_incarnation: Incarnation(*incarnation),
                    to: MemberId(*member),
                    to_incarnation: to_incarnation.map(Incarnation),
                    body: PeerBody::ReadIndex { attempt: 1 },
                };
                self.deliver(&message);
            }
            _ => unreachable!("requests and watches are performed elsewhere"),
        }
        Ok(())
    }

    fn say_status(&mut self, only: Option<u64>) {
        let mut lines = Vec::new();
        for (id, node) in self.nodes.iter().filter(|(id, _)| only.is_none_or(|only| only == **id)) {
            let Some(engine) = &node.member.engine else {
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
