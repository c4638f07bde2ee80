//! `server_sim::disk::Disk` as one boot of a member sees it.

use super::faults::OperationKind;
use super::filesystem::Inode;
use super::image::SyncPoint;
use super::{Admission, Machine, State};
use madsim::time::sleep;
use server_sim::clock::BoxFuture;
use server_sim::disk::{DirLock, Disk, File, closed};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A disk as one boot of a member sees it.
#[derive(Clone, Debug)]
pub struct SimDisk {
    machine: Machine,
    boot: u32,
}

/// An operation, for the trace and for the faults that it may meet.
#[derive(Clone, Copy)]
struct Asked<'a> {
    kind: OperationKind,
    doing: &'static str,
    path: &'a Path,
    needs_room: bool,
}

impl<'a> Asked<'a> {
    fn read(doing: &'static str, path: &'a Path) -> Asked<'a> {
        Asked { kind: OperationKind::Read, doing, path, needs_room: false }
    }

    fn write(doing: &'static str, path: &'a Path) -> Asked<'a> {
        Asked { kind: OperationKind::Write, doing, path, needs_room: false }
    }

    fn create(doing: &'static str, path: &'a Path) -> Asked<'a> {
        Asked { needs_room: true, ..Asked::write(doing, path) }
    }
}

impl SimDisk {
    pub(super) fn new(machine: Machine, boot: u32) -> SimDisk {
        SimDisk { machine, boot }
    }

    /// An operation that takes effect now. It never completes if the power has failed; where a fault is
    /// due, `failing` does the part that takes effect.
    fn ask<T: Send + 'static>(
        &self,
        asked: Asked<'_>,
        operation: impl FnOnce(&mut State) -> io::Result<T>,
        failing: impl FnOnce(&mut State),
    ) -> BoxFuture<'static, io::Result<T>> {
        let Asked { kind, doing, path, needs_room } = asked;
        let mut state = self.machine.lock();
        let admission = state.admits(self.boot);
        match admission {
            Admission::Dead => return Box::pin(std::future::pending()),
            Admission::Closed => return Box::pin(std::future::ready(Err(closed()))),
            Admission::Done | Admission::Last => {}
        }
        state.trace.event(&state.name, format_args!("disk {doing} {}", path.display()), &[]);
        if admission == Admission::Last {
            // A sync during which the power failed does not count.
            if kind == OperationKind::Write {
                drop(operation(&mut state));
            }
            return Box::pin(std::future::pending());
        }
        if let Some(error) = state.fails(kind, needs_room, path) {
            failing(&mut state);
            return Box::pin(std::future::ready(Err(error)));
        }
        let takes = state.takes(kind, path);
        let answer = operation(&mut state);
        drop(state);
        if takes.is_zero() {
            return Box::pin(std::future::ready(answer));
        }
        let disk = self.clone();
        Box::pin(async move {
            sleep(takes).await;
            if disk.is_up() { answer } else { std::future::pending().await }
        })
    }

    /// As `ask`, where a failure changes nothing.
    fn now<T: Send + 'static>(
        &self,
        asked: Asked<'_>,
        operation: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> BoxFuture<'static, io::Result<T>> {
        self.ask(asked, operation, |_| {})
    }

    fn is_up(&self) -> bool {
        let state = self.machine.lock();
        !state.is_down && state.boot == self.boot
    }

    /// Whether the power has not failed since.
    fn finish_sync(&self, inode: Inode, point: SyncPoint) -> bool {
        let is_up = self.is_up();
        if is_up {
            self.machine.lock().filesystem.finish_sync(inode, point);
        }
        is_up
    }

    fn file(&self, path: &Path, inode: Inode) -> Arc<dyn File> {
        Arc::new(SimFile { disk: self.clone(), path: path.to_owned(), inode })
    }
}

