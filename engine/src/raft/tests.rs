//! Golden scripts: a small cluster of drivers whose network and disks do only what the script says.
//!
//! A member's disk is the list of records that it was told are durable; a crash loses the rest. Messages wait in
//! one queue. The state is the list of applied commands.

mod script;

use super::driver::{Driver, Output, PersistRequest, ReadTicket, Role};
use super::{HardState, LogRecord, RaftMessage, RaftMessageKind, SnapshotMeta};
use crate::config::Config;
use crate::ids::{ClusterId, MemberId};
use crate::time::Time;
use crate::wal::LogReplay;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::fmt::Write as _;

test_each_file::test_each_path! { in "./engine/src/raft/testscripts" => run }

fn run(path: &std::path::Path) {
    goldenscript::run(&mut Cluster::default(), path).expect("the script can be read");
}

struct Member {
    driver: Option<Driver>,
    now: Time,
    boot: u32,
    disk: Vec<LogRecord>,
    /// The durable snapshots' files, oldest first.
    snapshots: Vec<(SnapshotMeta, Vec<String>)>,
    unsynced: VecDeque<PersistRequest>,
    unheard: VecDeque<PersistRequest>,
    state: Vec<String>,
    meta: SnapshotMeta,
    role: Role,
    /// The state that came with the last snapshot message.
    received: Option<Vec<String>>,
}

#[derive(Clone)]
struct Packet {
    from: u64,
    to: u64,
    message: RaftMessage,
    state: Option<Vec<String>>,
}

#[derive(Default)]
struct Cluster {
    members: BTreeMap<u64, Member>,
    log_bytes: Option<usize>,
    queue: VecDeque<Packet>,
    held: VecDeque<Packet>,
    cut: BTreeSet<u64>,
    out: String,
    is_terse: bool,
}

fn show(message: &RaftMessage) -> String {
    let mut text = format!("{:?} term={}", message.kind, message.term);
    let entries: Vec<String> = message.entries.iter().map(|e| format!("{}@{}", e.index, e.term)).collect();
    match message.kind {
        RaftMessageKind::Append => {
            let base = format!("{}@{}", message.index, message.log_term);
            let _ = write!(text, " after={base} entries=[{}] commit={}", entries.join(" "), message.commit);
        }
        RaftMessageKind::AppendResponse if message.reject => {
            let _ =
                write!(text, " rejects={} hint={}@{}", message.index, message.reject_hint, message.log_term);
        }
        RaftMessageKind::AppendResponse => {
            let _ = write!(text, " has={}", message.index);
        }
        RaftMessageKind::Vote | RaftMessageKind::PreVote => {
            let _ = write!(text, " log={}@{}", message.index, message.log_term);
        }
        RaftMessageKind::VoteResponse | RaftMessageKind::PreVoteResponse => {
            let _ = write!(text, " {}", if message.reject { "no" } else { "yes" });
        }
        RaftMessageKind::Heartbeat => {
            let _ = write!(text, " commit={}", message.commit);
        }
        RaftMessageKind::Snapshot => {
            let meta = message.snapshot.as_ref().unwrap();
            let _ = write!(text, " at={}@{}", meta.index, meta.term);
        }
        RaftMessageKind::HeartbeatResponse | RaftMessageKind::TimeoutNow => {}
    }
    if !message.context.is_empty() {
        let _ = write!(text, " context={}", message.context.len());
    }
    text
}

fn show_record(record: &LogRecord) -> String {
    match record {
        LogRecord::Append { hard_state, entries } => {
            let entries: Vec<String> = entries.iter().map(|e| format!("{}@{}", e.index, e.term)).collect();
            let hard = hard_state.map(|h| format!("term={} vote={} commit={} ", h.term, h.vote, h.commit));
            format!("append {}[{}]", hard.unwrap_or_default(), entries.join(" "))
        }
        LogRecord::Installed { hard_state: h, meta } => {
            format!(
                "installed {}@{} term={} vote={} commit={}",
                meta.index, meta.term, h.term, h.vote, h.commit
            )
        }
    }
}

