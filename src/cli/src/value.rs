//! Where secret values come from and where they go: never the command line, never the screen
//! unless asked for.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::limits::VALUE_BYTES_MAX;
use crate::new_file::NewFile;

/// Why a value could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// The file could not be read.
    #[error("cannot read the value from {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Standard input could not be read.
    #[error("cannot read the value from standard input")]
    ReadInput(#[source] std::io::Error),
    /// There is no terminal to prompt on.
    #[error("cannot prompt without a terminal; use --value-file FILE, or - for standard input")]
    NoTerminal,
    /// The terminal failed.
    #[error("cannot read the value from the terminal")]
    Prompt(#[source] std::io::Error),
    /// The two prompts differ.
    #[error("the two values differ; try again")]
    PromptsDiffer,
    /// A value has at least one byte.
    #[error("the value is empty; a value has 1 to {VALUE_BYTES_MAX} bytes")]
    Empty,
    /// A value has a largest size.
    #[error("the value is too large; a value has 1 to {VALUE_BYTES_MAX} bytes")]
    TooLarge,
    /// A string value is UTF-8.
    #[error("the value is not UTF-8 text; add --binary to store it as bytes")]
    NotText,
    /// The file for the value could not be written.
    #[error("cannot write to the new file {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Raw bytes would disturb the terminal.
    #[error("the value is binary and would disturb the terminal; use --output-file FILE")]
    BinaryToTerminal,
}

/// The options that say where a new value comes from.
#[derive(Args, Debug, Default)]
#[group(id = "value", multiple = false)]
pub struct ValueSource {
    /// Read the value from FILE, or from standard input if FILE is `-`; bytes are kept exactly, a
    /// final newline too.
    #[arg(long, value_name = "FILE")]
    pub value_file: Option<PathBuf>,
    /// Ask for the value on the terminal, without echo.
    #[arg(long)]
    pub prompt: bool,
}

/// One secret value, wiped from memory when dropped.
pub enum Value {
    /// Text: what AWS calls `SecretString`.
    Text(Zeroizing<String>),
    /// Bytes: what AWS calls `SecretBinary`.
    Binary(Zeroizing<Vec<u8>>),
}

impl ValueSource {
    /// Reads the value from the place the caller chose; none if they chose none.
    pub fn read(&self, binary: bool) -> Result<Option<Value>, ValueError> {
        let bytes = match (&self.value_file, self.prompt) {
            (Some(path), _) if path.as_os_str() == "-" => read_input()?,
            (Some(path), _) => read_file(path)?,
            (None, true) => prompt()?,
            (None, false) => return Ok(None),
        };
        if bytes.is_empty() {
            return Err(ValueError::Empty);
        }
        Value::parse(bytes, binary).map(Some)
    }
}

impl Value {
    /// Takes bytes as a value of the kind asked for.
    fn parse(bytes: Zeroizing<Vec<u8>>, binary: bool) -> Result<Self, ValueError> {
        if binary {
            return Ok(Self::Binary(bytes));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| ValueError::NotText)?;
        Ok(Self::Text(Zeroizing::new(text.to_owned())))
    }

    /// The value's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Whether this value is text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Hands the value over to a message, which wipes it when it is sent.
    pub fn into_kind<K>(
        self,
        text: impl FnOnce(String) -> K,
        bytes: impl FnOnce(Vec<u8>) -> K,
    ) -> K {
        match self {
            Self::Text(mut value) => text(std::mem::take(&mut *value)),
            Self::Binary(mut value) => bytes(std::mem::take(&mut *value)),
        }
    }

    /// Writes the value to standard output, byte for byte; a terminal gets text only, with a
    /// newline after it.
    pub fn write_to_output(&self) -> Result<(), Failure> {
        let mut output = std::io::stdout();
        let terminal = output.is_terminal();
        if terminal && !self.is_text() {
            return Err(ValueError::BinaryToTerminal.into());
        }
        let end: &[u8] = if terminal { b"\n" } else { b"" };
        output
            .write_all(self.as_bytes())
            .and_then(|()| output.write_all(end))
            .and_then(|()| output.flush())
            .map_err(Failure::Output)
    }

    /// Writes the value to a new file that only its owner can read.
    pub fn write_to_file(&self, path: &Path) -> Result<(), ValueError> {
        NewFile::create(path)?.fill(self.as_bytes())
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_text() {
            "Text(redacted)"
        } else {
            "Binary(redacted)"
        })
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    let failed = |source| ValueError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    read_bounded(&mut file, failed)
}

fn read_input() -> Result<Zeroizing<Vec<u8>>, ValueError> {
    read_bounded(&mut std::io::stdin().lock(), ValueError::ReadInput)
}

/// Reads into one buffer that is large enough from the start: growing it would leave copies of the
/// value behind in freed memory.
fn read_bounded(
    from: &mut impl Read,
    failed: impl FnOnce(std::io::Error) -> ValueError,
) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    let mut bytes = Zeroizing::new(vec![0_u8; VALUE_BYTES_MAX + 1]);
    let mut filled = 0;
    while let Some(free) = bytes.get_mut(filled..).filter(|free| !free.is_empty()) {
        match from.read(free) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if filled > VALUE_BYTES_MAX {
        return Err(ValueError::TooLarge);
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn prompt() -> Result<Zeroizing<Vec<u8>>, ValueError> {
    let ask = |question| {
        rpassword::prompt_password(question)
            .map(|typed| Zeroizing::new(typed.into_bytes()))
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                    ValueError::NoTerminal
                }
                // ENXIO: the process has no controlling terminal.
                _ if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                    ValueError::NoTerminal
                }
                _ => ValueError::Prompt(error),
            })
    };
    let first = ask("value: ")?;
    if first.len() > VALUE_BYTES_MAX {
        return Err(ValueError::TooLarge);
    }
    let second = ask("value again: ")?;
    if first != second {
        return Err(ValueError::PromptsDiffer);
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &Path) -> ValueSource {
        ValueSource {
            value_file: Some(path.to_owned()),
            prompt: false,
        }
    }

    #[test]
    fn a_file_is_read_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value");
        std::fs::write(&path, "line\n").unwrap();
        let value = source(&path).read(false).unwrap().unwrap();
        assert_eq!(value.as_bytes(), b"line\n");
        assert!(value.is_text());
    }

    #[test]
    fn empty_oversized_and_foreign_bytes_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(source(&path).read(false), Err(ValueError::Empty)));
        std::fs::write(&path, vec![b'x'; VALUE_BYTES_MAX]).unwrap();
        assert_eq!(
            source(&path).read(false).unwrap().unwrap().as_bytes().len(),
            VALUE_BYTES_MAX
        );
        std::fs::write(&path, vec![b'x'; VALUE_BYTES_MAX + 1]).unwrap();
        assert!(matches!(
            source(&path).read(false),
            Err(ValueError::TooLarge)
        ));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(
            source(&path).read(false),
            Err(ValueError::NotText)
        ));
        assert!(source(&path).read(true).is_ok());
        let missing = directory.path().join("missing");
        assert!(matches!(
            source(&missing).read(false),
            Err(ValueError::Read { .. })
        ));
    }

    #[test]
    fn a_value_does_not_show_in_debug_output() {
        let value = Value::Text(Zeroizing::new("hunter2".into()));
        assert_eq!(format!("{value:?}"), "Text(redacted)");
    }
}
