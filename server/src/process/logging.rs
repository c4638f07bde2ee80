//! Logs as etcd's zap writes them: one JSON object a line on stderr, because tools grep and parse them.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

struct ZapLines;

/// Logs from here on, for the whole process. Call once.
pub(crate) fn start(level: LevelFilter) {
    let subscriber = tracing_subscriber::registry().with(ZapLines.with_filter(level));
    tracing::subscriber::set_global_default(subscriber).expect("logging starts once");
}

impl<S: Subscriber> Layer<S> for ZapLines {
    /// Below a warning only our own events count: at debug, most lines would be those of HTTP/2.
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN && !metadata.target().starts_with("detcd") {
            return;
        }
        let mut line = Line::new(metadata, SystemTime::now());
        event.record(&mut line);
        // There is nowhere to report a log that cannot be written.
        _ = std::io::stderr().lock().write_all(line.finish().as_bytes());
    }
}

/// A line in the making: the message is known only once all fields were seen.
struct Line {
    head: String,
    message: String,
    fields: String,
}

impl Line {
    fn new(metadata: &Metadata<'_>, now: SystemTime) -> Line {
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG | Level::TRACE => "debug",
        };
        let ts = humantime::format_rfc3339_micros(now);
        let mut head = format!("{{\"level\":\"{level}\",\"ts\":\"{ts}\",\"caller\":");
        let caller = match (metadata.file(), metadata.line()) {
            (Some(file), Some(line)) => format!("{}:{line}", last_two(file)),
            _ => metadata.target().to_owned(),
        };
        put_text(&mut head, &caller);
        Line { head, message: String::new(), fields: String::new() }
    }

    fn field(&mut self, field: &Field, value: fmt::Arguments<'_>, quoted: bool) {
        if field.name() == "message" {
            self.message = value.to_string();
            return;
        }
        self.fields.push(',');
        put_text(&mut self.fields, &field.name().replace('_', "-"));
        self.fields.push(':');
        if quoted {
            put_text(&mut self.fields, &value.to_string());
        } else {
            write!(self.fields, "{value}").expect("a String takes everything");
        }
    }

    fn finish(self) -> String {
        let mut line = self.head;
        line.push_str(",\"msg\":");
        put_text(&mut line, &self.message);
        line.push_str(&self.fields);
        line.push_str("}\n");
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
