//! The command line.

use clap::{Arg, ArgAction, Command, value_parser};
use std::path::PathBuf;

/// What to compare, how much of it, and where.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) detcd: PathBuf,
    pub(crate) etcd: PathBuf,
    /// No script is begun once so many requests were compared.
    pub(crate) requests: usize,
    pub(crate) seed: u64,
    /// Steps of a script, about.
    pub(crate) steps: usize,
    /// Pairs of servers that run at once.
    pub(crate) pairs: usize,
    /// Where servers keep their data.
    pub(crate) dir: PathBuf,
    /// Scripts to run instead of everything else.
    pub(crate) replay: Vec<PathBuf>,
    pub(crate) shrinks: bool,
}

impl Options {
    /// Ends the process where the command line is none.
    pub(crate) fn parse() -> Options {
        let mut matches = command().get_matches();
        let mut take = |name: &str| matches.remove_one::<PathBuf>(name);
        let (detcd, etcd, dir) = (take("detcd"), take("etcd"), take("dir"));
        Options {
            detcd: detcd.expect("clap requires it"),
            etcd: etcd.expect("clap requires it"),
            dir: dir.unwrap_or_else(std::env::temp_dir),
            replay: matches.remove_many("replay").map(Iterator::collect).unwrap_or_default(),
            shrinks: !matches.get_flag("no-shrink"),
            requests: matches.remove_one("requests").expect("it has a default"),
            seed: matches.remove_one("seed").expect("it has a default"),
            steps: matches.remove_one("steps").expect("it has a default"),
            pairs: matches.remove_one("pairs").expect("it has a default"),
        }
    }
}

fn command() -> Command {
    let path = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).value_parser(value_parser!(PathBuf))
    };
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).default_value(default).help(help)
    };
    Command::new("differential")
        .about("Asks detcd and a real etcd the same random questions and compares the answers")
        .arg(path("detcd", "The detcd binary").required(true))
        .arg(path("etcd", "server/tests/go/peer, built").required(true))
        .arg(path("dir", "Where servers keep their data (default: the temporary directory)"))
        .arg(path("replay", "Run this script alone; may be repeated").action(ArgAction::Append))
        .arg(number("requests", "50000", "Requests to compare, at least").value_parser(value_parser!(usize)))
        .arg(number("seed", "1", "Seed of the scripts").value_parser(value_parser!(u64)))
        .arg(number("steps", "5000", "Steps of a script").value_parser(value_parser!(usize)))
        .arg(number("pairs", "2", "Pairs of servers at once").value_parser(value_parser!(usize)))
        .arg(
            Arg::new("no-shrink")
                .long("no-shrink")
                .action(ArgAction::SetTrue)
                .help("Keep differences as they are"),
        )
}
