//! Renews the rows when most of their space on disk is dead (R12).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use store::{Fault, Space};
use tokio::time::Instant;

use crate::limits::{RENEW_DEAD_BYTES_MIN, RENEW_PERCENT, RENEW_RETRY_PAUSE};
use crate::snapshot::rows_of;
use crate::upkeep::{Rewriting, Work};
use crate::values::Values;
use crate::view::Root;
use crate::work;

/// Starts renewals, one at a time, each on a thread beside the materialiser.
pub(crate) struct Renewals {
    values: Arc<Values>,
    under_way: Option<JoinHandle<bool>>,
    /// Whether rows are copied by the caller, for want of threads.
    in_place: bool,
    stop: Arc<AtomicBool>,
    /// What renewed rows took when they were new: they may never get below the share.
    fresh_bytes: u64,
    not_before: Option<Instant>,
}

impl Renewals {
    pub(crate) fn new(values: Arc<Values>) -> Renewals {
        Renewals {
            values,
            under_way: None,
            in_place: work::is_in_place(),
            stop: Arc::default(),
            fresh_bytes: 0,
            not_before: None,
        }
    }

    /// Takes up what has ended, and begins a renewal if one is due. The rows hold exactly `root`,
    /// and the values under `deferred` for readers of older states.
    pub(crate) fn tend(&mut self, root: &Arc<Root>, deferred: impl Iterator<Item = Vec<u8>>) {
        if self.under_way.as_ref().is_some_and(|at| !at.is_finished()) {
            return;
        }
        let Ok(space) = self.values.rows().space() else {
            return;
        };
        if let Some(thread) = self.under_way.take() {
            self.has_ended(thread.join().unwrap_or(false), space);
        }
        let is_early = self.not_before.is_some_and(|not| Instant::now() < not);
        if is_early || !self.is_due(space) {
            return;
        }
        // A snapshot that is being written, or waits to be, comes first.
        let Some(rewriting) = self.values.upkeep().try_rewriting() else {
            return;
        };
        match self.begin(Arc::clone(root), deferred.collect(), rewriting) {
            Ok(under_way) => self.under_way = under_way,
            Err(fault) => {
                tracing::warn!(%fault, "the rows could not be renewed");
                self.has_ended(false, space);
            }
        }
    }

    fn is_due(&self, space: Space) -> bool {
        let Space {
            live_bytes,
            disk_bytes,
            ..
        } = space;
        let dead_bytes = disk_bytes.saturating_sub(live_bytes);
        let grown_bytes = disk_bytes.saturating_sub(self.fresh_bytes);
        u128::from(disk_bytes) * 100 > u128::from(live_bytes) * RENEW_PERCENT
            && grown_bytes > (live_bytes / 2).max(RENEW_DEAD_BYTES_MIN)
            && dead_bytes > RENEW_DEAD_BYTES_MIN
    }

    fn begin(
        &mut self,
        root: Arc<Root>,
        deferred: Vec<Vec<u8>>,
        rewriting: Rewriting,
    ) -> Result<Option<JoinHandle<bool>>, Fault> {
        self.values.rows().begin_renewal()?;
        let (values, stop) = (Arc::clone(&self.values), Arc::clone(&self.stop));
        let renew = move || {
            let renewed = copy(&values, &root, deferred, &stop);
            drop(rewriting);
            renewed.unwrap_or_else(|fault| {
                tracing::warn!(%fault, "the rows could not be renewed");
                false
            })
        };
        if self.in_place {
            let renewed = renew();
            let space = self.values.rows().space()?;
            self.has_ended(renewed, space);
            return Ok(None);
        }
        let thread = std::thread::Builder::new().name("renew-rows".to_owned());
        thread.spawn(renew).map(Some).map_err(|source| Fault::Io {
            action: "start a thread for",
            path: "the rows".into(),
            source: Arc::new(source),
        })
    }

    fn has_ended(&mut self, renewed: bool, space: Space) {
        if renewed {
            self.values.has_renewed();
            self.fresh_bytes = space.disk_bytes;
            let (live_bytes, disk_bytes) = (space.live_bytes, space.disk_bytes);
            tracing::info!(live_bytes, disk_bytes, "the rows were renewed");
        } else {
            self.not_before = Some(Instant::now() + RENEW_RETRY_PAUSE);
        }
    }
}

impl Drop for Renewals {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.under_way.take() {
            // It has told its failure.
            let _ = thread.join();
        }
    }
}

fn copy(
    values: &Values,
    root: &Arc<Root>,
    deferred: Vec<Vec<u8>>,
    stop: &AtomicBool,
) -> Result<bool, Fault> {
    let _renewal = values.upkeep().begin(Work::Renewal);
    let rows = values.rows();
    let kept = deferred.into_iter().filter_map(|key| {
        // A bad one is lost to its last readers only.
        let row = rows.row(&key).ok()??;
        Some(Ok((key, row)))
    });
    let all = rows_of(root, values).chain(kept);
    let mut all = all.map(|row| match stop.load(Ordering::Acquire) {
        true => Err(Fault::Closed),
        false => row,
    });
    rows.renew(&mut all)
}
