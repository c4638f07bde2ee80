//! Logs as etcd's zap writes them, one line an event, because tools grep and parse them: JSON objects, or columns for
//! people.

mod line;
mod outputs;
mod rotating_file;

use super::flags::{LogFormat, LogLevel, LogSettings};
use line::Line;
use outputs::Outputs;
use std::io;
use std::time::SystemTime;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

struct ZapLines {
    format: LogFormat,
    outputs: Outputs,
}

/// Logs from here on, for the whole process. Call once. An error names the output that cannot be had.
pub(crate) fn start(settings: &LogSettings) -> io::Result<()> {
    let level = match settings.level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let lines = ZapLines { format: settings.format, outputs: Outputs::open(settings)? };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(level));
    tracing::subscriber::set_global_default(subscriber).expect("logging starts once");
    Ok(())
}

impl<S: Subscriber> Layer<S> for ZapLines {
    /// Below a warning only our own events count: at debug, most lines would be those of HTTP/2.
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN && !metadata.target().starts_with("detcd") {
            return;
        }
        let now = SystemTime::now();
        let mut line = Line::new(metadata, self.format, now);
        event.record(&mut line);
        self.outputs.write(line.finish().as_bytes(), now);
    }
}
