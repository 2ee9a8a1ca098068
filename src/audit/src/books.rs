//! What a trail knows of its files and of its chain, and how another file begins.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::fault::Fault;
use crate::file;
use crate::header::{Before, Begin, Break};
use crate::limits::AGED_AT_ONCE_MAX;
use crate::link::Hash;
use crate::options::Options;
use crate::recover::Kept;
use crate::{Owner, Time};

/// The chain and the files it lies in.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    /// Files with something in them, oldest first; the last one is being written.
    pub(crate) files: VecDeque<Kept>,
    /// The oldest file that is kept.
    pub(crate) start: u64,
    pub(crate) breaks: u64,
    pub(crate) broken: Option<Break>,
    /// The last record.
    pub(crate) seq: u64,
    /// The last line.
    pub(crate) hash: Hash,
}

/// A file with its space set aside, and nothing in it.
pub(crate) struct Prepared {
    pub(crate) number: u64,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

/// The file that is written.
pub(crate) struct Active {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    /// When it was begun.
    pub(crate) begun: Time,
    /// What it holds.
    pub(crate) held: Option<Before>,
}

/// Makes file `number` with its space, durably.
pub(crate) fn prepare(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    bytes: u64,
) -> Result<Prepared, Fault> {
    let path = file::path(dir, number);
    let fault = |error| Fault::io("prepare", &path, error);
    let file = disk.open(&path).map_err(fault)?;
    let reserved = file.reserve(bytes).and_then(|()| file.sync());
    if let Err(error) = reserved {
        // What it got in part would be missing elsewhere.
        if let Err(error) = file.truncate(0) {
            tracing::warn!(%error, file = %path.display(), "could not give space back");
        }
        return Err(fault(error));
    }
    Ok(Prepared {
        number,
        file: Arc::from(file),
        path,
    })
}

impl Books {
    /// Begins a file at `time`, after one that holds `before`; answers also the numbers of the
    /// files that are no longer kept once its header is durable. On a full disk nothing changed.
    pub(crate) fn begin(
        &mut self,
        prepared: &Prepared,
        before: Option<&Active>,
        time: Time,
        owner: &Owner,
        options: &Options,
    ) -> Result<(Active, Vec<u64>), Fault> {
        let mut files = self.files.clone();
        if let (Some(before), Some(last)) = (before, files.back_mut()) {
            last.bytes = before.offset;
        }
        let doomed = expired(&files, time, options);
        let numbers: Vec<u64> = files.drain(..doomed).map(|kept| kept.number).collect();
        let start = files.front().map_or(prepared.number, |kept| kept.number);
        // What an earlier header gave up is not kept again.
        let start = start.max(self.start);
        let begin = Begin {
            file: prepared.number,
            first: self.seq + 1,
            time,
            start,
            breaks: self.breaks,
            broken: self.broken,
            before: before.and_then(|before| before.held),
        };
        let (line, hash) = begin.line(owner, self.hash);
        write(&*prepared.file, &prepared.path, line.as_bytes(), 0)?;
        let offset = line.len() as u64;
        files.push_back(Kept {
            number: prepared.number,
            bytes: offset,
            begun: Some(time),
        });
        (self.files, self.start, self.hash) = (files, start, hash);
        let active = Active {
            path: prepared.path.clone(),
            file: Arc::clone(&prepared.file),
            number: prepared.number,
            offset,
            begun: time,
            held: None,
        };
        Ok((active, numbers))
    }
}

/// Writes at `offset`, where the file ends. What did not fit is cut off again, for readers.
pub(crate) fn write(
    file: &dyn DiskFile,
    path: &Path,
    bytes: &[u8],
    offset: u64,
) -> Result<(), Fault> {
    let written = file.write_at(bytes, offset);
    let fault = match written {
        Ok(()) => return Ok(()),
        Err(error) => Fault::io("write to", path, error),
    };
    if fault.may_pass() {
        let cut = file.truncate(offset);
        cut.map_err(|error| Fault::sync("cut off the end of", path, error))?;
    }
    Err(fault)
}

/// How many of the oldest files are not kept when another one begins at `now`.
///
/// By age only a few at once: a clock that is wrong for a moment must not cost the whole trail.
fn expired(files: &VecDeque<Kept>, now: Time, options: &Options) -> usize {
    let keep = u64::try_from(options.keep.as_nanos()).unwrap_or(u64::MAX);
    let oldest = Time(now.0.saturating_sub(keep));
    let mut bytes: u64 = files.iter().map(|kept| kept.bytes).sum();
    // The file that begins, and the next one.
    bytes += options.file_bytes * 2;
    let (mut count, mut aged) = (0, 0);
    for (at, kept) in files.iter().enumerate() {
        let ended = files.iter().skip(at + 1).find_map(|later| later.begun);
        let is_old = ended.unwrap_or(now) < oldest && aged < AGED_AT_ONCE_MAX;
        if bytes <= options.keep_bytes && !is_old {
            break;
        }
        aged += usize::from(is_old);
        bytes -= kept.bytes;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

    fn files(count: u64) -> VecDeque<Kept> {
        let kept = |number| Kept {
            number,
            bytes: 1 << 20,
            begun: Some(Time(number * DAY)),
        };
        (1..=count).map(kept).collect()
    }

    fn options(days: u64, keep_bytes: u64) -> Options {
        Options {
            file_bytes: 1 << 20,
            keep: Duration::from_nanos(days * DAY),
            keep_bytes,
            ..Options::default()
        }
    }

    #[test]
    fn files_are_kept_by_when_they_ended() {
        let count = |now| expired(&files(5), Time(now), &options(3, 1 << 30));
        assert_eq!(count(5 * DAY), 0);
        assert_eq!(count(5 * DAY + 1), 1);
        assert_eq!(count(6 * DAY + 1), 2);
    }

    #[test]
    fn a_clock_that_is_wrong_costs_few_files() {
        let expired = expired(&files(50), Time(u64::MAX), &options(3, 1 << 30));
        assert_eq!(expired, AGED_AT_ONCE_MAX);
    }

    #[test]
    fn all_files_together_keep_their_bound() {
        let count = |files_max: u64| expired(&files(5), Time(0), &options(3, files_max << 20));
        assert_eq!(count(7), 0);
        assert_eq!(count(6), 1);
        assert_eq!(count(4), 3);
    }

    #[test]
    fn a_file_whose_header_cannot_be_read_is_as_old_as_the_next() {
        let mut files = files(3);
        files[1].begun = None;
        let count = |now| expired(&files, Time(now), &options(1, 1 << 30));
        assert_eq!(count(4 * DAY), 0);
        assert_eq!(count(4 * DAY + 1), 2);
    }
}
