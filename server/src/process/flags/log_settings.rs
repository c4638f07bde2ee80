//! What is logged, how and where.

use super::go_syntax;
use super::reading::Reading;
use super::table::Form;
use super::yaml::{self, Value};
use std::path::PathBuf;

/// The flags about logs, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
    /// At least one, each once.
    pub(crate) outputs: Vec<LogOutput>,
    /// Of the one file among the outputs.
    pub(crate) rotation: Option<Rotation>,
}

/// The least that is logged. There is nothing above an error: what ends the process is logged as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Json,
    Console,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogOutput {
    Stderr,
    Stdout,
    File(PathBuf),
}

/// When a file of the log is set aside, and what is kept of those. Zero is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) file_bytes_max: u64,
    pub(crate) age_days_max: u64,
    pub(crate) files_max: usize,
    pub(crate) is_compressed: bool,
}

/// lumberjack's, where `maxsize` is 0.
const MEGABYTES_DEFAULT: u64 = 100;

/// Reads the flags; what is wrong is in `reading`.
pub(super) fn read(reading: &mut Reading<'_>) -> LogSettings {
    match reading.values.text("logger") {
        "zap" => {}
        "capnslog" => reading.contradiction("--logger=capnslog is removed in v3.5"),
        other => reading.contradiction(format!("unknown logger option {other:?}; expected zap")),
    }
    let level = match reading.values.text("log-level") {
        "debug" => LogLevel::Debug,
        "warn" => LogLevel::Warn,
        "error" | "panic" | "fatal" => LogLevel::Error,
        _ => LogLevel::Info,
    };
    let format = match reading.values.text("log-format") {
        "json" => LogFormat::Json,
        "console" => LogFormat::Console,
        other => {
            reading.contradiction(format!("unknown log format: {other}, supported values json, console"));
            LogFormat::Json
        }
    };
    let outputs = outputs(reading);
    let rotation = reading.values.boolean("enable-log-rotation").then(|| rotation(reading, &outputs));
    LogSettings { level, format, outputs, rotation: rotation.flatten() }
}

fn outputs(reading: &mut Reading<'_>) -> Vec<LogOutput> {
    let texts: Vec<&str> = reading.values.text("log-outputs").split(',').collect();
    let mut outputs = Vec::new();
    for text in &texts {
        outputs.push(match *text {
            // etcd's empty list is its default.
            "" if texts.len() == 1 => LogOutput::Stderr,
            "" => {
                reading.misread("log-outputs", "no empty output between commas");
                break;
            }
            "default" if texts.len() > 1 => {
                reading.contradiction("multi logoutput for \"default\" is not supported yet");
                break;
            }
            "default" | "stderr" => LogOutput::Stderr,
            "stdout" => LogOutput::Stdout,
            "systemd/journal" => {
                reading.contradiction(
                    "--log-outputs: systemd/journal is not available in this release; systemd puts what is \
                     written to stderr into the journal",
                );
                continue;
            }
            path => LogOutput::File(path.into()),
        });
    }
    outputs.sort();
    outputs.dedup();
    outputs
}

fn rotation(reading: &mut Reading<'_>, outputs: &[LogOutput]) -> Option<Rotation> {
    let files = outputs.iter().filter(|output| matches!(output, LogOutput::File(_))).count();
    if files > 1 || (files == 0 && outputs.len() == 1) {
        reading.contradiction(
            "--log-outputs requires a single file path when --log-rotate-config-json is defined",
        );
        return None;
    }
    match parse_rotation(reading.values.text("log-rotation-config-json")) {
        Ok(rotation) => Some(rotation),
        Err(error) => {
            reading.contradiction(format!("--log-rotation-config-json: {error}"));
            None
        }
    }
}

/// lumberjack's JSON. Names that it does not know say nothing, as there.
fn parse_rotation(text: &str) -> Result<Rotation, String> {
    let improper = |why: &str| format!("improperly formatted log rotation config: {why}");
    if !text.trim_start().starts_with('{') {
        return Err(improper("expected {\"maxsize\": 100, ...}"));
    }
    let document = yaml::read(text).map_err(|unreadable| improper(&unreadable.why))?;
    let mut rotation = Rotation {
        file_bytes_max: MEGABYTES_DEFAULT * 1024 * 1024,
        age_days_max: 0,
        files_max: 0,
        is_compressed: false,
    };
    for entry in &document.entries {
        let number = || number(&entry.key, &entry.value);
        match entry.key.to_ascii_lowercase().as_str() {
            "maxsize" => match number()? {
                0 => {}
                megabytes => rotation.file_bytes_max = megabytes.saturating_mul(1024 * 1024),
            },
            "maxage" => rotation.age_days_max = number()?,
            "maxbackups" => rotation.files_max = usize::try_from(number()?).unwrap_or(usize::MAX),
            "compress" => rotation.is_compressed = boolean(&entry.key, &entry.value)?,
            "localtime" if boolean(&entry.key, &entry.value)? => {
                return Err("localtime is not available in this release: names of files have UTC".to_owned());
            }
            _ => {}
        }
    }
    Ok(rotation)
}

fn number(key: &str, value: &Value) -> Result<u64, String> {
    let expected = Form::Number { of: "its unit", min: 0, max: i128::from(i32::MAX) };
    match value {
        Value::Scalar(scalar) if scalar.is_plain && expected.check(&scalar.text).is_ok() => {
            Ok(go_syntax::number(&scalar.text).and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
        }
        _ => Err(format!("invalid log rotation config: {key}: expected a number, 0 or more")),
    }
}

fn boolean(key: &str, value: &Value) -> Result<bool, String> {
    match value {
        Value::Scalar(scalar) if scalar.is_plain && scalar.text == "true" => Ok(true),
        Value::Scalar(scalar) if scalar.is_plain && scalar.text == "false" => Ok(false),
        _ => Err(format!("invalid log rotation config: {key}: expected true or false")),
    }
}
