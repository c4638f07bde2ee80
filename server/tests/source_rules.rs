//! What the sources must keep to and no compiler or lint says: so that they run in a simulation, so that modules stand
//! in layers, and so that whoever follows a comment to the docs finds the page and the section.

#[path = "source_rules/invariants.rs"]
mod invariants;
#[path = "source_rules/layers.rs"]
mod layers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The shell's modules that only the binary has, and the places that are the real world.
const REAL: [&str; 4] = ["process", "main.rs", "clock.rs", "disk/real.rs"];

/// Directories that hold nothing written by hand, or data.
const NOT_LOOKED_INTO: [&str; 5] = ["target", ".git", "corpus", "artifacts", "testscripts"];

/// The texts below a directory, by their paths from there.
fn texts(root: &Path, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a folder of sources") {
            let path = entry.expect("an entry of it").path();
            let is = |names: &[&str], part: Option<&std::ffi::OsStr>| {
                part.and_then(|part| part.to_str()).is_some_and(|part| names.contains(&part))
            };
            if path.is_dir() {
                if !is(&NOT_LOOKED_INTO, path.file_name()) {
                    dirs.push(path);
                }
            } else if is(extensions, path.extension()) {
                let text = std::fs::read_to_string(&path).expect("a source file");
                found.push((path.strip_prefix(root).expect("below the root").to_owned(), text));
            }
        }
    }
    found
}

fn sources() -> Vec<(PathBuf, String)> {
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &["rs"])
}

/// The part that is compiled a second time, without its comments.
fn shared() -> Vec<(PathBuf, String)> {
    let is_shared = |path: &Path| REAL.iter().all(|real| !path.starts_with(real));
    let code = |text: String| {
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    sources().into_iter().filter(|(path, _)| is_shared(path)).map(|(path, text)| (path, code(text))).collect()
}

#[test]
fn every_select_is_biased() {
    for (path, text) in sources() {
        for (at, _) in text.match_indices("select! {") {
            let body = text[at + "select! {".len()..].trim_start();
            assert!(
                body.starts_with("biased;"),
                "{}: a select! draws lots unless it is biased",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_knows_that_it_is_simulated() {
    for (path, text) in sources() {
        assert!(
            !text.contains("cfg(madsim"),
            "{}: what is simulated comes in through a trait",
            path.display()
        );
    }
}

#[test]
fn time_chance_and_threads_come_in_through_traits() {
    for (path, text) in shared() {
        for forbidden in [
            "Instant::now",
            "SystemTime",
            "std::thread",
            "HashMap",
            "HashSet",
            "tokio::time",
            "tokio::fs",
            "spawn_blocking",
        ] {
            assert!(!text.contains(forbidden), "{}: {forbidden} differs from run to run", path.display());
        }
    }
}

/// Each `docs/PAGE.md`, and with it the section of `docs/PAGE.md#SECTION`.
fn cited(text: &str) -> Vec<(&str, Option<&str>)> {
    let is_of_a_citation = |c: char| c.is_ascii_alphanumeric() || "-_./#".contains(c);
    let words = text.match_indices("docs/").map(|(at, name)| {
        let rest = &text[at + name.len()..];
        &rest[..rest.find(|c| !is_of_a_citation(c)).unwrap_or(rest.len())]
    });
    let pages = words.filter_map(|word| {
        let (page, rest) = word.split_at(word.find(".md")? + ".md".len());
        Some((page, rest.strip_prefix('#').map(|section| section.trim_end_matches('.'))))
    });
    pages.collect()
}

/// A heading's anchor, as it is made where the pages are shown.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars();
    let kept = kept.filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn pages_and_sections_that_are_cited_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("server/ is in the repository");
    let mut looked_at = 0;
    for (path, text) in texts(root, &["rs", "md", "toml", "proto", "edits"]) {
        // This file makes citations up.
        if path.ends_with("source_rules.rs") {
            continue;
        }
        for (page, section) in cited(&text) {
            let found = std::fs::read_to_string(root.join("docs").join(page));
            let found = found.unwrap_or_else(|error| panic!("{}: docs/{page}: {error}", path.display()));
            let headings: BTreeSet<String> =
                found.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
            if let Some(section) = section {
                let name = path.display();
                assert!(headings.contains(section), "{name}: docs/{page} has no section {section}");
            }
            looked_at += 1;
        }
    }
    assert!(looked_at > 50, "only {looked_at} citations were found");
}

#[test]
fn a_citation_is_read_as_it_is_meant() {
    assert_eq!(
        cited("see docs/a.md, `../docs/b-c.md#d-e`, (docs/f.md#g). And docs/ alone, docs/images/h.png"),
        [("a.md", None), ("b-c.md", Some("d-e")), ("f.md", Some("g"))]
    );
    assert_eq!(anchor("## Terms of entries that are not there"), "terms-of-entries-that-are-not-there");
}
