//! From commands to entries: gathered while the disk is busy, proposed as few entries, or forwarded to who leads.
//!
//! A command that nobody waits for any more is not worth an entry, nor is a second copy of one that is under way:
//! beyond what the disk and the links carry, both would take the place of those that are waited for.

use super::Engine;
use super::pending::WaitsFor;
use crate::command::{Caller, Command, EntryBuilder, Proposal, encode};
use crate::ids::{CommandId, MemberId, PersistId, RequestId};
use crate::peer_message::PeerBody;
use crate::time::Time;
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeSet, VecDeque};

/// Entries proposed in one go: more would only wait in raft's queue.
const ENTRIES_AT_ONCE: usize = 4;
/// Commands of this member are encoded side by side in buffers of this size, a larger one in one of its own.
const BUFFER_BYTES: usize = 64 * 1024;
/// A forwarded frame carries about so many bytes of commands, one large command excepted.
const FORWARD_BYTES: usize = 256 * 1024;
/// Numbers in a frame that cancels commands: 64 KiB.
const CANCELLED_AT_ONCE: usize = 8192;

/// Commands that wait to be proposed or forwarded, and how busy the disk is.
#[derive(Debug)]
pub(super) struct Proposals {
    /// Encoded. On a follower only commands of its own; on a leader those of others too.
    queue: VecDeque<Queued>,
    /// What others forwarded to this leader and is in its queue or its log: there it stays while this member leads
    /// in its term, so a second copy would only be a second entry.
    in_flight: BTreeSet<CommandId>,
    /// Commands of this member that nobody waits for any more, by their numbers: to be said to who leads.
    cancelled: Vec<u64>,
    /// Where the next commands are encoded. Full, it is followed by another as large, and lives as long as any of
    /// its commands waits.
    buffer: BytesMut,
    /// Of this member's commands, in this boot.
    last_number: u64,
    /// The last write handed to the disk, and the last it reported: the difference is in flight.
    handed: PersistId,
    persisted: PersistId,
    /// Raft took no more at the last try. What changes that (an acknowledgement, a new leader) comes as an input.
    is_refused: bool,
}

/// A command that waits to be proposed or forwarded.
#[derive(Debug)]
pub(super) struct Queued {
    id: CommandId,
    since: Time,
    /// As encoded.
    command: Bytes,
}

impl Proposals {
    /// Nothing waits and nothing is in flight.
    pub(super) fn new() -> Proposals {
        Proposals {
            queue: VecDeque::new(),
            in_flight: BTreeSet::new(),
            cancelled: Vec::new(),
            buffer: BytesMut::with_capacity(BUFFER_BYTES),
            last_number: 0,
            handed: PersistId::default(),
            persisted: PersistId::default(),
            is_refused: false,
        }
    }

    pub(super) fn handed_to_disk(&mut self, id: PersistId) {
        self.handed = id;
    }

    pub(super) fn persisted(&mut self, id: PersistId) {
        self.persisted = id;
    }

    fn writes_in_flight(&self) -> u64 {
        self.handed.0 - self.persisted.0
    }

    /// Numbers go up in the order in which commands are queued; some are never used.
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    fn push(&mut self, id: CommandId, since: Time, command: Bytes) {
        self.queue.push_back(Queued { id, since, command });
    }

    /// Takes a command that another member forwarded, unless it is in the queue or the log already.
    pub(super) fn push_forwarded(&mut self, id: CommandId, since: Time, command: Bytes) {
        if id.number > 0 && !self.in_flight.insert(id) {
            return;
        }
        self.push(id, since, command);
    }

    /// It was applied, or whoever forwarded it has nobody who waits for it any more. In the log it stays.
    pub(super) fn forget(&mut self, id: CommandId) {
        self.in_flight.remove(&id);
    }

    /// Nobody waits for this command of this member's any more.
    pub(super) fn cancel(&mut self, number: Option<u64>) {
        self.cancelled.extend(number);
    }

    /// Who leads has changed: what is queued is sent again by those whose clients wait for it.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.in_flight.clear();
    }
}

impl Engine {
    /// Proposes a client's command, from wherever this member stands.
    pub(super) fn propose_request(&mut self, id: RequestId, caller: Caller, command: Command) {
        if let Err(refusal) = self.admit_growth(&command) {
            return self.push_reply(id, Err(refusal));
        }
        let number = self.proposals.next_number();
        let command = self.encode_own(number, caller, command);
        if let Err(refusal) = self.admit_size(command.len()) {
            return self.push_reply(id, Err(refusal));
        }
        self.wait_for(id, WaitsFor::Command { number, command: command.clone(), sent_at: self.now });
        self.proposals.push(self.own_id(number), self.now, command);
    }

    /// Proposes something of this member's own accord. Nobody waits for it, and it may be lost: who proposes it
    /// looks again later.
    pub(super) fn propose_own(&mut self, command: Command) {
        let command = self.encode_own(0, Caller::Member, command);
        self.proposals.push(self.own_id(0), self.now, command);
    }

    /// Of this member, in this boot.
    pub(super) fn own_id(&self, number: u64) -> CommandId {
        CommandId { member: self.config.member, boot: self.config.boot, number }
    }

