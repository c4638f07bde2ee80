//! Where lines go: standard error, standard output, files.

use super::rotating_file::{RotatingFile, append_to};
use crate::process::flags::{LogOutput, LogSettings};
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

enum Output {
    Stderr,
    Stdout,
    File(File),
    Rotating(RotatingFile),
}

/// All of them. A line is written whole to each before the next line is.
pub(super) struct Outputs(Mutex<Vec<Output>>);

impl Outputs {
    /// Opens the files; one that is not there is made.
    pub(super) fn open(settings: &LogSettings) -> io::Result<Outputs> {
        let open = |output: &LogOutput| match output {
            LogOutput::Stderr => Ok(Output::Stderr),
            LogOutput::Stdout => Ok(Output::Stdout),
            LogOutput::File(path) => {
                let opened = match &settings.rotation {
                    Some(rotation) => {
                        RotatingFile::open(path.clone(), rotation.clone()).map(Output::Rotating)
                    }
                    None => append_to(path).map(Output::File),
                };
                opened.map_err(|error| {
                    io::Error::new(error.kind(), format!("--log-outputs: open {}: {error}", path.display()))
                })
            }
        };
        let outputs = settings.outputs.iter().map(open).collect::<io::Result<Vec<Output>>>()?;
        Ok(Outputs(Mutex::new(outputs)))
    }

    /// There is nowhere to report a log that cannot be written.
    pub(super) fn write(&self, line: &[u8], now: SystemTime) {
        let mut outputs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for output in outputs.iter_mut() {
            _ = match output {
                Output::Stderr => io::stderr().lock().write_all(line),
                Output::Stdout => {
                    let mut stdout = io::stdout().lock();
                    stdout.write_all(line).and_then(|()| stdout.flush())
                }
                Output::File(file) => file.write_all(line),
                Output::Rotating(file) => file.write(line, now),
            };
        }
    }
}
