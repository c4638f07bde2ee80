//! Snapshot files.

use super::{files, real_disk};
use detcd::disk::Disk;
use detcd::disk::snapshot_file::{self, ReadError, SnapshotName, SnapshotWriter};
use detcd_engine::membership::InitialCluster;
use detcd_engine::raft::SnapshotMeta;
use detcd_engine::snapshot::Writer;
use detcd_engine::state::State;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn first_state() -> State {
    State::first(&InitialCluster::new("test", [vec!["http://127.0.0.1:1".to_owned()]]))
}

/// The first state, said to stand elsewhere: nothing here looks into it.
fn place(index: u64) -> SnapshotMeta {
    let voters = first_state().members().keys().copied().collect();
    SnapshotMeta { index, term: 1, voters, learners: Vec::new() }
}

async fn write(disk: &Arc<dyn Disk>, dir: &Path, name: SnapshotName) {
    let mut file = SnapshotWriter::create(disk, dir, "checkpoint").await.unwrap();
    let mut pieces = Writer::new(place(1), first_state().view());
    while let Some(piece) = pieces.next_piece() {
        file.push(piece).await.unwrap();
    }
    file.finish(name).await.unwrap();
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let name = SnapshotName::of(&place(1));
    write(&disk, dir.path(), name).await;
    assert_eq!(files(dir.path(), ""), ["0000000000000001-0000000000000001.snap"]);
    let (meta, state) = snapshot_file::read(&*disk, dir.path(), name).await.unwrap();
    assert_eq!((meta, state.hash()), (place(1), first_state().hash()));
}

#[tokio::test]
async fn an_unfinished_one_does_not_count_and_goes() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let mut file = SnapshotWriter::create(&disk, dir.path(), "received").await.unwrap();
    file.push(b"half".to_vec()).await.unwrap();
    drop(file);
    std::fs::write(dir.path().join("notes.txt"), b"not ours").unwrap();
    assert_eq!(snapshot_file::list(&*disk, dir.path()).await.unwrap(), []);
    snapshot_file::sync_names(&*disk, dir.path()).await.unwrap();
    assert_eq!(files(dir.path(), ""), ["notes.txt"]);
}

/// A receiver that begins anew must not share its file with writes of the old one that are still in flight.
#[tokio::test]
async fn a_second_writer_does_not_write_into_the_file_of_the_first() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let mut old = SnapshotWriter::create(&disk, dir.path(), "received").await.unwrap();
    old.push(b"old piece".to_vec()).await.unwrap();
    let mut new = SnapshotWriter::create(&disk, dir.path(), "received").await.unwrap();
    new.push(b"new".to_vec()).await.unwrap();
    old.push(b" and another".to_vec()).await.unwrap();
    let name = SnapshotName { index: 9, term: 2 };
    new.finish(name).await.unwrap();
    assert_eq!(std::fs::read(name.path(dir.path())).unwrap(), b"new");
}

#[tokio::test]
async fn the_newest_two_are_kept_and_received_ones_that_are_newer_left_alone() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    for (index, term) in [(5, 1), (30, 1), (16, 2), (7, 2), (8, 1)] {
        write(&disk, dir.path(), SnapshotName { index, term }).await;
    }
    assert_eq!(snapshot_file::keep_two(&*disk, dir.path(), 16).await.unwrap(), 8);
    let kept: Vec<u64> =
        snapshot_file::list(&*disk, dir.path()).await.unwrap().iter().map(|name| name.index).collect();
    assert_eq!(kept, [8, 16, 30]);
    // The only one there is stays, whatever is asked.
    let alone = TempDir::new().unwrap();
    write(&disk, alone.path(), SnapshotName { index: 4, term: 1 }).await;
    assert_eq!(snapshot_file::keep_two(&*disk, alone.path(), 4).await.unwrap(), 4);
}

#[tokio::test]
async fn a_damaged_one_is_an_error_that_names_it() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let name = SnapshotName::of(&place(1));
    write(&disk, dir.path(), name).await;
    let path = name.path(dir.path());
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        std::fs::write(&path, damaged).unwrap();
        let error = snapshot_file::read(&*disk, dir.path(), name).await.unwrap_err();
        assert!(matches!(error, ReadError::Damaged { .. }), "byte {at}: {error}");
        assert!(
            error.to_string().starts_with(&format!("snapshot {} is damaged: ", path.display())),
            "{error}"
        );
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(snapshot_file::read(&*disk, dir.path(), name).await.is_err(), "cut at {at}");
    }
}
