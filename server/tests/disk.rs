//! The log, the snapshots and the data directory on a real disk: what is written is read back, what a crash can leave
//! behind is survived, and what a crash cannot leave behind is refused by name.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

#[path = "disk/counting.rs"]
mod counting;
#[path = "disk/data_dir.rs"]
mod data_dir;
#[path = "disk/follower.rs"]
mod follower;
#[path = "disk/identity.rs"]
mod identity;
mod processes;
#[path = "disk/recovery.rs"]
mod recovery;
#[path = "disk/snapshots.rs"]
mod snapshots;
#[path = "disk/stopping.rs"]
mod stopping;
#[path = "disk/wal.rs"]
mod wal;

use detcd::disk::Disk;
use detcd::disk::real::RealDisk;
use std::path::Path;
use std::sync::Arc;

fn real_disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk::start().unwrap())
}

/// The files of a directory that end so, sorted.
fn files(dir: &Path, ending: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}
