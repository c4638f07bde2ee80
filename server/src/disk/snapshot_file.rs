//! Snapshots as files: written under a temporary name, synced, renamed, their directory synced; so a name that ends
//! in `.snap` is always a whole snapshot. `detcd_engine::snapshot` encodes what is inside.
//!
//! A received one gets its name only when the engine has taken it, and counts only once the log says that it was
//! installed: a start removes those that are newer than what the log records (`remove_newer`).
//!
//! Two are kept, and the log from the older one on: where the newest is damaged, a start goes back to the older one and
//! sets the damaged one aside (`set_aside`).

use super::{Context, Disk, DiskError, File, NEXT_STEP_OF_A_LOSS};
use detcd_engine::raft::SnapshotMeta;
use detcd_engine::snapshot::{Reader, SnapshotError};
use detcd_engine::state::State;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is read at once.
const READ_BYTES: usize = 1024 * 1024;
/// How many snapshots stay.
const KEPT: usize = 2;

/// Which snapshot a file holds; its name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotName {
    /// Of the last log entry in it.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
}

impl SnapshotName {
    /// The name of the file of a snapshot that stands here.
    pub fn of(meta: &SnapshotMeta) -> SnapshotName {
        SnapshotName { index: meta.index, term: meta.term }
    }

    /// Its path.
    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{:016x}-{:016x}.snap", self.index, self.term))
    }

    fn parse(name: &str) -> Option<SnapshotName> {
        let (index, term) = name.strip_suffix(".snap")?.split_once('-')?;
        if index.len() != 16 || term.len() != 16 {
            return None;
        }
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        Some(SnapshotName { index: hex(index)?, term: hex(term)? })
    }
}

/// Why a snapshot file could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The bytes are not a snapshot.
    #[error("snapshot {} is damaged: {cause}, and no older one that the log reaches is whole; {NEXT_STEP_OF_A_LOSS}",
            path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: SnapshotError,
    },
}

/// A snapshot file that is being written. Until `finish` it has another name, and does not count.
#[derive(Debug)]
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    tmp: PathBuf,
    file: Arc<dyn File>,
    written: u64,
}

impl SnapshotWriter {
    /// Creates the temporary file. `purpose` tells two writers at one time apart.
    pub async fn create(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        purpose: &'static str,
    ) -> Result<SnapshotWriter, DiskError> {
        let tmp = dir.join(format!("{purpose}.snap.tmp"));
        // A writer that was given up may have writes in flight: they must go to its own file, not to this one.
        disk.remove(&tmp).await.context("remove", &tmp)?;
        let file = disk.create(&tmp).await.context("create", &tmp)?;
        Ok(SnapshotWriter { disk: Arc::clone(disk), dir: dir.to_owned(), tmp, file, written: 0 })
    }

    /// Bytes taken so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends a piece.
    pub async fn push(&mut self, piece: Vec<u8>) -> Result<(), DiskError> {
        let length = piece.len() as u64;
        self.file.write_at(self.written, piece).await.context("write", &self.tmp)?;
        self.written += length;
        Ok(())
    }

    /// Makes its bytes durable. It does not count yet.
    pub async fn complete(self) -> Result<SnapshotTmp, DiskError> {
        let SnapshotWriter { disk, dir, tmp, file, .. } = self;
        file.sync_data().await.context("sync", &tmp)?;
        Ok(SnapshotTmp { disk, dir, tmp })
    }

    /// Makes it durable and gives it its name.
    pub async fn finish(self, name: SnapshotName) -> Result<(), DiskError> {
        self.complete().await?.name(name).await
    }

    /// Gives it up: nothing is left of it.
    pub async fn discard(self) -> Result<(), DiskError> {
        let SnapshotWriter { disk, tmp, .. } = self;
        disk.remove(&tmp).await.context("remove", &tmp)
    }
}

/// A snapshot file that is whole and durable, and has no name yet.
#[derive(Debug)]
pub struct SnapshotTmp {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    tmp: PathBuf,
}

