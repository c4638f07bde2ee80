//! Copies of source files with small edits in them.
//!
//! The sources of engine/ and server/ hold no bug that somebody put there on purpose, no switch for one and no
//! counter of the simulator's: they stay as they are shipped. The twins that the simulator runs are copies, made by
//! their build scripts, and what differs is written down as edits: of seeded bugs, of probes, of sizes.
//!
//! All edits of `engine/src/wal.rs` are in `edits/engine/src/wal.rs.edits`, which moves when the source moves. An edit
//! quotes the source, as a diff does but without line numbers: `-` lines go, `+` lines come, lines that begin with a
//! space stay. The quotation must be in the file exactly once, or in the function that the edit names; how its lines are
//! indented does not matter. When the source moves on and it is not there, the build fails and names file, edit
//! and the line that is most like it: a seeded bug cannot silently stop being one.
//!
//! ```text
//! bug early_acknowledgement                       what it is: a bug, a probe or a size
//! origin: etcd #14370                             fields, a line each
//! budget: 200
//! Acknowledges before the sync.                   the story, in words
//! @@ fn work                                      any number of edits, each in a function or (`@@`) in the file
//! -    wal.append(&batches).await?;
//! +    if !seeded::is_on("early_acknowledgement") {
//! +        wal.append(&batches).await?;
//! +    }
//!
//! also late_acknowledgement                       more edits of what another file tells of
//! @@
//! ..
//! ```

mod apply;
mod copy;
mod locate;
mod parse;

pub use apply::apply;
pub use copy::copy;

use parse::{Part, parse};
use std::collections::BTreeMap;
use std::path::Path;

/// Where the edits are, below the directory that is read.
pub const EDITS: &str = "edits";

/// What edits are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A mistake that can be switched on by its name.
    Bug,
    /// A counter of a rare state.
    Probe,
    /// What always differs from what is shipped: a constant most often, so that runs of seconds fill what it bounds.
    Size,
}

/// A seeded bug, a probe or a size: what is said of it, and its edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which of them.
    pub kind: Kind,
    /// By which it is switched on, or counted.
    pub name: String,
    /// The lines `field: value`.
    pub fields: BTreeMap<String, String>,
    /// What it is, as one line.
    pub story: String,
    /// What is done to the sources; none of a probe that another one's edit counts.
    pub edits: Vec<Edit>,
}

/// One place in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Path from the root of the repository.
    pub file: String,
    /// Where the edit is written, for what is said of problems: the file and the line.
    pub written_at: String,
    /// The function in which the quotation is looked for; the whole file without one.
    pub function: Option<String>,
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

impl Edit {
    /// Whether it brings a line with these words.
    fn brings(&self, words: &str) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Comes(text) if text.contains(words)))
    }
}

/// Everything that is edited, of all files below `dir`/edits: by file, and in a file in its order.
///
/// # Errors
/// A file that cannot be read, or whose text is none of ours.
pub fn read_all(dir: &Path) -> Result<Vec<Entry>, String> {
    let mut files = Vec::new();
    find(&dir.join(EDITS), "", &mut files)?;
    files.sort();
    let mut entries: Vec<Entry> = Vec::new();
    let mut more = Vec::new();
    for (source, text) in files {
        for part in parse(&source, &text)? {
            match part {
                Part::Entry(entry) => entries.push(entry),
                Part::Also { name, edits } => more.push((source.clone(), name, edits)),
            }
        }
    }
    for (source, name, edits) in more {
        let entry = entries.iter_mut().find(|entry| entry.name == name);
        let entry =
            entry.ok_or_else(|| format!("{EDITS}/{source}.edits: also {name}, which no file tells of"))?;
        entry.edits.extend(edits);
    }
    check(&entries)?;
    Ok(entries)
}

