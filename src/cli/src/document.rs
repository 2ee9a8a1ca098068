//! Documents that are no secrets, policies and the keys of issuers: from a file or standard input.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::limits::DOCUMENT_BYTES_MAX;

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file, or standard input, could not be read.
    #[error("cannot read the document from {}", place(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A document is no longer than any node takes.
    #[error(
        "{} is too large; a document has up to {DOCUMENT_BYTES_MAX} bytes",
        place(path)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A document is UTF-8.
    #[error("{} is not UTF-8 text; give a document in JSON", place(path))]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("{} is empty; give a document in JSON", place(path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// The option that says where a policy comes from.
#[derive(Args, Debug)]
pub struct PolicyFile {
    /// Read the policy from FILE, or from standard input if FILE is `-`.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
}

impl PolicyFile {
    /// Reads the policy from the place the caller chose.
    pub fn read(&self) -> Result<String, DocumentError> {
        read(&self.file)
    }
}

/// Reads a document from a file, or from standard input if that is `-`: 1 to
/// [`DOCUMENT_BYTES_MAX`] bytes of text, kept exactly.
pub fn read(path: &Path) -> Result<String, DocumentError> {
    let path = || path.to_owned();
    let failed = |source| DocumentError::Read {
        path: path(),
        source,
    };
    let mut bytes = Vec::new();
    let read = match is_input(&path()) {
        true => bounded(std::io::stdin().lock(), &mut bytes),
        false => File::open(path()).and_then(|file| bounded(file, &mut bytes)),
    };
    read.map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLarge { path: path() });
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => Err(DocumentError::Empty { path: path() }),
        Ok(text) => Ok(text),
        Err(_) => Err(DocumentError::NotText { path: path() }),
    }
}

/// Reads one byte more than may be there, and no further.
fn bounded(from: impl Read, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    from.take(DOCUMENT_BYTES_MAX + 1).read_to_end(bytes)
}

fn is_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Where a document was to come from, in words.
fn place(path: &Path) -> String {
    match is_input(path) {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_is_and_what_is_none_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.json");
        let largest = usize::try_from(DOCUMENT_BYTES_MAX).unwrap();
        let written = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&path)
        };
        assert_eq!(written(b"{ }\n").unwrap(), "{ }\n");
        assert_eq!(written(&vec![b' '; largest]).unwrap().len(), largest);
        let large = written(&vec![b' '; largest + 1]);
        assert!(matches!(large, Err(DocumentError::TooLarge { .. })));
        let binary = written(&[0xff]);
        assert!(matches!(binary, Err(DocumentError::NotText { .. })));
        assert!(matches!(written(b""), Err(DocumentError::Empty { .. })));
        let missing = read(&directory.path().join("missing"));
        assert!(matches!(missing, Err(DocumentError::Read { .. })));
    }
}
