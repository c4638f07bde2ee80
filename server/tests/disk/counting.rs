//! A disk that counts what it is asked for, around another; and that can be made to fail.

use detcd::clock::BoxFuture;
use detcd::disk::{DirLock, Disk, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) writes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    /// The names of directories that were synced.
    pub(crate) synced_dirs: Mutex<Vec<String>>,
    /// From now on every sync of a file fails.
    pub(crate) syncs_fail: AtomicBool,
}

impl Counts {
    pub(crate) fn now(&self) -> (u64, u64) {
        (self.writes.load(Ordering::SeqCst), self.syncs.load(Ordering::SeqCst))
    }
}

#[derive(Debug)]
pub(crate) struct CountingDisk {
    pub(crate) inner: Arc<dyn Disk>,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Debug)]
struct CountingFile {
    inner: Arc<dyn File>,
    counts: Arc<Counts>,
}

/// Another disk, counted, and the counts.
pub(crate) fn counted(inner: Arc<dyn Disk>) -> (Arc<dyn Disk>, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    (Arc::new(CountingDisk { inner, counts: Arc::clone(&counts) }), counts)
}

impl CountingDisk {
    fn counted(
        &self,
        opening: BoxFuture<'static, io::Result<Arc<dyn File>>>,
    ) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        let counts = Arc::clone(&self.counts);
        Box::pin(async move { Ok(Arc::new(CountingFile { inner: opening.await?, counts }) as Arc<dyn File>) })
    }
}

impl Disk for CountingDisk {
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
        self.counted(self.inner.create(path))
    }
    fn open(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        self.counted(self.inner.open(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.inner.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> BoxFuture<'static, io::Result<()>> {
        let name = dir.file_name().expect("a directory of a member has a name").to_string_lossy();
        self.counts.synced_dirs.lock().expect("no panic while it is held").push(name.into_owned());
        self.inner.sync_dir(dir)
    }
    fn close(&self, lock: DirLock) -> BoxFuture<'static, ()> {
        self.inner.close(lock)
    }
}

impl File for CountingFile {
    fn write_at(&self, offset: u64, bytes: Vec<u8>) -> BoxFuture<'static, io::Result<()>> {
        self.counts.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.write_at(offset, bytes)
    }
    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'static, io::Result<Vec<u8>>> {
        self.inner.read_at(offset, length)
    }
    fn sync_data(&self) -> BoxFuture<'static, io::Result<()>> {
        self.counts.syncs.fetch_add(1, Ordering::SeqCst);
        if self.counts.syncs_fail.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(io::Error::other("the disk is on fire"))));
        }
        self.inner.sync_data()
    }
    fn preallocate(&self, length: u64) -> BoxFuture<'static, io::Result<()>> {
        self.inner.preallocate(length)
    }
    fn length(&self) -> BoxFuture<'static, io::Result<u64>> {
        self.inner.length()
    }
}
