//! Promises of raft (the paper's figure 3, and §5.1), checked at every turn of every member and at every frame
//! that is sent.
//!
//! Votes and acknowledgements count once they are sent to others. Whether they were on the disk by then shows when the
//! member restarts after a crash: it must know its term, and have the entry.

use super::promise::Promise;
use detcd_engine::effects::Effects;
use detcd_engine::engine::Status;
use detcd_engine::ids::MemberId;
use detcd_engine::peer_message::{PeerBody, PeerMessage};
use detcd_engine::raft::{LogRecord, RaftMessage, RaftMessageKind};
use server_sim::clock::BoxFuture;
use server_sim::peer::pb::{SnapshotAck, SnapshotChunk};
use server_sim::peer::{PeerInbox, Transport};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use twox_hash::XxHash3_128;

/// What is known of all members' terms, votes and logs. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Raft(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// The hash of the entry at this index and of this term.
    entries: BTreeMap<(u64, u64), u128>,
    /// By term: the highest index that a member in that term knew to be committed.
    committed: BTreeMap<u64, u64>,
    leaders: BTreeMap<u64, String>,
    /// For whom a member voted in a term.
    votes: BTreeMap<(MemberId, u64), MemberId>,
    sent: BTreeMap<MemberId, Sent>,
    /// By leader and member: the leader's term, and up to where it knows that the member has its log.
    known: BTreeMap<(MemberId, MemberId), (u64, u64)>,
}

/// The most that a member has sent to others.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    term: u64,
    acknowledged_term: u64,
    acknowledged: u64,
}

impl Raft {
    /// A boot's first turn: what the member read from its disk.
    ///
    /// # Panics
    /// Something that it had sent to others is missing.
    pub fn recovers(&self, member: MemberId, name: &str, status: &Status) {
        let sent = self.with(|inner| {
            let sent = inner.sent.get(&member).copied().unwrap_or_default();
            inner.forget_terms_of(name, sent.term);
            sent
        });
        let has_log = status.term != sent.acknowledged_term || status.last_index >= sent.acknowledged;
        if status.term < sent.term || !has_log {
            let (term, last) = (status.term, status.last_index);
            let how = format!(
                "member {member} came back at term {term} with a log to {last}, and had sent {sent:?}"
            );
            panic!("{}", Promise::PersistedFirst.broken(how));
        }
    }

    /// A turn of a member.
    ///
    /// # Panics
    /// Two logs differ, or a new leader lacks a committed entry.
    pub fn turn(&self, name: &str, effects: &Effects, status: &Status) {
        let records = effects.persist.iter().flat_map(|persist| &persist.records);
        let broken = self.with(|inner| {
            for record in records {
                let LogRecord::Append { entries, .. } = record else { continue };
                for entry in entries {
                    let hash = XxHash3_128::oneshot(&entry.data);
                    if *inner.entries.entry((entry.index, entry.term)).or_insert(hash) != hash {
                        let how = format!("{name} has another entry {} of term {}", entry.index, entry.term);
                        return Some(Promise::LogsMatch.broken(how));
                    }
                }
            }
            inner.leads_with_all(name, status)
        });
        assert!(broken.is_none(), "{}", broken.unwrap_or_default());
    }

    /// A member sends a frame.
    fn sends(&self, message: &PeerMessage) {
        let PeerBody::Raft(raft) = &message.body else { return };
        let (from, to, term) = (message.from, message.to, raft.term);
        let vote_for = match raft.kind {
            RaftMessageKind::Vote => Some(from),
            RaftMessageKind::VoteResponse if !raft.reject => Some(to),
            _ => None,
        };
        let is_acknowledgement = raft.kind == RaftMessageKind::AppendResponse && !raft.reject;
        let before = self.with(|inner| {
            let sent = inner.sent.entry(from).or_default();
            if vote_for.is_some() || is_acknowledgement {
                sent.term = sent.term.max(term);
            }
            if is_acknowledgement && term >= sent.acknowledged_term {
                let before = if term > sent.acknowledged_term { 0 } else { sent.acknowledged };
                (sent.acknowledged_term, sent.acknowledged) = (term, before.max(raft.index));
            }
            vote_for.map(|candidate| (candidate, *inner.votes.entry((from, term)).or_insert(candidate)))
        });
        if let Some((candidate, first)) = before {
            let how = format!("in term {term} member {from} voted for {first} and for {candidate}");
            assert!(candidate == first, "{}", Promise::OneVote.broken(how));
        }
        let back = self.with(|inner| inner.goes_back(from, to, raft));
        assert!(back.is_none(), "{}", back.unwrap_or_default());
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().expect("no panic while it is held"))
    }
}

