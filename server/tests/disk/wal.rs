//! The log.

use super::counting::counted;
use super::{files, real_disk};
use bytes::Bytes;
use detcd::disk::Disk;
use detcd::disk::wal::{self, OpenError, Wal, WalConfig};
use detcd_engine::ids::{ClusterId, Incarnation, MemberId};
use detcd_engine::raft::{EntryKind, HardState, LogEntry, LogRecord, SnapshotMeta};
use detcd_engine::wal::{HEADER_BYTES, WalError};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const ME: MemberId = MemberId(7);

fn config(dir: &Path, segment_bytes: u64) -> WalConfig {
    let (cluster, incarnation) = (ClusterId(1), Incarnation(3));
    WalConfig { dir: dir.to_owned(), cluster, member: ME, incarnation, segment_bytes }
}

fn place(index: u64) -> SnapshotMeta {
    SnapshotMeta { index, term: 1, voters: vec![ME], learners: Vec::new() }
}

fn entry(index: u64, text: &str) -> LogEntry {
    LogEntry { term: 1, index, kind: EntryKind::Commands, data: Bytes::from(format!("{text} {index}")) }
}

/// A batch of one entry that commits the one before it.
fn batch(index: u64, text: &str) -> Vec<LogRecord> {
    let hard_state = Some(HardState { term: 1, vote: ME, commit: index - 1 });
    vec![LogRecord::Append { hard_state, entries: vec![entry(index, text)] }]
}

/// A log that begins after entry 1.
async fn begin(disk: &Arc<dyn Disk>, config: WalConfig) -> Wal {
    let mut wal = Wal::create(disk, config).await.unwrap();
    let hard_state = HardState { term: 1, vote: MemberId(0), commit: 1 };
    wal.append(&[vec![LogRecord::Installed { hard_state, meta: place(1) }]]).await.unwrap();
    wal
}

/// The log read again, and its entries after `from`.
async fn reopen(disk: &Arc<dyn Disk>, config: WalConfig, from: u64) -> (Wal, Vec<LogEntry>) {
    let opened = wal::open(disk, config, 0).await.unwrap();
    (opened.wal, opened.replay.finish(&place(from)).unwrap().entries)
}

#[tokio::test]
async fn what_was_appended_is_read_back_over_rotations_and_restarts() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let config = config(dir.path(), 1024);
    let mut wal = begin(&disk, config.clone()).await;
    let mut expected = Vec::new();
    for index in 2..60 {
        wal.append(&[batch(index, "entry")]).await.unwrap();
        expected.push(entry(index, "entry"));
        if index % 7 == 0 {
            let found;
            (wal, found) = reopen(&disk, config.clone(), 1).await;
            assert_eq!(found, expected);
        }
    }
    assert!(wal.segments() > 3, "{} segments", wal.segments());
    assert_eq!(files(dir.path(), ".wal").len(), wal.segments());
    assert_eq!(files(dir.path(), ".tmp"), [""; 0]);
    let lengths = files(dir.path(), ".wal").into_iter().map(|name| dir.path().join(name));
    assert!(lengths.map(|path| path.metadata().unwrap().len()).all(|length| length == 1024));
}

#[tokio::test]
async fn a_batch_larger_than_a_segment_has_its_own() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let config = config(dir.path(), 512);
    let mut wal = begin(&disk, config.clone()).await;
    let large = "x".repeat(5000);
    let texts = ["small", &large, &large, "small"];
    let batches: Vec<_> = (2..).zip(texts).map(|(index, text)| batch(index, text)).collect();
    // All in one append: the rotation comes in the middle of it.
    wal.append(&batches).await.unwrap();
    let (mut wal, found) = reopen(&disk, config.clone(), 1).await;
    let expected: Vec<_> = (2..).zip(texts).map(|(index, text)| entry(index, text)).collect();
    assert_eq!(found, expected);
    wal.append(&[batch(6, "more")]).await.unwrap();
    assert_eq!(reopen(&disk, config, 1).await.1.last(), Some(&entry(6, "more")));
}

/// The newest segment as it was before the last batch and after it, and the offset of that batch.
async fn with_a_last_batch(disk: &Arc<dyn Disk>, config: &WalConfig) -> (Vec<u8>, Vec<u8>) {
    let path = config.dir.join("0000000000000001.wal");
    let mut wal = begin(disk, config.clone()).await;
    wal.append(&[batch(2, "kept"), batch(3, "kept")]).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    wal.append(&[batch(4, "torn"), batch(5, "torn")]).await.unwrap();
    (before, std::fs::read(&path).unwrap())
}

