//! Opens the row directory: the rows as they were, or none, and it says which.

use std::fs;
use std::io::{Error, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::bytes::Reader;
use crate::format::{self, FormatError, Stamped};
use crate::limits::{OPEN_ATTEMPTS_MAX, QUARANTINES_MAX};
use crate::{Fault, files};

use super::apply;
use super::generation::{self, Generation, OpenFailed};
use super::layout::Tally;
use super::{RowsError, RowsOptions};

/// Which generation is the present one: the file that is replaced to switch to another.
const HEADER: &str = "format";
/// Counts opens that did not come to an end.
const OPENING: &str = "opening";
const QUARANTINE: &str = "quarantine-";
/// Stands for the checkpoint in the header until the very first generation is complete.
const UNSTARTED: u64 = 0;

/// A generation with what was found in it.
pub(super) struct Found {
    pub(super) generation: Generation,
    pub(super) tally: Tally,
    pub(super) sealed_meta: Option<Vec<u8>>,
    pub(super) rebuilt: bool,
}

/// Opens the present generation, or sets it aside and starts an empty one.
pub(super) fn open(
    dir: &Path,
    stamped: &Stamped,
    options: &RowsOptions,
) -> Result<Found, RowsError> {
    files::open_dir(dir)?;
    let (present, checkpoint) = match read_header(dir, stamped)? {
        Some((first, UNSTARTED)) => return start(dir, stamped, options, first, false),
        Some(header) => header,
        None if generation::list(dir)?.is_empty() => {
            write_header(dir, stamped, 1, UNSTARTED)?;
            return start(dir, stamped, options, 1, false);
        }
        None => {
            for path in generation::list(dir)? {
                set_aside(dir, &path)?;
            }
            return start(dir, stamped, options, 1, true);
        }
    };
    let path = generation::path(dir, present);
    for leftover in generation::list(dir)?
        .into_iter()
        .filter(|found| *found != path)
    {
        files::remove(&leftover)?;
    }
    let failed = match guarded(dir, stamped, (present, checkpoint), options) {
        Ok(found) => {
            end_attempt(dir)?;
            return Ok(found);
        }
        Err(OpenFailed::Fault(fault)) => {
            // It came to an end, and says nothing of the rows. A disk that is full or read-only
            // keeps the count; then the rows are only set aside sooner.
            let _ = end_attempt(dir);
            return Err(fault.into());
        }
        Err(OpenFailed::Damaged(why)) => why,
    };
    tracing::error!(why = %failed, dir = %path.display(), "the rows are damaged and set aside");
    set_aside(dir, &path)?;
    end_attempt(dir)?;
    start(dir, stamped, options, present + 1, true)
}

/// Starts an empty generation and makes it the present one.
fn start(
    dir: &Path,
    stamped: &Stamped,
    options: &RowsOptions,
    number: u64,
    rebuilt: bool,
) -> Result<Found, RowsError> {
    let (generation, tally) = create(dir, stamped, number, options)?;
    generation.finish_base()?;
    write_header(dir, stamped, number, tally.batches)?;
    Ok(Found {
        generation,
        tally,
        sealed_meta: None,
        rebuilt,
    })
}

/// Creates an empty generation, durably but for its base, which waits for rows; what a crash left
/// under its name is removed.
pub(super) fn create(
    dir: &Path,
    stamped: &Stamped,
    number: u64,
    options: &RowsOptions,
) -> Result<(Generation, Tally), Fault> {
    files::remove(&generation::path(dir, number))?;
    let opened = Generation::create(dir, stamped, number, options);
    let generation = opened.map_err(|failed| match failed {
        OpenFailed::Fault(fault) => fault,
        OpenFailed::Damaged(why) => Fault::io("create rows in", dir, Error::other(why)),
    })?;
    let mut tally = Tally::default();
    apply::begin(&generation, &mut tally)?;
    generation.sync_files()?;
    Ok((generation, tally))
}

/// Notes which generation is the present one, and up to which batch a checkpoint made it durable;
/// durable on return.
pub(super) fn write_header(
    dir: &Path,
    stamped: &Stamped,
    number: u64,
    checkpoint: u64,
) -> Result<(), Fault> {
    let extra = [number.to_le_bytes(), checkpoint.to_le_bytes()].concat();
    files::replace(
        &dir.join(HEADER),
        &format::encode(format::ROWS, stamped, &extra),
    )
}

/// Reads generation and checkpoint; `None` if the header is missing or damaged.
fn read_header(dir: &Path, stamped: &Stamped) -> Result<Option<(u64, u64)>, RowsError> {
    let path = dir.join(HEADER);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| Fault::io("read", &path, error))?,
    };
    let checked = format::decode(format::ROWS, &bytes).and_then(|header| {
        stamped.check_node(&header.stamped)?;
        let mut fields = Reader::new(&header.extra);
        fields.u64().zip(fields.u64()).ok_or(FormatError::Damaged)
    });
    match checked {
        Ok(header) => Ok(Some(header)),
        Err(FormatError::Damaged | FormatError::Unknown) => Ok(None),
        Err(source) => Err(RowsError::Format { path, source }),
    }
}

