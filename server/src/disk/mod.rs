//! The few calls that a member makes of a file system, and what it believes of one.
//!
//! # The failure model
//!
//! The rest of the shell is written against these rules and no others; the simulated disk breaks everything that
//! they leave open.
//!
//! - After a crash (of the process with the machine) only what was synced is certain. Bytes written since the last
//!   `sync_data` of their file may be there, or not, sector by sector (512 bytes) in any subset: later ones can
//!   survive where earlier ones did not.
//! - A file that was created, renamed or removed is so after a crash only if its directory was synced since. A
//!   rename within a directory is atomic: the name shows the old file or the new one, each with what was synced of it.
//! - `preallocate` gives zeros that need no sync of the file's length later, once it was itself synced.
//! - A failed `sync_data` or `sync_dir` is final. The kernel may have dropped the dirty pages and marked them clean,
//!   so a second sync that succeeds proves nothing ("fsyncgate", 2018). Nobody retries: the member ends, and the next
//!   start reads what the disk really holds.
//! - Bytes that were synced may rot. Everything that is read back is under a checksum.
//! - Out of the model: a disk that lies about a sync, and somebody else writing to the directory. The lock keeps a
//!   second member of ours away.
//!
//! # Whose it is
//!
//! A disk is for one member from its start to its end. A call that nobody waits for any more, as a task was aborted,
//! takes effect all the same, and may do so late: `close` is where that ends. Only then is the directory given back,
//! so that whoever locks it next finds files that nothing of the member before can change.

pub mod data_dir;
pub mod real;
pub mod snapshot_file;
pub mod wal;

use crate::clock::BoxFuture;
use std::any::Any;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file system. Every call may fail with any `io::Error`.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a directory that only its owner can enter (mode 0700), and those above it. One that exists is left alone.
    fn create_dir(&self, path: &Path) -> BoxFuture<'static, io::Result<()>>;
    /// Keeps others from locking the directory until the answer is dropped or the process ends. Writes nothing.
    /// `WouldBlock` where somebody else has it. To be given back by `close`.
    fn lock(&self, dir: &Path) -> BoxFuture<'static, io::Result<DirLock>>;
    /// The names in a directory, sorted. `NotFound` where there is none.
    fn list(&self, dir: &Path) -> BoxFuture<'static, io::Result<Vec<String>>>;
    /// A new, empty file (mode 0600) to write and read; one that exists is emptied.
    fn create(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>>;
    /// A file that exists, to write and read.
    fn open(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>>;
    /// Gives a file or a directory another name, in place of a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> BoxFuture<'static, io::Result<()>>;
    /// Removes a file, or a directory with all that is in it. Nothing to remove is no error.
    fn remove(&self, path: &Path) -> BoxFuture<'static, io::Result<()>>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> BoxFuture<'static, io::Result<()>>;
    /// Ends the use of this disk and of the files opened on it. Every call made before takes effect first, then the
    /// lock is given back, then the answer comes. Every call made after this one fails and changes nothing. All of
    /// that is so whether or not the answer is awaited.
    fn close(&self, lock: DirLock) -> BoxFuture<'static, ()>;
}

/// Keeps others from locking a directory while it is held.
pub type DirLock = Box<dyn Any + Send + Sync>;

/// What a call gets once its disk was closed.
pub fn closed() -> io::Error {
    io::Error::other("the disk was closed: its member has ended")
}

/// An open file. Calls take effect in the order in which they were made, whether or not their answers were awaited.
pub trait File: Send + Sync + fmt::Debug {
    /// Writes all of `bytes` at an offset, beyond the end if need be.
    fn write_at(&self, offset: u64, bytes: Vec<u8>) -> BoxFuture<'static, io::Result<()>>;
    /// Reads up to `length` bytes; fewer only where the file ends.
    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'static, io::Result<Vec<u8>>>;
    /// Makes what was written, and the length, durable.
    fn sync_data(&self) -> BoxFuture<'static, io::Result<()>>;
    /// Gives an empty file this length, of zeros, and the space for it.
    fn preallocate(&self, length: u64) -> BoxFuture<'static, io::Result<()>>;
    /// How long it is.
    fn length(&self) -> BoxFuture<'static, io::Result<u64>>;
    /// It will not be read again before it is opened again: a cache need not keep what it holds. A hint, which may
    /// be ignored.
    fn done_reading(&self) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What to do about a member whose files lost something that it needs: the end of every text that says so.
pub const NEXT_STEP_OF_A_LOSS: &str = "it may not go on without what it had acknowledged: leave it stopped; if it is one of \
     several, the others go on; if it is alone, put a copy of its whole data directory in place (docs/operating.md, \
     \"A member that lost data\")";

/// An operation on a file or directory that failed, with its name: what a log line needs.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {cause}", path.display())]
pub struct DiskError {
    /// The verb: "create", "write", "sync".
    pub operation: &'static str,
    /// Of what.
    pub path: PathBuf,
    /// The system's answer.
    #[source]
    pub cause: io::Error,
}

/// Adds operation and path to an `io::Error`.
pub(crate) trait Context<T> {
    /// As `DiskError`.
    fn context(self, operation: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, operation: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|cause| DiskError { operation, path: path.to_owned(), cause })
    }
}

/// Reads a small file whole.
pub(crate) async fn read_all(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, DiskError> {
    let file = disk.open(path).await.context("open", path)?;
    let length = file.length().await.context("measure", path)?;
    let length = usize::try_from(length).expect("a file of ours fits in memory");
    file.read_at(0, length).await.context("read", path)
}

/// Replaces a small file in one step: whoever looks, also after a crash, sees the old bytes or the new.
pub(crate) async fn replace(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    bytes: Vec<u8>,
) -> Result<(), DiskError> {
    let path = dir.join(name);
    let tmp = dir.join(format!("{name}.tmp"));
    let file = disk.create(&tmp).await.context("create", &tmp)?;
    file.write_at(0, bytes).await.context("write", &tmp)?;
    file.sync_data().await.context("sync", &tmp)?;
    disk.rename(&tmp, &path).await.context("rename into place", &path)?;
    disk.sync_dir(dir).await.context("sync", dir)
}
