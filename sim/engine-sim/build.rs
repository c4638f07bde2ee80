//! Copies engine/src, with every seeded bug, probe and size, and writes the tables of both.

use detcd_source_edits::{Entry, Kind, copy, read_all};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const ROOT: &str = "../..";
/// Where edits may be; the server's are applied by `server-sim`.
const EDITED: [&str; 2] = ["engine/src/", "server/src/"];

fn main() -> Result<(), String> {
    for path in ["../../engine/src", "edits", "build.rs"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(|error| error.to_string())?);
    let all = read_all(Path::new("."))?;
    for edit in all.iter().flat_map(|entry| &entry.edits) {
        if !EDITED.iter().any(|prefix| edit.file.starts_with(prefix)) {
            return Err(format!("{}: only {EDITED:?} have twins", edit.written_at));
        }
    }
    copy(Path::new(ROOT), "engine/src", &out.join("src"), &all)?;
    std::fs::write(out.join("bugs.rs"), bugs_table(&all)?).map_err(|error| error.to_string())?;
    std::fs::write(out.join("probes.rs"), probes_table(&all)).map_err(|error| error.to_string())
}

/// By name.
fn bugs_table(all: &[Entry]) -> Result<String, String> {
    let mut table = "&[\n".to_owned();
    let mut bugs: Vec<&Entry> = all.iter().filter(|entry| entry.kind == Kind::Bug).collect();
    bugs.sort_by_key(|bug| &bug.name);
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

/// By file.
fn probes_table(all: &[Entry]) -> String {
    let probes = all.iter().filter(|entry| entry.kind == Kind::Probe);
    let lines = probes.map(|probe| format!("({:?}, {:?}),\n", probe.name, probe.story));
    format!("&[\n{}]", lines.collect::<String>())
}
