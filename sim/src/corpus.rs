//! The kept cases: each broke a promise once, by a bug that was fixed since, or breaks one by a seeded bug. The first
//! kind must pass; the second shows that the bug is still found.

use crate::case::Case;
use crate::runner::{Failure, run_case};
use crate::trace::Trace;
use std::path::{Path, PathBuf};

/// Where they are, in the sources.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// All of them, by name.
///
/// # Errors
/// The directory cannot be read.
pub fn files() -> Result<Vec<PathBuf>, String> {
    let directory = directory();
    let entries =
        std::fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    Ok(files)
}

/// Whether a kept case does what it is kept for.
///
/// # Errors
/// What it does instead.
pub fn check(case: &Case) -> Result<(), String> {
    match (&case.bug, run_case(case, &Trace::default())) {
        (None, Ok(_)) => Ok(()),
        (None, Err(broken)) => Err(Failure::study(case, broken).to_string()),
        (Some(bug), Ok(_)) => Err(format!("the seeded bug {bug} was not found")),
        (Some(bug), Err(broken)) => match &case.broke {
            Some(broke) if *broke != broken.name() => Err(format!(
                "the seeded bug {bug} is to break {broke:?}, but it broke {:?}:\n{}",
                broken.name(),
                broken.text
            )),
            _ => Ok(()),
        },
    }
}
