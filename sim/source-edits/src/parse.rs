//! The text of a bug's file, and of a file of probes.

use super::{Edit, Entry, Line};

/// A bug's file. `name` is the file's.
///
/// # Errors
/// What is wrong with it, with the file's name.
pub fn parse_bug(name: &str, text: &str) -> Result<Entry, String> {
    let told = |problem: String| format!("seeded bug {name}: {problem}");
    let mut entry = Entry { name: name.to_owned(), ..Entry::default() };
    for line in text.lines() {
        take(&mut entry, line).map_err(told)?;
    }
    let switch = format!("seeded::is_on(\"{name}\")");
    let comes = |edit: &Edit| {
        edit.lines.iter().any(|line| matches!(line, Line::Comes(text) if text.contains(&switch)))
    };
    match entry.edits.iter().find(|edit| !comes(edit)) {
        Some(edit) => {
            Err(told(format!("the edit of {} has no {switch}: it would always be there", edit.file)))
        }
        None if entry.edits.is_empty() => Err(told("no edit".to_owned())),
        None => Ok(entry),
    }
}

/// A file of probes, each of which begins with a line `probe NAME`. `file` is for what is said of problems.
///
/// # Errors
/// What is wrong with it, with the probe's name.
pub fn parse_probes(file: &str, text: &str) -> Result<Vec<Entry>, String> {
    let mut probes: Vec<Entry> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("probe ") {
            probes.push(Entry { name: name.trim().to_owned(), ..Entry::default() });
            continue;
        }
        match probes.last_mut() {
            Some(probe) => take(probe, line).map_err(|problem| format!("probe {}: {problem}", probe.name))?,
            None if line.trim().is_empty() => {}
            None => return Err(format!("{file}.probes begins with {line:?} and not with a probe")),
        }
    }
    for probe in &probes {
        if probe.story.is_empty() {
            return Err(format!("probe {}: nothing says what it means", probe.name));
        }
        let call = format!("reached(\"{}\")", probe.name);
        let comes = |line: &Line| matches!(line, Line::Comes(text) if text.contains(&call));
        let goes = |line: &Line| matches!(line, Line::Goes(_));
        let has_call = probe.edits.iter().any(|edit| edit.lines.iter().any(comes));
        if !probe.edits.is_empty() && !has_call {
            return Err(format!("probe {}: no edit calls {call}", probe.name));
        }
        if probe.edits.iter().any(|edit| edit.lines.iter().any(goes)) {
            return Err(format!("probe {}: a probe only looks, but an edit takes lines away", probe.name));
        }
    }
    Ok(probes)
}

fn take(entry: &mut Entry, line: &str) -> Result<(), String> {
    if let Some(file) = line.strip_prefix("edit ") {
        entry.edits.push(Edit { file: file.trim().to_owned(), lines: Vec::new() });
        return Ok(());
    }
    let Some(edit) = entry.edits.last_mut() else {
        take_word(entry, line);
        return Ok(());
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

    const BUG: &str = "origin: etcd #1\nbudget: 5\n\nA story\nof two lines: yes.\n\nedit a/b.rs\n one\n-two\n+if crate::seeded::is_on(\"x\") {}\n";

    #[test]
    fn a_bug_has_fields_a_story_and_edits() {
        let bug = parse_bug("x", BUG).unwrap();
        assert_eq!(bug.fields["origin"], "etcd #1");
        assert_eq!(bug.story, "A story of two lines: yes.");
        assert_eq!(bug.edits[0].file, "a/b.rs");
        assert_eq!(bug.edits[0].lines[1], Line::Goes("two".to_owned()));
    }

    #[test]
    fn a_bug_without_its_own_switch_is_refused() {
        let found = parse_bug("y", BUG).unwrap_err();
        assert!(found.contains("is_on(\"y\")") && found.contains("a/b.rs"), "{found}");
        assert!(parse_bug("x", "A story.\n").unwrap_err().contains("no edit"));
        assert!(parse_bug("x", &format!("{BUG}what\n")).unwrap_err().contains("\"what\""));
    }

    #[test]
    fn a_probe_only_looks() {
        let probes = |text: &str| parse_probes("room", text);
        let both = "probe a\nMeans a.\n\nprobe b\nMeans b.\nedit f.rs\n x\n+reached(\"b\");\n";
        let names: Vec<String> = probes(both).unwrap().into_iter().map(|probe| probe.name).collect();
        assert_eq!(names, ["a", "b"]);
        for (text, problem) in [
            ("words\n", "begins with"),
            ("probe a\n", "nothing says"),
            ("probe a\nMeans.\nedit f.rs\n+reached(\"b\");\n", "no edit calls"),
            ("probe a\nMeans.\nedit f.rs\n-x\n+reached(\"a\");\n", "only looks"),
        ] {
            let found = probes(text).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }
}
