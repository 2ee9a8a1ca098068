//! Reads a log back: what was acknowledged is all there, or the log is refused.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::format::Stamped;
use crate::{Mark, files};

use super::anchor::{self, Anchor};
use super::error::LogError;
use super::frame::{self, Frame, FrameKind};
use super::segment::{self, SEGMENT_HEADER_BYTES, Segment};
use super::tail::{Spot, Tail};

/// The end of a log that a crash left unreadable and that was cut off on opening. Nothing of it was
/// ever acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment that was cut.
    pub segment: PathBuf,
    /// Where the cut is.
    pub offset: u64,
}

/// A log as found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) tail: Tail,
    pub(crate) anchor: Anchor,
    pub(crate) active: Arc<Segment>,
    pub(crate) offset: u64,
    /// The last complete group.
    pub(crate) group: u64,
    pub(crate) torn: Option<Torn>,
}

/// Opens the log in `dir`, or starts one where there is none.
pub(crate) fn recover(
    dir: &Path,
    stamped: &Stamped,
    segment_bytes: u64,
) -> Result<Recovered, LogError> {
    files::open_dir(dir)?;
    let mut numbers = segment::list(dir)?;
    let found = Anchor::read(dir, stamped)?;
    if found.is_none() && numbers.is_empty() {
        Segment::prepare(dir, 1, stamped, segment_bytes, || ())?.name()?;
        numbers.push(1);
    }
    let anchor = match found {
        Some(anchor) => anchor,
        None => start(dir, stamped, &numbers)?,
    };
    let (stale, live) = numbers
        .iter()
        .partition::<Vec<u64>, _>(|n| **n < anchor.oldest);
    for (expected, found) in (anchor.oldest..).zip(live.iter().chain([&u64::MAX])) {
        if expected != *found && (expected == anchor.oldest || *found != u64::MAX) {
            return Err(LogError::Missing {
                path: segment::path(dir, expected),
            });
        }
    }
    let mut replay = Replay::new(&anchor);
    for number in &live {
        replay.segment(dir, stamped, *number)?;
    }
    for number in stale {
        files::remove(&segment::path(dir, number))?;
    }
    replay.finish(dir, anchor, &live, segment_bytes)
}

/// Writes the first anchor; a log that has records and no anchor lost it.
fn start(dir: &Path, stamped: &Stamped, numbers: &[u64]) -> Result<Anchor, LogError> {
    let missing = || LogError::Missing {
        path: anchor::path(dir),
    };
    let [1] = numbers else { return Err(missing()) };
    let (_, bytes) = Segment::open(dir, 1)?;
    let path = segment::path(dir, 1);
    Segment::check(1, &bytes, stamped).map_err(|source| LogError::Format { path, source })?;
    if !is_zero(&bytes, SEGMENT_HEADER_BYTES as usize) {
        return Err(missing());
    }
    let anchor = Anchor {
        vote: None,
        purged: None,
        committed: None,
        oldest: 1,
    };
    anchor.write(dir, stamped)?;
    Ok(anchor)
}

/// The state of reading segment after segment.
struct Replay {
    tail: Tail,
    /// The last complete group; `None` before the first one.
    group: Option<u64>,
    /// Where that group ends.
    end: Option<(Arc<Segment>, u64)>,
    /// Where it lies.
    last: Option<(Arc<Segment>, Range<u64>)>,
    /// The first bytes that should be zero or a frame, and are neither.
    unreadable: Option<(PathBuf, u64)>,
}

impl Replay {
    fn new(anchor: &Anchor) -> Replay {
        let mut tail = Tail::new(anchor.vote.clone(), anchor.purged.clone());
        tail.committed.clone_from(&anchor.committed);
        // The very first group is known to be number one: what precedes it is nothing.
        let group = (anchor.oldest == 1).then_some(0);
        Replay {
            tail,
            group,
            end: None,
            last: None,
            unreadable: None,
        }
    }

