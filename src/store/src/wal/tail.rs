//! What the log holds, in memory: where each record lies, and the newest records themselves.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::log::check_follows;
use crate::{Block, Bounds, Cipher, Fault, Mark, Record};

use super::frame::{self, FrameKind, frame_bytes};
use super::segment::Segment;

/// Where a record lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) payload_bytes: u32,
}

#[derive(Debug, Clone, Default)]
struct Held {
    /// `None` until the record was written.
    spot: Option<Spot>,
    /// `None` once the record left the cache.
    record: Option<Arc<Record>>,
}

/// A record to be returned: at hand, or to be read.
#[derive(Debug)]
pub(crate) enum Found {
    Cached(Arc<Record>),
    Stored(Arc<Segment>, Spot, u64),
}

/// The index and cache of the log. Invariants: `held` is contiguous from `first`; a record without
/// a spot is in the cache; `last` is the mark of the last held record, or `purged`.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) vote: Option<Vec<u8>>,
    pub(crate) committed: Option<Mark>,
    purged: Option<Mark>,
    last: Option<Mark>,
    first: u64,
    held: VecDeque<Held>,
    cached_bytes: usize,
    cached_from: u64,
    segments: BTreeMap<u64, Arc<Segment>>,
}

impl Tail {
    pub(crate) fn new(vote: Option<Vec<u8>>, purged: Option<Mark>) -> Tail {
        Tail {
            vote,
            last: purged.clone(),
            purged,
            ..Tail::default()
        }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            purged: self.purged.clone(),
            last: self.last.clone(),
        }
    }

    pub(crate) fn add_segment(&mut self, segment: Arc<Segment>) {
        self.segments.insert(segment.number, segment);
    }

    /// Takes records that are not written yet.
    pub(crate) fn append(&mut self, records: &[Arc<Record>]) -> Result<(), Fault> {
        let indexes = records.iter().map(|record| record.index);
        check_follows(
            self.last.as_ref().map(|last| last.index),
            self.held.is_empty(),
            indexes,
        )?;
        for record in records {
            self.push(
                record.index,
                Held {
                    spot: None,
                    record: Some(Arc::clone(record)),
                },
            );
            self.cached_bytes += record.body.len();
        }
        if let Some(record) = records.last() {
            self.last = Some(record.to_mark());
        }
        Ok(())
    }

    /// Takes a record found on disk while the log is opened; `false` if it does not follow.
    pub(crate) fn recover(&mut self, mark: Mark, spot: Spot) -> bool {
        if self
            .purged
            .as_ref()
            .is_some_and(|purged| mark.index <= purged.index)
        {
            return true;
        }
        let last = self.last.as_ref().map(|last| last.index);
        if check_follows(last, self.held.is_empty(), [mark.index].into_iter()).is_err() {
            return false;
        }
        self.push(
            mark.index,
            Held {
                spot: Some(spot),
                record: None,
            },
        );
        self.cached_from = mark.index + 1;
        self.last = Some(mark);
        true
    }

    fn push(&mut self, index: u64, held: Held) {
        if self.held.is_empty() {
            self.first = index;
            self.cached_from = index;
        }
        self.held.push_back(held);
    }

    /// Notes where `record` was written, unless it was truncated meanwhile.
    pub(crate) fn written(&mut self, record: &Arc<Record>, spot: Spot) {
        let held = self
            .position(record.index)
            .and_then(|at| self.held.get_mut(at));
        if let Some(held) = held
            && held
                .record
                .as_ref()
                .is_some_and(|cached| Arc::ptr_eq(cached, record))
        {
            held.spot = Some(spot);
        }
    }

    /// Drops written records from the cache, oldest first, until it is within `limit_bytes`.
    pub(crate) fn shrink_cache(&mut self, limit_bytes: usize) {
        while self.cached_bytes > limit_bytes {
            let Some(at) = self.position(self.cached_from) else {
                return;
            };
            let Some(held) = self.held.get_mut(at).filter(|held| held.spot.is_some()) else {
                return;
            };
            let freed = held.record.take().map_or(0, |record| record.body.len());
            self.cached_bytes = self.cached_bytes.saturating_sub(freed);
            self.cached_from += 1;
        }
    }

    /// Drops every record above `last`, whose mark the caller looked up.
    pub(crate) fn truncate(&mut self, last: Option<Mark>) {
        let keep = last
            .as_ref()
            .map_or(0, |last| (last.index + 1).saturating_sub(self.first));
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        while self.held.len() > keep {
            self.forget_bytes(self.held.back().cloned());
            self.held.pop_back();
        }
        self.cached_from = self.cached_from.min(self.first + self.held.len() as u64);
        self.last = if self.held.is_empty() {
            self.purged.clone()
        } else {
            last
        };
    }

    /// Drops every record up to `upto`.
    pub(crate) fn purge(&mut self, upto: Mark) {
        if self
            .purged
            .as_ref()
            .is_some_and(|purged| purged.index >= upto.index)
        {
            return;
        }
        while !self.held.is_empty() && self.first <= upto.index {
            self.forget_bytes(self.held.front().cloned());
            self.held.pop_front();
            self.first += 1;
        }
        self.cached_from = self.cached_from.max(self.first);
        if self
            .last
            .as_ref()
            .is_none_or(|last| last.index <= upto.index)
        {
            self.last = Some(upto.clone());
        }
        self.purged = Some(upto);
    }

    fn forget_bytes(&mut self, held: Option<Held>) {
        let freed = held
            .and_then(|held| held.record)
            .map_or(0, |record| record.body.len());
        self.cached_bytes = self.cached_bytes.saturating_sub(freed);
    }

    /// The oldest segment needed once everything up to `upto` is purged; `active` if none is.
    pub(crate) fn oldest_needed(&self, upto: u64, active: u64) -> u64 {
        let left = self.position(upto.saturating_add(1).max(self.first));
        let spot = left
            .and_then(|at| self.held.get(at))
            .and_then(|held| held.spot);
        spot.map_or(active, |spot| spot.segment)
    }

    /// Forgets the segments before `oldest` and answers them.
    pub(crate) fn remove_segments(&mut self, oldest: u64) -> Vec<Arc<Segment>> {
        let kept = self.segments.split_off(&oldest);
        std::mem::replace(&mut self.segments, kept)
            .into_values()
            .collect()
    }

    pub(crate) fn segments_held(&self) -> Vec<Arc<Segment>> {
        self.segments.values().cloned().collect()
    }

    pub(crate) fn entries(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn cached_bytes(&self) -> usize {
        self.cached_bytes
    }

    /// Finds the records of `range` that are held.
    pub(crate) fn find(&self, range: Range<u64>) -> Vec<Found> {
        let end = self.first + self.held.len() as u64;
        let range = range.start.max(self.first)..range.end.min(end);
        let found = range.filter_map(|index| {
            let held = self.held.get(self.position(index)?)?;
            match (&held.record, held.spot) {
                (Some(record), _) => Some(Found::Cached(Arc::clone(record))),
                (None, Some(spot)) => {
                    let segment = self.segments.get(&spot.segment)?;
                    Some(Found::Stored(Arc::clone(segment), spot, index))
                }
                (None, None) => None,
            }
        });
        found.collect()
    }

    /// Forgets prepared segments that hold nothing.
    pub(crate) fn forget_segments_after(&mut self, active: u64) {
        self.segments.split_off(&(active + 1));
    }

    /// The mark of the record at `index`, if it is held.
    pub(crate) fn mark_at(&self, index: u64) -> Result<Option<Mark>, Fault> {
        let found = self.find(index..index.saturating_add(1)).pop();
        found.map(|found| found.mark()).transpose()
    }

    fn position(&self, index: u64) -> Option<usize> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        (at < self.held.len()).then_some(at)
    }
}

