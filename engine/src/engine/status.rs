//! Where a member stands.

use super::Engine;
use crate::ids::MemberId;
use crate::request::Alarm;

/// Where a member stands: a plain copy, for `Maintenance.Status`, logs and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// It knows a leader, and the cluster knows its name and URLs: clients may be told that it serves.
    pub is_ready: bool,
    /// This member leads.
    pub is_leader: bool,
    /// The leader as this member knows it.
    pub leader: Option<MemberId>,
    /// Raft's term.
    pub term: u64,
    /// Last index of the log.
    pub last_index: u64,
    /// Committed, as this member knows it.
    pub committed: u64,
    /// Applied to the state.
    pub applied: u64,
    /// The store's main revision.
    pub revision: i64,
    /// The oldest readable revision.
    pub compacted_revision: i64,
    /// What the state occupies, history included, in bytes.
    pub state_bytes: u64,
    /// What compactions have made forgotten and this member has not given back yet, in bytes; not in `state_bytes`.
    pub forgotten_bytes: u64,
    /// What of the state the newest versions occupy, in bytes.
    pub live_bytes: u64,
    /// `--quota-backend-bytes`.
    pub quota_bytes: u64,
    /// Raised alarms.
    pub alarms: Vec<Alarm>,
    /// This member only listens.
    pub is_learner: bool,
    /// Callers are held to what they were granted.
    pub auth_enabled: bool,
    /// Counts the changes of users, roles and permissions.
    pub auth_revision: u64,
}

impl Engine {
    /// Where the member stands.
    pub fn status(&self) -> Status {
        let me = self.state.members().get(&self.config.member);
        let leader = self.raft.leader();
        Status {
            is_ready: leader.is_some()
                && me.is_some_and(|me| me.incarnation == Some(self.config.incarnation)),
            is_leader: self.raft.is_leader(),
            leader,
            term: self.raft.term(),
            last_index: self.raft.last_index(),
            committed: self.raft.committed(),
            applied: self.state.applied().0,
            revision: self.state.mvcc.revision(),
            compacted_revision: self.state.mvcc.compacted_revision(),
            state_bytes: self.state.mvcc.state_bytes(),
            forgotten_bytes: self.state.mvcc.forgotten_bytes(),
            live_bytes: self.state.mvcc.live_bytes(),
            quota_bytes: self.config.quota_bytes,
            alarms: self.state.alarms.iter().copied().collect(),
            is_learner: me.is_some_and(|me| me.is_learner),
            auth_enabled: self.state.auth().is_enabled(),
            auth_revision: self.state.auth().revision(),
        }
    }
}
