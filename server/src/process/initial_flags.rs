//! The `initial-*` flags found a cluster, once. A member that has one ignores them, as etcd does, and warns of each that
//! was given and differs from what is stored: whoever gave it expects something that does not happen.

use detcd::config::{ServerConfig, sorted_texts};
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::membership::{Member, member_id};
use std::collections::{BTreeMap, BTreeSet};
use tracing::warn;

/// A flag that was ignored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    flag: &'static str,
    given: String,
    stored: String,
}

impl Ignored {
    pub(crate) fn warn(&self) {
        let Ignored { flag, given, stored } = self;
        warn!(
            flag = format!("--{flag}"),
            given, stored, "ignored a flag that differs from what the data directory holds"
        );
    }
}

/// What differs, of the flags that were given. Nothing does right after a first start: what is stored follows from them.
///
/// Names are not compared, as each member publishes its own at every start. The token itself is not stored, but the ids
/// that were derived from it are.
pub(crate) fn ignored(
    config: &ServerConfig,
    flags_given: &BTreeSet<&'static str>,
    (cluster, me): (ClusterId, MemberId),
    membership: &BTreeMap<MemberId, Member>,
) -> Vec<Ignored> {
    let own_urls = membership.get(&me).map_or(&[][..], |member| &member.peer_urls);
    let mut ignored = Vec::new();
    let mut differs = |flag: &'static str, given: String, stored: String| {
        if flags_given.contains(flag) {
            ignored.push(Ignored { flag, given, stored });
        }
    };
    let given_members: BTreeSet<Vec<String>> =
        config.initial_cluster.values().map(|urls| sorted_texts(urls)).collect();
    let stored_members: BTreeSet<Vec<String>> =
        membership.values().map(|member| member.peer_urls.clone()).collect();
    if given_members != stored_members {
        differs("initial-cluster", listed(config), stored_list(membership));
    }
    let token = &config.initial_cluster_token;
    if member_id(own_urls, token) != me {
        let stored = format!("cluster {cluster} and member {me}, of another token");
        differs("initial-cluster-token", token.clone(), stored);
    }
    let advertised = sorted_texts(&config.initial_advertise_peer_urls);
    if advertised != own_urls {
        differs("initial-advertise-peer-urls", advertised.join(","), own_urls.join(","));
    }
    ignored
}

/// As `--initial-cluster` has it.
fn listed(config: &ServerConfig) -> String {
    let pairs =
        config.initial_cluster.iter().flat_map(|(name, urls)| urls.iter().map(move |url| (name, url)));
    pairs.map(|(name, url)| format!("{name}={url}")).collect::<Vec<_>>().join(",")
}

/// As `--initial-cluster` would have it, with the id of a member whose name is not known yet.
fn stored_list(membership: &BTreeMap<MemberId, Member>) -> String {
    let name = |member: &Member| match member.name.as_str() {
        "" => member.id.to_string(),
        name => name.to_owned(),
    };
    let pairs =
        membership.values().flat_map(|member| member.peer_urls.iter().map(move |url| (name(member), url)));
    pairs.map(|(name, url)| format!("{name}={url}")).collect::<Vec<_>>().join(",")
}