impl Found {
    /// Reads and opens the record if it is not at hand.
    pub(crate) fn load(self, cipher: &dyn Cipher) -> Result<Arc<Record>, Fault> {
        let (segment, spot, index) = match self {
            Found::Cached(record) => return Ok(record),
            Found::Stored(segment, spot, index) => (segment, spot, index),
        };
        let (mark, sealed) = read(&segment, spot, index)?;
        let body = cipher
            .open(super::place(&index.to_be_bytes()), &sealed)
            .map_err(|error| Fault::cipher(Block::Record(index), error))?;
        Ok(Arc::new(Record { index, mark, body }))
    }

    /// Reads the record's mark, which lies in clear.
    fn mark(self) -> Result<Mark, Fault> {
        match self {
            Found::Cached(record) => Ok(record.to_mark()),
            Found::Stored(segment, spot, index) => {
                let (id, _) = read(&segment, spot, index)?;
                Ok(Mark { index, id })
            }
        }
    }
}

/// Reads a record's mark and sealed body.
fn read(segment: &Segment, spot: Spot, index: u64) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let bytes = segment.read(spot.offset, frame_bytes(spot.payload_bytes as usize))?;
    frame::parse(spot.segment, spot.offset, &bytes)
        .filter(|frame| frame.kind == FrameKind::Append && frame.index == index)
        .and_then(|frame| super::split_payload(frame.payload))
        .map(|(mark, sealed)| (mark.to_vec(), sealed.to_vec()))
        .ok_or(Fault::Damaged {
            what: Block::Record(index),
        })
}
