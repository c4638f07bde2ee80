//! Which messages raft-rs must never see.
//!
//! raft-rs 0.7.0 ends the process (`fatal!`) on messages that a correct peer never sends, and believes a few that
//! it should not. A member of another cluster, an operator's wrong directory, a disk that lost what it had
//! persisted: none of these may take this member down. Whatever could reach such a place is refused here first,
//! with the values that an operator needs. What is left to raft-rs is what its authors proved it for.
//! docs/raft-rs-hazards.md#what-other-members-say tells what each would do.

use super::log::LogStore;
use super::{EntryKind, RaftMessage, RaftMessageKind, SnapshotMeta};
use crate::ids::MemberId;
use raft::Raft;

/// Terms and indices from here on are refused: no cluster counts that far, and additions cannot overflow below.
pub(super) const TERM_OR_INDEX_LIMIT: u64 = 1 << 62;

/// Why a message was not stepped. None is fatal: raft sends again whatever matters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepRefused {
    /// Not a message that raft sends: nothing a correct member of this release does.
    #[error("malformed {kind:?} from {from}: {problem}")]
    Malformed {
        /// Of the message.
        kind: RaftMessageKind,
        /// The sender.
        from: MemberId,
        /// What is wrong with it.
        problem: String,
    },
    /// The leader counts entries as persisted here that are not here: this member's disk lost them, or another
    /// member uses its name. Operators must be told; the member must not vote.
    #[error("leader {from} says {commit} is committed and held here, but the log here ends at {last_index}")]
    LogLost {
        /// The leader.
        from: MemberId,
        /// What it says.
        commit: u64,
        /// What is here.
        last_index: u64,
    },
    /// An acknowledgement of an entry that this leader does not have: it lost it, or the sender is confused.
    #[error("{from} acknowledges {index}, but the log of this leader ends at {last_index}")]
    AckBeyondLog {
        /// The sender.
        from: MemberId,
        /// What it acknowledges.
        index: u64,
        /// What is here.
        last_index: u64,
    },
    /// A rejection that an acknowledgement overtook. Harmless.
    #[error("late rejection of {index} from {from}, which has acknowledged {matched} since")]
    LateRejection {
        /// The sender.
        from: MemberId,
        /// What it rejected.
        index: u64,
        /// What it has acknowledged.
        matched: u64,
    },
    /// The log here is still being persisted or a snapshot installed, and raft-rs cannot take this in between.
    /// Harmless: as if the message were lost.
    #[error("{kind:?} from {from} while the log is not settled")]
    Unsettled {
        /// Of the message.
        kind: RaftMessageKind,
        /// The sender.
        from: MemberId,
    },
    /// A snapshot of somebody who does not lead the present term, as far as this member knows. Harmless where the
    /// leader has just changed.
    #[error(
        "a snapshot of {from}, leader of term {term} by its own word, but term {own_term} is led by {}",
        leader.map_or("nobody that is known here".to_owned(), |leader| leader.to_string())
    )]
    NotTheLeader {
        /// The sender.
        from: MemberId,
        /// The term it says it leads.
        term: u64,
        /// The leader as this member knows it.
        leader: Option<MemberId>,
        /// The term here.
        own_term: u64,
    },
    /// A response of somebody who is not a member as this member knows them.
    #[error("{kind:?} from {from}, who is not a member")]
    NotAMember {
        /// Of the message.
        kind: RaftMessageKind,
        /// The sender.
        from: MemberId,
    },
}

