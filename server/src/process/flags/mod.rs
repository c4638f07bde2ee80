//! How the process is called: the command line, `ETCD_*` variables and the configuration file, as etcd reads them.
//!
//! A command line that cannot be read ends the process with 2, whatever else is wrong with 1, both as etcd; all that is
//! wrong is said, not only the first thing. A configuration file stands alone: other flags and variables are ignored.
//! Nothing here reads the clock, the disk or the environment: those are handed in.

mod aliases;
mod auth_settings;
mod command_line;
pub(crate) mod duration;
mod environment;
mod file;
mod file_blocks;
mod gates;
mod go_syntax;
mod help;
mod log_settings;
mod nearest;
mod notice;
mod problem;
mod reading;
mod rules;
mod settings;
mod show;
mod table;
mod tls_settings;
mod values;
mod yaml;

pub(crate) use auth_settings::{AuthSettings, SignedSettings, TokenKind};
pub(crate) use log_settings::{LogFormat, LogLevel, LogOutput, LogSettings, Rotation};
pub(crate) use notice::{Notice, PassedOver};
pub(crate) use problem::{Problem, Refusal};
pub(crate) use settings::Settings;
pub(crate) use tls_settings::{Access, Allowed, KeyPair, SideTls, TlsSettings, Versions};

use detcd::wire::maintenance::ETCD_VERSION;
use std::io;
use values::{Given, Origin, Values};

/// The most bytes of a configuration file that are looked at; a longer one is refused.
pub(crate) const CONFIG_FILE_BYTES_MAX: usize = yaml::FILE_BYTES_MAX;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Invocation {
    /// Print this and end with 0.
    Print(String),
    /// Say that these settings are fine, where a start would find nothing wrong either, and end.
    Check(Box<Settings>),
    /// Run a member.
    Run(Box<Settings>),
}

/// Reads arguments (without the program's name) and environment; `read_file` has the bytes of the file at a path, one
/// more than are looked at where it has more.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = String>,
    environment: impl IntoIterator<Item = (String, String)>,
    read_file: impl FnOnce(&str) -> io::Result<Vec<u8>>,
) -> Result<Invocation, Refusal> {
    let line = command_line::read(arguments);
    if line.problems.is_empty() && line.wants_help {
        return Ok(Invocation::Print(help::text()));
    }
    if line.problems.is_empty() && line.wants_version {
        return Ok(Invocation::Print(version()));
    }
    let (wants_check, wants_print) = (line.wants_check, line.wants_print);
    let mut problems = line.problems;
    let mut environment = environment::relevant(environment);
    let config_file = line.values.flags.get("config-file").filter(|given| !given.text.is_empty()).cloned();
    let config_file = config_file.or_else(|| {
        let variable = values::variable("config-file");
        let text = environment.remove(&variable)?;
        Some(Given { name: "config-file".to_owned(), text, origin: Origin::Variable(variable) })
    });
    let (values, mut notices) = match config_file {
        Some(given) => from_file(given, &line.values, environment, read_file, &mut problems),
        None => {
            let mut values = line.values;
            let (wrong, unknown) = environment::merge(&mut values, environment);
            problems.extend(wrong);
            (values, unknown.into_iter().map(Notice::UnknownVariable).collect())
        }
    };
    match settings::settings(&values) {
        Ok(mut settings) if problems.is_empty() => {
            notices.append(&mut settings.notices);
            settings.notices = notices;
            let settings = Box::new(settings);
            Ok(match (wants_check, wants_print) {
                (true, _) => Invocation::Check(settings),
                (false, true) => Invocation::Print(show::table(&values)),
                (false, false) => Invocation::Run(settings),
            })
        }
        settings => {
            let (more, told) = match settings {
                Ok(settings) => (Vec::new(), settings.notices),
                Err(refusal) => (refusal.problems, refusal.notices),
            };
            problems.extend(more);
            notices.extend(told);
            let refusal = Refusal { notices, ..Refusal::new(problems) };
            let exit_code = if wants_check { 1 } else { refusal.exit_code };
            Err(Refusal { exit_code, ..refusal })
        }
    }
}

/// The values of a file alone, and what is ignored beside it.
fn from_file(
    given: Given,
    line: &Values,
    environment: std::collections::BTreeMap<String, String>,
    read_file: impl FnOnce(&str) -> io::Result<Vec<u8>>,
    problems: &mut Vec<Problem>,
) -> (Values, Vec<Notice>) {
    let path = given.text.clone();
    let mut contents = match read_file(&path) {
        Ok(bytes) => file::parse(&path, &bytes),
        Err(error) => {
            problems.push(Problem::setting(format!("{}: open {path}: {error}", given.named())));
            file::Contents::default()
        }
    };
    problems.append(&mut contents.problems);
    let beside = line.flags.values().chain(line.gates.values()).filter(|other| other.name != "config-file");
    let mut ignored: Vec<String> = beside.map(|other| format!("--{}", other.name)).collect();
    ignored.extend(environment.into_keys().filter(|variable| environment::is_a_flags(variable)));
    let mut notices = vec![Notice::OnlyTheFile { path, ignored }];
    notices.extend(contents.passed_over.into_iter().map(Notice::PassedOver));
    let mut values = contents.values;
    values.flags.insert("config-file", given);
    (values, notices)
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
mod tests;
