//! The members of a script, their disks and what is under way between them.

mod time;

use super::words;
use crate::config::Config;
use crate::effects::Effects;
use crate::engine::Engine;
use crate::ids::{Incarnation, MemberId, StreamId};
use crate::input::Input;
use crate::memory_member::{MemoryDisk, MemoryMember, config, first_state, meta_of, write_snapshot};
use crate::peer_message::{PeerBody, PeerMessage};
use crate::raft::{RaftMessage, RaftMessageKind, SnapshotMeta};
use crate::request::{Caller, Identity, Request};
use crate::snapshot::OutgoingSnapshot;
use crate::time::Time;
use crate::watch::WatchInput;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;

/// A member and what the script does with it.
pub(super) struct Node {
    pub(super) member: MemoryMember,
    /// As its disk was when it was copied.
    backup: Option<MemoryDisk>,
    pub(super) boot: Boot,
}

/// What ends with the process.
#[derive(Default)]
pub(super) struct Boot {
    pub(super) is_stalled: bool,
    /// `take_effects` waits.
    pub(super) gathers: bool,
    pub(super) streams: BTreeSet<StreamId>,
    /// Streams whose client does not read, and what they owe.
    pub(super) slow: BTreeMap<StreamId, usize>,
    leads: Option<u64>,
}

#[derive(Default)]
pub(super) struct Cluster {
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) now: Time,
    pub(super) queue: VecDeque<PeerMessage>,
    pub(super) held: VecDeque<PeerMessage>,
    pub(super) snapshots: VecDeque<OutgoingSnapshot>,
    pub(super) holds_snapshots: bool,
    pub(super) cut: BTreeSet<(u64, u64)>,
    /// A snapshot that somebody kept; outlives its cluster.
    pub(super) kept: Option<(SnapshotMeta, Vec<u8>)>,
    pub(super) is_traced: bool,
    /// Who asks: a name and the auth revision of its proof; nobody where there is none.
    pub(super) user: Option<(String, Option<u64>)>,
    pub(super) out: String,
    /// State hash by applied index, whoever came there first.
    hashes: BTreeMap<u64, u128>,
}

