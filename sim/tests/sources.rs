//! What would make a run differ from itself, looked for in the sources of everything that runs in a simulation.
//! Lints (clippy.toml) see types and calls; this sees what they cannot.
#![cfg(madsim)]

use std::path::{Path, PathBuf};

/// The server binary, the real clock and the command line of the simulator: none of them is in a run.
const NOT_RUN: [&str; 5] =
    ["server/src/main.rs", "server/src/process", "server/src/clock.rs", "sim/src/main.rs", "sim/src/cli"];

/// What is looked for, and why it is not there.
const FORBIDDEN: [(&str, &str); 8] = [
    ("HashMap", "its order differs between runs: BTreeMap"),
    ("HashSet", "its order differs between runs: BTreeSet"),
    ("RandomState", "unseeded chance"),
    ("ahash", "seeded by addresses"),
    ("thread_rng", "unseeded chance: random.rs has streams"),
    ("Instant::now", "a wall clock: the member's Clock, or simulated_now"),
    ("SystemTime::now", "a wall clock: the member's Clock"),
    ("{:p}", "addresses differ between runs"),
];

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory of the sources") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Line by line: what is wrong with a source.
fn faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (place, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or(line);
        for (word, why) in FORBIDDEN.iter().filter(|(word, _)| code.contains(word)) {
            faults.push(format!("{name}:{}: {word}: {why}", place + 1));
        }
        let is_biased = || {
            let next = lines[place + 1..].iter().map(|line| line.trim());
            code.contains("biased;") || next.into_iter().find(|line| !line.is_empty()) == Some("biased;")
        };
        if code.contains("select! {") && !is_biased() {
            faults.push(format!(
                "{name}:{}: a select! that is not biased draws from a global counter",
                place + 1
            ));
        }
    }
    faults
}

#[test]
fn nothing_in_a_run_differs_between_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("sim/ is in the repository");
    let mut files = Vec::new();
    for directory in ["engine/src", "server/src", "sim/src"] {
        rust_files(&root.join(directory), &mut files);
    }
    let mut looked_at = 0;
    let mut found = Vec::new();
    for path in files {
        let name = path.strip_prefix(root).expect("under the root").display().to_string();
        if NOT_RUN.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        looked_at += 1;
        found.extend(faults(&name, &std::fs::read_to_string(&path).expect("a source is text")));
    }
    assert!(looked_at > 100, "only {looked_at} sources were looked at");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_is_forbidden_is_seen() {
    for (line, is_wrong) in [
        ("let map: HashMap<u8, u8> = HashMap::new();", true),
        ("// not a HashMap", false),
        ("let now = Instant::now();", true),
        ("tokio::select! {\n    biased;\n", false),
        ("tokio::select! {\n    () = sleep(wait) => {}\n", true),
        ("tokio::select! { biased; () = one => {} }", false),
    ] {
        assert_eq!(!faults("a.rs", line).is_empty(), is_wrong, "{line}");
    }
}
