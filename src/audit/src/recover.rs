//! Finds where to go on: the last file is read and checked, a torn end cut off.
//!
//! Damage never keeps a node from starting. It is told, the damaged file stays as it is, and a new
//! one begins whose header says where the chain is broken; every later header says so too.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::chain::{Chain, Line};
use crate::cipher::Sealing;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::file::{self, Piece};
use crate::header::{Before, Break, FormatError, Header, Why};
use crate::link::{self, Hash, NOTHING};
use crate::{Owner, Time};

/// Records name secrets: only the node's user may read them.
const DIR_MODE: u32 = 0o700;

/// Why a trail could not be opened. Nothing on disk was changed, but for a torn end cut off.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file is of a later release, or somebody else's.
    #[error("could not open {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FormatError,
    },
    /// Another process has it open.
    #[error("the audit trail in {} is in use: stop the process that has it first", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// An option is out of its bounds.
    #[error("{option} must be {bounds}")]
    Options {
        /// Which option.
        option: &'static str,
        /// Its bounds.
        bounds: String,
    },
    /// The files could not be read or written.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The end of the last file that a crash left unreadable and that was cut off. Nothing of it was
/// ever answered, unless the whole machine failed: then up to a sync interval of it may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The file that was cut.
    pub path: PathBuf,
    /// Where the cut is.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
}

/// A file that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    /// When it was begun, if its header can be read.
    pub(crate) begun: Option<Time>,
}

/// A trail as found.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// All files with something in them, oldest first.
    pub(crate) files: Vec<Kept>,
    /// What the last of them has, if it is to be gone on with.
    pub(crate) last: Option<Last>,
    /// The last line that can be read.
    pub(crate) hash: Hash,
    /// The last record that can be read.
    pub(crate) seq: u64,
    /// The oldest file that is kept.
    pub(crate) start: u64,
    /// The number of breaks, this one included.
    pub(crate) breaks: u64,
    /// The last of them.
    pub(crate) broken: Option<Break>,
    /// Whether it was found now.
    pub(crate) is_newly_broken: bool,
    pub(crate) torn: Option<Torn>,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) begun: Time,
    pub(crate) held: Option<Before>,
}

/// What was found in a file.
struct Scan {
    header: Option<Header>,
    chain: Chain,
    held: Option<Before>,
    /// The end of the last line that can be read.
    end: u64,
    broken: Option<Break>,
    /// Lines that can be read follow the break.
    goes_on: bool,
    bytes: u64,
}

/// Reads the trail in `dir`.
pub(crate) fn recover(
    dir: &Path,
    owner: &Owner,
    sealing: &Sealing,
    disk: &dyn Disk,
) -> Result<Recovered, OpenError> {
    let listed = file::list(dir).map_err(|error| Fault::io("list", dir, error))?;
    let mut filled: Vec<(u64, u64)> = listed.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
    let mut torn = None;
    let last = loop {
        let Some((number, _)) = filled.last().copied() else {
            break None;
        };
        let scan = scan(dir, number, sealing)?;
        if scan.chain.hash.is_some() {
            break Some((number, scan));
        }
        // The crash came before its header was whole.
        torn = Some(cut(dir, number, &scan, disk)?);
        filled.pop();
    };
    let Some((number, scan)) = last else {
        return Ok(Recovered {
            files: Vec::new(),
            last: None,
            hash: NOTHING,
            seq: 0,
            start: 1,
            breaks: 0,
            broken: None,
            is_newly_broken: false,
            torn,
        });
    };
    if let Some(header) = &scan.header {
        let path = file::path(dir, number);
        let checked = header.check(owner);
        checked.map_err(|source| OpenError::Format { path, source })?;
    }
    let damage = scan.broken.filter(|_| scan.goes_on);
    if damage.is_none() && scan.end < scan.bytes {
        torn = Some(cut(dir, number, &scan, disk)?);
    }
    let found = damage.map_or_else(|| unlinked(dir, number, &scan), |broken| Ok(Some(broken)))?;
    let files = catalogue(dir, &filled)?;
    let known = known_breaks(dir, &filled, &scan)?;
    Ok(assemble(files, number, &scan, found, known, torn))
}

fn assemble(
    files: Vec<Kept>,
    number: u64,
    scan: &Scan,
    found: Option<Break>,
    known: (u64, Option<Break>),
    torn: Option<Torn>,
) -> Recovered {
    let oldest = files.first().map_or(1, |kept| kept.number);
    let header = scan.header.as_ref();
    let last = header.filter(|_| found.is_none()).map(|header| Last {
        number,
        offset: scan.end,
        begun: header.time,
        held: scan.held,
    });
    Recovered {
        last,
        hash: scan.chain.hash.unwrap_or(NOTHING),
        seq: scan.chain.seq,
        start: header.map_or(oldest, |header| header.start),
        breaks: known.0 + u64::from(found.is_some()),
        broken: found.or(known.1),
        is_newly_broken: found.is_some(),
        files,
        torn,
    }
}

/// Makes the directory, durably.
pub(crate) fn create_dir(dir: &Path) -> Result<(), Fault> {
    let mut builder = DirBuilder::new();
    let created = builder.recursive(true).mode(DIR_MODE).create(dir);
    created.map_err(|error| Fault::io("create the directory", dir, error))?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    for dir in [parent.unwrap_or(Path::new(".")), dir] {
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| Fault::sync("sync the directory", dir, error))?;
    }
    Ok(())
}

