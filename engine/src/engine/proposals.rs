//! From commands to entries: gathered while the disk is busy, proposed as few entries, or forwarded to who leads.

use super::Engine;
use super::pending::WaitsFor;
use crate::command::{Caller, Command, EntryBuilder, Proposal, encode};
use crate::ids::{CommandId, MemberId, PersistId, RequestId};
use crate::raft::PeerBody;
use crate::request::RequestError;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Entries proposed in one go: more would only wait in raft's queue.
const ENTRIES_AT_ONCE: usize = 4;
/// Commands of this member are encoded side by side in buffers of this size, a larger one in one of its own.
const BUFFER_BYTES: usize = 64 * 1024;
/// A forwarded frame carries about so many bytes of commands, one large command excepted.
const FORWARD_BYTES: usize = 256 * 1024;

/// Commands that wait to be proposed or forwarded, and how busy the disk is.
#[derive(Debug)]
pub(super) struct Proposals {
    /// Encoded. On a follower only commands of its own; on a leader those of others too.
    queue: VecDeque<Bytes>,
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

impl Proposals {
    /// Nothing waits and nothing is in flight.
    pub(super) fn new() -> Proposals {
        Proposals {
            queue: VecDeque::new(),
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

    fn in_flight(&self) -> u64 {
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

    pub(super) fn push(&mut self, command: Bytes) {
        self.queue.push_back(command);
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }
}

impl Engine {
    /// Proposes a client's command, from wherever this member stands.
    pub(super) fn propose_request(&mut self, id: RequestId, command: Command) {
        if let Err(error) = self.refuse_growth(&command) {
            return self.push_reply(id, Err(error));
        }
        let number = self.proposals.next_number();
        let command = self.encode_own(number, Caller::Anonymous, command);
        if command.len() > self.config.request_bytes_max {
            return self.push_reply(id, Err(RequestError::RequestTooLarge));
        }
        self.wait_for(id, WaitsFor::Command { number, command: command.clone(), sent_at: self.now });
        self.proposals.push(command);
    }

    /// Proposes something of this member's own accord. Nobody waits for it, and it may be lost: who proposes it
    /// looks again later.
    pub(super) fn propose_own(&mut self, command: Command) {
        let command = self.encode_own(0, Caller::Member, command);
        self.proposals.push(command);
    }

    fn encode_own(&mut self, number: u64, caller: Caller, command: Command) -> Bytes {
        let id = CommandId { member: self.config.member, boot: self.config.boot, number };
        encode(&mut self.proposals.buffer, &Proposal { id, caller, command })
    }

    /// Hands what has gathered to raft, or to whoever leads. Without a leader it stays, until its clients are told
    /// that time is up.
    pub(super) fn propose_or_forward(&mut self) {
        if self.raft.is_leader() {
            self.propose_entries();
        } else if let Some(leader) = self.raft.leader() {
            self.forward(leader);
        }
    }

    /// Whether the next entry need not wait for anything to happen.
    pub(super) fn should_propose_more(&self) -> bool {
        self.can_propose_more() && !self.proposals.is_refused
    }

    /// Whether another entry could be proposed at once. While enough writes are in flight, commands gather for the
    /// next one; with the disk idle nothing ever waits.
    fn can_propose_more(&self) -> bool {
        let has_room = self.proposals.in_flight() < self.config.persists_in_flight_max as u64;
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
            let taken = self.next_entry_commands();
            let bytes: usize = taken.iter().map(|command| command.len() + 4).sum();
            let mut entry = EntryBuilder::with_capacity(bytes);
            for command in &taken {
                entry.push(command);
            }
            if !self.raft.propose(entry.finish()) {
                // Raft has too much uncommitted, or hands leadership on: they wait at the front.
                for command in taken.into_iter().rev() {
                    self.proposals.queue.push_front(command);
                }
                self.proposals.is_refused = true;
                return;
            }
        }
    }

    /// The front of the queue, as much as one entry carries.
    fn next_entry_commands(&mut self) -> Vec<Bytes> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < self.config.entry_commands_max
            && let Some(command) = self.proposals.queue.front()
        {
            bytes += command.len();
            if bytes > self.config.entry_bytes_max && !taken.is_empty() {
                break;
            }
            taken.extend(self.proposals.queue.pop_front());
        }
        taken
    }

    fn forward(&mut self, leader: MemberId) {
        while !self.proposals.queue.is_empty() {
            let mut commands = Vec::new();
            let mut bytes = 0;
            while let Some(command) = self.proposals.queue.front()
                && (commands.is_empty() || bytes + command.len() <= FORWARD_BYTES)
            {
                bytes += command.len();
                commands.extend(self.proposals.queue.pop_front());
            }
            let message = self.address(leader, PeerBody::Forward(commands));
            self.effects.send.push(message);
        }
    }

    /// A forward, or its answer, may get lost: what has waited for an election timeout is sent again. A leader's own
    /// are in its queue or its log and stay there while it leads; without a leader there is nobody to ask. Looks once
    /// a heartbeat, since it looks at all that waits.
    pub(super) fn repeat_forwards(&mut self) {
        if self.raft.is_leader() || self.raft.leader().is_none() || self.now < self.quiet_until.forwards {
            return;
        }
        self.quiet_until.forwards = self.now.plus_ms(self.config.heartbeat_interval_ms);
        self.send_again(self.config.election_timeout_ms);
    }

    /// Puts the commands whose fate is unknown in the queue again. What was applied already is dropped by the
    /// window of commands.
    pub(super) fn send_again(&mut self, sent_before_ms: u64) {
        let sent_by = crate::time::Time::from_ms(self.now.as_ms().saturating_sub(sent_before_ms));
        for command in self.pending.take_unsent_commands(sent_by, self.now) {
            self.proposals.push(command);
        }
        if let Some(leader) = self.raft.leader().filter(|_| !self.raft.is_leader()) {
            for (id, ask) in self.pending.take_unsent_asks(sent_by, self.now) {
                let message = self.address(leader, PeerBody::LeaseAsk { id, ask });
                self.effects.send.push(message);
            }
        }
    }
}
