//! What becomes of another member's message.

use super::Engine;
use super::reads::{Asker, WaitingRead};
use crate::command::{self, Command};
use crate::effects::{LogLost, SnapshotVerdict};
use crate::ids::{CommandId, Incarnation, MemberId};
use crate::peer_message::{PeerBody, PeerMessage};
use crate::raft::{RaftMessage, RaftMessageKind, SnapshotMeta, StepRefused};
use crate::request::RequestError;
use crate::snapshot::ReceivedSnapshot;
use bytes::Bytes;

/// In election timeouts: how long a leader must count on entries that are not here, with nothing else coming from it.
const LOG_LOST_AFTER_TIMEOUTS: u64 = 10;
/// What to do about a directory that is not the one that the cluster knows. Members do not change in this release.
const NEXT_STEP_OF_REPLACED: &str =
    "stop it, the others go on without it (docs/operating.md, \"A member that lost data\")";

impl Engine {
    pub(super) fn on_peer(&mut self, message: PeerMessage) {
        if let Err(reason) = self.check_sender(&message) {
            return self.refuse(message.from, reason);
        }
        let from = message.from;
        match message.body {
            PeerBody::Raft(message) => self.on_raft(from, message),
            PeerBody::Forward(commands) => self.on_forward(from, commands),
            PeerBody::CancelForward { boot, numbers } => {
                for number in numbers {
                    self.proposals.forget(CommandId { member: from, boot, number });
                }
            }
            PeerBody::ReadIndex { attempt } => {
                if self.raft.is_leader() {
                    self.reads.push(WaitingRead::Member { from, attempt });
                } else {
                    self.answer_read_index(from, attempt, None);
                }
            }
            PeerBody::ReadIndexReply { attempt, index } => self.on_read_index_reply(attempt, index),
            PeerBody::LeaseRequest { id, caller, request } => {
                if self.raft.is_leader() {
                    self.reads.push(WaitingRead::Lease(Asker::Member(from, id), caller, request));
                } else {
                    self.tell_about_lease(Asker::Member(from, id), Err(RequestError::NotLeader));
                }
            }
            PeerBody::LeaseResponse { id, response } => self.on_lease_response(id, response),
        }
    }

    fn on_raft(&mut self, from: MemberId, message: RaftMessage) {
        let is_of_the_leader = message.kind == RaftMessageKind::Heartbeat && message.term >= self.raft.term();
        match self.raft.step(from, message) {
            Ok(()) if is_of_the_leader => self.log_lost_since = None,
            Ok(()) => {}
            Err(refused) => {
                if let StepRefused::LogLost { from: leader, commit: acknowledged, last_index } = refused {
                    self.note_lost_log(LogLost { leader, acknowledged, last_index });
                }
                self.refuse(from, refused.to_string());
            }
        }
    }

    /// One such heartbeat may come of anything. Where nothing else comes from the leader for long, the member ends.
    fn note_lost_log(&mut self, lost: LogLost) {
        let since = *self.log_lost_since.get_or_insert(self.now);
        if self.now.ms_since(since) >= LOG_LOST_AFTER_TIMEOUTS * self.config.election_timeout_ms {
            self.effects.log_lost = Some(lost);
        }
    }

