//! A file's text with the edits of several bugs and probes in it.
//!
//! Every edit quotes the text as it is in the repository, never as another edit leaves it: so bugs do not depend on
//! each other, and two that change the same lines are an error.

use super::locate::locate;
use super::{Edit, Line};
use std::ops::Range;

/// Lines of the original that are replaced, and by what.
struct Change {
    name: String,
    lines: Range<usize>,
    by: Vec<String>,
}

/// `text` of `file` with the edits of that file; each comes with the name of what it belongs to.
///
/// # Errors
/// A quotation that is not there exactly once (all of them), or edits that change the same lines.
pub fn apply(file: &str, text: &str, edits: &[(&str, &Edit)]) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut changes, mut wrong) = (Vec::new(), Vec::new());
    for (name, edit) in edits.iter().filter(|(_, edit)| edit.file == file) {
        match change(name, edit, &lines) {
            Ok(change) => changes.push(change),
            Err(problem) => wrong.push(problem),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    changes.sort_by(|a, b| (a.lines.start, a.lines.end, &a.name).cmp(&(b.lines.start, b.lines.end, &b.name)));
    for pair in changes.windows(2) {
        if pair[0].lines.end > pair[1].lines.start {
            let (first, second) = (&pair[0].name, &pair[1].name);
            return Err(format!(
                "{first} and {second} change the same lines of {file}: make the edits smaller"
            ));
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut at = 0;
    let mut push = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    for change in &changes {
        lines[at..change.lines.start].iter().for_each(|line| push(line));
        change.by.iter().for_each(|line| push(line));
        at = change.lines.end;
    }
    lines[at..].iter().for_each(|line| push(line));
    Ok(out)
}

fn change(name: &str, edit: &Edit, text: &[&str]) -> Result<Change, String> {
    let is_blank = |line: &&Line| matches!(line, Line::Stays(text) if text.trim().is_empty());
    let trailing = edit.lines.iter().rev().take_while(is_blank).count();
    let lines = &edit.lines[..edit.lines.len() - trailing];
    let quoted: Vec<&str> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Stays(text) | Line::Goes(text) => Some(text.as_str()),
            Line::Comes(_) => None,
        })
        .collect();
    let place = locate(name, edit, &quoted, text)?;
    let stays = |line: &&Line| matches!(line, Line::Stays(_));
    let before = lines.iter().take_while(stays).count();
    if before == lines.len() {
        return Err(format!("{}: {name}: the edit changes nothing", edit.written_at));
    }
    let after = lines.iter().rev().take_while(stays).count();
    let mut at = place + before;
    let mut by = Vec::new();
    for line in &lines[before..lines.len() - after] {
        match line {
            // As the source has it, whose indentation the quotation may not have.
            Line::Stays(_) => by.push(text[at].to_owned()),
            Line::Comes(text) => by.push(text.clone()),
            Line::Goes(_) => {}
        }
        at += usize::from(!matches!(line, Line::Comes(_)));
    }
    let lines = place + before..place + quoted.len() - after;
    Ok(Change { name: name.to_owned(), lines, by })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "one\ntwo\nthree\ntwo\nfour\n";

    fn edit(text: &str) -> Edit {
        let lines = text.split('|').map(|line| {
            let (kind, rest) = (&line[..1], line[1..].to_owned());
            match kind {
                "-" => Line::Goes(rest),
                "+" => Line::Comes(rest),
                _ => Line::Stays(rest),
            }
        });
        let (file, written_at) = ("f.rs".to_owned(), "edits/f.rs.edits:1".to_owned());
        Edit { file, written_at, function: None, lines: lines.collect() }
    }

    fn edited(edits: &[&str]) -> Result<String, String> {
        let edits: Vec<(String, Edit)> =
            edits.iter().enumerate().map(|(place, text)| (format!("e{place}"), edit(text))).collect();
        let edits: Vec<(&str, &Edit)> = edits.iter().map(|(name, edit)| (name.as_str(), edit)).collect();
        apply("f.rs", TEXT, &edits)
    }

    #[test]
    fn what_is_found_once_is_changed() {
        for (edits, expected) in [
            (&["-one|+1"][..], "1\ntwo\nthree\ntwo\nfour\n"),
            (&[" three|-two|+2| four"], "one\ntwo\nthree\n2\nfour\n"),
            (&[" three|+3.5"], "one\ntwo\nthree\n3.5\ntwo\nfour\n"),
            (&["-three| two|-four|+x|+y"], "one\ntwo\ntwo\nx\ny\n"),
            (&["-one|+1| "], "1\ntwo\nthree\ntwo\nfour\n"),
            (&[], TEXT),
        ] {
            assert_eq!(edited(edits).as_deref(), Ok(expected), "{edits:?}");
        }
    }

    #[test]
    fn edits_that_share_only_what_stays_go_together() {
        let both = edited(&[" one|-two|+2| three", " two|+2.5| three", "-one|+1| two| three"]);
        assert_eq!(both.as_deref(), Ok("1\n2\n2.5\nthree\ntwo\nfour\n"));
    }

    #[test]
    fn an_edit_that_cannot_be_made_is_an_error() {
        for (text, problem) in
            [("-five|+5", "not in f.rs"), ("-two|+2", "2 times"), ("+x", "nothing"), (" one", "nothing")]
        {
            let found = edited(&[text]).unwrap_err();
            assert!(found.contains("e0") && found.contains(problem), "{found}");
        }
    }

    #[test]
    fn two_edits_of_the_same_lines_are_an_error() {
        let found = edited(&["-one|-two|+x", "+y|-two|-three|+z"]).unwrap_err();
        assert!(found.contains("e0 and e1") && found.contains("f.rs"), "{found}");
    }
}
