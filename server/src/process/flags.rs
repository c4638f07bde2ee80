//! The command line, as Go programs read it: `-x v`, `--x v`, `-x=v` and `--x=v` are one.
//!
//! A flag that cannot be read ends the process with 2 and says which flag and what was expected; settings that can
//! be read but contradict each other, or an environment that cannot be read, end it with 1. Both as etcd.

use super::environment;
use super::given::Given;
use clap::{Arg, ArgAction, Command};
use detcd::config::ServerConfig;
use detcd::wire::maintenance::ETCD_VERSION;
use std::collections::BTreeMap;
use tracing::level_filters::LevelFilter;

/// Name, default (for `--help` only where another flag decides it), meaning.
pub(super) const FLAGS: [(&str, &str, &str); 22] = [
    ("name", "default", "Human-readable name of this member"),
    ("data-dir", "", "Path to the data directory (default: <name>.etcd)"),
    ("listen-peer-urls", "http://localhost:2380", "URLs to listen on for the other members"),
    ("listen-client-urls", "http://localhost:2379", "URLs to listen on for clients"),
    (
        "initial-advertise-peer-urls",
        "http://localhost:2380",
        "This member's peer URLs, for the other members",
    ),
    ("advertise-client-urls", "http://localhost:2379", "This member's client URLs, for clients"),
    ("initial-cluster", "", "First members, name=URL,... (default: this member alone)"),
    ("initial-cluster-state", "new", "'new' to found a cluster, 'existing' to join one"),
    ("initial-cluster-token", "etcd-cluster", "Tells clusters apart that are founded with equal URLs"),
    ("heartbeat-interval", "100", "Milliseconds between heartbeats"),
    ("election-timeout", "1000", "Milliseconds without a heartbeat before an election"),
    ("snapshot-count", "10000", "Commands between two snapshots, at least"),
    ("max-request-bytes", "1572864", "Largest request, in bytes"),
    ("max-txn-ops", "128", "Most operations in a transaction"),
    ("auto-compaction-mode", "periodic", "'periodic' or 'revision'"),
    ("auto-compaction-retention", "0", "Hours, a duration such as 5m, or revisions; 0 never compacts"),
    (
        "quota-backend-bytes",
        "0",
        "Size at which writes are refused, in bytes; 0 for 2 GiB, negative for none",
    ),
    ("watch-progress-notify-interval", "10m", "How often idle watches that asked for it are told so"),
    ("log-level", "info", "debug, info, warn, error, panic or fatal"),
    ("logger", "zap", "Accepted for compatibility: logs are JSON lines as zap writes them"),
    ("log-outputs", "default", "Accepted for compatibility: 'default' or 'stderr'"),
    ("enable-grpc-gateway", "false", "Accepted for compatibility: there is no JSON gateway yet"),
];

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Invocation {
    /// Print this and end with 0.
    Print(String),
    /// Run a member.
    Run(Box<Settings>),
}

/// How to run.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    /// The member.
    pub(crate) server: ServerConfig,
    /// The least level that is logged.
    pub(crate) log_level: LevelFilter,
    /// To be logged once logs can be.
    pub(crate) warnings: Vec<Warning>,
}

/// Something to tell the operator that stops nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// An `ETCD_*` variable that is no flag's.
    UnknownVariable(String),
    /// A quota larger than etcd recommends.
    LargeQuota(u64),
}

/// Why the process cannot start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// Not a flag, or a flag without its value.
    #[error("{0}")]
    Usage(String),
    /// A value that is not what the flag wants.
    #[error("invalid value {value:?} for flag --{flag}: expected {expected}")]
    Value { flag: &'static str, value: String, expected: String },
    /// As `Value`, from the environment: the value is not repeated.
    #[error("invalid value in environment variable {variable}: expected {expected}")]
    Variable { variable: String, expected: String },
    /// A flag and its variable are both given.
    #[error(
        "conflicting environment variable {variable} is shadowed by corresponding command-line flag \
         (either unset environment variable or disable flag)"
    )]
    Shadowed { variable: String },
    /// Values that do not go together.
    #[error("{0}")]
    Contradiction(String),
}

impl FlagError {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            FlagError::Usage(_) | FlagError::Value { .. } => 2,
            FlagError::Variable { .. } | FlagError::Shadowed { .. } | FlagError::Contradiction(_) => 1,
        }
    }
}

/// Reads arguments (without the program's name) and environment.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = String>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Invocation, FlagError> {
    let matches = match command().try_get_matches_from(gnu_style(arguments)) {
        Ok(matches) => matches,
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {
            return Ok(Invocation::Print(error.to_string()));
        }
        Err(error) => return Err(FlagError::Usage(error.to_string().trim_end().to_owned())),
    };
    if matches.get_flag("version") {
        return Ok(Invocation::Print(version()));
    }
    let mut given = BTreeMap::new();
    for (flag, ..) in FLAGS {
        if let Some(value) = matches.get_one::<String>(flag) {
            given.insert(flag, value.clone());
        }
    }
    let on_command_line = given.keys().copied().collect();
    let unknown = environment::merge(&mut given, FLAGS.map(|(flag, ..)| flag), environment)?;
    let mut settings = Given { given, on_command_line }.settings()?;
    settings.warnings.extend(unknown.into_iter().map(Warning::UnknownVariable));
    Ok(Invocation::Run(Box::new(settings)))
}

fn command() -> Command {
    let flags = FLAGS.map(|(flag, default, meaning)| {
        let help =
            if default.is_empty() { meaning.to_owned() } else { format!("{meaning} (default: {default})") };
        Arg::new(flag).long(flag).help(help).allow_hyphen_values(true).action(ArgAction::Set)
    });
    Command::new("detcd")
        .about(
            "A consensus store that every etcd v3 client can use. Every flag --x-y can be set as ETCD_X_Y.",
        )
        .args(flags)
        .arg(
            Arg::new("version").long("version").help("Print the version and exit").action(ArgAction::SetTrue),
        )
        .args_override_self(true)
}

/// `-x v`, `-x=v` and `--x v` as `--x=v`: a value may then begin with a dash, as Go allows.
fn gnu_style(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut arguments = arguments.into_iter();
    let mut out = vec!["detcd".to_owned()];
    while let Some(argument) = arguments.next() {
        let name = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        match name {
            Some("h" | "help") => out.push("--help".to_owned()),
            Some(name) if FLAGS.iter().any(|(flag, ..)| *flag == name) => match arguments.next() {
                Some(value) => out.push(format!("--{name}={value}")),
                None => out.push(format!("--{name}")),
            },
            Some(name) if !name.is_empty() => out.push(format!("--{name}")),
            Some(_) | None => out.push(argument),
        }
    }
    out
}

fn version() -> String {
    format!(
        "etcd Version: {ETCD_VERSION}\nGit SHA: Not provided\nGo Version: none (Rust)\nGo OS/Arch: {}/{}\n\
         detcd Version: {}\n",
        std::env::consts::OS,
        match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        },
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
#[path = "flags_tests.rs"]
mod tests;
