//! Copies engine/src, with every seeded bug, probe and size, and writes the tables of both.

use detcd_source_edits::{Entry, copy, read_all};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const ROOT: &str = "../..";
/// Where edits may be; the server's are applied by `server-sim`.
const EDITED: [&str; 2] = ["engine/src/", "server/src/"];

fn main() -> Result<(), String> {
    for path in ["../../engine/src", "bugs", "probes", "sizes", "build.rs"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(|error| error.to_string())?);
    let [bugs, probes, sizes] = read_all(Path::new("."))?;
    let all: Vec<Entry> = bugs.iter().chain(&probes).chain(&sizes).cloned().collect();
    for edit in all.iter().flat_map(|entry| &entry.edits) {
        if !EDITED.iter().any(|prefix| edit.file.starts_with(prefix)) {
            return Err(format!("an edit of {}: only {EDITED:?} have twins", edit.file));
        }
    }
    copy(Path::new(ROOT), "engine/src", &out.join("src"), &all)?;
    std::fs::write(out.join("bugs.rs"), bugs_table(&bugs)?).map_err(|error| error.to_string())?;
    std::fs::write(out.join("probes.rs"), probes_table(&probes)).map_err(|error| error.to_string())
}

fn bugs_table(bugs: &[Entry]) -> Result<String, String> {
    let mut table = "&[\n".to_owned();
    for Entry { name, fields, story, .. } in bugs {
        let field = |field: &str| fields.get(field).ok_or(format!("seeded bug {name}: no line {field:?}"));
        let (origin, breaks, budget) = (field("origin")?, field("breaks")?, field("budget")?);
        let budget: u32 = budget.parse().map_err(|_| format!("seeded bug {name}: budget {budget:?}"))?;
        writeln!(
            table,
            "Bug {{ name: {name:?}, origin: {origin:?}, breaks: {breaks:?}, budget: {budget}, story: {story:?} }},"
        )
        .expect("a string takes all");
    }
    Ok(table + "]")
}

fn probes_table(probes: &[Entry]) -> String {
    let lines = probes.iter().map(|probe| format!("({:?}, {:?}),\n", probe.name, probe.story));
    format!("&[\n{}]", lines.collect::<String>())
}
