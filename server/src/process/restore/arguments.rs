//! What `detcd restore` is told: a file, some flags of its own, and those flags of the server that found a cluster.

use crate::process::flags::{self, Invocation, Settings};
use std::path::PathBuf;

/// Printed for `--help`.
pub(super) const USAGE: &str = "\
Usage: detcd restore FILE [flags]

Makes the data directory of a member of a new cluster, which starts with the state of a snapshot file: one that
`etcdctl snapshot save` has written, of etcd's or of detcd's. Each member of the new cluster is restored from the same
file, with its own name.

  --data-dir DIR                        the directory to be made (default: NAME.etcd); it may exist if it is empty
  --name NAME                           name of this member (default: default)
  --initial-cluster NAME=URL,...        the members of the new cluster and their peer URLs
  --initial-cluster-token TOKEN         token of the new cluster
  --initial-advertise-peer-urls URL,..  peer URLs of this member, as in --initial-cluster
  --bump-revision N                     move the revision on by N, so that clients of the old cluster take no revision for
                                        one that they know; needs --mark-compacted
  --mark-compacted                      compact at the revision that results; needs --bump-revision
  --skip-hash-check                     take a file without a checksum, as member/snap/db of a stopped etcd, or a wrong one
";

/// See the module.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) file: PathBuf,
    /// By how much the revision is moved on; 0 is not at all.
    pub(super) bump_revision: u64,
    pub(super) skips_hash_check: bool,
    pub(super) settings: Box<Settings>,
}

/// Reads what follows `restore`; `Ok(None)` where help is wanted.
///
/// # Errors
/// What is wrong with it, in a line or more.
pub(super) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = arguments.into_iter();
    let (mut file, mut of_server) = (None, Vec::new());
    let (mut bump_revision, mut is_compacted, mut skips_hash_check) = (None, false, false);
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix('-').map(|flag| flag.trim_start_matches('-')) else {
            if let Some(first) = file.replace(PathBuf::from(&argument)) {
                return Err(format!(
                    "one file is restored, and {} and {argument} are given",
                    first.display()
                ));
            }
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        let mut value_of = || {
            let value = value.map(str::to_owned).or_else(|| arguments.next());
            value.ok_or_else(|| format!("--{name} needs a value"))
        };
        match name {
            "help" | "h" => return Ok(None),
            "mark-compacted" => is_compacted = is_true(name, value)?,
            "skip-hash-check" => skips_hash_check = is_true(name, value)?,
            "bump-revision" => {
                let text = value_of()?;
                let number =
                    text.parse().map_err(|_| format!("--bump-revision: {text:?} is not a number"))?;
                bump_revision = Some(number);
            }
            // Of etcdutl's: nothing is mapped here.
            "initial-memory-map-size" => drop(value_of()?),
            "name"
            | "data-dir"
            | "initial-cluster"
            | "initial-cluster-token"
            | "initial-advertise-peer-urls" => {
                of_server.push(format!("--{name}={}", value_of()?));
            }
            "wal-dir" => return Err("--wal-dir: the log is within --data-dir".to_owned()),
            other => {
                return Err(format!("--{other} is not a flag of detcd restore (see detcd restore --help)"));
            }
        }
    }
    let file = file.ok_or_else(|| format!("the file to restore is missing\n\n{USAGE}"))?;
    let bump_revision = bump_revision.unwrap_or(0);
    // As etcdutl: each without the other would have clients take new revisions for old ones.
    if (bump_revision > 0) != is_compacted {
        return Err("--mark-compacted and --bump-revision are given together, or neither".to_owned());
    }
    match flags::parse(of_server, [], |path| Err(std::io::Error::other(format!("{path} is not read")))) {
        Ok(Invocation::Run(settings)) => {
            Ok(Some(Arguments { file, bump_revision, skips_hash_check, settings }))
        }
        Ok(_) => Err("only a restore can be asked for".to_owned()),
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn is_true(name: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(format!("--{name}: {other:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &str) -> Result<Option<Arguments>, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_may_stand_before_and_behind_the_file() {
        let line = "--name m1 a.db --data-dir=d --initial-cluster m1=http://h:2380 \
                    --initial-advertise-peer-urls http://h:2380 --bump-revision 7 --mark-compacted --skip-hash-check";
        let arguments = given(line).expect("a good line").expect("no help");
        assert_eq!(arguments.file, PathBuf::from("a.db"));
        assert_eq!((arguments.bump_revision, arguments.skips_hash_check), (7, true));
        let server = &arguments.settings.server;
        assert_eq!((server.name.as_str(), server.data_dir.to_str()), ("m1", Some("d")));
        assert!(server.first_cluster().is_ok());
        assert!(given("--help").expect("a good line").is_none());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (line, problem) in [
            ("", "the file to restore is missing"),
            ("a b", "one file is restored, and a and b are given"),
            ("a --bump-revision 7", "--mark-compacted and --bump-revision are given together"),
            ("a --mark-compacted", "--mark-compacted and --bump-revision are given together"),
            ("a --bump-revision x", "--bump-revision: \"x\" is not a number"),
            ("a --bump-revision", "--bump-revision needs a value"),
            ("a --skip-hash-check=x", "--skip-hash-check: \"x\" is neither true nor false"),
            ("a --listen-client-urls http://a:1", "--listen-client-urls is not a flag of detcd restore"),
            ("a --wal-dir w", "--wal-dir: the log is within --data-dir"),
            ("a --initial-cluster x", "--initial-cluster"),
        ] {
            let refusal = given(line).expect_err(line);
            assert!(refusal.contains(problem), "{line}: {refusal}");
        }
    }
}
