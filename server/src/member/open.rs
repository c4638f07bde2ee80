//! From a data directory to a member's recovered state: lock it, read it, or begin it. Which member of which cluster it
//! is follows from the configuration when the directory is begun, and from the directory alone after that.

use crate::background;
use crate::disk::data_dir::{DataDir, DataDirError, Meta};
use crate::disk::snapshot_file::{self, ReadError, SnapshotName};
use crate::disk::wal::{self, OpenError, Opened, Wal, WalConfig};
use crate::disk::{Disk, DiskError, NEXT_STEP_OF_A_LOSS};
use detcd_engine::config::Config;
use detcd_engine::engine::Recovered;
use detcd_engine::ids::{Incarnation, MemberId};
use detcd_engine::membership::InitialCluster;
use detcd_engine::raft::{HardState, LogRecord, SnapshotMeta};
use detcd_engine::snapshot::Checkpoint;
use detcd_engine::state::State;
use detcd_engine::wal::ReplayError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a member did not start. Each names a file or directory and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// No member ever started in it, and none is to begin.
    #[error("data directory {} holds no member", dir.display())]
    NotBegun {
        /// The data directory.
        dir: PathBuf,
    },
    /// A member has started in it, and another is to be founded.
    #[error("data directory {} holds a member already; nothing of it was changed", dir.display())]
    IsBegun {
        /// The data directory.
        dir: PathBuf,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Wal(#[from] OpenError),
    /// A snapshot cannot be read.
    #[error(transparent)]
    Snapshot(#[from] ReadError),
    /// Log and snapshot do not belong together.
    #[error("{}: {cause}; {NEXT_STEP_OF_A_LOSS}", dir.display())]
    Replay {
        /// The data directory.
        dir: PathBuf,
        /// What does not fit.
        cause: ReplayError,
    },
}

/// What is opened, and what an empty directory becomes.
pub(super) struct Opening {
    /// Incarnation and boot are taken from the data directory; so are member and cluster, once it is begun.
    pub(super) engine: Config,
    pub(super) data_dir: PathBuf,
    pub(super) wal_segment_bytes: u64,
    /// `None`: a directory in which no member ever started is refused.
    pub(super) initial_cluster: Option<InitialCluster>,
}

/// Locks and reads the data directory; makes it on a first start.
pub(super) async fn open(
    opening: &Opening,
    disk: &Arc<dyn Disk>,
    seed: u64,
) -> Result<(DataDir, Config, Recovered, Wal), StartError> {
    let dir = &opening.data_dir;
    if opening.initial_cluster.is_none() && !DataDir::is_begun(&**disk, dir).await? {
        return Err(StartError::NotBegun { dir: dir.clone() });
    }
    let data_dir = DataDir::lock(disk, dir).await?;
    let meta = match (data_dir.read_meta().await?, &opening.initial_cluster) {
        (Some(meta), _) => {
            data_dir.sync_name().await?;
            meta
        }
        (None, Some(cluster)) => {
            first_start(opening, cluster, State::first(cluster), disk, &data_dir, seed).await?
        }
        (None, None) => return Err(StartError::NotBegun { dir: dir.clone() }),
    };
    data_dir.prove_writable().await?;
    let wal_config = wal_config(opening, data_dir.wal(), &meta);
    snapshot_file::sync_names(&**disk, &data_dir.snap()).await?;
    let snap = data_dir.snap();
    let names = snapshot_file::list(&**disk, &snap).await?;
    let Whole { name, meta: snapshot, state, opened, damaged } =
        newest_whole(disk, &snap, &wal_config, names, dir).await?;
    let does_not_fit = |cause| StartError::Replay { dir: dir.clone(), cause };
    let Opened { wal, replay } = opened;
    let log = replay.finish(&snapshot).map_err(does_not_fit)?;
    for damaged in damaged {
        let file = damaged.path(&snap);
        tracing::warn!(file = %file.display(), snapshot = snapshot.index, "set aside a damaged snapshot as .damaged");
        snapshot_file::set_aside(&**disk, &snap, damaged).await?;
    }
    snapshot_file::remove_newer(&**disk, &snap, name).await?;
    let Meta { cluster, member, incarnation, boot } = data_dir.count_boot(meta).await?;
    tracing::info!(%member, %cluster, boot, snapshot = snapshot.index, entries = log.entries.len(), "recovered");
    let engine_config = Config { cluster, member, incarnation, boot, ..opening.engine.clone() };
    Ok((data_dir, engine_config, Recovered { state, meta: snapshot, log }, wal))
}

/// The snapshot that a member starts from.
struct Whole {
    name: SnapshotName,
    meta: SnapshotMeta,
    state: State,
    /// The log, with the entries behind it.
    opened: Opened,
    /// Newer ones that the log vouches for, newest first.
    damaged: Vec<SnapshotName>,
}

/// Reads the newest snapshot that the log vouches for (I17) and whose bytes are whole, and the log with it.
async fn newest_whole(
    disk: &Arc<dyn Disk>,
    snap: &Path,
    wal_config: &WalConfig,
    mut names: Vec<SnapshotName>,
    data_dir: &Path,
) -> Result<Whole, StartError> {
    let newest_file = names.last().map_or(0, |name| name.index);
    let mut opened = wal::open(disk, wal_config.clone(), newest_file).await?;
    // Where the log knows none of them, it says of the newest what is missing.
    if names.iter().any(|name| opened.replay.vouches_for(name.index, name.term)) {
        names.retain(|name| opened.replay.vouches_for(name.index, name.term));
    } else {
        names.drain(..names.len().saturating_sub(1));
    }
    let mut damaged = Vec::new();
    let mut newest_damage = None;
    while let Some(name) = names.pop() {
        match snapshot_file::read(&**disk, snap, name).await {
            Ok((meta, state)) => {
                if name.index < newest_file {
                    // The entries behind an older one are wanted too.
                    opened = wal::open(disk, wal_config.clone(), name.index).await?;
                }
                return Ok(Whole { name, meta, state, opened, damaged });
            }
            Err(damage @ ReadError::Damaged { .. }) => {
                damaged.push(name);
                newest_damage.get_or_insert(damage);
            }
            Err(ReadError::Disk(failure)) => return Err(failure.into()),
        }
    }
    let missing = DataDirError::Incomplete { dir: data_dir.to_owned(), missing: "the snapshot" };
    Err(newest_damage.map_or(missing.into(), StartError::Snapshot))
}

fn wal_config(opening: &Opening, dir: PathBuf, meta: &Meta) -> WalConfig {
    let Meta { cluster, member, incarnation, .. } = *meta;
    WalConfig { dir, cluster, member, incarnation, segment_bytes: opening.wal_segment_bytes }
}

/// Makes the directory of a member that has not started yet, in a cluster whose first state is this one.
pub(super) async fn found(
    opening: &Opening,
    state: State,
    disk: &Arc<dyn Disk>,
    seed: u64,
) -> Result<(), StartError> {
    let data_dir = DataDir::lock(disk, &opening.data_dir).await?;
    let made = match (data_dir.read_meta().await?, &opening.initial_cluster) {
        (None, Some(cluster)) => {
            first_start(opening, cluster, state, disk, &data_dir, seed).await.map(|_| ())
        }
        _ => Err(StartError::IsBegun { dir: opening.data_dir.clone() }),
    };
    data_dir.release().await;
    made
}

/// The first state of the cluster as a snapshot at index 1 of term 1, and a log that begins there.
async fn first_start(
    opening: &Opening,
    initial_cluster: &InitialCluster,
    state: State,
    disk: &Arc<dyn Disk>,
    data_dir: &DataDir,
    seed: u64,
) -> Result<Meta, StartError> {
    let Config { member, cluster, .. } = opening.engine;
    // An incarnation of 0 means "none" elsewhere.
    let begun = Meta { cluster, member, incarnation: Incarnation(seed.max(1)), boot: 0 };
    let (wal_dir, snap_dir) = data_dir.begin_first_start().await?;
    let members = initial_cluster.members.values();
    let (learners, voters): (Vec<_>, Vec<_>) = members.partition(|member| member.is_learner);
    let ids =
        |members: Vec<&detcd_engine::membership::Member>| members.iter().map(|member| member.id).collect();
    let meta = SnapshotMeta { index: 1, term: 1, voters: ids(voters), learners: ids(learners) };
    background::write(disk, &snap_dir, Checkpoint { meta: meta.clone(), state: state.view() }).await?;
    let mut wal = Wal::create(disk, wal_config(opening, wal_dir, &begun)).await?;
    let hard_state = HardState { term: 1, vote: MemberId(0), commit: 1 };
    wal.append(&[vec![LogRecord::Installed { hard_state, meta }]]).await?;
    data_dir.finish_first_start(&begun).await?;
    tracing::info!(%member, %cluster, "began a new data directory");
    Ok(begun)
}
