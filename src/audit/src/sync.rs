//! The one thread that syncs.
//!
//! It makes durable what was written since it last did, in the order of the files, and then answers
//! who waits. After a failure it syncs nothing any more: a sync that failed may have dropped pages
//! that a second one would call durable.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::DiskFile;
use crate::fault::Fault;
use crate::limits::SYNC_TOLD;
use crate::state::{Shared, State};
use crate::trail::Done;

/// What one round makes durable.
struct Round {
    files: Vec<(PathBuf, Arc<dyn DiskFile>)>,
    /// The last record in them.
    upto: u64,
    /// Files that are not needed once it is done.
    doomed: Vec<u64>,
}

impl Shared {
    /// Works until the trail is closed and all is synced, or one sync failed.
    pub(crate) fn run_sync(&self) {
        let _end = End(self);
        while let Some(round) = self.next_round() {
            let synced = round.files.iter().try_for_each(|(path, file)| {
                let begun = Instant::now();
                let synced = file.sync();
                let took = begun.elapsed();
                self.state().count(took);
                if took > SYNC_TOLD {
                    tracing::debug!(took_us = took.as_micros(), "a sync of audit records ended");
                }
                synced.map_err(|error| Fault::sync("sync", path, error))
            });
            let answers = self.end_round(round, synced);
            let has_failed = self.state().fault.is_some();
            if has_failed {
                self.tell();
            }
            for (done, result) in answers {
                done(result);
            }
            if has_failed {
                return;
            }
        }
    }

    /// Waits until something is to be synced; `None` when there will be nothing more.
    fn next_round(&self) -> Option<Round> {
        let mut state = self.state();
        loop {
            if state.fault.is_some() {
                return None;
            }
            let due = state.dirty_since.map(|since| since + self.options.rest());
            match due {
                None if state.is_closing => return None,
                None => self.dirty.wait(&mut state),
                Some(due) if state.is_closing || due <= Instant::now() => {
                    return Some(state.begin_round());
                }
                Some(due) => drop(self.dirty.wait_until(&mut state, due)),
            }
        }
    }

    /// Notes how a round ended; answers who is to be told what.
    fn end_round(&self, round: Round, synced: Result<(), Fault>) -> Vec<(Done, Result<(), Fault>)> {
        let mut state = self.state();
        if let Err(fault) = synced {
            state.fail(fault);
        }
        let waiting = std::mem::take(&mut state.waiting);
        let answers = match state.fault.clone() {
            Some(fault) => waiting
                .into_iter()
                .map(|(_, done)| (done, Err(fault.clone())))
                .collect(),
            None => {
                state.synced = round.upto;
                state.condemned.extend(round.doomed);
                let (durable, rest) = waiting.into_iter().partition(|(seq, _)| *seq <= round.upto);
                state.waiting = rest;
                let durable: Vec<(u64, Done)> = durable;
                durable
                    .into_iter()
                    .map(|(_, done)| (done, Ok(())))
                    .collect()
            }
        };
        // Who waits for the next file may have waited for this.
        self.prepared.notify_all();
        if !state.condemned.is_empty() {
            self.wanted.notify_one();
        }
        answers
    }
}

impl State {
    /// Counts a sync that took so long.
    fn count(&mut self, took: Duration) {
        self.syncs += 1;
        self.sync_time += took;
    }

    fn begin_round(&mut self) -> Round {
        self.dirty_since = None;
        let mut files = std::mem::take(&mut self.retired);
        files.push((self.active.path.clone(), Arc::clone(&self.active.file)));
        Round {
            files,
            upto: self.books.seq,
            doomed: std::mem::take(&mut self.doomed),
        }
    }
}

/// Answers whoever still waits when the thread ends, however it ends: nothing is recorded then
/// that would never be synced.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.fail(Fault::Closed);
        let waiting = std::mem::take(&mut state.waiting);
        let fault = state.fault.clone().unwrap_or(Fault::Closed);
        self.0.prepared.notify_all();
        drop(state);
        waiting
            .into_iter()
            .for_each(|(_, done)| done(Err(fault.clone())));
    }
}
