//! The words of the trait `Disk`, held against a disk. The real disk is asked here, the simulator's by the same file in
//! `sim/src/disk.rs`: so the simulated disk leaves open what the trait leaves open, and nothing that it promises.

use super::api::{Disk, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What every file system of today writes at once, whole or not.
const SECTOR_BYTES: usize = 512;

/// A machine with an empty directory.
pub(crate) trait Machine {
    /// Where that is.
    fn dir(&self) -> PathBuf;
    /// The disk of the next boot. The one before was closed, or the machine has failed since.
    fn boot(&self) -> Arc<dyn Disk>;
}

/// All that holds without a crash.
pub(crate) async fn every_sentence_holds(machine: &dyn Machine) {
    let (disk, root) = (machine.boot(), machine.dir());
    let dir = |name: &str| root.join(name);
    directories(&*disk, &dir("directories")).await;
    files(&*disk, &dir("files")).await;
    calls_that_nobody_awaits(&*disk, &dir("order")).await;
    renames(&*disk, &dir("renames")).await;
    removals(&*disk, &dir("removals")).await;
    locks(&*disk, &dir("locks")).await;
    closing(machine, disk, &dir("closing")).await;
}

async fn list(disk: &dyn Disk, dir: &Path) -> Vec<String> {
    disk.list(dir).await.unwrap()
}

/// A file with these bytes, neither synced nor its name durable.
async fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Arc<dyn File> {
    let file = disk.create(path).await.unwrap();
    file.write_at(0, bytes.to_vec()).await.unwrap();
    file
}

async fn read(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    disk.open(path).await.unwrap().read_at(0, usize::from(u16::MAX)).await.unwrap()
}

async fn directories(disk: &dyn Disk, dir: &Path) {
    disk.create_dir(&dir.join("above/below")).await.unwrap();
    assert_eq!(list(disk, dir).await, ["above"], "those above it are made, too");
    write(disk, &dir.join("above/file"), b"kept").await;
    disk.create_dir(&dir.join("above")).await.unwrap();
    assert_eq!(list(disk, &dir.join("above")).await, ["below", "file"], "one that exists is left alone");
    for name in ["z", "B", "a.tmp", "a"] {
        write(disk, &dir.join(name), b"").await;
    }
    assert_eq!(list(disk, dir).await, ["B", "a", "a.tmp", "above", "z"], "names are sorted");
    assert_eq!(disk.list(&dir.join("none")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn files(disk: &dyn Disk, dir: &Path) {
    disk.create_dir(dir).await.unwrap();
    let path = dir.join("file");
    assert_eq!(disk.open(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
    let file = disk.create(&path).await.unwrap();
    assert_eq!(file.length().await.unwrap(), 0);
    assert_eq!(file.read_at(0, 10).await.unwrap(), b"");
    file.write_at(4, b"abc".to_vec()).await.unwrap();
    assert_eq!(file.read_at(0, 100).await.unwrap(), b"\0\0\0\0abc", "beyond the end, if need be");
    file.write_at(5, b"XY".to_vec()).await.unwrap();
    assert_eq!(file.length().await.unwrap(), 7);
    assert_eq!(file.read_at(5, 1).await.unwrap(), b"X");
    assert_eq!(file.read_at(7, 1).await.unwrap(), b"");
    assert_eq!(file.read_at(700, 1).await.unwrap(), b"");
    file.sync_data().await.unwrap();
    file.done_reading().await.unwrap();
    assert_eq!(read(disk, &path).await, b"\0\0\0\0aXY", "a second handle reads the same");
    let emptied = disk.create(&path).await.unwrap();
    assert_eq!(emptied.length().await.unwrap(), 0, "one that exists is emptied");
    emptied.preallocate(10_000).await.unwrap();
    assert_eq!(emptied.length().await.unwrap(), 10_000);
    assert_eq!(emptied.read_at(0, 20_000).await.unwrap(), vec![0; 10_000]);
    emptied.write_at(9_999, b"e".to_vec()).await.unwrap();
    assert_eq!(emptied.length().await.unwrap(), 10_000, "the space was there");
    assert_eq!(list(disk, dir).await, ["file"]);
}

async fn calls_that_nobody_awaits(disk: &dyn Disk, dir: &Path) {
    disk.create_dir(dir).await.unwrap();
    let file = disk.create(&dir.join("file")).await.unwrap();
    for number in 0..100_u8 {
        drop(file.write_at(u64::from(number % 7), vec![number; 3]));
    }
    drop(file.sync_data());
    // Those of 93 to 99 are the last ones: they begin at 2 to 6, then at 0 and 1.
    assert_eq!(file.read_at(0, 100).await.unwrap(), [98, 99, 99, 99, 95, 96, 97, 97, 97]);
}

async fn renames(disk: &dyn Disk, dir: &Path) {
    disk.create_dir(&dir.join("old")).await.unwrap();
    write(disk, &dir.join("old/inside"), b"inside").await;
    write(disk, &dir.join("a"), b"of a").await;
    write(disk, &dir.join("b"), b"of b, which is longer").await;
    disk.rename(&dir.join("a"), &dir.join("b")).await.unwrap();
    assert_eq!(read(disk, &dir.join("b")).await, b"of a", "in place of a file of that name");
    disk.rename(&dir.join("old"), &dir.join("new")).await.unwrap();
    assert_eq!(list(disk, dir).await, ["b", "new"]);
    assert_eq!(read(disk, &dir.join("new/inside")).await, b"inside");
    let gone = disk.rename(&dir.join("a"), &dir.join("c")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

async fn removals(disk: &dyn Disk, dir: &Path) {
    disk.create_dir(&dir.join("full/deep")).await.unwrap();
    write(disk, &dir.join("full/deep/file"), b"x").await;
    write(disk, &dir.join("file"), b"x").await;
    write(disk, &dir.join("other"), b"x").await;
    for name in ["full", "file", "file", "none"] {
        disk.remove(&dir.join(name)).await.unwrap();
    }
    assert_eq!(list(disk, dir).await, ["other"]);
    let again = disk.create(&dir.join("file")).await.unwrap();
    assert_eq!(again.length().await.unwrap(), 0, "a new file under an old name is empty");
}

async fn locks(disk: &dyn Disk, dir: &Path) {
    disk.create_dir(dir).await.unwrap();
    let lock = disk.lock(dir).await.unwrap();
    assert_eq!(disk.lock(dir).await.err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
    assert_eq!(list(disk, dir).await, Vec::<String>::new(), "a lock writes nothing");
    drop(lock);
    drop(disk.lock(dir).await.unwrap());
}

/// Each time the next boot has the lock and finds what the last one asked for before it closed, and no more.
async fn closing(machine: &dyn Machine, first: Arc<dyn Disk>, dir: &Path) {
    first.create_dir(dir).await.unwrap();
    let mut disk = first;
    for (round, is_awaited) in [true, false, true].into_iter().enumerate() {
        let lock = locked(&*disk, dir).await;
        let file = disk.create(&dir.join(format!("{round}.tmp"))).await.unwrap();
        drop(file.write_at(0, b"asked before".to_vec()));
        drop(disk.rename(&dir.join(format!("{round}.tmp")), &dir.join(format!("{round}"))));
        let closed = disk.close(lock);
        assert!(file.write_at(0, b"asked after!".to_vec()).await.is_err());
        assert!(disk.create(&dir.join("after")).await.is_err());
        assert!(disk.remove(&dir.join(format!("{round}"))).await.is_err());
        if is_awaited {
            closed.await;
        } else {
            drop(closed);
        }
        disk = machine.boot();
        let lock = locked(&*disk, dir).await;
        let expected: Vec<String> = (0..=round).map(|round| round.to_string()).collect();
        assert_eq!(list(&*disk, dir).await, expected);
        assert_eq!(read(&*disk, &dir.join(format!("{round}"))).await, b"asked before");
        drop(lock);
    }
}

/// The lock, as soon as the boot before has given it back: where nobody waits for that, it may take a while.
async fn locked(disk: &dyn Disk, dir: &Path) -> super::api::DirLock {
    for _ in 0..100_000 {
        match disk.lock(dir).await {
            Ok(lock) => return lock,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }
    panic!("the lock of {} is never given back", dir.display());
}

/// What of all that the trait leaves open a crash left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Left {
    /// A new file is there whose directory was not synced.
    pub(crate) new_name: bool,
    /// A file has its new name, which was not synced.
    pub(crate) renamed: bool,
    /// A file is there that was removed, which was not synced.
    pub(crate) removed: bool,
    /// The first sector of an unsynced write is there.
    pub(crate) first_sector: bool,
    /// The second one is.
    pub(crate) second_sector: bool,
}

/// What was synced survives a crash, and what was not is there whole, or as before, or not at all. `crash` ends the first
/// boot.
pub(crate) async fn what_was_synced_survives(machine: &dyn Machine, crash: impl FnOnce()) -> Left {
    let (disk, dir) = (machine.boot(), machine.dir());
    let path = |name: &str| dir.join(name);
    let (old, new) = (vec![1; 2 * SECTOR_BYTES], vec![2; 2 * SECTOR_BYTES]);
    for name in ["sure", "overwritten", "renamed.tmp", "replaced", "removed", "gone"] {
        write(&*disk, &path(name), &old).await.sync_data().await.unwrap();
    }
    let allocated = disk.create(&path("allocated")).await.unwrap();
    allocated.preallocate(5_000).await.unwrap();
    allocated.sync_data().await.unwrap();
    write(&*disk, &path("sure.tmp"), &new).await.sync_data().await.unwrap();
    disk.rename(&path("sure.tmp"), &path("sure")).await.unwrap();
    disk.remove(&path("gone")).await.unwrap();
    disk.sync_dir(&dir).await.unwrap();

    write(&*disk, &path("new"), &new).await.sync_data().await.unwrap();
    disk.open(&path("overwritten")).await.unwrap().write_at(0, new.clone()).await.unwrap();
    disk.rename(&path("renamed.tmp"), &path("renamed")).await.unwrap();
    write(&*disk, &path("replaced.tmp"), &new).await.sync_data().await.unwrap();
    disk.rename(&path("replaced.tmp"), &path("replaced")).await.unwrap();
    disk.remove(&path("removed")).await.unwrap();
    drop(disk);
    crash();

    let disk = machine.boot();
    let names = list(&*disk, &dir).await;
    let has = |name: &str| names.iter().any(|found| found == name);
    assert!(!has("gone") && !has("sure.tmp"), "{names:?}");
    assert_eq!(read(&*disk, &path("sure")).await, new);
    assert_eq!(read(&*disk, &path("allocated")).await, vec![0; 5_000]);
    assert!(has("renamed") != has("renamed.tmp"), "one name or the other: {names:?}");
    assert_eq!(read(&*disk, &path(if has("renamed") { "renamed" } else { "renamed.tmp" })).await, old);
    let replaced = read(&*disk, &path("replaced")).await;
    assert!(
        replaced == old || replaced == new,
        "the old file or the new one, each with what was synced of it"
    );
    if has("new") {
        assert_eq!(read(&*disk, &path("new")).await, new);
    }
    if has("removed") {
        assert_eq!(read(&*disk, &path("removed")).await, old);
    }
    let overwritten = read(&*disk, &path("overwritten")).await;
    assert_eq!(overwritten.len(), old.len());
    let is_written = |sector: usize| {
        let sector = &overwritten[sector * SECTOR_BYTES..][..SECTOR_BYTES];
        assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is written whole");
        sector[0] == 2
    };
    Left {
        new_name: has("new"),
        renamed: has("renamed"),
        removed: has("removed"),
        first_sector: is_written(0),
        second_sector: is_written(1),
    }
}
