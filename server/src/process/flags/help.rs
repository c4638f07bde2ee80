//! `--help`: one table of all flags, in etcd's groups.

use super::gates::GATES;
use super::table::{Flag, Form, GROUPS, Kind};

/// Columns of the whole.
const WIDTH: usize = 118;
/// Columns before a meaning: a mark, the flag, its default.
const FLAG_WIDTH: usize = 42;
const DEFAULT_WIDTH: usize = 24;

const HEAD: &str = "\
Usage: detcd [flags]
       detcd restore FILE [flags]    a new member from a snapshot file: detcd restore --help

A consensus store that every etcd v3 client can use, started as etcd is: -x v, --x v, -x=v and --x=v are one.
Every flag --x-y can be set by the variable ETCD_X_Y too, though not by both at once. With --config-file the file
alone counts. The --experimental-... flags of etcd 3.6 are taken as what they were renamed to.

  (no mark)  works as in etcd
  -          accepted, and means nothing here: the text says why
  !          not available in this release: its default is accepted, any other value is refused
";

/// All of it.
pub(super) fn text() -> String {
    let mut out = HEAD.to_owned();
    for group in GROUPS {
        out.push_str(&format!("\n{}:\n", group.title));
        for flag in group.flags {
            put_row(&mut out, flag.kind, &named(flag), flag.default, flag.meaning);
        }
    }
    out.push_str("\nGates of --feature-gates; AllAlpha and AllBeta are those of their stage:\n");
    for gate in &GATES {
        put_row(&mut out, gate.kind, gate.name, if gate.default { "true" } else { "false" }, gate.meaning);
    }
    out
}

/// With the form of its value.
fn named(flag: &Flag) -> String {
    let form = match flag.form {
        Form::Boolean => "",
        Form::Number { .. } => " number",
        Form::Duration => " duration",
        Form::Urls => " urls",
        Form::List => " list",
        Form::Text | Form::Secret | Form::Choice(_) => " text",
    };
    format!("--{}{form}", flag.name)
}

fn put_row(out: &mut String, kind: Kind, name: &str, default: &str, meaning: &str) {
    let (mark, meaning) = match kind {
        Kind::Works => (' ', meaning.to_owned()),
        Kind::MeansNothing(why) => ('-', format!("{meaning}. Nothing here: {why}")),
        Kind::NotBuilt { what, .. } => ('!', format!("{meaning}. Not available: {what}")),
    };
    let mut lines = wrapped(&meaning, WIDTH - FLAG_WIDTH - DEFAULT_WIDTH).into_iter();
    let first = format!("{mark} {name}");
    let mut row = format!("{first:<FLAG_WIDTH$}");
    // What is longer than its column has the line for itself.
    for (text, before) in
        [(default, FLAG_WIDTH), (lines.next().as_deref().unwrap_or(""), FLAG_WIDTH + DEFAULT_WIDTH)]
    {
        if row.len() >= before && !row.ends_with(' ') {
            out.push_str(&format!("{row}\n"));
            row.clear();
        }
        row = format!("{row:<before$}{text}");
    }
    out.push_str(&format!("{}\n", row.trim_end()));
    for line in lines {
        out.push_str(&format!("{:width$}{line}\n", "", width = FLAG_WIDTH + DEFAULT_WIDTH));
    }
}

/// Broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + 1 + word.len() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
