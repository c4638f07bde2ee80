//! What a member that ends leaves to its disk: all of it is done before the directory is given back, and nothing after.

use super::real_disk;
use super::recovery::{config_in, starting_on};
use detcd::clock::BoxFuture;
use detcd::disk::{DirLock, Disk, File};
use futures_util::FutureExt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Two files outside of the data directory, and a pipe that holds back whoever opens it to read.
struct Held {
    dir: TempDir,
}

impl Held {
    fn new() -> Held {
        let dir = TempDir::new().unwrap();
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("pipe"), kind, mode, 0).unwrap();
        std::fs::write(dir.path().join("before"), "").unwrap();
        Held { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A rename that nobody waits for, behind a call that takes until `let_go`: what an aborted task leaves.
    fn rename_late(&self, disk: &dyn Disk) {
        drop(disk.sync_dir(&self.path("pipe")));
        drop(disk.rename(&self.path("before"), &self.path("after")));
    }

    fn is_renamed(&self) -> bool {
        self.path("after").exists()
    }
}

/// Returns once the disk's thread has come to the pipe, and goes on.
fn let_go(pipe: &Path) {
    drop(std::fs::File::options().write(true).open(pipe).unwrap());
}

/// The real disk; it is let go once it has been asked to close, and not before.
#[derive(Debug)]
struct HeldDisk {
    inner: Arc<dyn Disk>,
    pipe: PathBuf,
}

impl Disk for HeldDisk {
    fn create_dir(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.inner.create_dir(path)
    }
    fn lock(&self, dir: &Path) -> BoxFuture<'static, io::Result<DirLock>> {
        self.inner.lock(dir)
    }
    fn list(&self, dir: &Path) -> BoxFuture<'static, io::Result<Vec<String>>> {
        self.inner.list(dir)
    }
    fn create(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        self.inner.create(path)
    }
    fn open(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        self.inner.open(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.inner.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.inner.sync_dir(dir)
    }
    fn close(&self, lock: DirLock) -> BoxFuture<'static, ()> {
        let mut closing = self.inner.close(lock);
        let pipe = self.pipe.clone();
        Box::pin(async move {
            assert!((&mut closing).now_or_never().is_none(), "closed before a rename that was queued");
            let_go(&pipe);
            closing.await;
        })
    }
}

#[tokio::test]
async fn nothing_of_a_stopped_member_changes_a_file() {
    let (dir, held) = (TempDir::new().unwrap(), Held::new());
    let disk: Arc<dyn Disk> = Arc::new(HeldDisk { inner: real_disk(), pipe: held.path("pipe") });
    let member = starting_on(Arc::clone(&disk), config_in(dir.path())).await.unwrap();
    held.rename_late(&*disk);
    member.stop().await;
    assert!(held.is_renamed(), "the rename is still to come");
    real_disk().lock(dir.path()).await.unwrap();
    // A task that was aborted in the middle of a step asks for one thing more.
    let error = disk.rename(&held.path("after"), &held.path("again")).await.unwrap_err();
    assert_eq!(error.to_string(), "the disk was closed: its member has ended");
    assert!(held.is_renamed());
}

#[tokio::test]
async fn a_dropped_members_directory_is_given_back_when_its_disk_is_done() {
    let (dir, held) = (TempDir::new().unwrap(), Held::new());
    let disk = real_disk();
    let member = starting_on(Arc::clone(&disk), config_in(dir.path())).await.unwrap();
    held.rename_late(&*disk);
    drop(member);
    let next = real_disk();
    let refused = next.lock(dir.path()).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    assert!(disk.rename(&held.path("after"), &held.path("again")).await.is_err());
    let_go(&held.path("pipe"));
    while next.lock(dir.path()).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(held.is_renamed(), "the directory was given back before the rename");
}
