//! A disk for each member that keeps the promises of `server_sim::disk` and not one more.
//!
//! A machine's disk outlives its members: each boot has a `SimDisk` of its own onto it, which goes dead when the
//! power fails. What a dead handle is asked never answers, as nobody is left to hear it.

mod image;
mod platter;

use crate::random::Stream;
use crate::trace::Trace;
use image::SyncPoint;
use madsim::time::sleep;
use platter::{Inode, Platter};
use serde::{Deserialize, Serialize};
use server_sim::clock::BoxFuture;
use server_sim::disk::{Disk, File};
use std::any::Any;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// No sync takes longer. Well beyond any election timeout, and well within the time that members have to come to rest.
const LONGEST_SYNC: Duration = Duration::from_secs(5);

/// How a disk behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskProfile {
    /// How long a sync usually takes; zero for at once.
    pub sync_us: u64,
    /// Syncs that take up to 100 times as long, or `LONGEST_SYNC`, in a million.
    pub slow_syncs_per_million: u32,
}

/// One machine's disk. Cheap to clone; all clones are the same disk.
#[derive(Clone, Debug)]
pub struct Machine(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    name: String,
    platter: Platter,
    profile: DiskProfile,
    stream: Stream,
    trace: Trace,
    /// Which boot may use the disk.
    boot: u32,
    locked: BTreeSet<PathBuf>,
    /// The power fails at the so many-th operation from now.
    operations_left: Option<u64>,
    is_down: bool,
    operations: u64,
}

impl Machine {
    /// With an empty disk.
    pub fn new(name: String, profile: DiskProfile, stream: Stream, trace: Trace) -> Machine {
        let state = State {
            name,
            platter: Platter::new(),
            profile,
            stream,
            trace,
            boot: 0,
            locked: BTreeSet::new(),
            operations_left: None,
            is_down: true,
            operations: 0,
        };
        Machine(Arc::new(Mutex::new(state)))
    }

    /// The machine comes up: its disk, for this boot.
    pub fn boot(&self) -> SimDisk {
        let mut state = self.lock();
        assert!(state.is_down, "{} boots while it is up", state.name);
        state.is_down = false;
        state.boot += 1;
        SimDisk { machine: self.clone(), boot: state.boot }
    }

    /// The power fails: unsynced writes survive or not, as the stream says.
    pub fn lose_power(&self) {
        let mut state = self.lock();
        state.go_down();
        let State { platter, stream, .. } = &mut *state;
        platter.lose_power(stream);
    }

    /// The member's process ended; the machine stays up, and nothing is lost.
    pub fn process_ends(&self) {
        self.lock().go_down();
    }

    /// The power is not to fail after all, if it has not yet.
    pub fn spare(&self) {
        self.lock().operations_left = None;
    }

    /// The power is to fail after so many more operations, in the middle of whatever that is: `is_down` says when.
    pub fn fail_after(&self, operations: u64) {
        self.lock().operations_left = Some(operations);
    }

    /// Whether nothing that a member asks of this disk is answered any more.
    pub fn is_down(&self) -> bool {
        self.lock().is_down
    }

    /// How much was asked of the disk so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }
}

impl State {
    fn go_down(&mut self) {
        self.is_down = true;
        self.operations_left = None;
        self.locked.clear();
    }

    /// Counts an operation; whether it is done at all.
    fn admits(&mut self, boot: u32) -> bool {
        if self.is_down || boot != self.boot {
            return false;
        }
        self.operations += 1;
        match &mut self.operations_left {
            Some(0) => self.go_down(),
            Some(left) => *left -= 1,
            None => {}
        }
        !self.is_down
    }

    fn sync_takes(&mut self) -> Duration {
        let DiskProfile { sync_us, slow_syncs_per_million } = self.profile;
        let sync = Duration::from_micros(sync_us);
        if sync.is_zero() {
            return sync;
        }
        let usual = self.stream.delay(sync);
        if self.stream.happens(slow_syncs_per_million) {
            let slow = usual * u32::try_from(self.stream.within(10..100)).expect("below 100");
            return slow.min(LONGEST_SYNC);
        }
        usual
    }
}

/// A disk as one boot of a member sees it.
#[derive(Clone, Debug)]
pub struct SimDisk {
    machine: Machine,
    boot: u32,
}