/// Every name is there once; a bug can be switched on and off wherever it is put in; a probe only looks, and is
/// counted somewhere.
fn check(entries: &[Entry]) -> Result<(), String> {
    for entry in entries {
        let Entry { kind, name, story, edits, .. } = entry;
        if entries.iter().filter(|other| other.name == *name).count() > 1 {
            return Err(format!("{kind:?} {name} is there twice"));
        }
        if story.is_empty() {
            return Err(format!("{kind:?} {name}: nothing says what it is"));
        }
        match kind {
            Kind::Bug => check_bug(name, edits)?,
            Kind::Probe => check_probe(entries, name, edits)?,
            Kind::Size if edits.is_empty() => return Err(format!("size {name}: no edit")),
            Kind::Size => {}
        }
    }
    let lines = entries.iter().flat_map(|entry| &entry.edits).flat_map(|edit| &edit.lines);
    for line in lines {
        let Line::Comes(text) = line else { continue };
        let Some((_, call)) = text.split_once("probes::reached(\"") else { continue };
        let name = call.split('"').next().expect("a split has a first part");
        if !entries.iter().any(|entry| entry.kind == Kind::Probe && entry.name == name) {
            return Err(format!("no probe says what this counts: {text:?}"));
        }
    }
    Ok(())
}

fn check_bug(name: &str, edits: &[Edit]) -> Result<(), String> {
    let switch = format!("seeded::is_on(\"{name}\")");
    match edits.iter().find(|edit| !edit.brings(&switch)) {
        Some(edit) => Err(format!("{}: bug {name}: no {switch}: it would always be there", edit.written_at)),
        None if edits.is_empty() => Err(format!("bug {name}: no edit")),
        None => Ok(()),
    }
}

fn check_probe(entries: &[Entry], name: &str, edits: &[Edit]) -> Result<(), String> {
    let call = format!("reached(\"{name}\")");
    if !entries.iter().flat_map(|entry| &entry.edits).any(|edit| edit.brings(&call)) {
        return Err(format!("probe {name}: no edit calls {call}"));
    }
    let takes_away = |edit: &&Edit| edit.lines.iter().any(|line| matches!(line, Line::Goes(_)));
    match edits.iter().find(takes_away) {
        Some(edit) => Err(format!(
            "{}: probe {name}: a probe only looks, but an edit takes lines away",
            edit.written_at
        )),
        None => Ok(()),
    }
}

/// The files of edits below `dir`, each with the path of its source.
fn find(dir: &Path, below: &str, files: &mut Vec<(String, String)>) -> Result<(), String> {
    let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for entry in std::fs::read_dir(dir).map_err(|error| told(dir, error))? {
        let path = entry.map_err(|error| told(dir, error))?.path();
        let name = path.file_name().expect("an entry of a directory has a name").to_string_lossy();
        if path.is_dir() {
            find(&path, &format!("{below}{name}/"), files)?;
        } else if let Some(source) = name.strip_suffix(".edits") {
            let text = std::fs::read_to_string(&path).map_err(|error| told(&path, error))?;
            files.push((format!("{below}{source}"), text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        let parts = parse("a/b.rs", text)?.into_iter();
        let entries: Vec<Entry> = parts
            .map(|part| match part {
                Part::Entry(entry) => entry,
                Part::Also { name, .. } => panic!("also {name}"),
            })
            .collect();
        check(&entries)
    }

    #[test]
    fn a_bug_without_its_own_switch_is_refused() {
        let bug = |line: &str| checked(&format!("bug x\nA story.\n@@\n-two\n{line}\n"));
        assert_eq!(bug("+if crate::seeded::is_on(\"x\") {}"), Ok(()));
        let found = bug("+if crate::seeded::is_on(\"y\") {}").unwrap_err();
        assert!(found.contains("is_on(\"x\")") && found.contains("a/b.rs.edits:3"), "{found}");
        assert!(checked("bug x\nA story.\n").unwrap_err().contains("no edit"));
    }

    #[test]
    fn a_probe_only_looks_and_is_counted() {
        for (text, problem) in [
            ("probe a\n@@\n+reached(\"a\");\n", "nothing says"),
            ("probe a\nMeans.\n@@\n+reached(\"b\");\n", "no edit calls"),
            ("probe a\nMeans.\n@@\n-x\n+reached(\"a\");\n", "only looks"),
            (
                "probe a\nMeans.\n@@\n x\n+probes::reached(\"a\");\n+probes::reached(\"b\");\n",
                "no probe says",
            ),
            ("probe a\nMeans.\n@@\n x\n+reached(\"a\");\nprobe a\nMeans.\n", "twice"),
            ("size a\nMeans.\n", "no edit"),
        ] {
            let found = checked(text).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }
}