impl Cluster {
    pub(super) fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    pub(super) fn node(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).expect("a member of the cluster")
    }

    pub(super) fn engine(&mut self, id: u64) -> &mut Engine {
        self.node(id).member.engine.as_mut().expect("the member runs")
    }

    /// Members 1 to `count`, all with the same knobs; the first one is given time to be elected.
    pub(super) fn create(&mut self, count: u64, knobs: impl Fn(&mut Config)) {
        *self = Cluster { kept: self.kept.take(), ..Cluster::default() };
        let (meta, state) = first_state(count);
        for id in 1..=count {
            let mut config = config(id);
            knobs(&mut config);
            let member = MemoryMember::new(config, &meta, &state);
            self.nodes.insert(id, Node { member, backup: None, boot: Boot::default() });
        }
        (1..=count).for_each(|id| self.start(id));
    }

    /// Starts a member from its disk.
    pub(super) fn start(&mut self, id: u64) {
        let now = self.now;
        let member = &mut self.node(id).member;
        let seed = id * 1000 + u64::from(member.config.boot);
        member.start(seed, now);
        self.handle(id);
    }

    /// The process ends: what was not persisted is lost.
    pub(super) fn crash(&mut self, id: u64) {
        let node = self.node(id);
        node.member.crash(0);
        node.boot = Boot::default();
    }

    /// The disk is replaced by an empty one.
    pub(super) fn wipe(&mut self, id: u64) {
        let (meta, state) = first_state(self.nodes.len() as u64);
        self.node(id).member.wipe(&meta, &state);
    }

    /// A stopped member's disk is copied.
    pub(super) fn back_up(&mut self, id: u64) {
        let node = self.node(id);
        node.backup = Some(node.member.disk.clone());
    }

    /// The copy takes the place of the disk.
    pub(super) fn restore(&mut self, id: u64) {
        let node = self.node(id);
        node.member.disk = node.backup.clone().expect("a copy was made");
    }

    pub(super) fn step(&mut self, id: u64, input: Input) {
        let now = self.now;
        self.node(id).member.step(now, input);
        self.stepped(id);
    }

    fn stepped(&mut self, id: u64) {
        if !self.node(id).boot.gathers {
            self.handle(id);
        }
    }

    pub(super) fn ask(&mut self, id: u64, require_leader: bool, request: Request) {
        let (now, caller) = (self.now, self.caller(id));
        self.node(id).member.ask_as(now, require_leader, caller, request);
        self.stepped(id);
    }

    /// Who asks this member.
    pub(super) fn caller(&mut self, id: u64) -> Caller {
        let Some((name, at)) = self.user.clone() else { return Caller::Anonymous };
        let auth_revision = at.unwrap_or(self.engine(id).state().auth().revision());
        Caller::User(Identity { name, auth_revision })
    }

    /// Takes a member's effects and does those that need neither disk nor network.
    pub(super) fn handle(&mut self, id: u64) {
        let member = &mut self.node(id).member;
        let (writes, checkpoint) = (member.unsynced.len(), member.checkpoint_index());
        let Effects {
            send,
            replies,
            watch,
            send_snapshots,
            refused,
            log_lost,
            compactions,
            tokens,
            transfer_finished,
            ..
        } = member.take_effects();
        self.check_hash(id);
        self.note_leader(id);
        for message in send {
            self.send(message);
        }
        if self.is_traced {
            let member = &self.node(id).member;
            let written: Vec<String> = member.unsynced.iter().skip(writes).map(words::persist).collect();
            written.iter().for_each(|write| self.say(&format!("{id} writes {write}")));
        }
        for (request, answer) in replies {
            self.say(&format!("{id}#{}: {}", request.counter, words::answer(&answer)));
        }
        for (stream, response) in &watch.responses {
            self.say(&format!("{id}~{}: {}", stream.0, words::watch(response, &watch.batches)));
            let bytes = response.size_bytes(&watch.batches);
            let now = self.now;
            let Node { member, boot, .. } = self.node(id);
            if matches!(response, crate::watch::WatchResponse::NoLeader) {
                boot.streams.remove(stream);
            } else if let Some(owed) = boot.slow.get_mut(stream) {
                *owed += bytes;
            } else {
                member.step(now, Input::Watch(*stream, WatchInput::Drained { bytes }));
                member.wake_at = Some(now);
            }
        }
        for change in tokens {
            self.say(&format!("{id} is told of tokens: {}", words::token(&change)));
        }
        for step in compactions {
            self.say(&format!("{id} {}", words::compaction(step)));
        }
        if let Some(index) = self.node(id).member.checkpoint_index().filter(|_| checkpoint.is_none()) {
            self.say(&format!("{id} is to write its state at index {index}"));
        }
        for snapshot in send_snapshots {
            self.say(&format!(
                "{id} sends its state at index {} to {}",
                snapshot.meta.index, snapshot.message.to
            ));
            self.snapshots.push_back(snapshot);
        }
        for (from, reason) in refused {
            self.say(&format!("{id} refuses {from}: {reason}"));
        }
        log_lost.iter().for_each(|lost| self.say(&format!("{id} must end: {lost}")));
        if transfer_finished {
            self.say(&format!("{id} may stop"));
        }
    }

    fn check_hash(&mut self, id: u64) {
        let state = self.engine(id).state();
        let (index, hash) = (state.applied().0, state.hash());
        let first = *self.hashes.entry(index).or_insert(hash);
        assert_eq!(hash, first, "member {id} disagrees at index {index}");
    }

    fn note_leader(&mut self, id: u64) {
        let status = self.engine(id).status();
        let leads = status.is_leader.then_some(status.term);
        let before = std::mem::replace(&mut self.node(id).boot.leads, leads);
        match (before, leads) {
            (_, Some(term)) if before != leads => self.say(&format!("{id} leads term {term}")),
            (Some(term), None) => self.say(&format!("{id} leads term {term} no more")),
            _ => {}
        }
    }

    fn is_cut(&self, from: MemberId, to: MemberId) -> bool {
        self.cut.contains(&(from.0, to.0))
    }

    pub(super) fn send(&mut self, message: PeerMessage) {
        if self.is_cut(message.from, message.to) {
            return;
        }
        if self.is_traced && !words::is_idle(&message) {
            self.say(&words::message(&message));
        }
        self.queue.push_back(message);
    }

    /// A message arrives, unless its way is cut.
    pub(super) fn deliver(&mut self, message: &PeerMessage) {
        if !self.is_cut(message.from, message.to) {
            self.hand_over(message);
        }
    }

    /// Hands a message over as the frame it travels in, if its member runs.
    pub(super) fn hand_over(&mut self, message: &PeerMessage) {
        let (now, to) = (self.now, message.to.0);
        if let Some(node) = self.nodes.get_mut(&to).filter(|node| node.member.engine.is_some()) {
            node.member.receive(now, message);
            self.stepped(to);
        }
    }

    /// The outstanding writes of a member become durable, and it hears of it. True where there were any.
    pub(super) fn persist(&mut self, id: u64) -> bool {
        let (now, mut done) = (self.now, false);
        while let Some(then_send) = self.node(id).member.persist_one(now) {
            done = true;
            then_send.into_iter().for_each(|message| self.send(message));
            self.stepped(id);
        }
        if self.node(id).member.finish_checkpoint(now, true) {
            done = true;
            self.stepped(id);
        }
        done
    }

    /// The oldest snapshot under way arrives, or does not.
    pub(super) fn deliver_snapshot(&mut self) -> Result<bool, Box<dyn Error>> {
        let Some(OutgoingSnapshot { message, meta, state }) = self.snapshots.pop_front() else {
            return Ok(false);
        };
        let (now, from, to) = (self.now, message.from, message.to);
        let delivered = !self.is_cut(from, to) && self.node(to.0).member.engine.is_some();
        if delivered {
            self.node(to.0).member.receive_snapshot(now, message, write_snapshot(meta, state))?;
            self.stepped(to.0);
        }
        if self.node(from.0).member.engine.is_some() {
            self.step(from.0, Input::SnapshotSent { to, delivered });
        }
        Ok(true)
    }

    /// Somebody keeps a member's state as it is.
    pub(super) fn keep(&mut self, id: u64) {
        let state = self.engine(id).state();
        let meta = meta_of(state);
        let bytes = write_snapshot(meta.clone(), state.view());
        self.say(&format!("kept: index {} of term {}", meta.index, meta.term));
        self.kept = Some((meta, bytes));
    }

    /// An announcement of what was kept, at another index and by other voters if need be.
    pub(super) fn announcement(&self, stranger: &Stranger) -> PeerMessage {
        let Stranger { member, from, incarnation, term, index, voters } = *stranger;
        let (mut meta, _) = self.kept.clone().expect("something was kept");
        meta.index = index.unwrap_or(meta.index);
        meta.voters.truncate(voters.unwrap_or(usize::MAX));
        let kind = RaftMessageKind::Snapshot;
        let raft = RaftMessage { kind, term, snapshot: Some(meta), ..RaftMessage::default() };
        PeerMessage {
            from: MemberId(from),
            from_incarnation: Incarnation(incarnation),
            to: MemberId(member),
            to_incarnation: None,
            body: PeerBody::Raft(raft),
        }
    }

    /// What was kept arrives whole, as if it had been let in.
    pub(super) fn plant(&mut self, stranger: &Stranger) -> Result<(), Box<dyn Error>> {
        let message = self.announcement(stranger);
        let (_, bytes) = self.kept.clone().expect("something was kept");
        let now = self.now;
        self.node(stranger.member).member.receive_snapshot(now, message, bytes)?;
        self.stepped(stranger.member);
        Ok(())
    }
}

/// Who sends what was kept, and what it says.
pub(super) struct Stranger {
    pub(super) member: u64,
    pub(super) from: u64,
    pub(super) incarnation: u64,
    pub(super) term: u64,
    pub(super) index: Option<u64>,
    pub(super) voters: Option<usize>,
}
