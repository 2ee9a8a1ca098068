//! A segment: one file of the log, prepared at full size before it is used.
//!
//! The header takes a block of its own, so that no later write shares a sector with it. The rest is
//! zeros until written: an append then changes no metadata, and its sync is one write to the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::files::{self, Unfinished};
use crate::format::{self, FormatError, Stamped};
use crate::limits::{PREPARE_STEP_BYTES, SYNC_TOLD};
use crate::{Fault, work_ended};

/// Where the first frame of a segment lies.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 4096;

const EXTENSION: &str = "wal";
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// An open segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    file: File,
}

/// A segment that is whole, and has no name yet.
#[derive(Debug)]
pub(crate) struct Nameless {
    number: u64,
    path: PathBuf,
    unfinished: Unfinished,
}

impl Nameless {
    /// Gives it its name, durably and in one step.
    pub(crate) fn name(self) -> Result<Segment, Fault> {
        self.unfinished.finish()?;
        Segment::at(self.path, self.number)
    }
}

impl Segment {
    /// Makes segment `number` with its zeros, durably; calls `rest` whenever it has kept the disk
    /// busy for a while.
    pub(crate) fn prepare(
        dir: &Path,
        number: u64,
        stamped: &Stamped,
        segment_bytes: u64,
        rest: impl Fn(),
    ) -> Result<Nameless, Fault> {
        let path = path(dir, number);
        let unfinished = Unfinished::create(&path)?;
        let mut header = format::encode(format::LOG, stamped, &number.to_le_bytes());
        header.resize(SEGMENT_HEADER_BYTES as usize, 0);
        write_prepared(&unfinished.file, &header, segment_bytes, rest)
            .map_err(|error| Fault::io("prepare", &unfinished.path, error))?;
        unfinished.sync()?;
        Ok(Nameless {
            number,
            path,
            unfinished,
        })
    }

    /// Opens an existing segment and reads all of it.
    pub(crate) fn open(dir: &Path, number: u64) -> Result<(Segment, Vec<u8>), Fault> {
        let segment = Segment::at(path(dir, number), number)?;
        let bytes = fs::read(&segment.path);
        let bytes = bytes.map_err(|error| Fault::io("read", &segment.path, error))?;
        Ok((segment, bytes))
    }

    fn at(path: PathBuf, number: u64) -> Result<Segment, Fault> {
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(|error| Fault::io("open", &path, error))?;
        Ok(Segment { number, path, file })
    }

    /// Its size; 0 if the system does not say.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |about| about.len())
    }

    /// Checks that the header says what the name says.
    pub(crate) fn check(number: u64, bytes: &[u8], stamped: &Stamped) -> Result<(), FormatError> {
        let header = format::decode(format::LOG, bytes)?;
        stamped.check_node(&header.stamped)?;
        if header.extra != number.to_le_bytes() || bytes.len() < SEGMENT_HEADER_BYTES as usize {
            return Err(FormatError::Damaged);
        }
        Ok(())
    }

    /// Writes at `offset`; durable only after [`Segment::sync`].
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| Fault::io("append to", &self.path, error))
    }

    /// Makes everything written durable; must not be tried again after a failure, whichever.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        let begun = Instant::now();
        let synced = self.file.sync_data();
        if begun.elapsed() > SYNC_TOLD {
            work_ended("sync", begun);
        }
        synced.map_err(|error| Fault::sync("sync", &self.path, error))
    }

    /// Reads `len` bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; len];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| Fault::io("read", &self.path, error))?;
        Ok(bytes)
    }

    /// Turns everything from `offset` on into zeros again, durably, at full size.
    pub(crate) fn clear(&self, offset: u64, segment_bytes: u64) -> Result<(), Fault> {
        let fault = |error| Fault::io("clear the tail of", &self.path, error);
        let len = self.file.metadata().map_err(fault)?.len();
        let mut at = offset;
        while at < len.max(segment_bytes) {
            let step = ZEROS.len().min((len.max(segment_bytes) - at) as usize);
            self.file
                .write_all_at(ZEROS.get(..step).unwrap_or(&ZEROS), at)
                .map_err(fault)?;
            at += step as u64;
        }
        self.file.sync_all().map_err(fault)
    }
}

/// Synced as it goes: all of it at the end would keep the disk from the active segment for long.
fn write_prepared(
    mut file: &File,
    header: &[u8],
    segment_bytes: u64,
    rest: impl Fn(),
) -> io::Result<()> {
    file.write_all(header)?;
    let mut left = segment_bytes.saturating_sub(SEGMENT_HEADER_BYTES);
    let mut unsynced = 0;
    while left > 0 {
        let step = left.min(ZEROS.len() as u64);
        file.write_all(ZEROS.get(..step as usize).unwrap_or(&ZEROS))?;
        left -= step;
        unsynced += step;
        if unsynced >= PREPARE_STEP_BYTES {
            unsynced = 0;
            file.sync_data()?;
            rest();
        }
    }
    Ok(())
}

/// The path of segment `number`.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{EXTENSION}"))
}

/// Lists the segments in `dir`, oldest first.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, Fault> {
    let names = files::names(dir)?;
    let stems = names.iter().filter_map(|name| name.strip_suffix(".wal"));
    Ok(stems
        .filter_map(|stem| u64::from_str_radix(stem, 16).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_segment_is_prepared_in_steps_of_which_none_takes_long() {
        let temp = tempdir().unwrap();
        let stamped = Stamped {
            cluster: [1; 16],
            region: "r".into(),
            node: 1,
        };
        let rests = Cell::new(0);
        let rest = || rests.set(rests.get() + 1);
        let bytes = 4 * PREPARE_STEP_BYTES;
        let nameless = Segment::prepare(temp.path(), 1, &stamped, bytes, rest).unwrap();
        let segment = nameless.name().unwrap();
        assert_eq!((rests.get(), segment.size_bytes()), (3, bytes));
    }
}
