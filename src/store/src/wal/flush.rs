//! The one thread that writes the log.
//!
//! It takes whatever was queued while the last sync ran, writes it with one write, syncs once, and
//! answers in order. A purge it only passes on, to the thread that also deletes, unless it reaches
//! beyond the end: then nothing may be written before it is done. On a full disk it waits for
//! space, and whoever appends waits with it. After any other failure it writes nothing any more: a
//! sync that failed may have dropped pages that a second one would call durable.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::{Block, Cipher, Done, Fault, Mark, Record};

use super::frame::{FrameKind, Group};
use super::prepare::{Prepare, Purge};
use super::queue::{Job, Queue};
use super::segment::{SEGMENT_HEADER_BYTES, Segment};
use super::tail::{Spot, Tail};
use super::{WalOptions, place};

/// What the flush thread shares with the callers.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    /// The first failure; there is no second one.
    pub(crate) fault: OnceLock<Fault>,
    tail: Mutex<Tail>,
}

impl Shared {
    pub(crate) fn new(tail: Tail) -> Shared {
        Shared {
            tail: Mutex::new(tail),
            ..Shared::default()
        }
    }

    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The flush thread's own state.
pub(crate) struct Flusher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) prepare: Arc<Prepare>,
    pub(crate) cipher: Arc<dyn Cipher>,
    pub(crate) options: WalOptions,
    pub(crate) active: Arc<Segment>,
    /// Where the next group goes in the active segment.
    pub(crate) offset: u64,
    /// The last group written.
    pub(crate) group: u64,
}

/// A group being put together, with whom to answer once it is durable.
#[derive(Default)]
struct Pending {
    frames: Group,
    records: Vec<(Arc<Record>, usize, u32)>,
    answers: Vec<(Done, Result<(), Fault>)>,
}

impl Flusher {
    /// Works until the queue is closed and empty; the body of the thread.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _end = End(&shared);
        let mut committed = self.prepare.committed();
        let group_bytes = self.options.group_bytes();
        while let Some(jobs) = self.shared.queue.take(group_bytes) {
            let mut pending = Pending::default();
            for job in jobs {
                self.take(job, &mut pending);
            }
            self.note_committed(&mut pending, &mut committed);
            self.flush(&mut pending);
        }
        let mut pending = Pending::default();
        self.note_committed(&mut pending, &mut committed);
        self.flush(&mut pending);
    }

    fn take(&mut self, job: Job, pending: &mut Pending) {
        if let Some(fault) = self.shared.fault.get().cloned() {
            self.flush(pending);
            return job.answer(Err(fault));
        }
        match job {
            Job::Append(records, done) => {
                let added = records
                    .into_iter()
                    .try_for_each(|record| self.add(record, pending));
                if let Err(fault) = added {
                    self.shared.fault.get_or_init(|| fault);
                }
                pending.answers.push((done, Ok(())));
            }
            Job::TruncateAfter(last, done) => {
                let kind = last.map_or(FrameKind::TruncateAll, |_| FrameKind::TruncateAfter);
                pending.frames.push(kind, last.unwrap_or(0), &[]);
                pending.answers.push((done, Ok(())));
            }
            Job::Refuse(fault, done) => pending.answers.push((done, Err(fault))),
            Job::SaveVote(vote, done) => {
                self.flush(pending);
                done(self.save_vote(vote));
            }
            Job::Purge(upto, done) => {
                self.flush(pending);
                self.purge(upto, done);
            }
        }
    }

    fn add(&self, record: Arc<Record>, pending: &mut Pending) -> Result<(), Fault> {
        let sealed = self
            .cipher
            .seal(place(&record.index.to_be_bytes()), &record.body)
            .map_err(|error| Fault::cipher(Block::Record(record.index), error))?;
        let mark_bytes = u32::try_from(record.mark.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes();
        let payload: [&[u8]; 3] = [&mark_bytes, &record.mark, &sealed];
        let (start, payload_bytes) = pending
            .frames
            .push(FrameKind::Append, record.index, &payload);
        pending.records.push((record, start, payload_bytes));
        Ok(())
    }

    /// Adds the commit mark if it moved; it is not worth a write of its own.
    fn note_committed(&self, pending: &mut Pending, written: &mut Option<Mark>) {
        let committed = self.shared.tail().committed.clone();
        if let Some(mark) = committed.filter(|mark| Some(mark) != written.as_ref()) {
            pending
                .frames
                .push(FrameKind::Committed, mark.index, &[&mark.id]);
            *written = Some(mark);
        }
    }

    /// Makes the pending group durable and answers it.
    fn flush(&mut self, pending: &mut Pending) {
        let pending = std::mem::take(pending);
        let (mut frames, answers) = (pending.frames, pending.answers);
        if !frames.is_empty() && self.shared.fault.get().is_none() {
            match self.write(&mut frames, &pending.records) {
                Ok(()) => {}
                Err(fault) => {
                    tracing::debug!(%fault, "the log stopped");
                    self.shared.fault.get_or_init(|| fault);
                }
            }
        }
        let fault = self.shared.fault.get();
        for (done, result) in answers {
            done(fault.map_or(result, |fault| Err(fault.clone())));
        }
    }

    fn write(
        &mut self,
        frames: &mut Group,
        records: &[(Arc<Record>, usize, u32)],
    ) -> Result<(), Fault> {
        let len = frames.len() as u64;
        let used = self.offset > SEGMENT_HEADER_BYTES;
        if used && self.offset + len > self.options.segment_bytes {
            self.active = Arc::new(self.prepare.take()?);
            self.offset = SEGMENT_HEADER_BYTES;
            self.shared.tail().add_segment(Arc::clone(&self.active));
        }
        let bytes = frames.finish(self.group + 1, self.active.number, self.offset);
        // Nothing is durable before the sync: bytes that did not fit may be written again.
        let (active, offset) = (&self.active, self.offset);
        self.prepare.retry(|| active.write(offset, bytes))?;
        self.active.sync()?;
        let mut tail = self.shared.tail();
        for (record, start, payload_bytes) in records {
            let spot = Spot {
                segment: self.active.number,
                offset: self.offset + *start as u64,
                payload_bytes: *payload_bytes,
            };
            tail.written(record, spot);
        }
        tail.shrink_cache(self.options.cache_bytes);
        drop(tail);
        self.group += 1;
        self.offset += len;
        Ok(())
    }

    fn save_vote(&self, vote: Vec<u8>) -> Result<(), Fault> {
        self.prepare.save_vote(&self.shared, vote.clone())?;
        self.shared.tail().vote = Some(vote);
        Ok(())
    }

    /// What is purged beyond the end must be durably so before anything is written behind it.
    fn purge(&self, upto: Mark, done: Done) {
        let tail = self.shared.tail();
        let oldest = tail.oldest_needed(upto.index, self.active.number);
        let last = tail.bounds().last;
        drop(tail);
        let purge = Purge { upto, oldest };
        match last.is_some_and(|last| last.index > purge.upto.index) {
            true => self.prepare.purge_later(purge, done),
            false => done(self.prepare.purge(&self.shared, purge)),
        }
    }
}

/// Answers whoever still waits when the thread ends, however it ends.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.queue.close();
        while let Some(jobs) = self.0.queue.take(usize::MAX) {
            jobs.into_iter()
                .for_each(|job| job.answer(Err(Fault::Closed)));
        }
    }
}