/// What is wrong with a message by itself, whatever the state here.
pub(super) fn check_shape(me: MemberId, from: MemberId, message: &RaftMessage) -> Result<(), StepRefused> {
    let malformed = |problem: String| Err(StepRefused::Malformed { kind: message.kind, from, problem });
    if from == me || from == MemberId(0) {
        return malformed(format!("sent by {from} to {me}"));
    }
    // Term 0 is raft-rs's mark of a local message: it would skip every comparison of terms.
    if message.term == 0 {
        return malformed("term 0".to_owned());
    }
    let counters = [
        ("term", message.term),
        ("log_term", message.log_term),
        ("index", message.index),
        ("commit", message.commit),
        ("commit_term", message.commit_term),
        ("reject_hint", message.reject_hint),
    ];
    if let Some((name, value)) = counters.iter().find(|(_, value)| *value >= TERM_OR_INDEX_LIMIT) {
        return malformed(format!("{name} {value}"));
    }
    // Only `request_snapshot()` makes these, which is never called here.
    if message.request_snapshot != 0 {
        return malformed(format!("asks for a snapshot from {}", message.request_snapshot));
    }
    if (message.kind == RaftMessageKind::Snapshot) != message.snapshot.is_some() {
        return malformed("a snapshot's place and a snapshot message come together".to_owned());
    }
    if message.kind != RaftMessageKind::Append && !message.entries.is_empty() {
        return malformed(format!("{} entries", message.entries.len()));
    }
    check_entries(message).or_else(malformed)
}

/// Entries continue what they say they continue, in terms that do not go back.
fn check_entries(message: &RaftMessage) -> Result<(), String> {
    if message.kind != RaftMessageKind::Append {
        return Ok(());
    }
    // raft-rs answers term 0 for any index it does not have, so (index 900, term 0) "matches" a log of 5:
    // docs/raft-rs-hazards.md#terms-of-entries-that-are-not-there.
    if (message.index == 0) != (message.log_term == 0) {
        return Err(format!("index {} of term {}", message.index, message.log_term));
    }
    let (mut index, mut term) = (message.index, message.log_term);
    for entry in &message.entries {
        if entry.index != index + 1 {
            return Err(format!("entry {} after {index}", entry.index));
        }
        if entry.term == 0 || entry.term < term || entry.term > message.term {
            return Err(format!(
                "entry {} of term {} after term {term} in a message of term {}",
                entry.index, entry.term, message.term
            ));
        }
        // Members do not change in this release, and one that is applied by nobody would block every election.
        if entry.kind == EntryKind::Membership {
            return Err(format!("entry {} changes the membership", entry.index));
        }
        (index, term) = (entry.index, entry.term);
    }
    if index >= TERM_OR_INDEX_LIMIT {
        return Err(format!("entry {index}"));
    }
    Ok(())
}

/// What is wrong with a snapshot's place. raft-rs ends the process on members it cannot arrange.
pub(super) fn check_snapshot(me: MemberId, message_term: u64, meta: &SnapshotMeta) -> Result<(), String> {
    let SnapshotMeta { index, term, voters, learners } = meta;
    if *index == 0 || *index >= TERM_OR_INDEX_LIMIT || *term == 0 || *term > message_term {
        return Err(format!("index {index} of term {term} in a message of term {message_term}"));
    }
    let ascending = |members: &[MemberId]| members.windows(2).all(|pair| pair[0] < pair[1]);
    if voters.is_empty() || !ascending(voters) || !ascending(learners) {
        return Err(format!("voters {voters:?} and learners {learners:?}"));
    }
    let mut members = voters.iter().chain(learners);
    if members.any(|member| *member == MemberId(0)) || voters.iter().any(|voter| learners.contains(voter)) {
        return Err(format!("voters {voters:?} and learners {learners:?}"));
    }
    if !voters.contains(&me) && !learners.contains(&me) {
        return Err(format!("{me} is neither among voters {voters:?} nor among learners {learners:?}"));
    }
    Ok(())
}

