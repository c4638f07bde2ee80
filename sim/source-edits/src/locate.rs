//! Where a file has the lines that an edit quotes, and what stands there instead where it has not.

use super::Edit;
use std::ops::Range;

/// The line at which the quotation begins, counted from 0.
///
/// # Errors
/// It is not there exactly once: names the edit, the file, and the lines where it is or might have been.
pub(super) fn locate(name: &str, edit: &Edit, quoted: &[&str], text: &[&str]) -> Result<usize, String> {
    let Edit { file, written_at, function, .. } = edit;
    let told = |what: String| {
        Err(format!(
            "{written_at}: {name}: {what}\nThe source has moved on: look at it, and write the edit anew"
        ))
    };
    let (starts, place): (Vec<usize>, String) = match function {
        None => ((0..text.len()).collect(), file.clone()),
        Some(function) => {
            let starts: Vec<usize> = functions(function, text).into_iter().flatten().collect();
            if starts.is_empty() {
                return told(format!("there is no fn {function} in {file}"));
            }
            (starts, format!("fn {function} of {file}"))
        }
    };
    if quoted.is_empty() {
        return told("it quotes nothing".to_owned());
    }
    let equal = |start: usize| {
        let pairs = text[start..].iter().zip(quoted);
        pairs.filter(|(line, quoted)| line.trim() == quoted.trim()).count()
    };
    let found: Vec<usize> = starts.iter().copied().filter(|start| equal(*start) == quoted.len()).collect();
    if let [start] = found[..] {
        return Ok(start);
    }
    if !found.is_empty() {
        let lines: Vec<String> = found.iter().map(|start| (start + 1).to_string()).collect();
        return told(format!(
            "{:?} is in {place} {} times: lines {}",
            quoted[0].trim(),
            found.len(),
            lines.join(", ")
        ));
    }
    // The first line that is not as quoted, where most of them are.
    let best = starts.iter().copied().max_by_key(|start| (equal(*start), std::cmp::Reverse(*start)));
    let at = best.filter(|start| equal(*start) > 0).unwrap_or(usize::MAX);
    let differs = |(line, quoted): &(&&str, &&str)| line.trim() != quoted.trim();
    let missing = match text.get(at..).and_then(|rest| rest.iter().zip(quoted).find(|pair| differs(pair))) {
        Some((_, quoted)) => quoted.trim(),
        None => quoted[0].trim(),
    };
    let nearest =
        starts.iter().copied().max_by_key(|line| (likeness(text[*line], missing), std::cmp::Reverse(*line)));
    let Some(nearest) = nearest else { return told(format!("{place} is empty")) };
    told(format!(
        "{missing:?} is not in {place}, or not among the lines quoted with it; most like it is line {}:\n{:?}",
        nearest + 1,
        text[nearest].trim()
    ))
}

/// The lines of each function of this name. rustfmt puts the brace that ends it under its first line.
fn functions(name: &str, text: &[&str]) -> Vec<Range<usize>> {
    let begins = |line: &str| {
        let rest = line.split_once("fn ").and_then(|(_, rest)| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (start, first) in text.iter().enumerate().filter(|(_, line)| begins(line)) {
        let is_end = |line: &&str| line.trim_end() == format!("{}}}", " ".repeat(indent(first)));
        let length = text[start..].iter().position(is_end).unwrap_or(0);
        found.push(start..start + length + 1);
    }
    found
}

/// How many pairs of neighbouring characters two lines share, in a thousand of what they have.
fn likeness(one: &str, other: &str) -> usize {
    let pairs =
        |line: &str| -> Vec<(char, char)> { line.trim().chars().zip(line.trim().chars().skip(1)).collect() };
    let (one, mut other) = (pairs(one), pairs(other));
    let all = one.len() + other.len();
    let mut shared: usize = 0;
    for pair in one {
        if let Some(place) = other.iter().position(|found| *found == pair) {
            other.swap_remove(place);
            shared += 2;
        }
    }
    (shared * 1000).checked_div(all).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fn one() {\n    let x = first();\n    go();\n}\n\nimpl T {\n    fn two(&self) {\n        go();\n    }\n\n    \
                        fn two_more() {\n        stop();\n    }\n}";

    fn located(function: Option<&str>, quoted: &[&str]) -> Result<usize, String> {
        let (file, written_at) = ("f.rs".to_owned(), "edits/f.rs.edits:7".to_owned());
        let edit = Edit { file, written_at, function: function.map(str::to_owned), lines: Vec::new() };
        locate("bug x", &edit, quoted, &TEXT.lines().collect::<Vec<_>>())
    }

    #[test]
    fn a_quotation_is_found_in_the_file_or_in_a_function_however_it_is_indented() {
        assert_eq!(located(None, &["let x = first();"]), Ok(1));
        assert_eq!(located(None, &["    let x = first();", "go();"]), Ok(1));
        assert_eq!(located(Some("one"), &["go();"]), Ok(2));
        assert_eq!(located(Some("two"), &["go();"]), Ok(7));
    }

    #[test]
    fn what_is_not_there_once_is_told_with_the_edit_and_the_nearest_line() {
        for (function, quoted, problems) in [
            (
                None,
                &["go();"][..],
                &["edits/f.rs.edits:7: bug x: \"go();\" is in f.rs 2 times: lines 3, 8", "anew"][..],
            ),
            (
                None,
                &["let y = first();"],
                &["\"let y = first();\" is not in f.rs", "line 2:\n\"let x = first();\""],
            ),
            (
                None,
                &["let x = first();", "stop();"],
                &["\"stop();\" is not in f.rs, or not among", "line 12"],
            ),
            (Some("two"), &["stop();"], &["is not in fn two of f.rs"]),
            (Some("three"), &["go();"], &["there is no fn three in f.rs"]),
            (None, &[], &["quotes nothing"]),
        ] {
            let found = located(function, quoted).unwrap_err();
            problems
                .iter()
                .for_each(|problem| assert!(found.contains(problem), "{problem} is not in: {found}"));
        }
    }
}
