//! Several members as one cluster, and what must be true of all of them.

use super::{Process, eventually, free_port};
use detcd::peer::pb::InspectResponse;
use std::path::Path;
use tempfile::TempDir;

/// Members that found a cluster. Dropped before its directory is.
pub(crate) struct Cluster {
    pub(crate) members: Vec<Process>,
    _dir: TempDir,
}

impl Cluster {
    /// Members `m1`, `m2`, ... with these flags besides; none is started.
    pub(crate) fn of(size: usize, flags: &[&str]) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let places: Vec<(String, u16, u16)> =
            (1..=size).map(|number| (format!("m{number}"), free_port(), free_port())).collect();
        let pairs = places.iter().map(|(name, peer, _)| format!("{name}=http://127.0.0.1:{peer}"));
        let initial_cluster = pairs.collect::<Vec<_>>().join(",");
        let member = |(name, peer, client): &(String, u16, u16)| {
            process(dir.path(), name, (*peer, *client), &initial_cluster, flags)
        };
        Cluster { members: places.iter().map(member).collect(), _dir: dir }
    }

    /// One member that serves.
    pub(crate) async fn alone(flags: &[&str]) -> Cluster {
        let mut cluster = Cluster::of(1, flags);
        cluster.start_all();
        cluster.members[0].ready().await;
        cluster
    }

    /// Three members that serve, quick to notice that one is gone.
    pub(crate) async fn of_three(flags: &[&str]) -> Cluster {
        let mut all = vec!["--heartbeat-interval=20", "--election-timeout=200"];
        all.extend_from_slice(flags);
        let mut cluster = Cluster::of(3, &all);
        cluster.start_all();
        for member in &cluster.members {
            member.ready().await;
        }
        cluster
    }

    /// Starts whoever does not run.
    pub(crate) fn start_all(&mut self) {
        for member in self.members.iter_mut().filter(|member| !member.is_running()) {
            member.start();
        }
    }

    /// Who leads, as the leader itself says.
    pub(crate) async fn leader(&self) -> usize {
        eventually("a leader", || async {
            for (place, member) in self.members.iter().enumerate().filter(|(_, member)| member.is_running()) {
                if let Some(status) = member.status().await
                    && status.leader == status.header.unwrap_or_default().member_id
                {
                    return Some(place);
                }
            }
            None
        })
        .await
    }

    /// Waits until all members have applied the same entries, and answers where they stand. Fails where their
    /// states differ. Nobody may be writing.
    pub(crate) async fn agreed(&self) -> InspectResponse {
        let found = eventually("all members to apply as much", || async {
            let mut found = Vec::new();
            for member in &self.members {
                found.push(member.inspect().await?);
            }
            found.iter().all(|one| one.applied_index == found[0].applied_index).then_some(found)
        })
        .await;
        for one in &found {
            let stands = |one: &InspectResponse| (one.applied_term, one.revision, one.state_hash.clone());
            assert_eq!(stands(one), stands(&found[0]), "at {} members differ: {found:?}", one.applied_index);
        }
        found[0].clone()
    }
}

/// A member of that name under `dir`, on these ports.
fn process(
    dir: &Path,
    name: &str,
    (peer, client): (u16, u16),
    initial_cluster: &str,
    flags: &[&str],
) -> Process {
    let (peer_url, client_url) = (format!("http://127.0.0.1:{peer}"), format!("http://127.0.0.1:{client}"));
    let data_dir = dir.join(name);
    let mut all = vec![
        format!("--name={name}"),
        format!("--data-dir={}", data_dir.display()),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--listen-client-urls={client_url}"),
        format!("--advertise-client-urls={client_url}"),
        format!("--initial-cluster={initial_cluster}"),
    ];
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let log = dir.join(format!("{name}.log"));
    let (name, variables) = (name.to_owned(), Vec::new());
    Process { name, client_url, peer_url, data_dir, log, flags: all, variables, child: None }
}