impl Inner {
    /// A heartbeat says to a member that what it has acknowledged is committed, and so what its leader knows of it.
    /// A leader's first entries may wait for its term to be on disk, and leave after that: such a message is older
    /// than the heartbeat, and commits less.
    fn goes_back(&mut self, leader: MemberId, member: MemberId, message: &RaftMessage) -> Option<String> {
        let RaftMessage { kind, term, index, commit, .. } = *message;
        let known = self.known.entry((leader, member)).or_default();
        match kind {
            RaftMessageKind::Heartbeat => *known = (*known).max((term, commit)),
            RaftMessageKind::Append if known.0 == term && index < known.1 && commit >= known.1 => {
                let how = format!(
                    "in term {term} {leader} sent {member} what follows {index}, and {} was acknowledged",
                    known.1
                );
                return Some(Promise::NeverBack.broken(how));
            }
            _ => {}
        }
        None
    }

    /// A member that is alone leads before its term is on its disk, as no other member learns of it: after a crash it
    /// may lead in that term again, with other entries. One that has to ask for votes has sent its term.
    fn forget_terms_of(&mut self, name: &str, sent: u64) {
        let lost: Vec<u64> = self
            .leaders
            .range(sent + 1..)
            .filter(|(_, leader)| *leader == name)
            .map(|(term, _)| *term)
            .collect();
        for term in lost {
            self.leaders.remove(&term);
            self.entries.retain(|(_, of), _| *of != term);
        }
    }

    fn leads_with_all(&mut self, name: &str, status: &Status) -> Option<String> {
        let known = self.committed.entry(status.term).or_default();
        *known = (*known).max(status.committed);
        if !status.is_leader || self.leaders.contains_key(&status.term) {
            return None;
        }
        self.leaders.insert(status.term, name.to_owned());
        let committed = self.committed.range(..=status.term).map(|(_, index)| *index).max().unwrap_or(0);
        (status.last_index < committed).then(|| {
            Promise::LeaderComplete.broken(format!(
                "{name} leads in term {} with a log to {}, and {committed} was committed",
                status.term, status.last_index
            ))
        })
    }
}

/// A transport to the other members whose messages are checked.
#[derive(Debug)]
pub struct CheckedTransport<T> {
    inner: T,
    raft: Raft,
}

impl<T> CheckedTransport<T> {
    /// Checks what is sent over it.
    pub fn new(inner: T, raft: Raft) -> CheckedTransport<T> {
        CheckedTransport { inner, raft }
    }
}

impl<T: Transport> Transport for CheckedTransport<T> {
    fn attach(&self, inbox: PeerInbox, peers: Vec<(MemberId, Vec<String>)>) {
        self.inner.attach(inbox, peers);
    }

    fn send(&self, message: PeerMessage) {
        self.raft.sends(&message);
        self.inner.send(message);
    }