/// What is wrong with a well-formed message at this moment. May soften a message, see `AppendResponse`.
pub(super) fn check_here(
    raft: &Raft<LogStore>,
    from: MemberId,
    message: &mut RaftMessage,
) -> Result<(), StepRefused> {
    let last_index = raft.raft_log.last_index();
    match message.kind {
        // A leader's heartbeat carries only what this member acknowledged: docs/raft-rs-hazards.md#lost-entries.
        RaftMessageKind::Heartbeat if message.term >= raft.term && message.commit > last_index => {
            Err(StepRefused::LogLost { from, commit: message.commit, last_index })
        }
        // An old leader's message changes nothing but the answer; anybody's append is checked by raft-rs.
        RaftMessageKind::Heartbeat | RaftMessageKind::Append | RaftMessageKind::Snapshot => Ok(()),
        RaftMessageKind::AppendResponse => check_append_response(raft, from, message, last_index),
        RaftMessageKind::Vote
        | RaftMessageKind::VoteResponse
        | RaftMessageKind::PreVote
        | RaftMessageKind::PreVoteResponse
        | RaftMessageKind::HeartbeatResponse
        | RaftMessageKind::TimeoutNow => Ok(()),
    }
}

/// A leader believes acknowledgements: only what it has can be acknowledged, and what was acknowledged stays.
fn check_append_response(
    raft: &Raft<LogStore>,
    from: MemberId,
    message: &mut RaftMessage,
    last_index: u64,
) -> Result<(), StepRefused> {
    let is_for_this_leader = raft.state == raft::StateRole::Leader && message.term == raft.term;
    if !is_for_this_leader {
        return Ok(());
    }
    if message.index > last_index {
        return Err(StepRefused::AckBeyondLog { from, index: message.index, last_index });
    }
    let Some(progress) = raft.prs().get(from.0) else { return Ok(()) };
    let matched = progress.matched;
    if !message.reject {
        return Ok(());
    }
    // While it probes, raft-rs lets a late rejection take `next` to or below `match`:
    // docs/raft-rs-hazards.md#late-rejections.
    if message.index <= matched {
        return Err(StepRefused::LateRejection { from, index: message.index, matched });
    }
    let probe = match message.log_term {
        0 => message.reject_hint,
        log_term => raft.raft_log.find_conflict_by_term(message.reject_hint, log_term).0,
    };
    if probe < matched {
        // Term 0 says: probe right there. raft-rs then sets `next` to `matched + 1`.
        message.reject_hint = matched;
        message.log_term = 0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ids: &[u64]) -> Vec<MemberId> {
        ids.iter().copied().map(MemberId).collect()
    }

    /// Of member 2, in a message of term 5.
    fn is_refused(index: u64, term: u64, voters: &[u64], learners: &[u64]) -> bool {
        let meta = SnapshotMeta { index, term, voters: members(voters), learners: members(learners) };
        check_snapshot(MemberId(2), 5, &meta).is_err()
    }

    #[test]
    fn a_snapshot_stands_somewhere_in_a_term_up_to_its_leaders() {
        let last = TERM_OR_INDEX_LIMIT - 1;
        for (index, term) in [(1, 1), (1, 4), (1, 5), (last, 5)] {
            assert!(!is_refused(index, term, &[1, 2], &[]), "index {index} of term {term}");
        }
        for (index, term) in [(0, 1), (0, 0), (1, 0), (1, 6), (0, 6), (last + 1, 5), (u64::MAX, u64::MAX)] {
            assert!(is_refused(index, term, &[1, 2], &[]), "index {index} of term {term}");
        }
    }

    #[test]
    fn a_snapshot_names_its_members_in_order_each_once_and_whom_it_is_for() {
        let good: [(&[u64], &[u64]); 4] = [(&[2], &[]), (&[1, 2, 9], &[]), (&[1], &[2]), (&[1, 3], &[2, 4])];
        for (voters, learners) in good {
            assert!(!is_refused(1, 1, voters, learners), "{voters:?} {learners:?}");
        }
        let bad: [(&[u64], &[u64]); 12] = [
            (&[], &[2]),
            (&[], &[]),
            (&[2, 1], &[]),
            (&[2, 2], &[]),
            (&[1], &[3, 2]),
            (&[1], &[2, 2]),
            (&[0, 2], &[]),
            (&[2], &[0]),
            (&[1, 2], &[2]),
            (&[1, 2], &[1]),
            (&[1], &[]),
            (&[1, 3], &[4]),
        ];
        for (voters, learners) in bad {
            assert!(is_refused(1, 1, voters, learners), "{voters:?} {learners:?}");
        }
    }
}
