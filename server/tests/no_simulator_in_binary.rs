//! The binary that is shipped has nothing of the simulator in it, and no bug that was put in on purpose.

use std::path::Path;

fn binary_has() -> impl Fn(&str) -> bool {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_detcd")).expect("the binary was built");
    move |needle| binary.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn no_symbol_of_madsim() {
    let has = binary_has();
    assert!(has("tokio"), "the search finds what is there");
    // A path's separator, and the beginning of a mangled name.
    for symbol in ["madsim::", "6madsim", "madsim_tokio", "madsim_tonic"] {
        assert!(!has(symbol), "{symbol} is in the binary");
    }
}

#[test]
fn no_seeded_bug() {
    let has = binary_has();
    assert!(has("detcd_engine"), "the search finds what is there");
    for symbol in ["engine_sim", "server_sim", "seeded::is_on", "probes::reached"] {
        assert!(!has(symbol), "{symbol} is in the binary");
    }
    let edits = concat!(env!("CARGO_MANIFEST_DIR"), "/../sim/engine-sim/edits");
    let mut bugs = Vec::new();
    find_bugs(Path::new(edits), &mut bugs);
    for bug in &bugs {
        assert!(!has(bug), "the seeded bug {bug} is in the binary");
    }
    let looked_for = bugs.len();
    assert!(looked_for >= 30, "only {looked_for} seeded bugs were looked for");
}

/// The names of the seeded bugs whose edits are below a directory.
fn find_bugs(dir: &Path, bugs: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory of edits") {
        let path = entry.expect("a file of edits").path();
        if path.is_dir() {
            find_bugs(&path, bugs);
        } else {
            let text = std::fs::read_to_string(&path).expect("a file of edits");
            bugs.extend(text.lines().filter_map(|line| line.strip_prefix("bug ")).map(str::to_owned));
        }
    }
}
