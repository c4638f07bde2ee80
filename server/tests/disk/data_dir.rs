//! The data directory: every way in which it is not this member's, and that nothing is written to it then.

use super::counting::counted;
use super::real_disk;
use super::recovery::{cluster_of, config_in, starting, starting_on};
use detcd::disk::data_dir::{DataDir, Meta};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// Every file below a directory with its bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => drop(found.insert(path.display().to_string(), std::fs::read(&path).unwrap())),
        }
    }
    found
}

/// Tries to start, and answers why it does not; the directory is as it was.
async fn refusal(dir: &Path) -> String {
    let before = contents(dir);
    let error = starting(config_in(dir)).await.expect_err("a member started").to_string();
    assert_eq!(contents(dir), before, "{error}");
    error
}

/// A directory in which a member has run.
async fn used() -> TempDir {
    let dir = TempDir::new().unwrap();
    starting(config_in(dir.path())).await.unwrap().stop().await;
    dir
}

fn edit_meta(dir: &Path, edit: impl Fn(&str) -> String) {
    let path = dir.join("member/meta");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, edit(&text)).unwrap();
}

#[tokio::test]
async fn only_its_owner_can_enter_it() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("a/b");
    starting(config_in(&dir)).await.unwrap().stop().await;
    for part in ["", "member", "member/wal", "member/snap"] {
        let mode = dir.join(part).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{part:?}");
    }
    let mode = dir.join("member/wal/0000000000000001.wal").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn one_member_at_a_time() {
    let dir = TempDir::new().unwrap();
    let member = starting(config_in(dir.path())).await.unwrap();
    let error = starting(config_in(dir.path())).await.expect_err("two members started").to_string();
    let shown = dir.path().display();
    let locked =
        format!("data directory {shown} is locked: another member is running in it; stop that one, or");
    assert!(error.starts_with(&locked), "{error}");
    member.stop().await;
    starting(config_in(dir.path())).await.unwrap().stop().await;
}

#[tokio::test]
async fn another_formats_directory_is_refused() {
    let dir = used().await;
    let shown = dir.path().display();
    edit_meta(dir.path(), |text| text.replace("format 1\n", "format 2\nwhatever comes then\n"));
    assert_eq!(
        refusal(dir.path()).await,
        format!(
            "{shown}/member/meta is of format 2, this release reads format 1; start the release of detcd that wrote it"
        )
    );
}

#[tokio::test]
async fn etcds_own_directory_is_refused() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("member/snap")).unwrap();
    std::fs::create_dir_all(dir.path().join("member/wal")).unwrap();
    std::fs::write(dir.path().join("member/snap/db"), b"bolt").unwrap();
    std::fs::write(dir.path().join("member/wal/0000000000000000-0000000000000000.wal"), b"").unwrap();
    let error = refusal(dir.path()).await;
    assert!(error.contains("belongs to etcd (it has member/snap/db)"), "{error}");
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_named() {
    for (lost, named) in [
        ("member/meta", "member/meta is missing"),
        ("member/wal", "the log, member/wal, is missing"),
        ("member/wal/0000000000000001.wal", "the log, member/wal, is missing"),
        ("member/snap", "the snapshot, member/snap, is missing"),
        ("member/snap/0000000000000001-0000000000000001.snap", "the snapshot, member/snap, is missing"),
    ] {
        let dir = used().await;
        let path = dir.path().join(lost);
        match path.is_dir() {
            true => std::fs::remove_dir_all(path).unwrap(),
            false => std::fs::remove_file(path).unwrap(),
        }
        let error = refusal(dir.path()).await;
        assert!(error.contains(named), "without {lost}: {error}");
    }
    for (from, to, problem) in [
        ("detcd", "other", "its first line is not"),
        ("cluster ", "clutter ", "no cluster"),
        ("boot 1", "boot 2", "its checksum does not match"),
        ("boot 1", "boot one", "the boot count is not a number"),
        ("crc32c", "crc33c", "its checksum does not match"),
    ] {
        let dir = used().await;
        edit_meta(dir.path(), |text| text.replace(from, to));
        let error = refusal(dir.path()).await;
        assert!(error.contains("member/meta") && error.contains(problem), "{to}: {error}");
    }
}

/// Whichever bit of it is the wrong way round: the description is not believed, and the error names the file.
#[tokio::test]
async fn every_flipped_bit_of_the_description_is_found() {
    let dir = used().await;
    let path = dir.path().join("member/meta");
    let whole = std::fs::read(&path).unwrap();
    let data_dir = DataDir::lock(&real_disk(), dir.path()).await.unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, flipped).unwrap();
        let error = data_dir.read_meta().await.expect_err("it was believed").to_string();
        assert!(error.starts_with(&path.display().to_string()), "bit {bit}: {error}");
    }
}

/// A directory that takes no new file is found now, not when the log needs its next segment.
#[tokio::test]
async fn a_directory_that_cannot_be_written_to_is_found_at_the_start() {
    for part in ["member/wal", "member/snap"] {
        let dir = used().await;
        // Nobody can make a file of this name, root neither.
        let probe = dir.path().join(part).join("write-probe.tmp");
        std::fs::create_dir(&probe).unwrap();
        let error = refusal(dir.path()).await;
        assert!(error.starts_with(&format!("cannot create {}: ", probe.display())), "{error}");
        std::fs::remove_dir(&probe).unwrap();
        starting(config_in(dir.path())).await.unwrap().stop().await;
        assert!(!probe.exists());
    }
}

#[tokio::test]
async fn an_interrupted_first_start_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("member.tmp/wal")).unwrap();
    std::fs::create_dir_all(dir.path().join("member.tmp/snap")).unwrap();
    std::fs::write(dir.path().join("member.tmp/wal/0000000000000001.wal"), b"half").unwrap();
    std::fs::write(dir.path().join("member.tmp/snap/checkpoint.snap.tmp"), b"half").unwrap();
    starting(config_in(dir.path())).await.unwrap().stop().await;
    assert!(!dir.path().join("member.tmp").exists());
    starting(config_in(dir.path())).await.unwrap().stop().await;
}

/// The rename of a first start may have lost its sync; no later start may build on a name that a power loss takes away.
#[tokio::test]
async fn every_start_makes_the_directorys_name_durable_before_it_counts() {
    let dir = TempDir::new().unwrap();
    starting(config_in(dir.path())).await.unwrap().stop().await;
    let (disk, counts) = counted(real_disk());
    starting_on(disk, config_in(dir.path())).await.unwrap().stop().await;
    let synced = counts.synced_dirs.lock().unwrap().clone();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let expected = [name(dir.path()), name(dir.path().parent().unwrap())];
    let place = synced.windows(2).position(|two| *two == expected);
    let counted = synced.iter().position(|name| name == "member");
    assert!(place.is_some() && place < counted, "{synced:?}");
}

#[tokio::test]
async fn starts_are_counted_and_the_rest_stays() {
    let dir = TempDir::new().unwrap();
    let mut before: Option<Meta> = None;
    for boot in 1..4 {
        starting(config_in(dir.path())).await.unwrap().stop().await;
        let data_dir = DataDir::lock(&real_disk(), dir.path()).await.unwrap();
        let meta = data_dir.read_meta().await.unwrap().unwrap();
        assert_eq!(meta.boot, boot);
        assert_eq!(meta.cluster, cluster_of(dir.path()).id);
        assert!(before.is_none_or(|before| Meta { boot, ..before } == meta), "{before:?} became {meta:?}");
        before = Some(meta);
    }
}