    fn segment(&mut self, dir: &Path, stamped: &Stamped, number: u64) -> Result<(), LogError> {
        let (segment, bytes) = Segment::open(dir, number)?;
        let segment = Arc::new(segment);
        let path = segment.path.clone();
        Segment::check(number, &bytes, stamped).map_err(|source| LogError::Format {
            path: path.clone(),
            source,
        })?;
        self.tail.add_segment(Arc::clone(&segment));
        let first = self.end.is_none();
        let mut offset = SEGMENT_HEADER_BYTES as usize;
        if first {
            self.end = Some((Arc::clone(&segment), offset as u64));
        }
        let damaged = |offset: usize| LogError::Damaged {
            segment: path.clone(),
            offset: offset as u64,
        };
        while self.unreadable.is_none() {
            let Some(group) = read_group(number, &bytes, offset, self.group) else {
                break;
            };
            for (at, frame) in &group {
                self.apply(number, *at as u64, frame)?
                    .then_some(())
                    .ok_or_else(|| damaged(*at))?;
            }
            let Some((at, last)) = group.last() else {
                break;
            };
            self.group = Some(last.group);
            let begin = offset as u64;
            offset = at + last.len();
            self.last = Some((Arc::clone(&segment), begin..offset as u64));
            self.end = Some((Arc::clone(&segment), offset as u64));
        }
        // A segment that is not the first one ever was made for a group that was acknowledged
        // before the segments ahead of it could be deleted.
        let Some(group) = self.group else {
            return Err(damaged(offset));
        };
        let (broken, limit) = match &self.unreadable {
            Some((path, offset)) => (
                LogError::Damaged {
                    segment: path.clone(),
                    offset: *offset,
                },
                group,
            ),
            None => (damaged(offset), group + 1),
        };
        if frame::find_later(number, &bytes, offset, limit).is_some() {
            return Err(broken);
        }
        if self.unreadable.is_none() && !is_zero(&bytes, offset) {
            self.unreadable = Some((path, offset as u64));
        }
        Ok(())
    }

    /// Takes one frame; `false` if it contradicts what came before.
    fn apply(&mut self, segment: u64, offset: u64, frame: &Frame<'_>) -> Result<bool, LogError> {
        match frame.kind {
            FrameKind::Append => {
                let Some((mark, _)) = super::split_payload(frame.payload) else {
                    return Ok(false);
                };
                let mark = Mark {
                    index: frame.index,
                    id: mark.to_vec(),
                };
                let payload_bytes = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
                return Ok(self.tail.recover(
                    mark,
                    Spot {
                        segment,
                        offset,
                        payload_bytes,
                    },
                ));
            }
            FrameKind::TruncateAfter => {
                let last = self.tail.mark_at(frame.index)?;
                self.tail.truncate(last);
            }
            FrameKind::TruncateAll => self.tail.truncate(None),
            FrameKind::Committed => {
                let known = self.tail.committed.as_ref().map(|mark| mark.index);
                if known <= Some(frame.index) {
                    let id = frame.payload.to_vec();
                    self.tail.committed = Some(Mark {
                        index: frame.index,
                        id,
                    });
                }
            }
        }
        Ok(true)
    }

    /// Cuts off a torn end and removes prepared segments behind it.
    fn finish(
        mut self,
        dir: &Path,
        anchor: Anchor,
        live: &[u64],
        segment_bytes: u64,
    ) -> Result<Recovered, LogError> {
        let missing = || LogError::Missing {
            path: segment::path(dir, anchor.oldest),
        };
        let (active, offset) = self.end.take().ok_or_else(missing)?;
        for number in live.iter().filter(|number| **number > active.number) {
            files::remove(&segment::path(dir, *number))?;
        }
        files::sync_dir(dir)?;
        self.keep_last()?;
        self.tail.forget_segments_after(active.number);
        let torn = self
            .unreadable
            .map(|(segment, offset)| Torn { segment, offset });
        let len = fs::metadata(&active.path).map_or(0, |metadata| metadata.len());
        if torn.is_some() || len < segment_bytes {
            active.clear(offset, segment_bytes)?;
        }
        let group = self.group.unwrap_or(0);
        Ok(Recovered {
            tail: self.tail,
            anchor,
            active,
            offset,
            group,
            torn,
        })
    }
}

impl Replay {
    /// Makes the last group durable: others count on what this log is found to hold.
    ///
    /// A process that was killed may have left it in the page cache only. After a failed sync the
    /// kernel even takes those pages for clean, and another sync would write nothing: so they are
    /// written again. All groups before it were synced.
    fn keep_last(&self) -> Result<(), LogError> {
        let Some((segment, place)) = &self.last else {
            return Ok(());
        };
        let length = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
        let bytes = segment.read(place.start, length)?;
        segment.write(place.start, &bytes)?;
        Ok(segment.sync()?)
    }
}

/// Reads the complete group at `offset`, which must follow `previous` if that is known.
fn read_group(
    segment: u64,
    bytes: &[u8],
    offset: usize,
    previous: Option<u64>,
) -> Option<Vec<(usize, Frame<'_>)>> {
    let mut at = offset;
    let mut frames: Vec<(usize, Frame<'_>)> = Vec::new();
    loop {
        let frame = frame::parse(segment, at as u64, bytes.get(at..)?)?;
        let follows = match frames.last() {
            Some((_, last)) => {
                frame.group == last.group && Some(frame.rest) == last.rest.checked_sub(1)
            }
            None => previous.is_none_or(|previous| frame.group == previous + 1),
        };
        if !follows {
            return None;
        }
        frames.push((at, frame));
        at += frame.len();
        if frame.rest == 0 {
            return Some(frames);
        }
    }
}

fn is_zero(bytes: &[u8], offset: usize) -> bool {
    bytes
        .get(offset..)
        .unwrap_or_default()
        .iter()
        .all(|byte| *byte == 0)
}
