//! The one thread that sets the next file aside, watches free space, and deletes old files.

use std::time::Instant;

use crate::books;
use crate::fault::Fault;
use crate::file;
use crate::limits::SPACE_CHECK;
use crate::state::{Shared, Spare};

impl Shared {
    /// Works until the trail is closed or has failed.
    pub(crate) fn run_prepare(&self) {
        let _end = End(self);
        loop {
            let mut state = self.state();
            if state.is_closing || state.fault.is_some() {
                return;
            }
            let condemned = std::mem::take(&mut state.condemned);
            let is_wanted = !matches!(state.spare, Spare::Ready(_));
            let next = state.active.number + 1;
            drop(state);
            condemned.into_iter().for_each(|number| self.delete(number));
            if is_wanted {
                self.prepare(next);
            }
            self.look_for_space();
            self.tell();
            let mut state = self.state();
            let is_idle = state.condemned.is_empty() && !matches!(state.spare, Spare::Making);
            if is_idle && !state.is_closing && state.fault.is_none() {
                let until = Instant::now() + SPACE_CHECK;
                self.wanted.wait_until(&mut state, until);
            }
        }
    }

    /// Sets the next file aside. What the disk has no room for is tried again later.
    fn prepare(&self, number: u64) {
        let prepared = books::prepare(&*self.disk, &self.dir, number, self.options.file_bytes);
        if matches!(prepared, Err(Fault::NoSpace { .. })) {
            // Told before a record can find out.
            self.state().is_low = true;
            self.tell();
        }
        let mut state = self.state();
        match prepared {
            Ok(prepared) => state.spare = Spare::Ready(prepared),
            Err(Fault::NoSpace { .. }) => state.spare = Spare::Missing,
            Err(fault) => drop(state.fail(fault)),
        }
        self.prepared.notify_all();
    }

    fn look_for_space(&self) {
        // What cannot be found out is no reason to stop: the reserve is there in any case.
        let free = self.disk.free_bytes(&self.dir).unwrap_or_else(|error| {
            tracing::warn!(%error, "could not find out how much space is free");
            u64::MAX
        });
        let mut state = self.state();
        state.is_low = free < self.options.free_bytes_min;
        if matches!(state.spare, Spare::Ready(_)) && !state.is_low {
            state.is_full = false;
        }
    }

    fn delete(&self, number: u64) {
        let path = file::path(&self.dir, number);
        match self.disk.remove(&path) {
            Ok(()) => tracing::info!(file = %path.display(), "deleted an old audit file"),
            // It is deleted when the trail is next opened.
            Err(error) => {
                let file = path.display();
                tracing::warn!(%error, %file, "could not delete an old audit file");
            }
        }
    }
}

/// Lets nobody wait for a file that does not come, however the thread ends.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if !state.is_closing {
            state.fail(Fault::Closed);
        }
        self.0.prepared.notify_all();
        self.0.dirty.notify_one();
    }
}
