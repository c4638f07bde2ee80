//! What a script can say, and what it means.

use super::{Cluster, Packet, show};
use crate::ids::MemberId;
use crate::raft::driver::ReadTicket;
use crate::raft::{EntryKind, LogEntry, RaftMessage, RaftMessageKind};
use bytes::Bytes;
use std::collections::VecDeque;
use std::error::Error;

/// What a script can do.
#[derive(goldenscript::Command)]
pub(super) enum Command {
    /// A new cluster: cluster 3 log_bytes=1000
    Cluster(u64, #[arg(key = "log_bytes", optional)] Option<usize>),
    /// So many ticks for one member.
    Tick(u64, #[arg(optional)] Option<u64>),
    /// Ticks for one member until it asks for votes.
    Campaign(u64),
    /// Campaign, and settle.
    Elect(u64),
    /// Propose at one member.
    Propose(u64, String),
    /// Delivers what is queued now, to one member or all.
    Deliver(#[arg(optional)] Option<u64>),
    /// Prints the queue.
    Queue,
    /// Loses what is queued, to one member or all.
    Drop(#[arg(optional)] Option<u64>),
    /// Queues everything a second time.
    Duplicate,
    /// Puts what is queued aside.
    Hold,
    /// Queues again what was put aside.
    Release,
    /// One member's outstanding writes become durable, `then_send` leaves.
    Persist(u64),
    /// As `persist`, but the member does not hear of it yet.
    PersistUnheard(u64),
    /// The member hears of it.
    Hear(u64),
    /// Deliver and persist until nothing is left. Snapshots are delivered too.
    Settle,
    /// Loses whatever is not durable.
    Crash(u64),
    /// Starts from the disk.
    Recover(u64),
    /// The disk forgets its log.
    Wipe(u64),
    /// Writes a snapshot of the applied state and keeps no older log.
    Snapshot(u64),
    /// The leader hears what became of a snapshot that it sent: report 1 3 false
    Report(u64, u64, bool),
    /// The leader hears that its messages do not get through: unreachable 1 3
    Unreachable(u64, u64),
    /// Nothing goes to or from this member.
    Partition(u64),
    /// Everything goes everywhere.
    Heal,
    /// Asks for a read index.
    Read(u64),
    /// Hands leadership on.
    Transfer(u64, u64),
    /// Who could take over.
    Best(u64),
    /// Steps a message made by hand.
    Inject {
        to: u64,
        #[arg(key)]
        from: u64,
        #[arg(key)]
        kind: String,
        #[arg(key)]
        term: u64,
        #[arg(key, optional)]
        index: Option<u64>,
        #[arg(key, optional)]
        log_term: Option<u64>,
        #[arg(key, optional)]
        commit: Option<u64>,
        #[arg(key, optional)]
        reject: Option<bool>,
        #[arg(key, optional)]
        hint: Option<u64>,
        /// Entries, as 5@2,6@2
        #[arg(key, optional)]
        entries: Option<String>,
    },
    /// Prints where members stand.
    Status,
    /// Prints what the leader knows of a follower.
    Progress(u64, u64),
}

impl goldenscript::Runner for Cluster {
    type Command = Command;

    #[allow(clippy::too_many_lines, reason = "one arm a verb")]
    fn run(&mut self, command: &Command, _context: &goldenscript::Context) -> Result<String, Box<dyn Error>> {
        match command {
            Command::Cluster(count, log_bytes) => self.create(*count, *log_bytes)?,
            Command::Tick(id, count) => (0..count.unwrap_or(1)).for_each(|_| self.tick(*id)),
            Command::Campaign(id) => self.campaign(*id),
            Command::Elect(id) => {
                self.is_terse = true;
                self.campaign(*id);
                self.settle();
            }
            Command::Propose(id, data) => {
                if !self.driver(*id).propose(Bytes::from(data.clone().into_bytes())) {
                    self.say(format!("{id} does not propose"));
                }
                self.handle(*id);
            }
            Command::Deliver(to) => {
                let (now, later) = std::mem::take(&mut self.queue)
                    .into_iter()
                    .partition(|packet| to.is_none_or(|to| to == packet.to));
                self.queue = later;
                let now: VecDeque<Packet> = now;
                now.into_iter().for_each(|packet| self.deliver(packet));
            }
            Command::Queue => {
                let lines = self.queue.iter().map(|p| format!("{} → {} {}", p.from, p.to, show(&p.message)));
                let lines: Vec<String> = lines.collect();
                lines.into_iter().for_each(|line| self.say(line));
            }
            Command::Drop(to) => self.queue.retain(|packet| to.is_some_and(|to| to != packet.to)),
            Command::Duplicate => self.queue.extend(self.queue.clone()),
            Command::Hold => self.held.append(&mut self.queue),
            Command::Release => self.queue.append(&mut self.held),
            Command::Persist(id) => self.persist(*id, true),
            Command::PersistUnheard(id) => self.persist(*id, false),
            Command::Hear(id) => self.hear(*id),
            Command::Settle => self.settle(),
            Command::Crash(id) => self.crash(*id),
            Command::Recover(id) => self.start(*id)?,
            Command::Wipe(id) => self.member(*id).disk.clear(),
            Command::Snapshot(id) => {
                let member = self.member(*id);
                let (meta, state) = (member.meta.clone(), member.state.clone());
                member.snapshots.push((meta, state));
            }
            Command::Report(leader, to, delivered) => {
                self.driver(*leader).report_snapshot(MemberId(*to), *delivered);
                self.handle(*leader);
            }
            Command::Unreachable(leader, to) => {
                self.driver(*leader).report_unreachable(MemberId(*to));
                self.handle(*leader);
            }
            Command::Partition(id) => {
                self.cut.insert(*id);
                let id = *id;
                self.queue.retain(|packet| packet.from != id && packet.to != id);
            }
            Command::Heal => self.cut.clear(),
            Command::Read(id) => {
                match self.driver(*id).read_index() {
                    Some(ReadTicket(ticket)) => self.say(format!("{id} asks read {ticket}")),
                    None => self.say(format!("{id} cannot read")),
                }
                self.handle(*id);
            }
            Command::Transfer(from, to) => {
                self.driver(*from).transfer_leader(MemberId(*to));
                self.handle(*from);
            }
            Command::Best(id) => {
                let best = self.driver(*id).best_transferee();
                self.say(format!("{best:?}"));
            }
            Command::Inject { to, from, kind, term, index, log_term, commit, reject, hint, entries } => {
                let message = RaftMessage {
                    kind: parse_kind(kind)?,
                    term: *term,
                    index: index.unwrap_or_default(),
                    log_term: log_term.unwrap_or_default(),
                    commit: commit.unwrap_or_default(),
                    reject: reject.unwrap_or_default(),
                    reject_hint: hint.unwrap_or_default(),
                    entries: entries.as_deref().map_or(Ok(Vec::new()), parse_entries)?,
                    ..RaftMessage::default()
                };
                self.deliver(Packet { from: *from, to: *to, message, state: None });
            }
            Command::Status => self.status(),
            Command::Progress(leader, follower) => {
                let (matched, next) = self.driver(*leader).progress(MemberId(*follower));
                self.say(format!("{follower} matches up to {matched}, next is {next}"));
            }
        }
        Ok(std::mem::take(&mut self.out))
    }
}

fn parse_entries(text: &str) -> Result<Vec<LogEntry>, Box<dyn Error>> {
    let mut entries = Vec::new();
    for part in text.split(',') {
        let (index, term) = part.split_once('@').ok_or("an entry is index@term")?;
        let data = Bytes::from_static(b"injected");
        let kind = EntryKind::Commands;
        entries.push(LogEntry { term: term.parse()?, index: index.parse()?, kind, data });
    }
    Ok(entries)
}

fn parse_kind(kind: &str) -> Result<RaftMessageKind, String> {
    let found = RaftMessageKind::ALL.into_iter().find(|known| format!("{known:?}") == kind);
    found.ok_or(format!("no kind {kind}"))
}
