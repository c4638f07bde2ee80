//! The copy of a source tree. Unit tests stay behind: they run where the sources belong, and want crates and files
//! that a copy has not.

use super::{Edit, Entry, apply};
use std::fs;
use std::path::Path;

/// Copies the `.rs` files under `root`/`from` to `to`, with the edits of all entries that are of files there. What
/// would not change is not written, so that nothing is compiled again for nothing. The crate's root becomes fit to
/// be included: without the words about the crate, which only a file of its own can begin with.
///
/// # Errors
/// A file that cannot be read or written, an edit that does not fit, an edit of a file that is not there.
pub fn copy(root: &Path, from: &str, to: &Path, entries: &[Entry]) -> Result<(), String> {
    let edits: Vec<(&str, &Edit)> = entries
        .iter()
        .flat_map(|entry| entry.edits.iter().map(|edit| (entry.name.as_str(), edit)))
        .filter(|(_, edit)| edit.file.starts_with(&format!("{from}/")))
        .collect();
    for (name, edit) in &edits {
        if !root.join(&edit.file).is_file() {
            return Err(format!("{}: {name}: there is no {}", edit.written_at, edit.file));
        }
    }
    let mut wrong = Vec::new();
    copy_dir(root, from, to, &edits, &mut wrong)?;
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let lib = to.join("lib.rs");
    let text = fs::read_to_string(&lib).map_err(|error| format!("{}: {error}", lib.display()))?;
    let items: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("//!") && !line.starts_with("#![")).collect();
    write(&to.join("included.rs"), &items.join("\n"))
}

/// What does not fit is added to `wrong`, so that all of it is told at once.
fn copy_dir(
    root: &Path,
    dir: &str,
    to: &Path,
    edits: &[(&str, &Edit)],
    wrong: &mut Vec<String>,
) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{dir}: {error}");
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    for entry in fs::read_dir(root.join(dir)).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name =
            path.file_name().expect("an entry of a directory has a name").to_string_lossy().into_owned();
        let file = format!("{dir}/{name}");
        if path.is_dir() {
            copy_dir(root, &file, &to.join(&name), edits, wrong)?;
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
            match apply(&file, &text, edits) {
                Ok(text) => write(&to.join(&name), &text.replace("#[cfg(test)]", "#[cfg(any())]"))?,
                Err(problem) => wrong.push(problem),
            }
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
