//! Where log lines go.

use std::fs::File;
use std::sync::Mutex;

use server::config::{LogFormat, LogSection};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

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

/// Sends log lines to a file, and our errors to standard error too.
pub fn to_file(file: File, level: &str) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(level).map_err(LogsError::Filter)?;
    let lines = fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(file))
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