    fn encode_own(&mut self, number: u64, caller: Caller, command: Command) -> Bytes {
        let id = self.own_id(number);
        encode(&mut self.proposals.buffer, &Proposal { id, caller, command })
    }

    /// Hands what has gathered to raft, or to whoever leads. Without a leader it stays, until its clients are told
    /// that time is up.
    pub(super) fn propose_or_forward(&mut self) {
        let cancelled = std::mem::take(&mut self.proposals.cancelled);
        if self.raft.is_leader() {
            self.propose_entries();
        } else if let Some(leader) = self.raft.leader() {
            self.forward(leader);
            for numbers in cancelled.chunks(CANCELLED_AT_ONCE) {
                let body = PeerBody::CancelForward { boot: self.config.boot, numbers: numbers.to_vec() };
                let message = self.address(leader, body);
                self.effects.send.push(message);
            }
        }
    }

    /// Whether the next entry need not wait for anything to happen.
    pub(super) fn should_propose_more(&self) -> bool {
        self.can_propose_more() && !self.proposals.is_refused
    }

    /// Whether another entry could be proposed at once. While enough writes are in flight, commands gather for the
    /// next one; with the disk idle nothing ever waits.
    fn can_propose_more(&self) -> bool {
        let has_room = self.proposals.writes_in_flight() < self.config.persists_in_flight_max as u64;
        self.raft.is_leader()
            && self.raft.lead_transferee().is_none()
            && has_room
            && !self.proposals.queue.is_empty()
    }

    fn propose_entries(&mut self) {
        self.proposals.is_refused = false;
        for _ in 0..ENTRIES_AT_ONCE {
            if !self.can_propose_more() {
                return;
            }
            let taken = self.take_from_queue(self.config.entry_commands_max, self.config.entry_bytes_max);
            if taken.is_empty() {
                return;
            }
            let bytes: usize = taken.iter().map(|queued| queued.command.len() + 4).sum();
            let mut entry = EntryBuilder::with_capacity(bytes);
            for queued in &taken {
                entry.push(&queued.command);
            }
            if !self.raft.propose(entry.finish()) {
                // Raft has too much uncommitted, or hands leadership on: they wait at the front.
                for queued in taken.into_iter().rev() {
                    self.proposals.queue.push_front(queued);
                }
                self.proposals.is_refused = true;
                return;
            }
        }
    }

    /// The front of the queue, so many commands and bytes of it, one large command excepted. Those that nobody waits
    /// for are passed over.
    fn take_from_queue(&mut self, commands_max: usize, bytes_max: usize) -> Vec<Queued> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < commands_max
            && let Some(queued) = self.proposals.queue.front()
        {
            if !self.is_waited_for(queued) {
                let unwanted = queued.id;
                self.proposals.queue.pop_front();
                self.proposals.forget(unwanted);
                continue;
            }
            bytes += queued.command.len();
            if bytes > bytes_max && !taken.is_empty() {
                break;
            }
            taken.extend(self.proposals.queue.pop_front());
        }
        taken
    }

    /// Other members say so when they have nobody who waits. What they cannot say, being gone or cut off, is that a
    /// client of theirs has waited as long as one of this member's would.
    fn is_waited_for(&self, queued: &Queued) -> bool {
        let id = queued.id;
        if id.number == 0 {
            return true;
        }
        if id.member == self.config.member {
            return self.pending.waits_for_command(id.number);
        }
        self.proposals.in_flight.contains(&id)
            && queued.since.plus_ms(self.config.request_timeout_ms) > self.now
    }

    fn forward(&mut self, leader: MemberId) {
        loop {
            let taken = self.take_from_queue(usize::MAX, FORWARD_BYTES);
            if taken.is_empty() {
                return;
            }
            let commands = taken.into_iter().map(|queued| queued.command).collect();
            let message = self.address(leader, PeerBody::Forward(commands));
            self.effects.send.push(message);
        }
    }

    /// A forward, or its answer, may get lost: what has waited for an election timeout is sent again. A leader's own
    /// are in its queue or its log and stay there while it leads; without a leader there is nobody to ask. Looks once
    /// a heartbeat, since it looks at all that waits.
    pub(super) fn repeat_forwards(&mut self) {
        if self.raft.is_leader() || self.raft.leader().is_none() || self.now < self.backoff.forwards {
            return;
        }
        self.backoff.forwards = self.now.plus_ms(self.config.heartbeat_interval_ms);
        self.send_again(self.config.election_timeout_ms);
    }

    /// Puts the commands whose outcome is unknown in the queue again. What was applied already is dropped by the
    /// dedup window.
    pub(super) fn send_again(&mut self, sent_before_ms: u64) {
        let sent_by = Time::from_ms(self.now.as_ms().saturating_sub(sent_before_ms));
        for (number, command) in self.pending.take_unsent_commands(sent_by, self.now) {
            self.proposals.push(self.own_id(number), self.now, command);
        }
        if let Some(leader) = self.raft.leader().filter(|_| !self.raft.is_leader()) {
            for (id, caller, request) in self.pending.take_unsent_lease_requests(sent_by, self.now) {
                let message = self.address(leader, PeerBody::LeaseRequest { id, caller, request });
                self.effects.send.push(message);
            }
        }
    }
}
