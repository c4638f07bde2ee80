//! The data directory: whose it is, which format it has, and that nobody else is in it.
//!
//! ```text
//! <data-dir>/             locked while a member runs
//!   member/meta           text, below; replaced at each start (the boot count)
//!   member/wal/           the log, see `wal`
//!   member/snap/          snapshots, see `snapshot_file`
//!   member.tmp/           a first start that has not finished; removed by the next one
//! ```
//!
//! A first start builds `member.tmp` whole and durable, then renames it. So a `member` directory always has all its
//! parts, and one that lacks any has lost it: a member that lost its log has forgotten its votes and must not start
//! (raft §5.1).

use super::{Context, DirLock, Disk, DiskError, NEXT_STEP_OF_A_LOSS, read_all, replace};
use crate::clock::BoxFuture;
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The layout of the directory, the log and the snapshots in it.
pub const FORMAT: u32 = 1;
const TITLE: &str = "detcd data directory";

/// What the directory says of the member it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The cluster.
    pub cluster: ClusterId,
    /// The member.
    pub member: MemberId,
    /// Of this directory.
    pub incarnation: Incarnation,
    /// How often the member has started, this start included.
    pub boot: u32,
}

/// Why a data directory cannot be used. Nothing was written to it.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Another process uses it.
    #[error("data directory {} is locked: another member is running in it; stop that one, or give this one a \
             directory of its own with --data-dir", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// etcd's own.
    #[error("data directory {} belongs to etcd (it has member/snap/db); detcd cannot read it: \
             save a snapshot of that etcd, and restore it to an empty directory (docs/migration.md)", dir.display())]
    EtcdDirectory {
        /// The directory.
        dir: PathBuf,
    },
    /// Something is there that is not ours, or a part of ours is missing.
    #[error("data directory {} is incomplete: {missing} is missing; {NEXT_STEP_OF_A_LOSS}", dir.display())]
    Incomplete {
        /// The directory.
        dir: PathBuf,
        /// Which part.
        missing: &'static str,
    },
    /// The description is not readable.
    #[error("{} is damaged: {problem}; {NEXT_STEP_OF_A_LOSS}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Of a later release, or damaged just there.
    #[error("{} is of format {found}, this release reads format {FORMAT}; start the release of detcd that wrote it",
            path.display())]
    Format {
        /// The file that says so.
        path: PathBuf,
        /// As it says.
        found: u32,
    },
}

/// A data directory under our lock. Dropped, it closes its disk and is given back when all is done that was asked
/// of that.
pub struct DataDir {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// `None` once it is being given back.
    lock: Option<DirLock>,
}

