//! `--config-file`: etcd's keys and blocks, each value turned into the text that its flag would take.
//!
//! A value of the wrong type is refused with its place; a key that nothing has is passed over, as in etcd, and warned
//! of with the name that was meant.

use super::aliases::{self, Meant};
use super::file_blocks::{self, BLOCKS};
use super::nearest::nearest;
use super::notice::PassedOver;
use super::problem::Problem;
use super::table::{self, Form};
use super::values::{Given, Origin, Values, setting_named};
use super::yaml::{self, Entry, Value};
use std::rc::Rc;

/// So many unknown keys are each worth a warning.
const UNKNOWN_NAMED_MAX: usize = 20;

/// A file that was read.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) values: Values,
    pub(super) problems: Vec<Problem>,
    pub(super) passed_over: Vec<PassedOver>,
}

/// Reads a file's bytes.
pub(super) fn parse(path: &str, bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    let document = match std::str::from_utf8(bytes) {
        Ok(text) => yaml::read(text),
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            Err(yaml::Unreadable { line, why: "not UTF-8".to_owned() })
        }
    };
    match document {
        Ok(document) => {
            let mut walk = Walk { path: path.into(), contents: &mut contents, unknown: 0 };
            walk.block("", &document.entries);
            let unnamed = walk.unknown.saturating_sub(UNKNOWN_NAMED_MAX);
            if unnamed > 0 {
                contents.passed_over.push(PassedOver::More(unnamed));
            }
            if document.has_more {
                contents.passed_over.push(PassedOver::Documents { path: path.to_owned() });
            }
        }
        Err(yaml::Unreadable { line, why }) => {
            contents.problems.push(Problem::setting(format!("{path}:{line}: {why}")));
        }
    }
    contents
}

struct Walk<'a> {
    path: Rc<str>,
    contents: &'a mut Contents,
    unknown: usize,
}

impl Walk<'_> {
    /// The keys of the block of this name; the file itself has none.
    fn block(&mut self, name: &str, entries: &[Entry]) {
        for (at, entry) in entries.iter().enumerate() {
            let later = &entries[at + 1..];
            // Looked for among as many as any real file has.
            if later.iter().take(200).any(|other| other.key == entry.key) {
                let place = format!("{}:{}", self.path, entry.line);
                let key = joined(name, &entry.key);
                if self.contents.passed_over.len() < UNKNOWN_NAMED_MAX {
                    self.contents.passed_over.push(PassedOver::Repeated { place, key });
                }
                continue;
            }
            // As Go's JSON finds a field: whatever its letters' case.
            let key = joined(name, &entry.key.to_ascii_lowercase());
            if BLOCKS.contains(&key.as_str()) {
                match &entry.value {
                    Value::Block(entries) => self.block(&key, entries),
                    Value::Null => {}
                    other => self.wrong(entry.line, &key, "keys with values", other),
                }
                continue;
            }
            match file_blocks::flag_of(&key).and_then(|flag| Some((flag, setting_named(flag)?))) {
                Some((flag, meant)) => self.value(flag, meant, &key, entry),
                None if file_blocks::is_unavailable(&key) => {
                    if !matches!(entry.value, Value::Null) {
                        let text =
                            format!("{}:{}: {key} is not available in this release", self.path, entry.line);
                        self.contents.problems.push(Problem::setting(text));
                    }
                }
                None => self.unknown(name, entry),
            }
        }
    }

    fn value(&mut self, flag: &str, meant: Meant, key: &str, entry: &Entry) {
        let form = match meant {
            Meant::Flag(flag) => flag.form,
            Meant::Gate(_) => Form::Boolean,
            Meant::Ignored => Form::Text,
        };
        let text = match text_of(form, &entry.value) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(expected) => return self.wrong(entry.line, key, &expected, &entry.value),
        };
        let origin = Origin::File { path: Rc::clone(&self.path), line: entry.line, key: key.to_owned() };
        let given = Given { name: flag.to_owned(), text, origin };
        self.contents.problems.extend(self.contents.values.add(meant, given).err());
    }

    fn wrong(&mut self, line: usize, key: &str, expected: &str, found: &Value) {
        let is_secret =
            file_blocks::flag_of(key).and_then(table::find).is_some_and(|flag| flag.form == Form::Secret);
        let found = if is_secret { "a value that is not shown".to_owned() } else { described(found) };
        let text = format!("{}:{line}: {key}: expected {expected}, found {found}", self.path);
        self.contents.problems.push(Problem::setting(text));
    }

    fn unknown(&mut self, block: &str, entry: &Entry) {
        self.unknown += 1;
        if self.unknown > UNKNOWN_NAMED_MAX {
            return;
        }
        let place = format!("{}:{}", self.path, entry.line);
        let key = joined(block, &entry.key);
        let known: Vec<String> = if block.is_empty() {
            let blocks = BLOCKS.iter().filter(|name| !name.contains('.')).map(|name| (*name).to_owned());
            let keys = aliases::names().filter(|name| file_blocks::flag_of(name).is_some());
            keys.chain(blocks).collect()
        } else {
            file_blocks::keys_of(block).map(str::to_owned).collect()
        };
        let meant = nearest(&entry.key.to_ascii_lowercase(), known.iter().map(String::as_str));
        let meant = meant.map(|meant| joined(block, meant));
        self.contents.passed_over.push(PassedOver::Unknown { place, key, meant });
    }
}