/// Opens and verifies a generation. sled can panic on damage: where a panic unwinds it is caught,
/// and where it aborts the process, the count of attempts tells the next start.
fn guarded(
    dir: &Path,
    stamped: &Stamped,
    (number, checkpoint): (u64, u64),
    options: &RowsOptions,
) -> Result<Found, OpenFailed> {
    begin_attempt(dir)?;
    let open = || {
        if !generation::path(dir, number).is_dir() {
            return Err(OpenFailed::Damaged("the directory is gone".into()));
        }
        let generation = Generation::open(dir, stamped, number, options)?;
        let (tally, sealed_meta) = generation.verify()?;
        if tally.batches < checkpoint {
            return Err(OpenFailed::Damaged("rows of a checkpoint are lost".into()));
        }
        Ok(Found {
            generation,
            tally,
            sealed_meta,
            rebuilt: false,
        })
    };
    catch_unwind(AssertUnwindSafe(open))
        .unwrap_or_else(|_| Err(OpenFailed::Damaged("sled panicked".into())))
}

fn begin_attempt(dir: &Path) -> Result<(), OpenFailed> {
    let path = dir.join(OPENING);
    let before = fs::read(&path).unwrap_or_default().len();
    if before >= OPEN_ATTEMPTS_MAX {
        return Err(OpenFailed::Damaged(format!(
            "{before} attempts to open it did not end"
        )));
    }
    Ok(files::replace(&path, &vec![b'x'; before + 1])?)
}

fn end_attempt(dir: &Path) -> Result<(), Fault> {
    files::remove(&dir.join(OPENING))?;
    files::sync_dir(dir)
}

/// Renames a directory aside for a later look, and removes the oldest of those.
fn set_aside(dir: &Path, path: &Path) -> Result<(), Fault> {
    let kept = quarantines(dir)?;
    let number = kept.last().map_or(0, |(number, _)| *number) + 1;
    if path.exists() {
        let aside = dir.join(format!("{QUARANTINE}{number:08}"));
        fs::rename(path, &aside).map_err(|error| Fault::io("set aside", path, error))?;
        files::sync_dir(dir)?;
    }
    let kept = quarantines(dir)?;
    let old = kept.len().saturating_sub(QUARANTINES_MAX);
    kept.iter()
        .take(old)
        .try_for_each(|(_, path)| files::remove(path))
}

pub(super) fn quarantines(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Fault> {
    let parse = |name: String| {
        let number = name.strip_prefix(QUARANTINE)?.parse().ok()?;
        Some((number, dir.join(name)))
    };
    Ok(files::names(dir)?.into_iter().filter_map(parse).collect())
}