impl Cluster {
    fn config(&self, id: u64, boot: u32) -> Config {
        let mut config = Config::new(MemberId(id), ClusterId(1));
        config.boot = boot;
        config.log_bytes_max = self.log_bytes.unwrap_or(config.log_bytes_max);
        config
    }

    fn member(&mut self, id: u64) -> &mut Member {
        self.members.get_mut(&id).expect("a member of the cluster")
    }

    fn driver(&mut self, id: u64) -> &mut Driver {
        self.member(id).driver.as_mut().expect("the member runs")
    }

    fn say(&mut self, line: String) {
        self.out.push_str(&line);
        self.out.push('\n');
    }

    fn start(&mut self, id: u64) -> Result<(), Box<dyn Error>> {
        let boot = self.member(id).boot + 1;
        let config = self.config(id, boot);
        let member = self.member(id);
        let mut replay = LogReplay::new();
        for record in &member.disk {
            replay.push(record.clone())?;
        }
        let is_known = |(meta, _): &&(SnapshotMeta, Vec<String>)| replay.vouches_for(meta.index, meta.term);
        let (meta, state) = member.snapshots.iter().rfind(is_known).expect("the first one").clone();
        let log = replay.finish(&meta)?;
        let driver = Driver::recover(&config, &meta, meta.index, log, id, member.now);
        member.boot = boot;
        member.role = Role::Follower;
        member.driver = Some(driver);
        member.state = state;
        member.meta = meta;
        let line = format!("{id} recovers: {:?}", self.driver(id));
        if boot > 1 {
            self.say(line);
        }
        self.handle(id);
        Ok(())
    }

    /// Takes a member's output and does everything but the disk.
    fn handle(&mut self, id: u64) {
        let terse = self.is_terse;
        let output = self.driver(id).take_output();
        let Output { send, persist, installed, committed, reads, reads_dropped, snapshots_to_send } = output;
        let state = self.member(id).state.clone();
        for (to, message) in snapshots_to_send {
            self.say(format!("{id} sends its snapshot to {to}: {}", show(&message)));
            self.queue.push_back(Packet { from: id, to: to.0, message, state: Some(state.clone()) });
        }
        if let Some(persist) = persist {
            if !terse {
                let records: Vec<String> = persist.records.iter().map(show_record).collect();
                let waiting = persist.then_send.len();
                self.say(format!(
                    "{id} writes #{}: {} then sends {waiting}",
                    persist.id.0,
                    records.join(", ")
                ));
            }
            self.member(id).unsynced.push_back(persist);
        }
        self.enqueue(id, send);
        if let Some(meta) = installed {
            let member = self.member(id);
            member.state = member.received.take().expect("an installed snapshot has arrived");
            member.snapshots.push((meta.clone(), member.state.clone()));
            member.meta = meta.clone();
            self.say(format!("{id} installs {}@{}", meta.index, meta.term));
            self.driver(id).applied(meta.index);
        }
        for entry in committed {
            let text = String::from_utf8(entry.data.to_vec()).expect("scripts propose text");
            self.say(format!("{id} applies {}@{} {text}", entry.index, entry.term).trim_end().to_owned());
            let member = self.member(id);
            if !text.is_empty() {
                member.state.push(text);
            }
            (member.meta.index, member.meta.term) = (entry.index, entry.term);
            let meta = member.meta.clone();
            self.driver(id).applied(entry.index);
            self.driver(id).set_snapshot(meta);
        }
        for (ReadTicket(ticket), index) in reads {
            self.say(format!("{id} may answer read {ticket} at {index}"));
        }
        for ReadTicket(ticket) in reads_dropped {
            self.say(format!("{id} drops read {ticket}"));
        }
        let (role, term) = (self.driver(id).role(), self.driver(id).term());
        if role != self.member(id).role {
            self.member(id).role = role;
            self.say(format!("{id} is {role:?} of term {term}"));
        }
    }

