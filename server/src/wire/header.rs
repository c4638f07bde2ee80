//! The header on every response: who answered, and how far the store had come.

use crate::pb;
use detcd_engine::ids::{ClusterId, MemberId};

/// What all headers of a member share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// The cluster.
    pub cluster: ClusterId,
    /// The member that answers.
    pub member: MemberId,
}

impl Headers {
    /// A header: the store's current revision (whatever revision was read) and raft's term at this member. Answers
    /// about the cluster carry revision 0.
    pub fn at(self, revision: i64, term: u64) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader {
            cluster_id: self.cluster.0,
            member_id: self.member.0,
            revision,
            raft_term: term,
        })
    }
}

/// The header of an operation inside a transaction: etcd fills in the revision alone.
pub(super) fn within_txn(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { revision, ..pb::ResponseHeader::default() })
}
