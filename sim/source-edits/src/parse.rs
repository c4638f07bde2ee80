//! The text of a file of edits.

use super::{EDITS, Edit, Entry, Kind, Line};
use std::collections::BTreeMap;

/// What a file of edits consists of.
#[derive(Debug)]
pub(super) enum Part {
    /// All that is said of a bug, a probe or a size, and its edits of this file.
    Entry(Entry),
    /// More edits of what another file tells of.
    Also {
        /// Of which.
        name: String,
        /// In order.
        edits: Vec<Edit>,
    },
}

/// The parts of the edits of `source`.
///
/// # Errors
/// What is wrong with it, with the file and the line.
pub(super) fn parse(source: &str, text: &str) -> Result<Vec<Part>, String> {
    let mut parts: Vec<Part> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let written_at = format!("{EDITS}/{source}.edits:{number}");
        if let Some(part) = begin(line) {
            parts.push(part);
            continue;
        }
        let told = |problem: String| format!("{written_at}: {problem}");
        match parts.last_mut() {
            Some(part) => take(part, source, line, &written_at).map_err(told)?,
            None if line.trim().is_empty() => {}
            None => return Err(told(format!("{line:?} comes before any bug, probe or size"))),
        }
    }
    Ok(parts)
}

/// The part that a line begins. A line of an edit never begins with a letter, and a line of a story that begins so is a
/// sentence: it has more words than a name.
fn begin(line: &str) -> Option<Part> {
    let (word, name) = line.split_once(' ')?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return None;
    }
    let name = name.to_owned();
    let kind = match word {
        "bug" => Kind::Bug,
        "probe" => Kind::Probe,
        "size" => Kind::Size,
        "also" => return Some(Part::Also { name, edits: Vec::new() }),
        _ => return None,
    };
    Some(Part::Entry(Entry { kind, name, fields: BTreeMap::new(), story: String::new(), edits: Vec::new() }))
}

fn take(part: &mut Part, source: &str, line: &str, written_at: &str) -> Result<(), String> {
    let edits = match part {
        Part::Entry(entry) if entry.edits.is_empty() && !line.starts_with("@@") => {
            take_word(entry, line);
            return Ok(());
        }
        Part::Entry(entry) => &mut entry.edits,
        Part::Also { edits, .. } => edits,
    };
    if let Some(scope) = line.strip_prefix("@@") {
        let function = match scope.trim().strip_prefix("fn ") {
            Some(name) => Some(name.to_owned()),
            None if scope.trim().is_empty() => None,
            None => return Err(format!("{line:?}: \"@@\" or \"@@ fn NAME\" begins an edit")),
        };
        let (file, written_at) = (source.to_owned(), written_at.to_owned());
        edits.push(Edit { file, written_at, function, lines: Vec::new() });
        return Ok(());
    }
    let Some(edit) = edits.last_mut() else {
        return Err(format!("{line:?} comes before \"@@\""));
    };
    // A blank line of the source may have lost its first space, and blank lines stand between edits: those at an
    // edit's end are dropped by `apply`.
    let content = || line[1..].to_owned();
    edit.lines.push(match line.chars().next() {
        None => Line::Stays(String::new()),
        Some(' ') => Line::Stays(content()),
        Some('-') => Line::Goes(content()),
        Some('+') => Line::Comes(content()),
        Some(_) => return Err(format!("a line of an edit begins with ' ', '-' or '+': {line:?}")),
    });
    Ok(())
}

fn take_word(entry: &mut Entry, line: &str) {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    match line.split_once(": ") {
        Some((name, value)) if entry.story.is_empty() && is_name(name) => {
            entry.fields.insert(name.to_owned(), value.trim().to_owned());
        }
        _ if line.trim().is_empty() => {}
        _ => {
            if !entry.story.is_empty() {
                entry.story.push(' ');
            }
            entry.story.push_str(line.trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_bugs_probes_and_sizes_with_their_edits() {
        let text = "bug x\norigin: etcd #1\nbudget: 5\n\nA story\nof two lines: yes.\n\n@@ fn f\n one\n-two\n\n@@\n\
                    +three\n\nprobe y\nMeans y.\n@@\n x\n\nalso z\n@@\n-two\n";
        let parts = parse("a/b.rs", text).unwrap();
        let [Part::Entry(bug), Part::Entry(probe), Part::Also { name, edits }] = &parts[..] else {
            panic!("{parts:?}");
        };
        assert_eq!((bug.kind, bug.name.as_str(), bug.fields["origin"].as_str()), (Kind::Bug, "x", "etcd #1"));
        assert_eq!(bug.story, "A story of two lines: yes.");
        assert_eq!((bug.edits[0].file.as_str(), bug.edits[0].function.as_deref()), ("a/b.rs", Some("f")));
        assert_eq!(bug.edits[0].lines[1], Line::Goes("two".to_owned()));
        assert_eq!(
            (bug.edits[1].function.as_deref(), bug.edits[1].lines[0].clone()),
            (None, Line::Comes("three".to_owned()))
        );
        assert_eq!((probe.kind, probe.story.as_str()), (Kind::Probe, "Means y."));
        assert_eq!((name.as_str(), edits[0].written_at.as_str()), ("z", "edits/a/b.rs.edits:21"));
    }

    #[test]
    fn what_is_none_of_that_is_named_by_file_and_line() {
        for (text, problem) in [
            ("words\n", "a/b.rs.edits:1: \"words\" comes before any bug"),
            ("bug x\nStory.\n@@ x\n", "a/b.rs.edits:3: \"@@ x\": \"@@\" or"),
            ("bug x\nStory.\n@@\nwhat\n", "a/b.rs.edits:4: a line of an edit begins with"),
            ("also x\n one\n", "a/b.rs.edits:2: \" one\" comes before \"@@\""),
        ] {
            let found = parse("a/b.rs", text).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }
}
