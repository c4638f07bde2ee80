//! What the sources must keep to so that they run in a simulation, where no compiler or lint says it.

use std::path::{Path, PathBuf};

/// The shell's modules that only the binary has, and the places that are the real world.
const REAL: [&str; 4] = ["process", "main.rs", "clock.rs", "disk/real.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a folder of sources") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                found.push((path.strip_prefix(&root).expect("below the root").to_owned(), text));
            }
        }
    }
    found
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