#[tokio::test]
async fn a_last_batch_that_is_torn_anywhere_is_cut_and_nothing_of_it_comes_back() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let config = config(dir.path(), 4096);
    let (before, after) = with_a_last_batch(&disk, &config).await;
    let path = dir.path().join("0000000000000001.wal");
    let from = (0..after.len()).find(|at| before[*at] != after[*at]).unwrap();
    let to = (0..after.len()).rfind(|at| before[*at] != after[*at]).unwrap() + 1;
    for cut in from..to {
        // Both ways in which a write can be torn: its end is missing, or its beginning is.
        for (written, kind) in [(from..cut, "end"), (cut + 1..to, "beginning")] {
            let mut torn = before.clone();
            torn[written.clone()].copy_from_slice(&after[written]);
            std::fs::write(&path, &torn).unwrap();
            let (mut wal, found) = reopen(&disk, config.clone(), 1).await;
            let kept = found.len();
            let is_whole = |index: &usize| found[*index].data.starts_with(b"torn");
            assert!((2..4).contains(&kept), "{kind} missing at {cut}: {found:?}");
            assert!((2..kept).all(|index| is_whole(&index)), "{kind} missing at {cut}: {found:?}");
            // A shorter batch in its place: whatever of the torn one lay behind it must be gone.
            let next = kept as u64 + 2;
            wal.append(&[batch(next, "new")]).await.unwrap();
            drop(wal);
            let (_, found) = reopen(&disk, config.clone(), 1).await;
            assert_eq!(found.len(), kept + 1, "{kind} missing at {cut}: {found:?}");
            assert_eq!(found[kept], entry(next, "new"), "{kind} missing at {cut}");
        }
    }
}

#[tokio::test]
async fn damage_before_the_last_batch_is_refused_with_file_and_offset() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let config = config(dir.path(), 4096);
    let (before, after) = with_a_last_batch(&disk, &config).await;
    let path = dir.path().join("0000000000000001.wal");
    let last = (0..after.len()).find(|at| before[*at] != after[*at]).unwrap();
    let header = HEADER_BYTES;
    for at in header..last {
        let mut damaged = after.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let error = wal::open(&disk, config.clone(), 0).await.unwrap_err();
        let OpenError::Segment { cause: WalError::Corrupt { offset, .. }, .. } = &error else {
            panic!("byte {at} damaged: {error}");
        };
        assert!((header as u64..=at as u64).contains(offset), "byte {at} damaged: {error}");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("{}: corrupt record at offset {offset}", path.display())),
            "{text}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "nothing may be written to a damaged log");
    }
    for at in 0..header {
        let mut damaged = after.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let error = wal::open(&disk, config.clone(), 0).await.unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()), "header byte {at}: {error}");
    }
}

/// Once nothing waits, a closing record proves the last batch: its damage is no torn write any more.
#[tokio::test]
async fn damage_to_a_closed_last_batch_is_refused_too() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let config = config(dir.path(), 4096);
    let mut wal = begin(&disk, config.clone()).await;
    wal.append(&[batch(2, "kept"), batch(3, "kept")]).await.unwrap();
    wal.close_batch().await.unwrap();
    // Once is enough.
    wal.close_batch().await.unwrap();
    let path = dir.path().join("0000000000000001.wal");
    let whole = std::fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let closing = (HEADER_BYTES..used).rfind(|at| whole[*at..].starts_with(b"dRec")).unwrap();
    for at in HEADER_BYTES..closing {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let error = wal::open(&disk, config.clone(), 0).await.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{}: corrupt record at offset ", path.display())),
            "byte {at}: {error}"
        );
        assert!(error.contains("\"A member that lost data\""), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "nothing may be written to a damaged log");
    }
    // Without its closing record the batch counts as well: it was durable, and a process that is killed may be quick.
    let mut unclosed = whole.clone();
    unclosed[closing..].fill(0);
    std::fs::write(&path, &unclosed).unwrap();
    let (mut wal, found) = reopen(&disk, config.clone(), 1).await;
    assert_eq!(found, [entry(2, "kept"), entry(3, "kept")]);
    assert!(std::fs::read(&path).unwrap() == whole, "closed as it was opened");
    // What comes next stands behind the closing record, and says no more than it knows.
    wal.append(&[batch(4, "next")]).await.unwrap();
    let mut torn = std::fs::read(&path).unwrap();
    torn[closing] ^= 1;
    std::fs::write(&path, &torn).unwrap();
    assert_eq!(reopen(&disk, config, 1).await.1.len(), 2, "the power failed before any of it was durable");
}

#[tokio::test]
async fn a_segment_that_was_cut_is_refused_wherever_it_was_cut() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let config = config(dir.path(), 2048);
    let mut wal = begin(&disk, config.clone()).await;
    let large = "x".repeat(5000);
    wal.append(&[batch(2, "kept"), batch(3, &large)]).await.unwrap();
    for name in files(dir.path(), ".wal") {
        let path = dir.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 1, HEADER_BYTES - 1, HEADER_BYTES, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = wal::open(&disk, config.clone(), 0).await.unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "cut to {length}: {error}");
            let says_so = format!("{length} bytes long, but made {} bytes long", whole.len());
            assert!(length < HEADER_BYTES || error.contains(&says_so), "cut to {length}: {error}");
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert_eq!(reopen(&disk, config, 1).await.1.len(), 2);
}

