//! A file of the log that is set aside when it has grown large, under the names that etcd's lumberjack gives: `etcd.log`
//! becomes `etcd-2026-11-28T10-15-00.000.log`, and `.gz` after that where it is compressed.
//!
//! What is set aside is compressed and removed by a thread of its own: whoever logs waits for a rename alone.

use crate::process::flags::Rotation;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, SystemTime};

const GZ: &str = ".gz";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    tidy: Sender<SystemTime>,
}

impl RotatingFile {
    pub(super) fn open(path: PathBuf, rotation: Rotation) -> io::Result<RotatingFile> {
        let file = append_to(&path)?;
        let bytes = file.metadata()?.len();
        let (tidy, asked) = mpsc::channel();
        let (kept, bytes_max) = (path.clone(), rotation.file_bytes_max);
        std::thread::Builder::new().name("log-files".to_owned()).spawn(move || {
            for now in asked {
                // A file that cannot be compressed or removed is tried again with the next.
                _ = tidy_up(&kept, &rotation, now);
            }
        })?;
        // What an earlier process left is looked after too.
        _ = tidy.send(SystemTime::now());
        Ok(RotatingFile { path, file, bytes, bytes_max, tidy })
    }

    /// Writes a line whole, into a new file where this one would grow beyond its bound.
    pub(super) fn write(&mut self, line: &[u8], now: SystemTime) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.bytes_max {
            // Where that fails, the line is worth more than the bound.
            _ = self.rotate(now);
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn rotate(&mut self, now: SystemTime) -> io::Result<()> {
        let aside = name_aside(&self.path, now);
        // Of two in a millisecond the second waits: nothing that was logged is written over.
        if aside.exists() || aside_compressed(&aside).exists() {
            return Ok(());
        }
        fs::rename(&self.path, &aside)?;
        self.file = append_to(&self.path)?;
        self.bytes = 0;
        _ = self.tidy.send(now);
        Ok(())
    }
}

/// A file that is written at its end, whoever else writes to it.
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// The name before its extension, and the extension with its dot.
fn parts(path: &Path) -> (String, String) {
    let stem = path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    let extension =
        path.extension().map_or(String::new(), |extension| format!(".{}", extension.to_string_lossy()));
    (stem, extension)
}

fn name_aside(path: &Path, now: SystemTime) -> PathBuf {
    let (stem, extension) = parts(path);
    let time = humantime::format_rfc3339_millis(now).to_string();
    let time = time.trim_end_matches('Z').replace(':', "-");
    path.with_file_name(format!("{stem}-{time}{extension}"))
}

fn aside_compressed(aside: &Path) -> PathBuf {
    let mut name = aside.as_os_str().to_owned();
    name.push(GZ);
    PathBuf::from(name)
}

/// The files that were set aside, newest first, with the time in their names.
fn set_aside(path: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let (stem, extension) = parts(path);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        let rest = name.strip_suffix(GZ).unwrap_or(&name);
        let time = rest.strip_prefix(&format!("{stem}-")).and_then(|rest| rest.strip_suffix(&extension));
        if let Some(time) = time.and_then(time_of) {
            found.push((time, path));
        }
    }
    found.sort();
    found.reverse();
    Ok(found)
}

/// `2026-11-28T10-15-00.000`.
fn time_of(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once('T')?;
    humantime::parse_rfc3339(&format!("{date}T{}Z", time.replace('-', ":"))).ok()
}

/// Removes what is too old or too many, and compresses the rest where that is asked for.
fn tidy_up(path: &Path, rotation: &Rotation, now: SystemTime) -> io::Result<()> {
    let age_max = u32::try_from(rotation.age_days_max).ok().and_then(|days| DAY.checked_mul(days));
    for (nth, (time, aside)) in set_aside(path)?.into_iter().enumerate() {
        let is_many = rotation.files_max > 0 && nth >= rotation.files_max;
        let age = now.duration_since(time).unwrap_or_default();
        let is_old = rotation.age_days_max > 0 && age_max.is_some_and(|max| age > max);
        if is_many || is_old {
            fs::remove_file(&aside)?;
        } else if rotation.is_compressed && !aside.to_string_lossy().ends_with(GZ) {
            compress(&aside)?;
        }
    }
    Ok(())
}

/// The original goes once the whole of it is in its place.
fn compress(aside: &Path) -> io::Result<()> {
    let compressed = aside_compressed(aside);
    let half = compressed.with_extension("gz.part");
    let mut encoder = GzEncoder::new(File::create(&half)?, Compression::default());
    io::copy(&mut File::open(aside)?, &mut encoder)?;
    encoder.finish()?.flush()?;
    fs::rename(&half, &compressed)?;
    fs::remove_file(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_set_aside_before_it_grows_too_large() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("detcd.log");
        let rotation = Rotation { file_bytes_max: 10, age_days_max: 0, files_max: 0, is_compressed: false };
        let mut file = RotatingFile::open(path.clone(), rotation).expect("it opens");
        for (secs, line) in [(0, "12345\n"), (1, "1\n"), (2, "123456\n"), (3, "a line beyond the bound\n")] {
            file.write(line.as_bytes(), at(secs)).expect("it is written");
        }
        assert_eq!(
            names(dir.path()),
            ["detcd-1970-01-01T00-00-02.000.log", "detcd-1970-01-01T00-00-03.000.log", "detcd.log"]
        );
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("a file");
        assert_eq!(read("detcd-1970-01-01T00-00-02.000.log"), "12345\n1\n");
        assert_eq!(read("detcd-1970-01-01T00-00-03.000.log"), "123456\n");
        assert_eq!(read("detcd.log"), "a line beyond the bound\n");
    }

    #[test]
    fn what_is_set_aside_is_compressed_and_removed_by_number_and_age() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("detcd.log");
        for day in [1, 5, 8, 9] {
            fs::write(name_aside(&path, at(day * 86_400)), format!("day {day}")).expect("a file");
        }
        fs::write(dir.path().join("detcd-notes.log"), "not of the log").expect("a file");
        let mut rotation = Rotation { file_bytes_max: 1, age_days_max: 7, files_max: 0, is_compressed: true };
        tidy_up(&path, &rotation, at(10 * 86_400)).expect("it is tidy");
        let kept = [
            "detcd-1970-01-06T00-00-00.000.log.gz",
            "detcd-1970-01-09T00-00-00.000.log.gz",
            "detcd-1970-01-10T00-00-00.000.log.gz",
        ];
        assert_eq!(names(dir.path()), [&kept[..], &["detcd-notes.log"]].concat());
        let mut text = String::new();
        let file = File::open(dir.path().join(kept[2])).expect("a file");
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("a whole one");
        assert_eq!(text, "day 9");
        rotation.files_max = 1;
        tidy_up(&path, &rotation, at(10 * 86_400)).expect("it is tidy");
        assert_eq!(names(dir.path()), [kept[2], "detcd-notes.log"]);
    }
}
