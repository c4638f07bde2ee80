//! Who is in the cluster, and how members and clusters get their ids.
//!
//! etcd derives both from SHA-1 and prints them everywhere, so tools expect the very same numbers: a member's id is
//! the first eight bytes (big-endian) of SHA-1 over its sorted peer URLs followed by the cluster token, a cluster's
//! id the same over its sorted member ids (etcd `server/etcdserver/api/membership`).

use crate::ids::{ClusterId, Incarnation, MemberId};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;

/// One member, as every member knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Its name; empty until it has started once and said so.
    pub name: String,
    /// Where its peers reach it. Sorted.
    pub peer_urls: Vec<String>,
    /// Where its clients reach it; empty until it has started once.
    pub client_urls: Vec<String>,
    /// Receives the log but does not vote.
    pub is_learner: bool,
    /// The incarnation of its data directory; `None` until it has started once. Frames of another one are refused.
    pub incarnation: Option<Incarnation>,
}

/// What a member says of itself through the log after each start, where anything changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberAttributes {
    /// Whose.
    pub id: MemberId,
    /// `--name`.
    pub name: String,
    /// `--advertise-client-urls`.
    pub client_urls: Vec<String>,
    /// The incarnation of its data directory.
    pub incarnation: Incarnation,
}

/// The first members of a cluster, from which every one of them derives the same first state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialCluster {
    /// By id.
    pub members: BTreeMap<MemberId, Member>,
    /// The cluster they form.
    pub id: ClusterId,
}

impl InitialCluster {
    /// From `--initial-cluster` (name, peer URLs) and `--initial-cluster-token`. Names are not part of the first
    /// state: each member publishes its own.
    pub fn new(token: &str, peer_urls: impl IntoIterator<Item = Vec<String>>) -> InitialCluster {
        let members: BTreeMap<MemberId, Member> = peer_urls
            .into_iter()
            .map(|mut peer_urls| {
                peer_urls.sort();
                let id = member_id(&peer_urls, token);
                let member = Member {
                    id,
                    name: String::new(),
                    peer_urls,
                    client_urls: Vec::new(),
                    is_learner: false,
                    incarnation: None,
                };
                (id, member)
            })
            .collect();
        let id = cluster_id(members.keys().copied());
        InitialCluster { members, id }
    }
}

/// The id of a first member: SHA-1 over its sorted peer URLs, then the token.
pub fn member_id(sorted_peer_urls: &[String], token: &str) -> MemberId {
    let mut sha1 = Sha1::new();
    for url in sorted_peer_urls {
        sha1.update(url.as_bytes());
    }
    sha1.update(token.as_bytes());
    MemberId(first_eight(sha1))
}

/// The id of the cluster that these members form; `ids` in ascending order.
fn cluster_id(ids: impl Iterator<Item = MemberId>) -> ClusterId {
    let mut sha1 = Sha1::new();
    for id in ids {
        sha1.update(id.0.to_be_bytes());
    }
    ClusterId(first_eight(sha1))
}

fn first_eight(sha1: Sha1) -> u64 {
    let digest = sha1.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids every default single member of etcd has: they stand in countless etcdctl transcripts.
    #[test]
    fn default_member_has_the_ids_of_etcd() {
        let cluster = InitialCluster::new("etcd-cluster", [vec!["http://localhost:2380".to_owned()]]);
        let ids: Vec<String> = cluster.members.keys().map(MemberId::to_string).collect();
        assert_eq!(ids, ["8e9e05c52164694d"]);
        assert_eq!(cluster.id.to_string(), "cdf818194e3a8c32");
    }
}
