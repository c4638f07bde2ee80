//! A file's text with the edits of several bugs and probes in it.
//!
//! Every edit quotes the text as it is in the repository, never as another edit leaves it: so bugs do not depend on
//! each other, and two that change the same lines are an error.

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
/// A quotation that is not there exactly once, or edits that change the same lines.
pub fn apply(file: &str, text: &str, edits: &[(&str, &Edit)]) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut changes = Vec::new();
    for (name, edit) in edits.iter().filter(|(_, edit)| edit.file == file) {
        changes.push(locate(name, edit, &lines)?);
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

fn locate(name: &str, edit: &Edit, text: &[&str]) -> Result<Change, String> {
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
    let found: Vec<usize> = match quoted.is_empty() {
        true => Vec::new(),
        false => (0..text.len()).filter(|at| text[*at..].starts_with(&quoted)).collect(),
    };
    let [place] = found[..] else {
        return Err(format!(
            "{name}: these lines are {} times in {} and should be there once. The source has moved on: look at \
             it, and write the edit of {name} anew\n{}",
            found.len(),
            edit.file,
            quoted.join("\n")
        ));
    };
    let stays = |line: &&Line| matches!(line, Line::Stays(_));
    let before = lines.iter().take_while(stays).count();
    if before == lines.len() {
        return Err(format!("{name}: an edit of {} changes nothing", edit.file));
    }
    let after = lines.iter().rev().take_while(stays).count();
    let by = lines[before..lines.len() - after].iter().filter_map(|line| match line {
        Line::Stays(text) | Line::Comes(text) => Some(text.clone()),
        Line::Goes(_) => None,
    });
    let lines = place + before..place + quoted.len() - after;
    Ok(Change { name: name.to_owned(), lines, by: by.collect() })
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
        Edit { file: "f.rs".to_owned(), lines: lines.collect() }
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
    fn what_is_found_never_or_twice_is_an_error_that_says_what_to_do() {
        for (text, times) in [("-five|+5", "0 times"), ("-two|+2", "2 times"), ("+x", "0 times")] {
            let found = edited(&[text]).unwrap_err();
            for word in ["e0", "f.rs", times, "anew"] {
                assert!(found.contains(word), "{word} is not in: {found}");
            }
        }
        assert!(edited(&[" one"]).unwrap_err().contains("changes nothing"));
    }

    #[test]
    fn two_edits_of_the_same_lines_are_an_error() {
        let found = edited(&["-one|-two|+x", "+y|-two|-three|+z"]).unwrap_err();
        assert!(found.contains("e0 and e1") && found.contains("f.rs"), "{found}");
    }
}