/// Reads a whole file.
fn scan(dir: &Path, number: u64, sealing: &Sealing) -> Result<Scan, OpenError> {
    let path = file::path(dir, number);
    let fault = |error| Fault::io("read", &path, error);
    let file = File::open(&path).map_err(fault)?;
    let mut scan = Scan {
        header: None,
        chain: Chain::unknown(),
        held: None,
        end: 0,
        broken: None,
        goes_on: false,
        bytes: file.metadata().map_err(fault)?.len(),
    };
    let mut at = 0;
    loop {
        match file::read_after(&file, at).map_err(fault)? {
            Piece::Lines(block) => {
                for (start, end, line) in block.lines() {
                    let taken = scan.take(sealing, (number, start, end), line);
                    taken.map_err(|source| OpenError::Format {
                        path: path.clone(),
                        source,
                    })?;
                }
                at = block.end();
            }
            Piece::Noise { start, end } => {
                let seq = scan.chain.next();
                let why = scan.chain.lose().broken;
                scan.note(number, start, seq, why);
                at = end;
            }
            Piece::End { .. } => return Ok(scan),
        }
    }
}

impl Scan {
    fn take(
        &mut self,
        sealing: &Sealing,
        (file, start, end): (u64, u64, u64),
        line: &[u8],
    ) -> Result<(), FormatError> {
        let seq = self.chain.next();
        let step = self.chain.step(line, start == 0)?;
        self.note(file, start, seq, step.broken);
        let Some(line) = step.line else {
            return Ok(());
        };
        self.end = end;
        self.goes_on = self.broken.is_some();
        match line {
            Line::Header(header) if start == 0 => self.header = Some(*header),
            Line::Header(_) => {}
            Line::Record(record) => {
                let held = match sealing.open(file, &record) {
                    Some(entry) => Before::with(self.held, entry.time),
                    None => Before::with_any(self.held),
                };
                self.held = Some(held);
            }
        }
        Ok(())
    }

    fn note(&mut self, file: u64, offset: u64, seq: u64, why: Option<Why>) {
        if let (Some(why), None) = (why, self.broken) {
            self.broken = Some(Break {
                file,
                offset,
                seq,
                why,
            });
        }
    }
}

/// Cuts off what follows the last line that can be read.
fn cut(dir: &Path, number: u64, scan: &Scan, disk: &dyn Disk) -> Result<Torn, Fault> {
    let path = file::path(dir, number);
    let cut = disk.open(&path).and_then(|file| {
        file.truncate(scan.end)?;
        file.sync()
    });
    cut.map_err(|error| Fault::sync("cut off the end of", &path, error))?;
    let (offset, bytes) = (scan.end, scan.bytes - scan.end);
    tracing::warn!(file = %path.display(), offset, bytes, "cut off a torn audit record");
    Ok(Torn {
        path,
        offset,
        bytes,
    })
}

/// Whether the last file does not follow the one before, unless that is known.
fn unlinked(dir: &Path, number: u64, scan: &Scan) -> Result<Option<Break>, Fault> {
    let Some(header) = &scan.header else {
        return Ok(None);
    };
    let before = number - 1;
    let is_known = header.broken.is_some_and(|broken| broken.file == before);
    if before < header.start || is_known {
        return Ok(None);
    }
    let path = file::path(dir, before);
    let broken = |offset, why| {
        let (file, seq) = (before, header.first);
        let broken = Break {
            file,
            offset,
            seq,
            why,
        };
        Ok(Some(broken))
    };
    let (offset, hash) = match end_of(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return broken(0, Why::Missing),
        Err(error) => return Err(Fault::io("read", &path, error)),
    };
    match hash == Some(header.prev()) {
        true => Ok(None),
        false => broken(offset, Why::Unchained),
    }
}

/// How long a file is, and the hash of the last line in its last block that can be read.
fn end_of(path: &Path) -> io::Result<(u64, Option<Hash>)> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let Piece::Lines(block) = file::read_before(&file, bytes)? else {
        return Ok((bytes, None));
    };
    let lines = block.lines();
    let hashes = lines
        .iter()
        .rev()
        .filter_map(|(_, _, line)| link::check(line));
    Ok((bytes, hashes.map(|linked| linked.hash).next()))
}

fn catalogue(dir: &Path, filled: &[(u64, u64)]) -> Result<Vec<Kept>, OpenError> {
    let kept = |(number, bytes): &(u64, u64)| {
        let begun = read_header(dir, *number)?.map(|header| header.time);
        Ok(Kept {
            number: *number,
            bytes: *bytes,
            begun,
        })
    };
    filled.iter().map(kept).collect()
}

/// The breaks that the newest header that can be read knows.
fn known_breaks(
    dir: &Path,
    filled: &[(u64, u64)],
    scan: &Scan,
) -> Result<(u64, Option<Break>), OpenError> {
    if let Some(header) = &scan.header {
        return Ok((header.breaks, header.broken));
    }
    for (number, _) in filled.iter().rev().skip(1) {
        if let Some(header) = read_header(dir, *number)? {
            return Ok((header.breaks, header.broken));
        }
    }
    Ok((0, None))
}

/// The header of a file, if it can be read.
fn read_header(dir: &Path, number: u64) -> Result<Option<Header>, OpenError> {
    let path = file::path(dir, number);
    let read = Header::of(&path).map_err(|error| Fault::io("read", &path, error))?;
    read.map_err(|source| OpenError::Format { path, source })
}
