//! `detcd restore`: a snapshot file becomes the data directory of a member of a new cluster.
//!
//! The file is read whole before anything is written, and the directory gets its name when all is in it, as at a first
//! start: what fails leaves nothing that a member would start from.

mod arguments;
mod file;

use super::flags::Settings;
use arguments::Arguments;
use detcd::disk::real::RealDisk;
use detcd::disk::wal::SEGMENT_BYTES;
use detcd::member::{self, MemberConfig};
use detcd::metrics::Metrics;
use detcd_engine::config::Config;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs it with what follows the word `restore`; `seed` is never the same twice.
pub(crate) fn run(arguments: impl IntoIterator<Item = String>, seed: u64) -> ExitCode {
    match arguments::read(arguments) {
        Ok(None) => {
            print!("{}", arguments::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Some(arguments)) => match restore(arguments, seed) {
            Ok(told) => {
                println!("{told}");
                ExitCode::SUCCESS
            }
            Err(refusal) => {
                eprintln!("detcd restore: {refusal}");
                ExitCode::FAILURE
            }
        },
        Err(refusal) => {
            eprintln!("detcd restore: {refusal}");
            ExitCode::from(2)
        }
    }
}

fn restore(arguments: Arguments, seed: u64) -> Result<String, String> {
    let Arguments { file: path, bump_revision, skips_hash_check, settings } = arguments;
    let Settings { server, .. } = *settings;
    let dir = server.data_dir.clone();
    let (initial_cluster, me) = server.first_cluster().map_err(|refusal| refusal.to_string())?;
    if !is_empty(&dir).map_err(|error| format!("{}: {error}", dir.display()))? {
        return Err(format!(
            "data directory {} is not empty; give another one with --data-dir, or move it away",
            dir.display()
        ));
    }
    let mut contents = file::read(&path, skips_hash_check)?;
    let in_file = |problem: String| format!("{}: {problem}; nothing was written", path.display());
    if bump_revision > 0 {
        contents.bump(bump_revision).map_err(in_file)?;
    }
    let (revision, compacted, (versions, leases)) =
        (contents.revision(), contents.compacted_revision(), contents.counts());
    let state = contents.into_state(&initial_cluster).map_err(in_file)?;
    let engine = Config { member: me, cluster: initial_cluster.id, ..server.engine() };
    let cluster = initial_cluster.id;
    let config =
        MemberConfig { engine, data_dir: dir.clone(), initial_cluster, wal_segment_bytes: SEGMENT_BYTES };
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    let disk = RealDisk::start(Metrics::new().disk).map_err(|error| error.to_string())?;
    runtime
        .block_on(member::found(config, state, Arc::new(disk), seed))
        .map_err(|error| error.to_string())?;
    Ok(format!(
        "restored {} to {}: member {me} of cluster {cluster}, revision {revision}, compacted {compacted}, {versions} \
         versions, {leases} leases",
        path.display(),
        dir.display()
    ))
}

/// Whether a directory is empty, or is not there.
fn is_empty(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
