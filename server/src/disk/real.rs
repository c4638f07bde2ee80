//! The operating system's file system. Each open file has a thread of its own: a member has two or three files
//! open, and the sync of a large snapshot must not delay the log's. The rest shares one thread.
//!
//! A call is queued when it is made, so that a write and the sync behind it cost one round to the thread, not two.
//! It is done even if nobody waits for it. Each holds a share in the disk's use until it is done: once the disk is
//! closed, the last of them, on whichever thread, gives the directory back.

use super::{DirLock, Disk, File, closed};
use crate::clock::{BoxFuture, Stopwatch};
use crate::metrics::{DiskMetrics, FileKind};
use std::fs::{self, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Shared by all calls that are queued or in flight. Once nobody has a share: the lock is given back, and after
/// that, in the order of the pair, its end is told.
#[derive(Debug, Default)]
struct InUse(OnceLock<(DirLock, oneshot::Sender<()>)>);

/// Where a call gets its share; `None` once the disk is closed.
#[derive(Clone, Debug)]
struct Usage(Arc<Mutex<Option<Arc<InUse>>>>);

impl Usage {
    fn new() -> Usage {
        Usage(Arc::new(Mutex::new(Some(Arc::default()))))
    }

    fn begin(&self) -> Option<Arc<InUse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&self) -> Option<Arc<InUse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A thread that does one job after the other, and ends when nobody can give it another.
#[derive(Clone, Debug)]
struct Worker {
    jobs: mpsc::Sender<Job>,
    usage: Usage,
}

impl Worker {
    fn start(name: &str, usage: Usage) -> io::Result<Worker> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Ok(job) = queue.recv() {
                job();
            }
        })?;
        Ok(Worker { jobs, usage })
    }

    fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, io::Result<T>> {
        let Some(share) = self.usage.begin() else {
            return Box::pin(std::future::ready(Err(closed())));
        };
        let (answer, answered) = oneshot::channel();
        // Neither end can be gone while the other waits, unless a job panicked: then the answer below says so. A
        // caller that stopped waiting does not want the answer.
        let queued = self.jobs.send(Box::new(move || {
            let done = job();
            drop(share);
            drop(answer.send(done));
        }));
        Box::pin(async move {
            let gone = || io::Error::other("the disk thread is gone");
            queued.map_err(|_| gone())?;
            answered.await.unwrap_or_else(|_| Err(gone()))
        })
    }
}

/// Files of the operating system.
#[derive(Debug)]
pub struct RealDisk {
    directories: Worker,
    metrics: Arc<DiskMetrics>,
}

impl RealDisk {
    /// Starts the thread for everything but open files. `metrics` are of all files.
    ///
    /// # Errors
    /// The system refuses another thread.
    pub fn start(metrics: Arc<DiskMetrics>) -> io::Result<RealDisk> {
        Ok(RealDisk { directories: Worker::start("detcd-dirs", Usage::new())?, metrics })
    }

    fn file(&self, path: &Path, options: fs::OpenOptions) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        let (path, usage) = (path.to_owned(), self.directories.usage.clone());
        let (kind, metrics) = (FileKind::of(&path), Arc::clone(&self.metrics));
        self.directories.run(move || {
            let file = Arc::new(options.open(path)?);
            let worker = Worker::start("detcd-file", usage)?;
            Ok(Arc::new(RealFile { file, worker, kind, metrics }) as Arc<dyn File>)
        })
    }
}

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        let path = path.to_owned();
        self.directories.run(move || fs::DirBuilder::new().recursive(true).mode(0o700).create(path))
    }

    fn lock(&self, dir: &Path) -> BoxFuture<'static, io::Result<DirLock>> {
        let dir = dir.to_owned();
        self.directories.run(move || {
            let handle = fs::File::open(dir)?;
            match handle.try_lock() {
                Ok(()) => Ok(Box::new(handle) as DirLock),
                Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
                Err(TryLockError::Error(error)) => Err(error),
            }
        })
    }

    fn list(&self, dir: &Path) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let dir = dir.to_owned();
        self.directories.run(move || {
            let mut names = Vec::new();
            for entry in fs::read_dir(dir)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort();
            Ok(names)
        })
    }

    fn create(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        self.file(path, options)
    }

    fn open(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true);
        self.file(path, options)
    }

    fn rename(&self, from: &Path, to: &Path) -> BoxFuture<'static, io::Result<()>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.directories.run(move || fs::rename(from, to))
    }

    fn remove(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        let path = path.to_owned();
        self.directories.run(move || {
            let removed = match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            }
        })
    }

    fn sync_dir(&self, dir: &Path) -> BoxFuture<'static, io::Result<()>> {
        let dir = dir.to_owned();
        self.directories.run(move || fs::File::open(dir)?.sync_all())
    }

    fn close(&self, lock: DirLock) -> BoxFuture<'static, ()> {
        // Closed before: there is nothing left to wait for.
        let Some(last_use) = self.directories.usage.end() else {
            drop(lock);
            return Box::pin(std::future::ready(()));
        };
        let (tell, told) = oneshot::channel();
        last_use.0.set((lock, tell)).expect("a disk is closed once: what is taken here is taken once");
        drop(last_use);
        Box::pin(async move {
            // Told by being dropped.
            let _ = told.await;
        })
    }
}

#[derive(Debug)]
struct RealFile {
    file: Arc<fs::File>,
    worker: Worker,
    kind: FileKind,
    metrics: Arc<DiskMetrics>,
}

impl File for RealFile {
    fn write_at(&self, offset: u64, bytes: Vec<u8>) -> BoxFuture<'static, io::Result<()>> {
        let (file, kind, metrics) = (Arc::clone(&self.file), self.kind, Arc::clone(&self.metrics));
        self.worker.run(move || {
            let began = Stopwatch::start();
            file.write_all_at(&bytes, offset)?;
            metrics.wrote(kind, bytes.len(), began.elapsed());
            Ok(())
        })
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'static, io::Result<Vec<u8>>> {
        let file = Arc::clone(&self.file);
        self.worker.run(move || {
            let mut bytes = vec![0; length];
            let mut filled = 0;
            while filled < length {
                match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        })
    }

    fn sync_data(&self) -> BoxFuture<'static, io::Result<()>> {
        let (file, kind, metrics) = (Arc::clone(&self.file), self.kind, Arc::clone(&self.metrics));
        self.worker.run(move || {
            let began = Stopwatch::start();
            file.sync_data()?;
            metrics.synced(kind, began.elapsed());
            Ok(())
        })
    }

    fn preallocate(&self, length: u64) -> BoxFuture<'static, io::Result<()>> {
        let file = Arc::clone(&self.file);
        self.worker.run(move || {
            match rustix::fs::fallocate(&*file, rustix::fs::FallocateFlags::empty(), 0, length) {
                Ok(()) => Ok(()),
                // Some file systems (overlays, network ones) cannot: a hole reads as zeros too, only slower later.
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(length),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn length(&self) -> BoxFuture<'static, io::Result<u64>> {
        let file = Arc::clone(&self.file);
        self.worker.run(move || Ok(file.metadata()?.len()))
    }

    /// Linux reads ahead into pages of up to a megabyte, and counts a whole one as written for each byte put into it.
    fn done_reading(&self) -> BoxFuture<'static, io::Result<()>> {
        let file = Arc::clone(&self.file);
        self.worker.run(move || Ok(rustix::fs::fadvise(&*file, 0, None, rustix::fs::Advice::DontNeed)?))
    }
}
