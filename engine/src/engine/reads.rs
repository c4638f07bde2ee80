//! Linearizable reads: many share one round, and none rides on a round that began before it came.
//!
//! A round is one question to a quorum ("do I still lead?") by the leader, or one question to the leader by a
//! follower. One is under way at a time; what comes meanwhile waits for the next (raft §8, thesis 6.4). A question
//! that gets no answer is asked again under a new number: numbers are never used twice (etcd-io/raft #397).

use super::Engine;
use crate::effects::ReadQuery;
use crate::ids::{MemberId, RequestId};
use crate::peer_message::{LeaseRequest, PeerBody};
use crate::raft::ReadTicket;
use crate::request::{AlarmKind, AuthRead, Caller, RequestError, Response};
use crate::time::Time;
use std::collections::VecDeque;

/// Reads at every stage.
#[derive(Debug)]
pub(super) struct Reads {
    /// For the next round.
    waiting: Vec<WaitingRead>,
    round: Option<Round>,
    /// Confirmed at an index that is not applied yet.
    confirmed: VecDeque<(u64, Vec<WaitingRead>)>,
    /// Number of the last question to a leader; begins with the boot, see `Reads::new`.
    last_attempt: u64,
}

/// What waits for an index.
#[derive(Debug)]
pub(super) enum WaitingRead {
    /// A client's Range or read-only Txn.
    Query(RequestId, ReadQuery),
    /// A client's LeaseLeases.
    Leases(RequestId),
    /// A client's MemberList.
    Members(RequestId),
    /// A client's list of alarms.
    Alarms(RequestId, Option<AlarmKind>),
    /// A client's question about users and roles.
    Auth(RequestId, AuthRead),
    /// A question about a lease, on the leader: by a client of its own or by another member for one of its.
    Lease(Asker, Caller, LeaseRequest),
    /// Another member's question, on the leader.
    Member {
        /// Who asks.
        from: MemberId,
        /// Its number for the question.
        attempt: u64,
    },
}

/// Who asks about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A client of this member.
    Client(RequestId),
    /// A client of another member.
    Member(MemberId, RequestId),
}

#[derive(Debug)]
struct Round {
    question: Question,
    since: Time,
    /// What this member had applied when it asked.
    applied: u64,
    reads: Vec<WaitingRead>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// The leader's, to a quorum.
    Quorum(ReadTicket),
    /// A follower's, to the leader.
    Leader(u64),
}

/// Questions to leaders in one boot: at a thousand a second enough for 34 years.
const ATTEMPTS_PER_BOOT: u64 = 1 << 40;

impl Reads {
    /// No reads. Questions are numbered apart for each boot: the answer to one of an earlier boot may still arrive, and
    /// its index is older than what was acknowledged since.
    pub(super) fn new(boot: u32) -> Reads {
        Reads {
            waiting: Vec::new(),
            round: None,
            confirmed: VecDeque::new(),
            last_attempt: u64::from(boot) * ATTEMPTS_PER_BOOT,
        }
    }

    pub(super) fn push(&mut self, waiting: WaitingRead) {
        self.waiting.push(waiting);
    }

    /// The round will not be answered: its reads go into the next one.
    fn give_up_round(&mut self) {
        if let Some(round) = self.round.take() {
            self.waiting.extend(round.reads);
        }
    }

    /// Whoever was asked leads no more, or not the same term: the next round asks who does.
    pub(super) fn leader_changed(&mut self) {
        if self.round.as_ref().is_some_and(|round| matches!(round.question, Question::Leader(_))) {
            self.give_up_round();
        }
    }

    pub(super) fn dropped(&mut self, tickets: &[ReadTicket]) {
        let is_dropped = self.round.as_ref().is_some_and(|round| match round.question {
            Question::Quorum(ticket) => tickets.contains(&ticket),
            Question::Leader(_) => false,
        });
        if is_dropped {
            self.give_up_round();
        }
    }

    fn take_round(&mut self, question: Question) -> Option<Round> {
        self.round.take_if(|round| round.question == question)
    }

    /// Questions of other members and about leases, which a member that does not lead cannot answer.
    pub(super) fn take_for_leader(&mut self) -> Vec<WaitingRead> {
        self.give_up_round();
        let mut all = std::mem::take(&mut self.waiting);
        for (_, reads) in &mut self.confirmed {
            all.extend(reads.extract_if(.., |read| is_for_leader(read)));
        }
        let (for_leader, others) = all.into_iter().partition(is_for_leader);
        self.waiting = others;
        for_leader
    }
}

fn is_for_leader(read: &WaitingRead) -> bool {
    match read {
        WaitingRead::Lease(..) | WaitingRead::Member { .. } => true,
        WaitingRead::Query(..)
        | WaitingRead::Leases(_)
        | WaitingRead::Members(_)
        | WaitingRead::Alarms(..)
        | WaitingRead::Auth(..) => false,
    }
}