    /// Frames of another cluster or to another member never come here. A member whose disk was wiped comes under
    /// its old name: its peers know the incarnation of the directory it had.
    fn check_sender(&self, message: &PeerMessage) -> Result<(), String> {
        let Some(sender) = self.state.members().get(&message.from) else {
            return Err(format!("member {} is not in this cluster", message.from));
        };
        if let Some(known) = sender.incarnation
            && known != message.from_incarnation
        {
            return Err(format!(
                "member {} speaks from data directory {}, the cluster knows it by {known}: its disk was replaced; \
                 {NEXT_STEP_OF_REPLACED}",
                message.from, message.from_incarnation
            ));
        }
        if let (None, PeerBody::Raft(raft)) = (sender.incarnation, &message.body)
            && raft.kind.is_of_an_election()
            && let Some(published) = self.incarnation_in_log(message.from)
            && published != message.from_incarnation
        {
            return Err(format!(
                "member {} votes from data directory {}, the log names {published}: its disk was replaced; \
                 {NEXT_STEP_OF_REPLACED}",
                message.from, message.from_incarnation
            ));
        }
        match message.to_incarnation {
            Some(meant) if meant != self.config.incarnation => Err(format!(
                "member {} means data directory {meant} of this member, this is {}: this disk was replaced; put the \
                 other back, or {NEXT_STEP_OF_REPLACED}",
                message.from, self.config.incarnation
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The incarnation that an entry names which is not applied here: after a start the log says less of what is
    /// committed than the others know. Should the entry never be committed, this member follows whoever was elected
    /// without it; but it was written by a directory that may have voted, so no other directory votes in its place.
    fn incarnation_in_log(&self, member: MemberId) -> Option<Incarnation> {
        let entries = self.raft.entries_from(self.state.applied().0 + 1).into_iter();
        let proposals = entries.flat_map(|entry| command::decode_entry(entry.data).unwrap_or_default());
        let mut published = proposals.filter_map(|proposal| match proposal.command {
            Command::Attributes(attributes) if attributes.id == member => Some(attributes.incarnation),
            _ => None,
        });
        published.next()
    }

    fn refuse(&mut self, from: MemberId, reason: String) {
        self.effects.refused.push((from, reason));
    }

    /// Another member's clients ask for these. A member that does not lead drops them: they are sent again.
    fn on_forward(&mut self, from: MemberId, commands: Vec<Bytes>) {
        if !self.raft.is_leader() {
            return;
        }
        for command in commands {
            if self.proposals.len() >= self.config.pending_requests_max {
                return;
            }
            match command::decode(command.clone()) {
                Ok(proposal) if proposal.id.member == from => self.take_forwarded(proposal.id, &command),
                Ok(proposal) => {
                    self.refuse(from, format!("a forwarded command of member {}", proposal.id.member))
                }
                Err(error) => self.refuse(from, format!("a forwarded command: {error}")),
            }
        }
    }

    /// One that was applied comes again from a member that has yet to apply it, and learns the outcome then.
    fn take_forwarded(&mut self, id: CommandId, command: &[u8]) {
        if self.state.was_applied(id) {
            return;
        }
        // The frame it came in is a buffer of its own, but of many commands.
        self.proposals.push_forwarded(id, self.now, Bytes::copy_from_slice(command));
    }

    /// Whether the state that this message announces may come in. To be asked before the first byte of it is stored:
    /// what a stranger sends takes neither memory nor disk.
    ///
    /// # Errors
    /// Why not, for the log.
    pub fn admits_snapshot(&self, announcement: &PeerMessage) -> Result<(), String> {
        self.check_sender(announcement)?;
        let PeerBody::Raft(message) = &announcement.body else {
            return Err("its announcement is no message of raft's".to_owned());
        };
        self.raft.admits_snapshot(announcement.from, message).map_err(|refused| refused.to_string())?;
        self.check_members(message)
    }

    /// Members do not change in this release.
    fn check_members(&self, message: &RaftMessage) -> Result<(), String> {
        let SnapshotMeta { voters, learners, .. } = &self.membership;
        match &message.snapshot {
            Some(meta) if (&meta.voters, &meta.learners) != (voters, learners) => Err(format!(
                "a snapshot of voters {:?} and learners {:?}, but here they are {voters:?} and {learners:?}",
                meta.voters, meta.learners
            )),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn on_snapshot_received(&mut self, received: ReceivedSnapshot) {
        let from = received.message.from;
        let place = self.effects.received.len();
        match self.try_install(&received) {
            Ok(()) => {
                // Until raft says that it takes it.
                self.effects.received.push(SnapshotVerdict::NotNeeded);
                self.received.push((place, received));
            }
            Err(reason) => {
                self.effects.received.push(SnapshotVerdict::Refused);
                self.refuse(from, reason);
            }
        }
    }

    fn try_install(&mut self, received: &ReceivedSnapshot) -> Result<(), String> {
        self.check_sender(&received.message)?;
        let PeerBody::Raft(announcement) = &received.message.body else {
            return Err("a snapshot without its announcement".to_owned());
        };
        self.check_members(announcement)?;
        let stands_at = announcement.snapshot.as_ref().map(|meta| (meta.index, meta.term));
        let ((index, term), cluster) = (received.state.applied(), received.state.cluster());
        if stands_at != Some((index, term)) || cluster != self.config.cluster {
            return Err(format!("a snapshot at {:?} announced at {stands_at:?}", (index, term)));
        }
        let (applied, revision) = (self.state.applied().0, self.state.mvcc.revision());
        let (theirs, from) = (received.state.mvcc.revision(), received.message.from);
        // I19
        if index > applied && theirs < revision {
            return Err(format!(
                "a snapshot of member {from} at index {index} holds revision {theirs}, but revision {revision} is \
                 here already at index {applied}: one of the two has the data of another history of this cluster; find \
                 out which, and {NEXT_STEP_OF_REPLACED}"
            ));
        }
        self.raft.install(from, announcement.clone()).map_err(|refused| refused.to_string())
    }
}
