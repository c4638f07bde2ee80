//! A case: everything that determines one run, as a file. A seed alone means another run as soon as one draw
//! is added anywhere; a case says what was drawn, so that what it found stays found.
//!
//! ```text
//!   { "format": 1, "story": "..", "broke": ".." | null, "bug": ".." | null, "swarm": { .. } }
//! ```
//!
//! A file is input like any other: what is wrong with it is named by file and field, and nothing is written over.

use crate::bugs;
use crate::random::Seed;
use crate::served::{Served, Tier};
use crate::swarm::Swarm;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The only format that is read and written. Another one is a file of another version of the simulator.
pub const FORMAT: u64 = 1;
/// More are not simulated.
const MEMBERS_MAX: usize = 9;
/// Of one name, so many files: beyond that a person should look at them.
const ALIKE_MAX: u32 = 1000;

/// One run, but for what is drawn while it goes: that is drawn from the seed in the swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `FORMAT`.
    pub format: u64,
    /// What it is, for the reader.
    #[serde(default)]
    pub story: String,
    /// The promise that it broke when it was found, by its name; `None` where it kept all.
    #[serde(default)]
    pub broke: Option<String>,
    /// The bug that is put in while it runs.
    #[serde(default)]
    pub bug: Option<String>,
    /// While faults are injected each client sends so many requests and then waits for the end; `None` for no limit.
    #[serde(default)]
    pub calls_max: Option<u64>,
    /// The rest.
    pub swarm: Swarm,
}

impl Case {
    /// The case of a seed. In one of twelve clients stop before the faults end: so the state of an idle cluster is
    /// tested, too.
    pub fn draw(seed: u64) -> Case {
        let swarm = Swarm::draw(Seed(seed));
        let mut stream = Seed(seed).stream("case/calls");
        let is_silent = stream.happens(80_000);
        let calls_max = is_silent.then(|| stream.pick(&[3, 15, 60]));
        Case { format: FORMAT, story: String::new(), broke: None, bug: None, calls_max, swarm }
    }

    /// The case of a seed, of the whole server or of members alone whatever the seed says.
    pub fn draw_in(seed: u64, is_served: bool) -> Case {
        let mut case = Case::draw(seed);
        let Swarm { members, load, plan, .. } = &case.swarm;
        case.swarm.tier = match is_served {
            true => Tier::Server(Served::draw(Seed(seed), *members, load.clients.len(), plan.ends_ms)),
            false => Tier::Members,
        };
        case
    }

    /// As text: a line for a value, fields always in one order.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }

    /// From text.
    ///
    /// # Errors
    /// The first thing wrong, after the field that it is wrong with.
    pub fn parse(text: &str) -> Result<Case, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let format = value.get("format").ok_or("field format: missing; a case says its format first")?;
        if format.as_u64() != Some(FORMAT) {
            return Err(format!("field format: {format} is not known here, only {FORMAT} is"));
        }
        let case: Case = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))
            .map_err(|error| format!("field {}: {}", error.path(), error.inner()))?;
        case.check().map_err(|error| format!("field {error}"))?;
        Ok(case)
    }

    /// Whether it can be run at all.
    ///
    /// # Errors
    /// The field that forbids it, and why.
    pub fn check(&self) -> Result<(), String> {
        let Swarm { members, load, plan, .. } = &self.swarm;
        if *members == 0 || *members > MEMBERS_MAX {
            return Err(format!(
                "swarm.members: {members}, but there is at least 1 and at most {MEMBERS_MAX}"
            ));
        }
        for (field, count) in
            [("clients", load.clients.len()), ("keys", load.keys), ("value_bytes_max", load.value_bytes_max)]
        {
            if count == 0 {
                return Err(format!("swarm.load.{field}: 0, but there is at least 1"));
            }
        }
        if let Some(last) = plan.faults.iter().map(|planned| planned.at_ms).max()
            && last > plan.ends_ms
        {
            return Err(format!("swarm.plan.ends_ms: {}, but a fault is planned at {last}", plan.ends_ms));
        }
        plan.check(*members).map_err(|error| format!("swarm.{error}"))?;
        match &self.bug {
            Some(bug) => bugs::named(bug).map(|_| ()).map_err(|error| format!("bug: {error}")),
            None => Ok(()),
        }
    }

    /// From a file.
    ///
    /// # Errors
    /// The file, the field and what is wrong with it.
    pub fn load(path: &Path) -> Result<Case, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Case::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// To a new file in this directory, `name.json` or the first of `name-2.json`, `name-3.json`, .. that does not
    /// exist. Where it was put.
    ///
    /// # Errors
    /// The file that could not be written, and why.
    pub fn save(&self, directory: &Path, name: &str) -> Result<PathBuf, String> {
        save_new(directory, name, "json", &self.to_text())
    }
}

/// Writes a new file as `Case::save` does, whatever is in it.
///
/// # Errors
/// The file that could not be written, and why.
pub fn save_new(directory: &Path, name: &str, extension: &str, text: &str) -> Result<PathBuf, String> {
    let say = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(directory).map_err(|error| say(directory, error))?;
    for count in 1..=ALIKE_MAX {
        let suffix = if count == 1 { String::new() } else { format!("-{count}") };
        let path = directory.join(format!("{name}{suffix}.{extension}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).map_err(|error| say(&path, error))?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(say(&path, error)),
        }
    }
    Err(format!("{}: {ALIKE_MAX} files of the name {name} already", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_the_same_after_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for seed in 0..50 {
            let case = Case::draw(seed);
            let path = case.save(directory.path(), "case").unwrap();
            assert_eq!(Case::load(&path), Ok(case), "{}", path.display());
        }
        assert!(directory.path().join("case-50.json").exists(), "one file was written over another");
    }
}
