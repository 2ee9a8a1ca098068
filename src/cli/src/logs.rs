//! Where log lines go.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::Mutex;

use server::config::{LogFormat, LogSection};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::limits::LOG_FILE_BYTES_MAX;

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter is not one.
    #[error("the option log.level is not valid; use a level such as info, or targets with levels")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Something else in this process writes the log.
    #[error("logging was started twice")]
    Started(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends log lines to standard error, in the shape the configuration asks for.
pub fn to_standard_error(section: &LogSection) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(&section.level).map_err(LogsError::Filter)?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match section.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines
            .with_ansi(crate::output::styled(&std::io::stderr()))
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(LogsError::Started)
}

/// A file that begins anew once it is full.
struct Bounded {
    file: File,
    left: u64,
}

impl Bounded {
    fn of(file: File) -> Bounded {
        let left = LOG_FILE_BYTES_MAX;
        Bounded { file, left }
    }
}

impl Write for Bounded {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.left < line.len() as u64 {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(b"earlier lines were dropped\n")?;
            self.left = LOG_FILE_BYTES_MAX;
        }
        let written = self.file.write(line)?;
        self.left = self.left.saturating_sub(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Sends log lines to an empty file, and our errors to standard error too. A file that is full
/// begins anew.
pub fn to_file(file: File, level: &str) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(level).map_err(LogsError::Filter)?;
    let lines = fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(Bounded::of(file)))
        .with_filter(filter);
    let errors = fmt::layer()
        .with_ansi(crate::output::styled(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .with_filter(Targets::new().with_target("strongroom", LevelFilter::ERROR));
    tracing_subscriber::registry()
        .with(lines)
        .with(errors)
        .try_init()
        .map_err(LogsError::Started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_that_is_full_begins_anew_with_the_latest_line() {
        let mut file = tempfile::tempfile().unwrap();
        let mut log = Bounded::of(file.try_clone().unwrap());
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        for _ in 0..LOG_FILE_BYTES_MAX / 1024 {
            log.write_all(&line).unwrap();
        }
        assert_eq!(file.metadata().unwrap().len(), LOG_FILE_BYTES_MAX);
        log.write_all(b"last\n").unwrap();
        file.rewind().unwrap();
        let text = io::read_to_string(file).unwrap();
        assert_eq!(text, "earlier lines were dropped\nlast\n");
    }
}