fn joined(block: &str, key: &str) -> String {
    if block.is_empty() { key.to_owned() } else { format!("{block}.{key}") }
}

/// A value as the text of its flag; nothing where there is none, and what was expected where it is something else.
fn text_of(form: Form, value: &Value) -> Result<Option<String>, String> {
    let Value::List(items) = value else {
        let scalar = match value {
            Value::Null => return Ok(None),
            Value::Scalar(scalar) => scalar,
            Value::List(_) | Value::Block(_) => return Err(form.expected()),
        };
        let text = scalar.text.as_str();
        return match form {
            Form::List => Err("a list, such as [one, two]".to_owned()),
            Form::Boolean => match text {
                "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y"
                    if scalar.is_plain =>
                {
                    Ok(Some("true".to_owned()))
                }
                "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N"
                    if scalar.is_plain =>
                {
                    Ok(Some("false".to_owned()))
                }
                _ => Err(form.expected()),
            },
            Form::Number { .. } if !scalar.is_plain => Err(format!("{}, without quotes", form.expected())),
            Form::Number { .. } => Ok(Some(text.to_owned())),
            Form::Duration => match text.parse::<u64>() {
                Ok(nanos) if scalar.is_plain => Ok(Some(format!("{nanos}ns"))),
                _ => Err(nanoseconds(text)),
            },
            // What is empty was left out.
            Form::Choice(_) if text.is_empty() => Ok(None),
            Form::Text | Form::Secret | Form::Urls | Form::Choice(_) => Ok(Some(text.to_owned())),
        };
    };
    if form != Form::List {
        return Err(form.expected());
    }
    let texts = items.iter().map(|item| match item {
        Value::Scalar(scalar) => Ok(scalar.text.as_str()),
        _ => Err("a list of texts".to_owned()),
    });
    let texts = texts.collect::<Result<Vec<&str>, String>>()?;
    Ok((!texts.is_empty()).then(|| texts.join(",")))
}

/// Durations are numbers in a file, as in etcd, where Go's notation has no place.
fn nanoseconds(text: &str) -> String {
    let meant = super::duration::parse_nanos(text).filter(|_| text != "0");
    let example = meant.map_or(String::from("600000000000 for 10m"), |nanos| format!("{nanos} for {text}"));
    format!("a whole number of nanoseconds without quotes ({example})")
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Scalar(scalar) => {
            let shown: String = scalar.text.chars().take(80).collect();
            format!("{shown:?}")
        }
        Value::List(_) => "a list".to_owned(),
        Value::Block(_) => "keys with values".to_owned(),
    }
}
