//! Reads a trail: of a node that runs, or that does not. Nothing here makes the writer wait, or
//! writes.

mod search;
mod verify;

use std::fmt::{self, Debug, Formatter};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Owner;
use crate::cipher::{Cipher, Sealing};
use crate::file;
use crate::header::{FormatError, Header};
use crate::record::Entry;

pub use search::{Filter, Order};
pub use verify::{Verified, verify};

/// Why a trail could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused it.
    #[error("could not read {}", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A later release wrote the file.
    #[error("could not read {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is.
        #[source]
        source: FormatError,
    },
}

/// A place between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The number of the file.
    pub file: u64,
    /// Where in it, in bytes.
    pub offset: u64,
}

/// A record that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where its line begins.
    pub place: Place,
    /// What it says.
    pub entry: Entry,
}

/// A part of what a search finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records, in the order that was asked for.
    pub found: Vec<Found>,
    /// Where to go on. `None` only if there is no record at all yet.
    pub next: Option<Place>,
    /// There was nothing more; from `next` on there may be later, if the order is
    /// [`Order::OldestFirst`].
    pub is_end: bool,
    /// Lines, or pieces of noise, that could not be read and were left out.
    pub unreadable: u64,
    /// Records that did not open and were left out: written by another node, or with a key that is
    /// gone.
    pub unopened: u64,
}

/// Reads the trail in a directory. It keeps nothing open.
#[derive(Clone)]
pub struct Reader {
    files: Files,
    sealing: Sealing,
}

/// The files of a trail. All of it works without a key.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    dir: PathBuf,
}

impl Reader {
    /// A reader of `owner`'s trail in `dir`; what others have sealed does not open.
    pub fn new(dir: &Path, owner: &Owner, cipher: Arc<dyn Cipher>) -> Reader {
        Reader {
            files: Files::new(dir),
            sealing: Sealing::new(cipher, owner),
        }
    }

    /// The last `count` records, the oldest of them first, and the place to
    /// [follow](Reader::follow) from; at most [`PAGE_RECORDS_MAX`](crate::PAGE_RECORDS_MAX), and
    /// as many as a page holds.
    pub fn tail(&self, count: usize) -> Result<Page, ReadError> {
        let end = self.files.end()?;
        if count == 0 {
            return Ok(Page {
                found: Vec::new(),
                next: end,
                is_end: true,
                unreadable: 0,
                unopened: 0,
            });
        }
        let mut page = self.search(&Filter::default(), Order::NewestFirst, end, count)?;
        page.found.reverse();
        page.next = end;
        page.is_end = true;
        Ok(page)
    }

    /// What was recorded since `place`, which a page told; from the first record on without one.
    pub fn follow(&self, place: Option<Place>) -> Result<Page, ReadError> {
        let count = crate::PAGE_RECORDS_MAX;
        self.search(&Filter::default(), Order::OldestFirst, place, count)
    }
}

impl Files {
    pub(crate) fn new(dir: &Path) -> Files {
        Files {
            dir: dir.to_path_buf(),
        }
    }

    /// The place behind the last whole line.
    fn end(&self) -> Result<Option<Place>, ReadError> {
        let Some((number, bytes)) = self.filled()?.last().copied() else {
            return Ok(None);
        };
        let offset = match self.open(number)? {
            None => bytes,
            Some(file) => match self.read_before(&file, number, bytes)? {
                file::Piece::Lines(block) => block.end(),
                file::Piece::Noise { .. } => bytes,
                file::Piece::End { .. } => 0,
            },
        };
        Ok(Some(Place {
            file: number,
            offset,
        }))
    }

    /// The files with something in them, oldest first, and their lengths.
    fn filled(&self) -> Result<Vec<(u64, u64)>, ReadError> {
        let listed = file::list(&self.dir).map_err(|source| io_error(&self.dir, source))?;
        Ok(listed.into_iter().filter(|(_, bytes)| *bytes > 0).collect())
    }

    /// The beginning of the next file with something in it. Looked for by name first: there may be
    /// many.
    fn later(&self, number: u64) -> Result<Option<Place>, ReadError> {
        let next = number.saturating_add(1);
        let file = match self.bytes(next)?.unwrap_or(0) {
            0 => {
                let filled = self.filled()?;
                filled
                    .iter()
                    .map(|(file, _)| *file)
                    .find(|file| *file > number)
            }
            _ => Some(next),
        };
        Ok(file.map(|file| Place { file, offset: 0 }))
    }

    /// The end of the last file before with something in it.
    fn earlier(&self, number: u64) -> Result<Option<Place>, ReadError> {
        let last = number.saturating_sub(1);
        let found = match self.bytes(last)?.unwrap_or(0) {
            0 => {
                let filled = self.filled()?;
                filled
                    .iter()
                    .rev()
                    .find(|(file, _)| *file < number)
                    .copied()
            }
            bytes => Some((last, bytes)),
        };
        Ok(found.map(|(file, offset)| Place { file, offset }))
    }

    /// How long a file is; `None` if it is gone.
    fn bytes(&self, number: u64) -> Result<Option<u64>, ReadError> {
        let path = self.path(number);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&path, error)),
        }
    }

    /// Opens a file; `None` if it is gone.
    fn open(&self, number: u64) -> Result<Option<File>, ReadError> {
        let path = self.path(number);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&path, error)),
        }
    }

    /// The header of a file, if there is one that can be read.
    fn header(&self, number: u64) -> Result<Option<Header>, ReadError> {
        let path = self.path(number);
        match Header::of(&path) {
            Ok(read) => read.map_err(|source| ReadError::Format { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&path, error)),
        }
    }

    fn read_after(&self, file: &File, number: u64, at: u64) -> Result<file::Piece, ReadError> {
        file::read_after(file, at).map_err(|error| io_error(&self.path(number), error))
    }

    fn read_before(&self, file: &File, number: u64, at: u64) -> Result<file::Piece, ReadError> {
        file::read_before(file, at).map_err(|error| io_error(&self.path(number), error))
    }

    fn path(&self, number: u64) -> PathBuf {
        file::path(&self.dir, number)
    }
}

impl Debug for Reader {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("dir", &self.files.dir)
            .finish_non_exhaustive()
    }
}

fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io {
        path: path.to_path_buf(),
        source: Arc::new(source),
    }
}