impl Engine {
    /// Begins a round for what waits, unless one is under way.
    pub(super) fn ask_for_read_index(&mut self) {
        let retry_after_ms = self.config.election_timeout_ms / 2;
        if self.reads.round.as_ref().is_some_and(|round| {
            matches!(round.question, Question::Leader(_)) && self.now.ms_since(round.since) >= retry_after_ms
        }) {
            self.reads.give_up_round();
        }
        if self.reads.round.is_some() || self.reads.waiting.is_empty() {
            return;
        }
        let question = if self.raft.is_leader() {
            let Some(ticket) = self.raft.read_index() else {
                return;
            };
            Question::Quorum(ticket)
        } else if let Some(leader) = self.raft.leader() {
            self.reads.last_attempt += 1;
            let attempt = self.reads.last_attempt;
            let message = self.address(leader, PeerBody::ReadIndex { attempt });
            self.effects.send.push(message);
            Question::Leader(attempt)
        } else {
            return;
        };
        let reads = std::mem::take(&mut self.reads.waiting);
        let (since, applied) = (self.now, self.state.applied().0);
        self.reads.round = Some(Round { question, since, applied, reads });
    }

    /// When a question to the leader is asked again.
    pub(super) fn next_read_retry_at(&self) -> Option<Time> {
        let round = self.reads.round.as_ref()?;
        match round.question {
            Question::Leader(_) => Some(round.since.plus_ms(self.config.election_timeout_ms / 2)),
            Question::Quorum(_) => None,
        }
    }

    /// A quorum has confirmed that this member led when it asked.
    pub(super) fn on_read_confirmed(&mut self, ticket: ReadTicket, index: u64) {
        if let Some(Round { applied, reads, .. }) = self.reads.take_round(Question::Quorum(ticket)) {
            // I12: what was applied when the leader asked was committed, and is at or below what a quorum confirms.
            assert!(index >= applied, "a read at {index} confirmed, asked with {applied} applied");
            self.confirm(index, reads);
        }
    }

    /// The leader has answered a question of this member's. Where it does not lead any more, the question stays as
    /// if it had no answer: it is asked again later, or of the next leader at once. Asked again right away, the two
    /// members would do nothing else until the news comes.
    pub(super) fn on_read_index_reply(&mut self, attempt: u64, index: Option<u64>) {
        let Some(index) = index else {
            return;
        };
        if let Some(round) = self.reads.take_round(Question::Leader(attempt)) {
            self.confirm(index, round.reads);
        }
    }

    fn confirm(&mut self, index: u64, reads: Vec<WaitingRead>) {
        let (for_members, own): (Vec<_>, Vec<_>) =
            reads.into_iter().partition(|read| matches!(read, WaitingRead::Member { .. }));
        for read in for_members {
            if let WaitingRead::Member { from, attempt } = read {
                self.answer_read_index(from, attempt, Some(index));
            }
        }
        if !own.is_empty() {
            self.reads.confirmed.push_back((index, own));
        }
    }

    pub(super) fn answer_read_index(&mut self, to: MemberId, attempt: u64, index: Option<u64>) {
        let message = self.address(to, PeerBody::ReadIndexReply { attempt, index });
        self.effects.send.push(message);
    }

    /// Serves the reads whose index is applied.
    pub(super) fn serve_confirmed_reads(&mut self) {
        let applied = self.state.applied().0;
        while let Some((index, _)) = self.reads.confirmed.front()
            && *index <= applied
        {
            let (_, reads) = self.reads.confirmed.pop_front().expect("looked at above");
            for read in reads {
                self.serve_read(read);
            }
        }
    }

    /// Where its client still waits, and may read that.
    fn serve_read(&mut self, read: WaitingRead) {
        match read {
            WaitingRead::Query(id, query) => {
                let Some(caller) = self.pending.reader(id) else { return };
                match self.authorize_query(&caller, &query) {
                    Ok(()) if self.pending.finish(id) => self.hand_out(id, query),
                    Ok(()) => {}
                    Err(refusal) => self.reply(id, Err(refusal)),
                }
            }
            WaitingRead::Leases(id) => {
                self.answer_reader(id, |engine, caller| {
                    engine.state.authorize_lease_list(caller).map(|()| engine.lease_list())
                });
            }
            WaitingRead::Members(id) => {
                self.answer_reader(id, |engine, caller| {
                    engine.state.authorize_somebody(caller).map(|()| engine.member_list())
                });
            }
            WaitingRead::Alarms(id, kind) => {
                self.answer_reader(id, |engine, caller| {
                    engine.state.authorize_somebody(caller).map(|()| engine.alarm_list(kind))
                });
            }
            WaitingRead::Auth(id, read) => {
                self.answer_reader(id, |engine, caller| engine.read_auth(caller, &read));
            }
            WaitingRead::Lease(asker, caller, request) => self.answer_about_lease(asker, &caller, request),
            WaitingRead::Member { .. } => {
                unreachable!("another member's question is answered when it is confirmed")
            }
        }
    }

    /// Answers a client that waits for a read, by who it is.
    fn answer_reader(
        &mut self,
        id: RequestId,
        answer: impl FnOnce(&Engine, &Caller) -> Result<Response, RequestError>,
    ) {
        if let Some(caller) = self.pending.reader(id) {
            let answer = answer(self, &caller);
            self.reply(id, answer);
        }
    }
}
