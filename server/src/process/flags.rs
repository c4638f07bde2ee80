//! The command line, as Go programs read it: `-x v`, `--x v`, `-x=v` and `--x=v` are one.
//!
//! A flag that cannot be read ends the process with 2 and says which flag and what was expected; settings that can
//! be read but contradict each other, or an environment that cannot be read, end it with 1. Both as etcd.

use super::environment;
use super::flag_values::{FLAGS, FlagError, FlagValues};
use super::settings::{Settings, Warning};
use clap::{Arg, ArgAction, Command};
use detcd::wire::maintenance::ETCD_VERSION;
use std::collections::BTreeMap;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Invocation {
    /// Print this and end with 0.
    Print(String),
    /// Run a member.
    Run(Box<Settings>),
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
    let mut values = BTreeMap::new();
    for (flag, ..) in FLAGS {
        if let Some(value) = matches.get_one::<String>(flag) {
            values.insert(flag, value.clone());
        }
    }
    let on_command_line = values.keys().copied().collect();
    let unknown = environment::merge(&mut values, FLAGS.map(|(flag, ..)| flag), environment)?;
    let mut settings = FlagValues { values, on_command_line }.settings()?;
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
