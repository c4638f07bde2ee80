//! What is started with which words, and what is refused with which.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

mod cases;
mod command_line;
mod config_file;
mod environment;
mod rules;
mod table;

use super::*;

/// What the process would do.
fn invoke(
    arguments: &[&str],
    environment: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Invocation, Refusal> {
    let arguments = arguments.iter().map(|&argument| argument.to_owned());
    let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    parse(arguments, environment, |path| match file {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no {path} here"))),
    })
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Settings, Refusal> {
    match invoke(arguments, environment, None)? {
        Invocation::Run(settings) => Ok(*settings),
        other => panic!("{other:?} instead of running"),
    }
}

/// With a configuration file of this text at `f.yml`.
fn run_file(text: &str) -> Result<Settings, Refusal> {
    match invoke(&["--config-file=f.yml"], &[], Some(text))? {
        Invocation::Run(settings) => Ok(*settings),
        other => panic!("{other:?} instead of running"),
    }
}

fn printed(arguments: &[&str]) -> String {
    match invoke(arguments, &[], None) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("{other:?} instead of printing"),
    }
}

/// That these are refused with this code, in words that have `text` in them.
fn refused(arguments: &[&str], exit_code: u8, text: &str) {
    let refusal = run(arguments, &[]).unwrap_err();
    assert!(refusal.to_string().contains(text), "{arguments:?}: {refusal}");
    assert_eq!(refusal.exit_code, exit_code, "{arguments:?}: {refusal}");
}