/// Keeps a directory locked while its boot lasts.
struct Locked {
    disk: SimDisk,
    dir: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut state = self.disk.machine.lock();
        if state.boot == self.disk.boot {
            state.locked.remove(&self.dir);
        }
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.now(Asked::create("create_dir", path), |state| state.filesystem.create_dir(path))
    }

    fn lock(&self, dir: &Path) -> BoxFuture<'static, io::Result<DirLock>> {
        self.now(Asked::read("lock", dir), |state| {
            if !state.locked.insert(dir.to_owned()) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(Box::new(Locked { disk: self.clone(), dir: dir.to_owned() }) as DirLock)
        })
    }

    fn list(&self, dir: &Path) -> BoxFuture<'static, io::Result<Vec<String>>> {
        self.now(Asked::read("list", dir), |state| state.filesystem.list(dir))
    }

    fn create(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        self.now(Asked::create("create", path), |state| Ok(self.file(path, state.filesystem.create(path)?)))
    }

    fn open(&self, path: &Path) -> BoxFuture<'static, io::Result<Arc<dyn File>>> {
        self.now(Asked::read("open", path), |state| Ok(self.file(path, state.filesystem.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.now(Asked::write("rename to", to), |state| state.filesystem.rename(from, to))
    }

    fn remove(&self, path: &Path) -> BoxFuture<'static, io::Result<()>> {
        self.now(Asked::write("remove", path), |state| state.filesystem.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> BoxFuture<'static, io::Result<()>> {
        let asked = Asked { kind: OperationKind::Sync, doing: "sync_dir", path: dir, needs_room: false };
        // Names are in the file system's journal: after a failure they are as little durable as before.
        self.now(asked, |state| state.filesystem.sync_dir(dir))
    }

    /// Calls take effect when they are made: there is none to wait for.
    fn close(&self, lock: DirLock) -> BoxFuture<'static, ()> {
        let mut state = self.machine.lock();
        if state.boot == self.boot {
            state.is_closed = true;
        }
        drop(state);
        drop(lock);
        Box::pin(std::future::ready(()))
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
        let grows = |state: &mut State| {
            let length = state.filesystem.file(self.inode).map_or(0, |image| image.length());
            place(offset) + bytes.len() > length
        };
        let needs_room = grows(&mut self.disk.machine.lock());
        let asked = Asked { needs_room, ..Asked::write("write", &self.path) };
        self.disk.ask(
            asked,
            |state| {
                state.trace.event(&state.name, format_args!("at {offset}: {}", bytes.len()), &bytes);
                state.filesystem.file(self.inode).map(|image| image.write(place(offset), &bytes))
            },
            |state| {
                let written = state.stream.index(bytes.len() + 1);
                let State { filesystem, .. } = state;
                if let Ok(image) = filesystem.file(self.inode) {
                    image.write(place(offset), &bytes[..written]);
                }
            },
        )
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'static, io::Result<Vec<u8>>> {
        let asked = Asked::read("read", &self.path);
        self.disk.now(asked, |state| Ok(state.filesystem.file(self.inode)?.read(place(offset), length)))
    }

    fn sync_data(&self) -> BoxFuture<'static, io::Result<()>> {
        let mut state = self.disk.machine.lock();
        match state.admits(self.disk.boot) {
            Admission::Done => {}
            Admission::Closed => return Box::pin(std::future::ready(Err(closed()))),
            Admission::Last | Admission::Dead => return Box::pin(std::future::pending()),
        }
        let point: SyncPoint = match state.filesystem.file(self.inode) {
            Ok(image) => image.begin_sync(),
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let takes = state.sync_takes(&self.path);
        state.trace.event(&state.name, format_args!("disk sync {} in {takes:?}", self.path.display()), &[]);
        let error = state.fails(OperationKind::Sync, false, &self.path);
        if error.is_some() {
            let State { filesystem, stream, .. } = &mut *state;
            if let Ok(image) = filesystem.file(self.inode) {
                image.fail_sync(point, stream);
            }
        }
        drop(state);
        let (disk, inode) = (self.disk.clone(), self.inode);
        Box::pin(async move {
            if !takes.is_zero() {
                sleep(takes).await;
            }
            match error {
                _ if !disk.is_up() => std::future::pending().await,
                Some(error) => Err(error),
                None if disk.finish_sync(inode, point) => Ok(()),
                None => std::future::pending().await,
            }
        })
    }

    fn preallocate(&self, length: u64) -> BoxFuture<'static, io::Result<()>> {
        self.disk.now(Asked::create("preallocate", &self.path), |state| {
            state.filesystem.file(self.inode)?.extend(place(length));
            Ok(())
        })
    }

    fn length(&self) -> BoxFuture<'static, io::Result<u64>> {
        let asked = Asked::read("length", &self.path);
        self.disk.now(asked, |state| Ok(state.filesystem.file(self.inode)?.length() as u64))
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated file fits in memory")
}
