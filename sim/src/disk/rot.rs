//! Damage to durable data: flipped bits, sectors of zeros, writes that went to the wrong sector, and files that end too
//! early.
//!
//! Only what a member can notice is damaged. In the newest segment of its log that is what lies before something
//! durable that implies it: the closing record behind the last batch, once it has left the cache, or the next batch (see
//! `detcd_engine::wal`). A disk that damages what it holds has long written out what was in the cache before: so that is
//! done first. How many members of a cluster may be damaged is decided by the plan.

use super::faults::{is_log, is_snapshot};
use super::filesystem::SimFilesystem;
use super::image::SECTOR;
use super::{Machine, State};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Which file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DamagedFile {
    /// A segment of the log.
    Log,
    /// The newest snapshot.
    Snapshot,
    /// The description of the data directory.
    Meta,
}

/// How it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// One bit is flipped.
    FlippedBit,
    /// A sector is zeros.
    EmptySector,
    /// A sector holds what was written to another one of the file.
    MisdirectedWrite,
    /// The file ends here.
    CutEnd,
}

impl Machine {
    /// Damages a file at a place, in millionths of what can be damaged of it. The file; `None` where there is
    /// nothing yet whose damage could be noticed.
    pub fn damage(&self, file: DamagedFile, damage: Damage, at_per_million: u32) -> Option<PathBuf> {
        let mut state = self.lock();
        let damaged = state.filesystem.damage(file, damage, at_per_million)?;
        let (path, at) = damaged;
        state.trace.event(&state.name, format_args!("{damage:?} in {} at {at}", path.display()), &[]);
        state.damaged.push(path.clone());
        Some(path)
    }

    /// Removes all files.
    pub fn wipe(&self) {
        let mut state = self.lock();
        assert!(state.is_down, "{} is wiped while it is up", state.name);
        state.filesystem = SimFilesystem::new();
    }

    /// Whether an error at a start reports damage that was done: it names a damaged file, or for the log one that
    /// follows from it.
    pub fn explains(&self, error: &str) -> bool {
        let State { damaged, .. } = &*self.lock();
        damaged.iter().any(|path| {
            let named = if is_log(path) { path.parent().unwrap_or(path) } else { path };
            error.contains(&named.display().to_string())
        })
    }

    /// Whether anything on this disk was damaged, ever.
    pub fn is_damaged(&self) -> bool {
        !self.lock().damaged.is_empty()
    }
}

impl SimFilesystem {
    fn damage(&mut self, file: DamagedFile, damage: Damage, at_per_million: u32) -> Option<(PathBuf, usize)> {
        let mut found: Vec<PathBuf> = self.durable_files();
        found.retain(|path| match file {
            DamagedFile::Log => is_log(path) && path.extension().is_some_and(|end| end == "wal"),
            DamagedFile::Snapshot => is_snapshot(path) && path.extension().is_some_and(|end| end == "snap"),
            DamagedFile::Meta => path.ends_with("member/meta"),
        });
        // Names of segments and snapshots are numbers of a fixed length.
        found.sort();
        let newest = found.len().checked_sub(1)?;
        if file != DamagedFile::Log {
            found.drain(..newest);
        }
        let ranges: Vec<usize> = (0..found.len())
            .map(|place| self.exposed(&found[place], file == DamagedFile::Log && place == newest))
            .collect();
        let all: usize = ranges.iter().sum();
        let mut at = usize::try_from(all as u64 * u64::from(at_per_million) / 1_000_000).expect("in memory");
        for (path, range) in found.iter().zip(ranges) {
            if at < range {
                let inode = self.open(path).ok()?;
                let image = self.file(inode).ok()?;
                return image.damage(damage, at, range).then(|| (path.clone(), at));
            }
            at -= range;
        }
        None
    }

    /// How many bytes of a file, from its start, could be damaged so that it is noticed.
    fn exposed(&mut self, path: &Path, is_newest_of_log: bool) -> usize {
        let Ok(inode) = self.open(path) else { return 0 };
        let Ok(image) = self.file(inode) else { return 0 };
        if is_newest_of_log { image.proved() } else { image.settled() }
    }
}

impl super::image::Image {
    /// Whether anything changed.
    fn damage(&mut self, damage: Damage, at: usize, range: usize) -> bool {
        let start = at / SECTOR * SECTOR;
        let sector = match damage {
            Damage::FlippedBit => {
                let byte = self.read(at, 1)[0] ^ (1 << (at % 8));
                return self.overwrite(at, &[byte]);
            }
            Damage::CutEnd => return self.cut(at),
            _ if start + SECTOR > range => return false,
            Damage::EmptySector => vec![0; SECTOR],
            Damage::MisdirectedWrite => {
                let sectors = range / SECTOR;
                self.read((at / SECTOR + 1) % sectors * SECTOR, SECTOR)
            }
        };
        self.overwrite(start, &sector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskProfile;
    use crate::random::Seed;
    use crate::trace::Trace;
    use server_sim::disk::Disk;

    fn machine() -> Machine {
        let profile =
            DiskProfile { sync_us: 0, slow_syncs_per_million: 0, snapshot_write_us: 0, restart_ms: 1 };
        Machine::new("m0".to_owned(), profile, Seed(1).stream("disk"), Trace::default())
    }

    /// A log of two writes, each synced, with the second at 1024.
    async fn two_writes(machine: &Machine) -> super::super::SimDisk {
        let disk = machine.boot();
        let dir = Path::new("/data/member/wal");
        for dir in ["/data/member/wal", "/data/member", "/data", "/"] {
            disk.create_dir(Path::new(dir)).await.unwrap();
            disk.sync_dir(Path::new(dir)).await.unwrap();
        }
        let file = disk.create(&dir.join("1.wal")).await.unwrap();
        disk.sync_dir(dir).await.unwrap();
        for (offset, byte) in [(0, 1), (1024, 2)] {
            file.write_at(offset, vec![byte; 1024]).await.unwrap();
            file.sync_data().await.unwrap();
        }
        disk
    }

    #[test]
    fn only_what_something_durable_proves_is_damaged() {
        madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(async {
            for (is_closed, at_per_million, place) in
                [(false, 0, 0), (false, 500_000, 512), (false, 999_999, 1023), (true, 999_999, 2047)]
            {
                let machine = machine();
                let disk = two_writes(&machine).await;
                if is_closed {
                    let path = Path::new("/data/member/wal/1.wal");
                    disk.open(path).await.unwrap().write_at(2048, vec![3; 30]).await.unwrap();
                }
                let path = machine.damage(DamagedFile::Log, Damage::FlippedBit, at_per_million).unwrap();
                assert!(machine.explains(&format!("{}: corrupt", path.display())));
                assert!(!machine.explains("/data/member/snap/1.snap: corrupt"));
                let bytes = disk.open(&path).await.unwrap().read_at(0, 2048).await.unwrap();
                let other: Vec<usize> =
                    (0..2048).filter(|at| bytes[*at] != u8::try_from(1 + at / 1024).unwrap()).collect();
                assert_eq!(other, [place]);
            }
        });
    }
}