/// The next segment carries the checksum of the closing record: it must be durable by then.
#[tokio::test]
async fn a_closing_record_is_durable_before_the_next_segment_begins() {
    let dir = TempDir::new().unwrap();
    let (disk, counts) = counted(real_disk());
    let config = config(dir.path(), 1024);
    let mut wal = begin(&disk, config.clone()).await;
    for index in 2..30 {
        wal.close_batch().await.unwrap();
        let before = (counts.now().1, wal.segments());
        wal.append(&[batch(index, "entry")]).await.unwrap();
        let (syncs, segments) = (counts.now().1 - before.0, wal.segments() - before.1);
        assert_eq!((syncs, segments), if segments == 1 { (3, 1) } else { (1, 0) });
    }
    assert!(wal.segments() > 3);
    assert_eq!(reopen(&disk, config, 1).await.1.len(), 28);
}

#[tokio::test]
async fn a_segment_that_is_missing_or_anothers_is_refused_by_name() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let config = config(dir.path(), 512);
    let mut wal = begin(&disk, config.clone()).await;
    for index in 2..30 {
        wal.append(&[batch(index, "entry")]).await.unwrap();
    }
    drop(wal);
    let second = dir.path().join("0000000000000002.wal");
    let aside = dir.path().join("aside");
    std::fs::rename(&second, &aside).unwrap();
    let error = wal::open(&disk, config.clone(), 0).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("{} is missing", second.display())), "{error}");
    // Another segment under its name is no segment 2.
    std::fs::copy(dir.path().join("0000000000000003.wal"), &second).unwrap();
    let error = wal::open(&disk, config.clone(), 0).await.unwrap_err().to_string();
    let wrong =
        format!("{}: segment number 2 expected, 3 found; it was written in another", second.display());
    assert!(error.starts_with(&wrong), "{error}");
    std::fs::rename(&aside, &second).unwrap();
    let other = WalConfig { incarnation: Incarnation(4), ..config.clone() };
    let error = wal::open(&disk, other, 0).await.unwrap_err().to_string();
    assert!(error.contains("0000000000000001.wal: incarnation 4 expected, 3 found; "), "{error}");
    reopen(&disk, config, 1).await;
}

#[tokio::test]
async fn segments_before_a_snapshot_go_and_the_rest_still_adds_up() {
    let (disk, dir) = (real_disk(), TempDir::new().unwrap());
    let config = config(dir.path(), 512);
    let mut wal = begin(&disk, config.clone()).await;
    for index in 2..40 {
        wal.append(&[batch(index, "entry")]).await.unwrap();
    }
    let all = wal.segments();
    for snapshot in [1, 9, 20, 39] {
        wal.remove_up_to(snapshot).await.unwrap();
        assert_eq!(files(dir.path(), ".wal").len(), wal.segments());
        let found;
        (wal, found) = reopen(&disk, config.clone(), snapshot).await;
        let expected: Vec<_> = (snapshot + 1..40).map(|index| entry(index, "entry")).collect();
        assert_eq!(found, expected, "after a snapshot at {snapshot}");
    }
    assert!(wal.segments() < all && wal.segments() >= 1, "{} of {all} segments", wal.segments());
    // The log begins after what an older snapshot holds: that one alone is not enough.
    let opened = wal::open(&disk, config, 0).await.unwrap();
    let error = opened.replay.finish(&place(1)).unwrap_err().to_string();
    assert!(error.starts_with("the newest snapshot stands at 1, the log begins after"), "{error}");
}

#[tokio::test]
async fn many_batches_share_one_write_and_one_sync() {
    let dir = TempDir::new().unwrap();
    let (disk, counts) = counted(real_disk());
    let config = config(dir.path(), 1024 * 1024);
    let mut wal = begin(&disk, config.clone()).await;
    let before = counts.now();
    let batches: Vec<_> = (2..1002).map(|index| batch(index, "entry")).collect();
    wal.append(&batches).await.unwrap();
    assert_eq!(counts.now(), (before.0 + 1, before.1 + 1));
    // Nothing to write is nothing to sync.
    wal.append(&[Vec::new()]).await.unwrap();
    assert_eq!(counts.now(), (before.0 + 1, before.1 + 1));
    assert_eq!(reopen(&disk, config, 1).await.1.len(), 1000);
}

/// A sync that failed leaves its bytes in the operating system's cache, marked clean: they read back, a second sync
/// succeeds, and the power takes them. Found by the simulator.
#[tokio::test]
async fn a_last_batch_is_written_again_before_it_counts() {
    let dir = TempDir::new().unwrap();
    let (disk, counts) = counted(real_disk());
    let config = config(dir.path(), 64 * 1024);
    let mut wal = begin(&disk, config.clone()).await;
    wal.append(&[batch(2, "durable")]).await.unwrap();
    counts.syncs_fail.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(wal.append(&[batch(3, "in doubt")]).await.is_err());
    drop(wal);
    counts.syncs_fail.store(false, std::sync::atomic::Ordering::SeqCst);
    let before = counts.now();
    let (_, entries) = reopen(&disk, config, 1).await;
    assert_eq!(entries.len(), 2);
    assert_eq!(counts.now(), (before.0 + 2, before.1 + 1), "written again, synced, and closed");
}