impl SimDisk {
    /// An operation that takes effect now; its answer never comes if the power has failed.
    fn now<T: Send + 'static>(
        &self,
        doing: &str,
        path: &Path,
        operation: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> BoxFuture<'static, io::Result<T>> {
        let mut state = self.machine.lock();
        if !state.admits(self.boot) {
            return Box::pin(std::future::pending());
        }
        state.trace.event(&state.name, format_args!("disk {doing} {}", path.display()), &[]);
        let answer = operation(&mut state);
        Box::pin(std::future::ready(answer))
    }

    /// Whether the power lasted until now.
    fn finish_sync(&self, inode: Inode, point: SyncPoint) -> bool {
        let mut state = self.machine.lock();
        let is_up = !state.is_down && state.boot == self.boot;
        if is_up {
            state.platter.finish_sync(inode, point);
        }
        is_up
    }

    fn file(&self, path: &Path, inode: Inode) -> Arc<dyn File> {
        Arc::new(SimFile { disk: self.clone(), path: path.to_owned(), inode })
    }
}

/// Keeps a directory locked while its boot lasts.
struct DirLock {
    disk: SimDisk,
    dir: PathBuf,
}

impl Drop for DirLock {
    fn drop(&mut self) {
        let mut state = self.disk.machine.lock();
        if state.boot == self.disk.boot {
            state.locked.remove(&self.dir);
        }
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.now("create_dir", path, |state| state.platter.create_dir(path))
    }

    fn lock(&self, dir: &Path) -> BoxFuture<'static, io::Result<Box<dyn Any + Send + Sync>>> {
        self.now("lock", dir, |state| {
            if !state.locked.insert(dir.to_owned()) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(Box::new(DirLock { disk: self.clone(), dir: dir.to_owned() }) as Box<dyn Any + Send + Sync>)
        })
    }

    fn list(&self, dir: &Path) -> BoxFuture<'static, io::Result<Vec<String>>> {
        self.now("list", dir, |state| state.platter.list(dir))
    }

    fn create(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        self.now("create", path, |state| Ok(self.file(path, state.platter.create(path)?)))
    }

    fn open(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        self.now("open", path, |state| Ok(self.file(path, state.platter.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.now("rename to", to, |state| state.platter.rename(from, to))
    }

    fn remove(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.now("remove", path, |state| state.platter.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.now("sync_dir", dir, |state| state.platter.sync_dir(dir))
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    inode: Inode,
}

impl File for SimFile {
    fn write_at(&self, offset: u64, bytes: Vec<u8>) -> BoxFuture<'static, io::Result<()>> {
        let mut state = self.disk.machine.lock();
        if !state.admits(self.disk.boot) {
            return Box::pin(std::future::pending());
        }
        let what = format_args!("disk write {} at {offset}: {}", self.path.display(), bytes.len());
        state.trace.event(&state.name, what, &bytes);
        let written = state.platter.file(self.inode).map(|image| image.write(place(offset), &bytes));
        Box::pin(std::future::ready(written))
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'static, io::Result<Vec<u8>>> {
        self.disk
            .now("read", &self.path, |state| Ok(state.platter.file(self.inode)?.read(place(offset), length)))
    }

    fn sync_data(&self) -> BoxFuture<'static, io::Result<()>> {
        let mut state = self.disk.machine.lock();
        if !state.admits(self.disk.boot) {
            return Box::pin(std::future::pending());
        }
        let point: SyncPoint = match state.platter.file(self.inode) {
            Ok(image) => image.begin_sync(),
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let takes = state.sync_takes();
        state.trace.event(&state.name, format_args!("disk sync {} in {takes:?}", self.path.display()), &[]);
        drop(state);
        let (disk, inode) = (self.disk.clone(), self.inode);
        Box::pin(async move {
            if !takes.is_zero() {
                sleep(takes).await;
            }
            if disk.finish_sync(inode, point) { Ok(()) } else { std::future::pending().await }
        })
    }

    fn preallocate(&self, length: u64) -> BoxFuture<'static, io::Result<()>> {
        self.disk.now("preallocate", &self.path, |state| {
            state.platter.file(self.inode)?.extend(place(length));
            Ok(())
        })
    }

    fn length(&self) -> BoxFuture<'static, io::Result<u64>> {
        self.disk.now("length", &self.path, |state| Ok(state.platter.file(self.inode)?.length() as u64))
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated file fits in memory")
}