    fn enqueue(&mut self, id: u64, messages: Vec<(MemberId, RaftMessage)>) {
        for (to, message) in messages {
            if self.cut.contains(&id) || self.cut.contains(&to.0) {
                continue;
            }
            if !self.is_terse {
                self.say(format!("{id} → {to} {}", show(&message)));
            }
            self.queue.push_back(Packet { from: id, to: to.0, message, state: None });
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet { from, to, message, state } = packet;
        let is_cut = self.cut.contains(&to) || self.cut.contains(&from);
        if is_cut || self.member(to).driver.is_none() {
            return;
        }
        let result = match state {
            Some(state) => {
                self.member(to).received = Some(state);
                self.driver(to).install(MemberId(from), message)
            }
            None => self.driver(to).step(MemberId(from), message),
        };
        if let Err(refused) = result {
            self.say(format!("{to} refuses: {refused}"));
        }
        self.handle(to);
    }

    fn persist(&mut self, id: u64, is_heard: bool) {
        while let Some(mut write) = self.member(id).unsynced.pop_front() {
            self.member(id).disk.append(&mut write.records);
            let then_send = std::mem::take(&mut write.then_send);
            self.enqueue(id, then_send);
            self.member(id).unheard.push_back(write);
        }
        if is_heard {
            self.hear(id);
        }
    }

    fn hear(&mut self, id: u64) {
        while let Some(write) = self.member(id).unheard.pop_front() {
            self.driver(id).persisted(write.id);
            self.handle(id);
        }
    }

    fn settle(&mut self) {
        self.is_terse = true;
        loop {
            let ids: Vec<u64> = self.members.keys().copied().collect();
            for id in ids {
                if self.member(id).driver.is_some() {
                    self.persist(id, true);
                }
            }
            let Some(packet) = self.queue.pop_front() else {
                let is_quiet = self.members.values().all(|m| m.driver.is_none() || m.unsynced.is_empty());
                if is_quiet {
                    break;
                }
                continue;
            };
            let snapshot_to = packet.state.is_some().then_some((packet.from, packet.to));
            self.deliver(packet);
            if let Some((from, to)) = snapshot_to
                && self.member(from).driver.is_some()
            {
                let delivered = self.member(to).driver.is_some();
                self.driver(from).report_snapshot(MemberId(to), delivered);
                self.handle(from);
            }
        }
        self.is_terse = false;
    }

    fn tick(&mut self, id: u64) {
        let member = self.member(id);
        member.now = member.now.plus_ms(100);
        let now = member.now;
        self.driver(id).tick(now);
        self.handle(id);
    }

    fn campaign(&mut self, id: u64) {
        for _ in 0..40 {
            self.tick(id);
            if self.driver(id).role() != Role::Follower {
                return;
            }
        }
        self.say(format!("{id} does not campaign"));
    }

    fn status(&mut self) {
        let mut lines = Vec::new();
        for (id, member) in &self.members {
            let state = member.state.join(" ");
            match &member.driver {
                None => lines.push(format!("{id} is down")),
                Some(d) => lines.push(format!(
                    "{id} {:?} term={} leader={} committed={} persisted={} last={} readable={} state=[{state}]",
                    d.role(),
                    d.term(),
                    d.leader().map_or("none".to_owned(), |leader| leader.to_string()),
                    d.committed(),
                    d.persisted_index(),
                    d.last_index(),
                    d.can_read(),
                )),
            }
        }
        lines.into_iter().for_each(|line| self.say(line));
    }

    fn create(&mut self, count: u64, log_bytes: Option<usize>) -> Result<(), Box<dyn Error>> {
        *self = Cluster { log_bytes, ..Cluster::default() };
        let voters: Vec<MemberId> = (1..=count).map(MemberId).collect();
        for id in 1..=count {
            let meta = SnapshotMeta { voters: voters.clone(), ..SnapshotMeta::default() };
            let member = Member {
                driver: None,
                now: Time::ZERO,
                boot: 0,
                disk: Vec::new(),
                snapshots: vec![(meta.clone(), Vec::new())],
                unsynced: VecDeque::new(),
                unheard: VecDeque::new(),
                state: Vec::new(),
                meta,
                role: Role::Follower,
                received: None,
            };
            self.members.insert(id, member);
            self.start(id)?;
        }
        Ok(())
    }

    fn crash(&mut self, id: u64) {
        let member = self.member(id);
        member.driver = None;
        member.unsynced.clear();
        member.unheard.clear();
        self.queue.retain(|packet| packet.to != id);
    }
}

#[test]
fn a_paused_member_ticks_once() {
    let config = Config::new(MemberId(1), ClusterId(1));
    let meta = SnapshotMeta { voters: (1..=3).map(MemberId).collect(), ..SnapshotMeta::default() };
    let log = super::RecoveredLog::default();
    let mut driver = Driver::recover(&config, &meta, 0, log, 1, Time::ZERO);
    assert_eq!(driver.next_tick_at(), Time::from_ms(100));
    driver.tick(Time::from_ms(99));
    assert_eq!(driver.next_tick_at(), Time::from_ms(100), "too early");
    driver.tick(Time::from_ms(130));
    assert_eq!(driver.next_tick_at(), Time::from_ms(200), "a little late: the beat is kept");
    // A pause of an hour: many election timeouts by the clock, one tick for raft.
    driver.tick(Time::from_ms(3_600_000));
    assert_eq!(driver.next_tick_at(), Time::from_ms(3_600_100));
    assert_eq!((driver.role(), driver.take_output()), (Role::Follower, Output::default()));
}

/// A log may say less of terms than the snapshot: a vote of an earlier term is none in the snapshot's. One of the same
/// term stays given.
#[test]
fn a_vote_is_kept_for_its_term_alone() {
    let vote_for_3 = |voted_in| {
        let config = Config::new(MemberId(1), ClusterId(1));
        let voters = (1..=3).map(MemberId).collect();
        let meta = SnapshotMeta { index: 5, term: 3, voters, ..SnapshotMeta::default() };
        let hard_state = HardState { term: voted_in, vote: MemberId(2), commit: 5 };
        let log = super::RecoveredLog { hard_state, ..super::RecoveredLog::default() };
        let mut driver = Driver::recover(&config, &meta, 5, log, 1, Time::ZERO);
        let vote = RaftMessage {
            kind: RaftMessageKind::Vote,
            term: 3,
            index: 5,
            log_term: 3,
            ..RaftMessage::default()
        };
        driver.step(MemberId(3), vote).expect("a vote can be asked for at any time");
        let Output { send, persist, .. } = driver.take_output();
        let said = send.into_iter().chain(persist.into_iter().flat_map(|persist| persist.then_send));
        said.map(|(to, message)| (to, message.kind, message.term, message.reject)).collect::<Vec<_>>()
    };
    let answer = |reject| vec![(MemberId(3), RaftMessageKind::VoteResponse, 3, reject)];
    assert_eq!(vote_for_3(2), answer(false));
    assert_eq!(vote_for_3(3), answer(true));
}

#[test]
fn a_seed_fixes_the_election_timeout() {
    let campaigns_at = |seed| {
        let config = Config::new(MemberId(1), ClusterId(1));
        let meta = SnapshotMeta { voters: (1..=3).map(MemberId).collect(), ..SnapshotMeta::default() };
        let log = super::RecoveredLog::default();
        let mut driver = Driver::recover(&config, &meta, 0, log, seed, Time::ZERO);
        let is_follower = |tick: &u64| {
            driver.tick(Time::from_ms(tick * 100));
            driver.role() != Role::Follower
        };
        (1..).find(is_follower).expect("it campaigns some time")
    };
    let ticks: Vec<u64> = (0..50).map(campaigns_at).collect();
    assert_eq!(ticks, (0..50).map(campaigns_at).collect::<Vec<u64>>());
    assert!(ticks.iter().all(|tick| (10..20).contains(tick)), "{ticks:?}");
    assert!(ticks.iter().collect::<BTreeSet<_>>().len() > 5, "{ticks:?}");
}