    fn send_chunk(&self, to: MemberId, chunk: SnapshotChunk) -> BoxFuture<'static, Option<SnapshotAck>> {
        self.inner.send_chunk(to, chunk)
    }

    fn detach(&self) {
        self.inner.detach();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use detcd_engine::effects::Persist;
    use detcd_engine::ids::{Incarnation, PersistId};
    use detcd_engine::raft::{EntryKind, LogEntry};

    fn status(term: u64, last_index: u64, committed: u64, is_leader: bool) -> Status {
        Status {
            is_ready: true,
            is_leader,
            leader: None,
            term,
            last_index,
            committed,
            applied: committed,
            revision: 1,
            compacted_revision: -1,
            state_bytes: 0,
            forgotten_bytes: 0,
            live_bytes: 0,
            quota_bytes: 0,
            alarms: Vec::new(),
            is_learner: false,
            auth_enabled: false,
            auth_revision: 1,
        }
    }

    fn message(from: u64, to: u64, kind: RaftMessageKind, term: u64, index: u64) -> PeerMessage {
        PeerMessage {
            from: MemberId(from),
            from_incarnation: Incarnation(1),
            to: MemberId(to),
            to_incarnation: None,
            body: PeerBody::Raft(RaftMessage { kind, term, index, ..RaftMessage::default() }),
        }
    }

    fn appends(term: u64, index: u64, data: &'static str) -> Effects {
        let data = Bytes::from(data);
        let entries = vec![LogEntry { term, index, kind: EntryKind::Commands, data }];
        let records = vec![LogRecord::Append { hard_state: None, entries }];
        let persist = Some(Persist { id: PersistId(1), records, then_send: Vec::new() });
        Effects { persist, ..Effects::default() }
    }

    fn promise_broken(act: impl FnOnce(&Raft) + std::panic::UnwindSafe) -> Option<Promise> {
        let panic = std::panic::catch_unwind(|| act(&Raft::default())).err()?;
        Promise::of(panic.downcast_ref::<String>().unwrap())
    }

    #[test]
    fn a_member_that_forgets_is_found() {
        use RaftMessageKind::{AppendResponse, VoteResponse};
        let after = |kind, index, status: Status| {
            promise_broken(move |raft| {
                raft.sends(&message(1, 2, kind, 5, index));
                raft.recovers(MemberId(1), "m0", &status);
            })
        };
        assert_eq!(after(AppendResponse, 7, status(5, 7, 0, false)), None);
        assert_eq!(after(AppendResponse, 7, status(6, 3, 0, false)), None, "replaced by a later leader");
        assert_eq!(after(AppendResponse, 7, status(5, 6, 0, false)), Some(Promise::PersistedFirst));
        assert_eq!(after(VoteResponse, 0, status(4, 9, 0, false)), Some(Promise::PersistedFirst));
    }

    #[test]
    fn two_votes_in_a_term_are_found() {
        let votes = |candidates: [u64; 2]| {
            promise_broken(move |raft| {
                for to in candidates {
                    raft.sends(&message(1, to, RaftMessageKind::VoteResponse, 5, 0));
                }
            })
        };
        assert_eq!(votes([2, 2]), None);
        assert_eq!(votes([2, 3]), Some(Promise::OneVote));
    }

    #[test]
    fn a_leader_that_goes_back_is_found() {
        let sends = |commit: u64, term: u64, index: u64| {
            promise_broken(move |raft| {
                let committing = |kind, term, index, commit| {
                    let mut message = message(1, 2, kind, term, index);
                    if let PeerBody::Raft(body) = &mut message.body {
                        body.commit = commit;
                    }
                    message
                };
                raft.sends(&committing(RaftMessageKind::Heartbeat, 5, 0, 7));
                raft.sends(&committing(RaftMessageKind::Append, term, index, commit));
            })
        };
        assert_eq!((sends(7, 5, 7), sends(7, 6, 3)), (None, None), "another term, another log perhaps");
        assert_eq!(sends(6, 5, 6), None, "sent late");
        assert_eq!(sends(7, 5, 6), Some(Promise::NeverBack));
    }

    #[test]
    fn logs_that_differ_and_leaders_that_lack_are_found() {
        let logs = |second: &'static str| {
            promise_broken(move |raft| {
                raft.turn("m0", &appends(2, 3, "a"), &status(2, 3, 0, false));
                raft.turn("m1", &appends(2, 3, second), &status(2, 3, 0, false));
            })
        };
        assert_eq!((logs("a"), logs("b")), (None, Some(Promise::LogsMatch)));
        let again = |has_asked: bool| {
            promise_broken(move |raft| {
                if has_asked {
                    raft.sends(&message(1, 2, RaftMessageKind::Vote, 2, 2));
                }
                raft.turn("m0", &appends(2, 3, "a"), &status(2, 2, 0, true));
                raft.recovers(MemberId(1), "m0", &status(2, 2, 0, false));
                raft.turn("m0", &appends(2, 3, "b"), &status(2, 2, 0, true));
            })
        };
        assert_eq!(
            (again(false), again(true)),
            (None, Some(Promise::LogsMatch)),
            "a term that nobody heard of"
        );
        let leads = |term, last_index| {
            promise_broken(move |raft| {
                raft.turn("m0", &Effects::default(), &status(4, 9, 9, false));
                raft.turn("m1", &Effects::default(), &status(term, last_index, 3, true));
            })
        };
        assert_eq!((leads(5, 9), leads(3, 5)), (None, None), "a leader of the past lacks what came after it");
        assert_eq!(leads(5, 8), Some(Promise::LeaderComplete));
    }
}
