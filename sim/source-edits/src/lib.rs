//! Copies of source files with small edits in them.
//!
//! The sources of engine/ and server/ hold no bug that somebody put there on purpose, no switch for one and no
//! counter of the simulator's: they stay as they are shipped. The twins that the simulator runs are copies, made by
//! their build scripts, and what differs is written down as edits: a seeded bug a file, probes by the room.
//!
//! An edit names a file and quotes it, as a diff does but without line numbers: `-` lines go, `+` lines come, lines
//! that begin with a space stay. The quotation must be there exactly once. When the source moves on and it is not,
//! the build fails and says which bug is to be written anew: a seeded bug can not silently stop being one.
//!
//! ```text
//! origin: etcd #14370                             fields, a line each
//! budget: 200
//!
//! Acknowledges before the sync.                   what it is, in words
//!
//! edit server/src/log_task.rs                     any number of edits
//!  async fn work(
//! -    wal.append(&batches).await?;
//! +    if !seeded::is_on("early_acknowledgement") {
//! +        wal.append(&batches).await?;
//! +    }
//! ```

mod apply;
mod copy;
mod parse;

pub use apply::apply;
pub use copy::copy;
pub use parse::{parse_bug, parse_probes, parse_sizes};

use std::collections::BTreeMap;
use std::path::Path;

/// A seeded bug, a probe or a size: what is said of it, and its edits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// By which it is switched on, or counted.
    pub name: String,
    /// The lines `field: value`.
    pub fields: BTreeMap<String, String>,
    /// What it is, as one line.
    pub story: String,
    /// What is done to the sources; none where the simulator itself counts.
    pub edits: Vec<Edit>,
}

/// One place in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Path from the root of the repository.
    pub file: String,
    /// In order.
    pub lines: Vec<Line>,
}

/// One line of an edit, without its first character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Is there and stays.
    Stays(String),
    /// Is there and goes.
    Goes(String),
    /// Comes.
    Comes(String),
}

/// Every seeded bug of a directory, a file each, by name.
///
/// # Errors
/// A file that cannot be read or is none of ours.
fn read_bugs(dir: &Path) -> Result<Vec<Entry>, String> {
    files(dir, "bug")?.iter().map(|(name, text)| parse_bug(name, text)).collect()
}

/// Every probe of a directory, some a file, by file.
///
/// # Errors
/// A file that cannot be read or is none of ours.
fn read_probes(dir: &Path) -> Result<Vec<Entry>, String> {
    let mut probes = Vec::new();
    for (name, text) in files(dir, "probes")? {
        probes.extend(parse_probes(&name, &text)?);
    }
    check_probes(&probes)?;
    Ok(probes)
}

/// Everything that is edited: the bugs, the probes and the sizes under `dir`, in this order.
///
/// # Errors
/// A file that cannot be read or is none of ours.
pub fn read_all(dir: &Path) -> Result<[Vec<Entry>; 3], String> {
    let mut sizes = Vec::new();
    for (name, text) in files(&dir.join("sizes"), "sizes")? {
        sizes.extend(parse_sizes(&name, &text)?);
    }
    Ok([read_bugs(&dir.join("bugs"))?, read_probes(&dir.join("probes"))?, sizes])
}

/// Every probe is there once and counted somewhere: by an edit, or by the simulator itself where it says so with a
/// field `by: simulator`.
fn check_probes(probes: &[Entry]) -> Result<(), String> {
    let lines = || probes.iter().flat_map(|probe| &probe.edits).flat_map(|edit| &edit.lines);
    let is_call = |line: &Line, name: &str| matches!(line, Line::Comes(text) if text.contains(&format!("probes::reached(\"{name}\")")));
    for probe in probes {
        let name = &probe.name;
        if probes.iter().filter(|other| other.name == *name).count() > 1 {
            return Err(format!("probe {name} is there twice"));
        }
        let is_counted = lines().any(|line| is_call(line, name));
        if is_counted == (probe.fields.get("by").is_some_and(|by| by == "simulator")) {
            return Err(format!(
                "probe {name} is counted by an edit, or has the line \"by: simulator\": one of both"
            ));
        }
    }
    let calls = lines().filter(|line| matches!(line, Line::Comes(text) if text.contains("probes::reached(")));
    for line in calls {
        if !probes.iter().any(|probe| is_call(line, &probe.name)) {
            return Err(format!("no probe says what this counts: {line:?}"));
        }
    }
    Ok(())
}

/// The files with an extension, in order of their names without it.
fn files(dir: &Path, extension: &str) -> Result<Vec<(String, String)>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_stem().expect("a file with an extension has a stem").to_string_lossy();
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            found.push((name.into_owned(), text));
        }
    }
    found.sort();
    Ok(found)
}
