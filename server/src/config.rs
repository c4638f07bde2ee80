//! What an operator decides about one member. Parsed from flags by the binary, written down by hand in a simulation.

use crate::url::Url;
use detcd_engine::config::{AutoCompaction, Config};
use detcd_engine::ids::{ClusterId, MemberId};
use detcd_engine::membership::{InitialCluster, member_id};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One member's settings, checked one by one; what depends on each other is checked by `first_cluster`, and only
/// where a cluster is founded: a member that has one ignores the `initial-*` flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// `--name`.
    pub name: String,
    /// `--data-dir`.
    pub data_dir: PathBuf,
    /// `--listen-client-urls`.
    pub listen_client_urls: Vec<Url>,
    /// `--advertise-client-urls`.
    pub advertise_client_urls: Vec<Url>,
    /// `--listen-peer-urls`.
    pub listen_peer_urls: Vec<Url>,
    /// `--initial-advertise-peer-urls`.
    pub initial_advertise_peer_urls: Vec<Url>,
    /// `--initial-cluster`: peer URLs by member name.
    pub initial_cluster: BTreeMap<String, Vec<Url>>,
    /// `--initial-cluster-state`.
    pub initial_cluster_state: InitialClusterState,
    /// `--initial-cluster-token`.
    pub initial_cluster_token: String,
    /// `--heartbeat-interval`.
    pub heartbeat_interval_ms: u64,
    /// `--election-timeout`.
    pub election_timeout_ms: u64,
    /// `--snapshot-count`.
    pub snapshot_commands_min: u64,
    /// `--max-request-bytes`.
    pub request_bytes_max: usize,
    /// `--max-txn-ops`.
    pub txn_ops_max: usize,
    /// `--auto-compaction-mode` and `--auto-compaction-retention`.
    pub auto_compaction: AutoCompaction,
    /// `--quota-backend-bytes`, its 0 replaced by the default; `u64::MAX` where it was negative (no quota).
    pub quota_bytes: u64,
    /// `--watch-progress-notify-interval`.
    pub watch_progress_interval_ms: u64,
}

/// `--initial-cluster-state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialClusterState {
    /// The members of `--initial-cluster` found a cluster.
    New,
    /// They have one already. A member without its data directory cannot join it in this release, and founds none.
    Existing,
}

/// Why no cluster can be founded by these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// `--initial-cluster` does not name this member.
    #[error(
        "--name: couldn't find local name {name:?} in the initial cluster configuration (--initial-cluster)"
    )]
    NameNotInCluster {
        /// `--name`.
        name: String,
    },
    /// `--initial-cluster` and `--initial-advertise-peer-urls` disagree about this member.
    #[error(
        "--initial-cluster has {name}={listed} but --initial-advertise-peer-urls is {advertised}: \
         they must be the same"
    )]
    AdvertisedDiffers {
        /// `--name`.
        name: String,
        /// By `--initial-cluster`.
        listed: String,
        /// By `--initial-advertise-peer-urls`.
        advertised: String,
    },
    /// Two members of `--initial-cluster` have a URL in common, and would have each other's messages.
    #[error("--initial-cluster: {url} is given twice")]
    UrlTwice {
        /// The URL.
        url: String,
    },
    /// `--initial-cluster-state` is `existing`.
    #[error(
        "--initial-cluster-state is existing, but data directory {} holds no member, and this release cannot join a \
         running cluster: a member that ran before needs the --data-dir that it had (where that is lost, see \
         docs/operating.md, \"A member that lost data\"); a new cluster is founded by all members of --initial-cluster \
         with --initial-cluster-state=new", data_dir.display()
    )]
    CannotJoin {
        /// `--data-dir`.
        data_dir: PathBuf,
    },
}

impl ServerConfig {
    /// The cluster that the `initial-*` flags found, and who this member is in it.
    pub fn first_cluster(&self) -> Result<(InitialCluster, MemberId), ConfigError> {
        if self.initial_cluster_state == InitialClusterState::Existing {
            return Err(ConfigError::CannotJoin { data_dir: self.data_dir.clone() });
        }
        let name = self.name.clone();
        let Some(listed) = self.initial_cluster.get(&name) else {
            return Err(ConfigError::NameNotInCluster { name });
        };
        let (listed, advertised) = (sorted_texts(listed), sorted_texts(&self.initial_advertise_peer_urls));
        if listed != advertised {
            let (listed, advertised) = (listed.join(","), advertised.join(","));
            return Err(ConfigError::AdvertisedDiffers { name, listed, advertised });
        }
        let mut all: Vec<&Url> = self.initial_cluster.values().flatten().collect();
        all.sort();
        if let Some(twice) = all.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::UrlTwice { url: twice[0].text.clone() });
        }
        let token = &self.initial_cluster_token;
        let cluster =
            InitialCluster::new(token, self.initial_cluster.values().map(|urls| sorted_texts(urls)));
        Ok((cluster, member_id(&listed, token)))
    }

    /// What the engine is told. Member, cluster, incarnation and boot are the data directory's to say.
    pub fn engine(&self) -> Config {
        Config {
            name: self.name.clone(),
            client_urls: self.advertise_client_urls.iter().map(|url| url.text.clone()).collect(),
            heartbeat_interval_ms: self.heartbeat_interval_ms,
            election_timeout_ms: self.election_timeout_ms,
            request_timeout_ms: 5000 + 2 * self.election_timeout_ms,
            request_bytes_max: self.request_bytes_max,
            snapshot_commands_min: self.snapshot_commands_min,
            quota_bytes: self.quota_bytes,
            watch_progress_interval_ms: self.watch_progress_interval_ms,
            auto_compaction: self.auto_compaction,
            ..Config::new(MemberId(0), ClusterId(0))
        }
    }
}

/// The URLs as member ids are derived from them.
pub fn sorted_texts(urls: &[Url]) -> Vec<String> {
    let mut texts: Vec<String> = urls.iter().map(|url| url.text.clone()).collect();
    texts.sort();
    texts
}
