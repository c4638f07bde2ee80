//! The command line, as Go programs read it: `-x v`, `--x v`, `-x=v` and `--x=v` are one; a boolean takes its value after
//! an equals sign, and is true without; the last of several wins; flags end at the first word that is none.

use super::aliases::{self, Meant};
use super::nearest::nearest;
use super::problem::Problem;
use super::table::{self, Flag, Form};
use super::values::{Given, Origin, Values};

/// What stands there.
#[derive(Debug, Default)]
pub(super) struct CommandLine {
    pub(super) values: Values,
    pub(super) problems: Vec<Problem>,
    pub(super) wants_help: bool,
    pub(super) wants_version: bool,
    pub(super) wants_check: bool,
    pub(super) wants_print: bool,
}

/// After so many things that are wrong the rest is not looked at.
const PROBLEMS_MAX: usize = 100;

/// Programs of their own that etcd's binary has.
const PROGRAMS: [&str; 2] = ["gateway", "grpc-proxy"];

/// Reads the arguments without the program's name.
pub(super) fn read(arguments: impl IntoIterator<Item = String>) -> CommandLine {
    let mut arguments = arguments.into_iter().peekable();
    let mut line = CommandLine::default();
    if let Some(program) = arguments.peek().filter(|first| PROGRAMS.contains(&first.as_str())) {
        line.problems.push(Problem::setting(format!("{program} is not available in this release")));
        return line;
    }
    while line.problems.len() < PROBLEMS_MAX
        && let Some(argument) = arguments.next()
    {
        let name = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        let name = match name {
            Some("") if argument == "--" => {
                line.problems.extend(arguments.next().map(|stray| no_flag(&stray)));
                break;
            }
            Some(name) if !name.is_empty() => name,
            _ => {
                line.problems.push(no_flag(&argument));
                break;
            }
        };
        if name.starts_with(['-', '=']) {
            line.problems.push(Problem::usage(format!("bad flag syntax: {argument}")));
            continue;
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let name = if name == "h" { "help" } else { name };
        let Some(meant) = aliases::meant(name) else {
            line.problems.push(unknown(name));
            // Its value, most likely.
            if value.is_none() {
                _ = arguments.next_if(|next| !next.starts_with('-'));
            }
            continue;
        };
        let value = match (value, is_boolean(meant)) {
            (Some(value), _) => value,
            (None, true) => "true".to_owned(),
            (None, false) => match arguments.next() {
                Some(value) => value,
                None => {
                    line.problems.push(Problem::usage(format!("flag needs an argument: --{name}")));
                    break;
                }
            },
        };
        line.take(name, meant, value);
    }
    line
}

impl CommandLine {
    fn take(&mut self, name: &str, meant: Meant, text: String) {
        let given = Given { name: name.to_owned(), text, origin: Origin::CommandLine };
        let form = match meant {
            Meant::Flag(flag) => flag.form,
            Meant::Gate(_) => Form::Boolean,
            Meant::Ignored => Form::Text,
        };
        if let Err(expected) = form.check(&given.text) {
            self.problems.push(given.wrong(form, &expected));
            return;
        }
        let is_on = super::go_syntax::boolean(&given.text) == Some(true);
        match meant {
            Meant::Flag(Flag { name: "help", .. }) => self.wants_help |= is_on,
            Meant::Flag(Flag { name: "version", .. }) => self.wants_version = is_on,
            Meant::Flag(Flag { name: "check-config", .. }) => self.wants_check = is_on,
            Meant::Flag(Flag { name: "print-config", .. }) => self.wants_print = is_on,
            meant => self.problems.extend(self.values.add(meant, given).err()),
        }
    }
}

fn is_boolean(meant: Meant) -> bool {
    match meant {
        Meant::Flag(flag) => flag.form == Form::Boolean,
        Meant::Gate(_) | Meant::Ignored => true,
    }
}

/// etcd's text.
fn no_flag(word: &str) -> Problem {
    let hint = match word {
        "true" | "false" => "; a boolean takes its value after an equals sign",
        _ => "",
    };
    Problem::setting(format!("{word:?} is not a valid flag{hint}"))
}

fn unknown(name: &str) -> Problem {
    let near = nearest(name, table::flags().map(|flag| flag.name));
    let hint = near.map_or(String::new(), |near| format!(" (did you mean --{near}?)"));
    Problem::usage(format!("flag provided but not defined: --{name}{hint}"))
}
