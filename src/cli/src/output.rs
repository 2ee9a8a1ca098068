//! How answers are printed: a table for people, JSON for programs.

use std::error::Error;
use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use tonic::Status;

use crate::failure::Failure;

/// The form of every answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// One JSON document, for programs.
    Json,
}

/// An answer in both forms.
pub struct Answer {
    /// What programs get.
    pub json: Value,
    /// What people get.
    pub text: Text,
}

/// An answer for people.
pub enum Text {
    /// Columns with a heading and any number of rows.
    Rows {
        /// The headings.
        heading: Vec<&'static str>,
        /// The cells, one vector a row.
        rows: Vec<Vec<String>>,
    },
    /// Names and values, one a line.
    Fields(Vec<(&'static str, String)>),
    /// One sentence.
    Line(String),
    /// Any of these, and a sentence below it.
    Noted(Box<Text>, String),
}

impl Answer {
    /// An answer of one sentence.
    pub fn line(text: impl Into<String>, json: Value) -> Self {
        Self {
            json,
            text: Text::Line(text.into()),
        }
    }

    /// An answer of names and values; empty values are left out.
    pub fn fields(fields: Vec<(&'static str, String)>, json: Value) -> Self {
        let fields = fields
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self {
            json,
            text: Text::Fields(fields),
        }
    }

    /// An answer of columns.
    pub fn rows(heading: Vec<&'static str>, rows: Vec<Vec<String>>, json: Value) -> Self {
        Self {
            json,
            text: Text::Rows { heading, rows },
        }
    }

    /// The same answer with a sentence below it for people.
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self {
            text: Text::Noted(Box::new(self.text), note.into()),
            ..self
        }
    }

    /// Prints the answer to standard output.
    pub fn print(&self, format: Format) -> Result<(), Failure> {
        let bold = styled(&std::io::stdout());
        let document = match format {
            Format::Json => format!("{:#}", self.json),
            Format::Table => self.text.render(bold),
        };
        print_line(&document)
    }
}

impl Text {
    /// The text as it is printed, its headings bold if that is wanted.
    pub fn render(&self, bold: bool) -> String {
        match self {
            Self::Line(line) => plain(line),
            Self::Noted(text, note) => format!("{}\n\n{}", text.render(bold), plain(note)),
            Self::Fields(fields) => {
                let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                let line = |(name, value): &(&str, String)| {
                    let gap = " ".repeat(width - name.len() + 2);
                    format!("{}{gap}{}", heading(name, bold), plain(value))
                };
                fields.iter().map(line).collect::<Vec<_>>().join("\n")
            }
            Self::Rows {
                heading: names,
                rows,
            } => {
                let mut table = Table::new();
                table.load_style(presets::NOTHING).set_header(names.clone());
                table.add_rows(rows.iter().map(|row| row.iter().map(|cell| plain(cell))));
                for column in table.column_iter_mut() {
                    column.set_padding((0, 2));
                }
                let text = table.trim_fmt();
                match text.split_once('\n') {
                    Some((first, rest)) => format!("{}\n{rest}", heading(first, bold)),
                    None => heading(&text, bold),
                }
            }
        }
    }
}

/// What a terminal shows of a text and does not obey: names, labels and descriptions were written
/// by somebody else. Lines and tabs stay; other control characters become visible.
pub fn plain(text: &str) -> String {
    let hides = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Prints one line, or one document, to standard output.
pub fn print_line(line: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")
        .and_then(|()| output.flush())
        .map_err(Failure::Output)
}

/// Prints a text byte for byte to standard output, what a terminal would obey included: a document
/// that was asked for as it is.
pub fn write_exactly(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .map_err(Failure::Output)
}

/// Tells people something beside the answer, on standard error.
pub fn note(line: &str, format: Format) {
    if format == Format::Table {
        // The answer does not depend on it.
        let _ = writeln!(std::io::stderr(), "strongroom: {}", plain(line));
    }
}

/// Whether this stream is a terminal that may be given more than plain text.
pub fn styled(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A heading: bold where that is wanted.
pub fn heading(text: &str, bold: bool) -> String {
    if bold {
        format!("\u{1b}[1m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// The line that says why a command failed: the failure, then its causes.
pub fn failure_line(failure: &Failure, format: Format) -> String {
    let message = with_causes(failure);
    match format {
        Format::Table => format!("strongroom: {}", plain(&message)),
        Format::Json => {
            let (reason, exit) = (failure.reason(), failure.exit().code());
            json!({ "error": { "message": message, "reason": reason, "exit": exit } }).to_string()
        }
    }
}

/// What tonic says of every failure of a connection; its cause says which.
const TRANSPORT: &str = "transport error";

/// An error and its causes in one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = text_of(error);
        // Some libraries repeat their cause in their own text; saying it twice helps nobody.
        let is_said = said.iter().any(|said| said.ends_with(&text));
        if !is_said && text != TRANSPORT {
            said.push(text);
        }
        cause = error.source();
    }
    said.join(": ")
}

/// What an error says. A status says all of its insides; its message is enough.
fn text_of(error: &(dyn Error + 'static)) -> String {
    let status = error.downcast_ref::<Status>();
    let boxed = error.downcast_ref::<Box<Status>>().map(AsRef::as_ref);
    match status.or(boxed) {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// An error as a library makes one: a text and a cause.
    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Wrapped {
        text: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    }

    fn wrapped(text: &'static str, source: Option<Wrapped>) -> Wrapped {
        let source = source.map(|source| Box::new(source).into());
        Wrapped { text, source }
    }

    #[test]
    fn no_cause_is_told_twice_and_none_that_says_nothing() {
        let refused = wrapped("Connection refused", None);
        let reached = wrapped("cannot reach 127.0.0.1:1", Some(refused));
        let mut status = Status::unavailable("cannot reach 127.0.0.1:1");
        status.set_source(Arc::new(wrapped("transport error", Some(reached))));
        let failed = client::Error::Unreachable {
            endpoint: "127.0.0.1:1".into(),
            tried: 3,
            endpoints: 3,
            retry: client::Retry::Safe,
            source: Box::new(status),
        };
        assert_eq!(
            with_causes(&failed),
            "no answer from 127.0.0.1:1; 3 of 3 nodes tried: cannot reach 127.0.0.1:1: \
             Connection refused"
        );
    }

    #[test]
    fn what_others_wrote_does_not_reach_the_terminal_as_a_command() {
        let hostile = "a\u{1b}]0;owned\u{7}\u{9b}2Jb\tc\nd".to_owned();
        let shown = "a\\u{1b}]0;owned\\u{7}\\u{9b}2Jb\tc\nd";
        let line = Text::Line(hostile.clone());
        assert_eq!(line.render(false), shown);
        let fields = Text::Fields(vec![("Tags", hostile.clone())]);
        assert_eq!(fields.render(false), format!("Tags  {shown}"));
        let rows = Text::Rows {
            heading: vec!["NAME"],
            rows: vec![vec![hostile]],
        };
        assert!(!rows.render(false).contains(['\u{1b}', '\u{7}', '\u{9b}']));
    }
}
