//! The log, the snapshots and the data directory on a real disk: what is written is read back, what a crash can leave
//! behind is survived, and what a crash cannot leave behind is refused by name.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

#[path = "disk/contract.rs"]
mod contract;
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

use detcd::disk as api;
use detcd::disk::Disk;
use detcd::disk::real::RealDisk;
use detcd::metrics::Metrics;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

fn real_disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk::start(Metrics::new().disk).unwrap())
}

/// The files of a directory that end so, sorted.
fn files(dir: &Path, ending: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

/// The machine that the tests run on.
struct ThisMachine(TempDir);

impl contract::Machine for ThisMachine {
    fn dir(&self) -> PathBuf {
        self.0.path().to_owned()
    }
    fn boot(&self) -> Arc<dyn Disk> {
        real_disk()
    }
}

#[tokio::test]
async fn the_real_disk_keeps_every_word_of_the_trait() {
    contract::every_sentence_holds(&ThisMachine(TempDir::new().unwrap())).await;
}

/// A process that ends loses nothing: no part of what the trait leaves open is lost.
#[tokio::test]
async fn what_the_real_disk_was_asked_survives_the_process() {
    let left = contract::what_was_synced_survives(&ThisMachine(TempDir::new().unwrap()), || {}).await;
    let all = contract::Left {
        new_name: true,
        renamed: true,
        removed: false,
        first_sector: true,
        second_sector: true,
    };
    assert_eq!(left, all);
}