impl std::fmt::Debug for DataDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataDir").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl DataDir {
    /// Whether a member ever started in a directory, which is neither made nor locked for that.
    pub async fn is_begun(disk: &dyn Disk, dir: &Path) -> Result<bool, DataDirError> {
        Ok(list(disk, &dir.join("member")).await?.is_some())
    }

    /// Makes the directory if need be and locks it.
    pub async fn lock(disk: &Arc<dyn Disk>, dir: &Path) -> Result<DataDir, DataDirError> {
        disk.create_dir(dir).await.context("create", dir)?;
        let lock = match disk.lock(dir).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(DataDirError::Locked { dir: dir.to_owned() });
            }
            other => other.context("lock", dir)?,
        };
        Ok(DataDir { disk: Arc::clone(disk), dir: dir.to_owned(), lock: Some(lock) })
    }

    /// As when it is dropped, and waits until it is given back.
    pub async fn release(mut self) {
        self.close().await;
    }

    fn close(&mut self) -> BoxFuture<'static, ()> {
        match self.lock.take() {
            Some(lock) => self.disk.close(lock),
            None => Box::pin(std::future::ready(())),
        }
    }

    /// Where the log is.
    pub fn wal(&self) -> PathBuf {
        self.dir.join("member/wal")
    }

    /// Where the snapshots are.
    pub fn snap(&self) -> PathBuf {
        self.dir.join("member/snap")
    }

    /// What the directory says; `None` where no member ever started in it.
    pub async fn read_meta(&self) -> Result<Option<Meta>, DataDirError> {
        let dir = || self.dir.clone();
        let Some(found) = self.list("member").await? else {
            return Ok(None);
        };
        let snap = self.list("member/snap").await?;
        if snap.as_ref().is_some_and(|names| names.iter().any(|name| name == "db")) {
            return Err(DataDirError::EtcdDirectory { dir: dir() });
        }
        if !found.iter().any(|name| name == "meta") {
            return Err(DataDirError::Incomplete { dir: dir(), missing: "member/meta" });
        }
        let path = self.dir.join("member/meta");
        let text = read_all(&*self.disk, &path).await?;
        let meta = match parse(&text) {
            Ok(Ok(meta)) => meta,
            Ok(Err(found)) => return Err(DataDirError::Format { path, found }),
            Err(problem) => return Err(DataDirError::Damaged { path, problem }),
        };
        if self.list("member/wal").await?.is_none_or(|names| names.is_empty()) {
            return Err(DataDirError::Incomplete { dir: dir(), missing: "the log, member/wal," });
        }
        if snap.is_none_or(|names| names.is_empty()) {
            return Err(DataDirError::Incomplete { dir: dir(), missing: "the snapshot, member/snap," });
        }
        Ok(Some(meta))
    }

    /// Finds a directory that cannot be written to when the member starts, not when its log needs the next segment.
    pub async fn prove_writable(&self) -> Result<(), DataDirError> {
        for dir in [self.wal(), self.snap()] {
            let probe = dir.join("write-probe.tmp");
            self.disk.create(&probe).await.context("create", &probe)?;
            self.disk.remove(&probe).await.context("remove", &probe)?;
        }
        Ok(())
    }

    /// Counts a start, durably: request ids of two starts must differ.
    pub async fn count_boot(&self, mut meta: Meta) -> Result<Meta, DataDirError> {
        meta.boot = meta.boot.checked_add(1).expect("nobody starts a member four billion times");
        replace(&*self.disk, &self.dir.join("member"), "meta", format(&meta)).await?;
        Ok(meta)
    }

    /// Makes the directories of a first start, under a temporary name; answers where its log and its snapshot go.
    pub async fn begin_first_start(&self) -> Result<(PathBuf, PathBuf), DataDirError> {
        let tmp = self.dir.join("member.tmp");
        self.disk.remove(&tmp).await.context("remove", &tmp)?;
        let (wal, snap) = (tmp.join("wal"), tmp.join("snap"));
        for dir in [&wal, &snap] {
            self.disk.create_dir(dir).await.context("create", dir)?;
        }
        Ok((wal, snap))
    }

    /// What was made under the temporary name becomes the member's directory, in one step.
    pub async fn finish_first_start(&self, meta: &Meta) -> Result<(), DataDirError> {
        let tmp = self.dir.join("member.tmp");
        for part in ["wal", "snap"] {
            let dir = tmp.join(part);
            self.disk.sync_dir(&dir).await.context("sync", &dir)?;
        }
        replace(&*self.disk, &tmp, "meta", format(meta)).await?;
        let member = self.dir.join("member");
        self.disk.rename(&tmp, &member).await.context("rename into place", &member)?;
        self.sync_name().await
    }

    /// Makes the name of the member's directory durable. Every start does: the name may come from a rename whose sync
    /// failed, and what is acknowledged from here on must not go with it.
    pub async fn sync_name(&self) -> Result<(), DataDirError> {
        self.disk.sync_dir(&self.dir).await.context("sync", &self.dir)?;
        // The data directory itself may be new as well.
        let parent = match self.dir.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Ok(self.disk.sync_dir(parent).await.context("sync", parent)?)
    }

    async fn list(&self, part: &str) -> Result<Option<Vec<String>>, DataDirError> {
        list(&*self.disk, &self.dir.join(part)).await
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        drop(self.close());
    }
}

async fn list(disk: &dyn Disk, dir: &Path) -> Result<Option<Vec<String>>, DataDirError> {
    match disk.list(dir).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => Ok(Some(other.context("list", dir)?)),
    }
}

fn format(meta: &Meta) -> Vec<u8> {
    let Meta { cluster, member, incarnation, boot } = meta;
    let mut text = format!(
        "{TITLE}\nformat {FORMAT}\ncluster {cluster}\nmember {member}\nincarnation {incarnation}\nboot {boot}\n"
    );
    text.push_str(&format!("crc32c {:08x}\n", crc32c::crc32c(text.as_bytes())));
    text.into_bytes()
}

/// `Ok(Err(format))` where it is ours but of another format: the lines after that one are not looked at.
fn parse(bytes: &[u8]) -> Result<Result<Meta, u32>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(format!("its first line is not {TITLE:?}"));
    }
    let mut value = |name: &str| {
        let found = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.map(str::to_owned).ok_or_else(|| format!("no {name}"))
    };
    let format = value("format")?.parse().map_err(|_| "its format is not a number".to_owned())?;
    if format != FORMAT {
        return Ok(Err(format));
    }
    let hex =
        |digits: String| u64::from_str_radix(&digits, 16).map_err(|_| format!("{digits:?} is not a number"));
    let meta = Meta {
        cluster: ClusterId(hex(value("cluster")?)?),
        member: MemberId(hex(value("member")?)?),
        incarnation: Incarnation(hex(value("incarnation")?)?),
        boot: value("boot")?.parse().map_err(|_| "the boot count is not a number".to_owned())?,
    };
    if bytes != self::format(&meta) {
        return Err("its checksum does not match".to_owned());
    }
    Ok(Ok(meta))
}
