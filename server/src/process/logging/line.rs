//! A line of the log: JSON with zap's keys, or columns with tabs between them and the fields as JSON at the end.

use crate::process::flags::LogFormat;
use std::fmt::{self, Write as _};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

/// A line in the making: the message is known only once all fields were seen.
pub(super) struct Line {
    format: LogFormat,
    head: String,
    message: String,
    fields: String,
}

impl Line {
    pub(super) fn new(metadata: &Metadata<'_>, format: LogFormat, now: SystemTime) -> Line {
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG | Level::TRACE => "debug",
        };
        let ts = humantime::format_rfc3339_micros(now);
        let caller = match (metadata.file(), metadata.line()) {
            (Some(file), Some(line)) => format!("{}:{line}", last_two(file)),
            _ => metadata.target().to_owned(),
        };
        let head = match format {
            LogFormat::Json => {
                let mut head = format!("{{\"level\":\"{level}\",\"ts\":\"{ts}\",\"caller\":");
                put_text(&mut head, &caller);
                head
            }
            LogFormat::Console => format!("{ts}\t{level}\t{caller}"),
        };
        Line { format, head, message: String::new(), fields: String::new() }
    }

    fn field(&mut self, field: &Field, value: fmt::Arguments<'_>, quoted: bool) {
        if field.name() == "message" {
            self.message = value.to_string();
            return;
        }
        let (comma, colon) = match self.format {
            LogFormat::Json => (",", ":"),
            // Without fields before it, it is the first in its braces.
            LogFormat::Console if self.fields.is_empty() => ("", ": "),
            LogFormat::Console => (", ", ": "),
        };
        self.fields.push_str(comma);
        put_text(&mut self.fields, &field.name().replace('_', "-"));
        self.fields.push_str(colon);
        if quoted {
            put_text(&mut self.fields, &value.to_string());
        } else {
            write!(self.fields, "{value}").expect("a String takes everything");
        }
    }

    pub(super) fn finish(self) -> String {
        let Line { format, head: mut line, message, fields } = self;
        match format {
            LogFormat::Json => {
                line.push_str(",\"msg\":");
                put_text(&mut line, &message);
                line.push_str(&fields);
                line.push_str("}\n");
            }
            LogFormat::Console => {
                line.push('\t');
                // A line break within would begin what looks like another line.
                line.extend(message.chars().map(|c| if c.is_control() { ' ' } else { c }));
                if !fields.is_empty() {
                    line.push_str(&format!("\t{{{fields}}}"));
                }
                line.push('\n');
            }
        }
        line
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format_args!("{value:?}"), true);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, format_args!("{value}"), true);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, format_args!("{value}"), false);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, format_args!("{value}"), false);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, format_args!("{value}"), false);
    }
}

/// `process/listen.rs` of `server/src/process/listen.rs`, as zap shortens callers.
fn last_two(path: &str) -> &str {
    let cut = path.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    &path[cut..]
}

/// A JSON string.
fn put_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes everything"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_json_wants() {
        let mut out = String::new();
        put_text(&mut out, "a\"b\\c\nd\u{1}é");
        assert_eq!(out, "\"a\\\"b\\\\c\\nd\\u0001é\"");
    }

    #[test]
    fn callers_are_a_directory_and_a_file() {
        for (path, short) in
            [("server/src/process/listen.rs", "process/listen.rs"), ("src/main.rs", "src/main.rs")]
        {
            assert_eq!(last_two(path), short);
        }
        assert_eq!(last_two("main.rs"), "main.rs");
    }
}