impl SnapshotTmp {
    /// Gives it its name, durably.
    pub async fn name(self, name: SnapshotName) -> Result<(), DiskError> {
        let SnapshotTmp { disk, dir, tmp } = self;
        let path = name.path(&dir);
        disk.rename(&tmp, &path).await.context("rename into place", &path)?;
        disk.sync_dir(&dir).await.context("sync", &dir)
    }

    /// Gives it up: nothing is left of it.
    pub async fn discard(self) -> Result<(), DiskError> {
        self.disk.remove(&self.tmp).await.context("remove", &self.tmp)
    }
}

/// The snapshots in a directory, oldest first.
pub async fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<SnapshotName>, DiskError> {
    let names = disk.list(dir).await.context("list", dir)?;
    let mut found: Vec<SnapshotName> = names.iter().filter_map(|name| SnapshotName::parse(name)).collect();
    found.sort();
    Ok(found)
}

/// Removes what a crash left half written, and makes the names of the others durable: one may have been given by a
/// rename whose sync failed. Were it to be lost with the power after the log before it was removed, there would be
/// neither.
pub async fn sync_names(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    for name in disk.list(dir).await.context("list", dir)? {
        if name.ends_with(".tmp") {
            let path = dir.join(name);
            tracing::info!(file = %path.display(), "removing an unfinished snapshot");
            disk.remove(&path).await.context("remove", &path)?;
        }
    }
    disk.sync_dir(dir).await.context("sync", dir)
}

/// Removes the snapshots that are newer than this one, durably: the log does not know them. They were received, and the
/// process ended before the record that they were installed; or somebody else put them there. Were one left, the log
/// could reach its place later on, and the next start take it for this member's own.
pub async fn remove_newer(disk: &dyn Disk, dir: &Path, than: SnapshotName) -> Result<(), DiskError> {
    let mut newer = list(disk, dir).await?;
    newer.retain(|name| *name > than);
    for name in &newer {
        let path = name.path(dir);
        tracing::warn!(file = %path.display(), "removing a snapshot that the log does not know");
        disk.remove(&path).await.context("remove", &path)?;
    }
    if !newer.is_empty() {
        disk.sync_dir(dir).await.context("sync", dir)?;
    }
    Ok(())
}

/// Gives a damaged snapshot a name that does not count, for whoever wants to look at it. Not
/// synced: a start that finds it under its old name does this again.
pub async fn set_aside(disk: &dyn Disk, dir: &Path, damaged: SnapshotName) -> Result<(), DiskError> {
    let path = damaged.path(dir);
    let mut aside = path.clone().into_os_string();
    aside.push(".damaged");
    disk.rename(&path, Path::new(&aside)).await.context("rename", &path)
}

/// Removes all but the newest two snapshots up to `newest`; answers the index of the oldest that stays. Newer ones
/// are left alone: they were received, and the log may not say yet that they are installed.
pub async fn keep_two(disk: &dyn Disk, dir: &Path, newest: u64) -> Result<u64, DiskError> {
    let mut counted = list(disk, dir).await?;
    counted.retain(|name| name.index <= newest);
    let surplus = counted.len().saturating_sub(KEPT);
    for name in &counted[..surplus] {
        let path = name.path(dir);
        disk.remove(&path).await.context("remove", &path)?;
    }
    Ok(counted.get(surplus).map_or(newest, |oldest| oldest.index))
}

/// Reads a snapshot back. Every byte is checked.
pub async fn read(
    disk: &dyn Disk,
    dir: &Path,
    name: SnapshotName,
) -> Result<(SnapshotMeta, State), ReadError> {
    let path = name.path(dir);
    let file = disk.open(&path).await.context("open", &path)?;
    let damaged = |cause| ReadError::Damaged { path: path.clone(), cause };
    let mut reader = Reader::new();
    let mut at = 0;
    loop {
        let piece = file.read_at(at, READ_BYTES).await.context("read", &path)?;
        if piece.is_empty() {
            return reader.finish().map_err(damaged);
        }
        at += piece.len() as u64;
        reader.push(&piece).map_err(damaged)?;
        // Decoding a large state takes seconds: other tasks of this thread go on meanwhile.
        tokio::task::yield_now().await;
    }
}
