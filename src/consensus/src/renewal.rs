//! Renews the rows when most of their space on disk is dead (R12).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use machine::{RowKey, RowRef};
use store::{Attendant, BadRow, Fault, Space};
use tokio::time::Instant;

use crate::limits::{
    PACE_PAUSE_MAX, RENEW_DEAD_BYTES_MIN, RENEW_HASTE_PERCENT, RENEW_PERCENT, RENEW_RETRY_PAUSE,
    RENEW_URGENT_PERCENT,
};
use crate::pace::Pace;
use crate::space::Space as DiskSpace;
use crate::turn::Turn;
use crate::upkeep::{Rewriting, Work};
use crate::values::Values;
use crate::view::{Published, Root, ValueError};
use crate::work;

/// Starts renewals, one at a time, each on a thread beside the materialiser.
pub(crate) struct Renewals {
    values: Arc<Values>,
    published: Arc<Published>,
    disk: Arc<DiskSpace>,
    turn: Turn,
    under_way: Option<JoinHandle<Option<Space>>>,
    /// Whether rows are copied by the caller, for want of threads.
    in_place: bool,
    stop: Arc<AtomicBool>,
    /// What was dead of renewed rows when they were new.
    fresh_dead_bytes: u64,
    not_before: Option<Instant>,
    /// One is due and not begun: in which turn, and since when in that turn.
    waiting: Option<(u64, Instant)>,
}

impl Renewals {
    pub(crate) fn new(
        values: &Arc<Values>,
        published: &Arc<Published>,
        disk: &Arc<DiskSpace>,
        turn: Turn,
    ) -> Renewals {
        Renewals {
            values: Arc::clone(values),
            published: Arc::clone(published),
            disk: Arc::clone(disk),
            turn,
            under_way: None,
            in_place: work::is_in_place(),
            stop: Arc::default(),
            fresh_dead_bytes: 0,
            not_before: None,
            waiting: None,
        }
    }

    /// What readers see.
    pub(crate) fn published(&self) -> &Published {
        &self.published
    }

    /// Whether there is something to take up.
    pub(crate) fn have_ended(&self) -> bool {
        self.under_way.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Takes up what has ended, and begins a renewal if one is due. The rows hold `root`.
    pub(crate) fn tend(&mut self, root: &Root) {
        if self.under_way.as_ref().is_some_and(|at| !at.is_finished()) {
            return;
        }
        let Ok(space) = self.values.rows().space() else {
            return;
        };
        if let Some(thread) = self.under_way.take() {
            self.has_ended(thread.join().unwrap_or_default());
        }
        if !is_due(space, self.fresh_dead_bytes) {
            (self.waiting, self.not_before) = (None, None);
            return;
        }
        let is_early = self.not_before.is_some_and(|not| Instant::now() < not);
        if is_early || !self.has_turn(space, root) {
            return;
        }
        if !has_room(space, &self.disk) {
            let free_bytes = self.disk.free_bytes();
            tracing::warn!(free_bytes, "too little space is free to renew the rows");
            self.has_ended(None);
            return;
        }
        // A snapshot that is being written, or waits to be, comes first.
        let Some(rewriting) = self.values.upkeep().try_rewriting() else {
            return;
        };
        self.waiting = None;
        match self.begin(rewriting) {
            Ok(under_way) => self.under_way = under_way,
            Err(fault) => {
                tracing::warn!(%fault, "the rows could not be renewed");
                self.has_ended(None);
            }
        }
    }

    /// Whether one is due and waits: for its turn, or after it has failed.
    pub(crate) fn are_waiting(&self) -> bool {
        self.waiting.is_some() || self.not_before.is_some()
    }

    /// Whether no other node is likely to write all of its rows now; at last, whether or not.
    fn has_turn(&mut self, space: Space, root: &Root) -> bool {
        let turn = self.turn.number(root.index());
        let same = self.waiting.filter(|(waiting, _)| *waiting == turn);
        let (_, since) = *self.waiting.insert(same.unwrap_or((turn, Instant::now())));
        let patience = self.turn.patience(root.index(), &root.membership);
        since.elapsed() >= patience || is_urgent(space, &self.disk)
    }

    fn begin(&mut self, rewriting: Rewriting) -> Result<Option<JoinHandle<Option<Space>>>, Fault> {
        self.values.rows().begin_renewal()?;
        let mut watch = Watch {
            pace: self.values.pace(),
            in_place: self.in_place,
            values: Arc::clone(&self.values),
            published: Arc::clone(&self.published),
            disk: Arc::clone(&self.disk),
            stop: Arc::clone(&self.stop),
        };
        let renew = move || {
            let renewed = watch.renew();
            drop(rewriting);
            renewed.unwrap_or_else(|fault| {
                tracing::warn!(%fault, "the rows could not be renewed");
                None
            })
        };
        if self.in_place {
            self.has_ended(renew());
            return Ok(None);
        }
        let thread = std::thread::Builder::new().name("renew-rows".to_owned());
        thread.spawn(renew).map(Some).map_err(|source| Fault::Io {
            action: "start a thread for",
            path: "the rows".into(),
            source: Arc::new(source),
        })
    }

    /// Takes what the rows take now if they were renewed.
    fn has_ended(&mut self, renewed: Option<Space>) {
        let Some(space) = renewed else {
            self.not_before = Some(Instant::now() + RENEW_RETRY_PAUSE);
            return;
        };
        self.values.has_renewed();
        let (live_bytes, disk_bytes) = (space.live_bytes, space.disk_bytes);
        self.fresh_dead_bytes = disk_bytes.saturating_sub(live_bytes);
        tracing::info!(live_bytes, disk_bytes, "the rows were renewed");
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

/// Whether so much of the rows is dead, and more than when they were new, that they are worth
/// writing anew.
fn is_due(space: Space, fresh_dead_bytes: u64) -> bool {
    let dead_bytes = space.disk_bytes.saturating_sub(space.live_bytes);
    let more_bytes = dead_bytes.saturating_sub(fresh_dead_bytes);
    is_above(space, RENEW_PERCENT)
        && more_bytes > (space.live_bytes / 5 * 2).max(RENEW_DEAD_BYTES_MIN)
}

/// Whether so much is dead that it waits for nobody (R12), or so little is free that there would be
/// no room for the new rows soon.
fn is_urgent(space: Space, disk: &DiskSpace) -> bool {
    is_above(space, RENEW_URGENT_PERCENT) || !disk.has_room(space.live_bytes.saturating_mul(4))
}

fn is_above(space: Space, percent: u128) -> bool {
    u128::from(space.disk_bytes) * 100 > u128::from(space.live_bytes) * percent
}

/// Whether the new rows fit beside the old ones, with what is written meanwhile.
fn has_room(space: Space, disk: &DiskSpace) -> bool {
    disk.has_room(space.live_bytes.saturating_mul(2))
}

/// What a renewal needs of the node.
pub(crate) struct Watch {
    pace: Pace,
    in_place: bool,
    values: Arc<Values>,
    published: Arc<Published>,
    pub(crate) disk: Arc<DiskSpace>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Watch {
    #[cfg(test)]
    pub(crate) fn of(inner: &crate::Inner) -> Watch {
        Watch {
            pace: inner.values.pace(),
            in_place: false,
            values: Arc::clone(&inner.values),
            published: Arc::clone(&inner.published),
            disk: Arc::default(),
            stop: Arc::default(),
        }
    }

    fn renew(&mut self) -> Result<Option<Space>, Fault> {
        let values = Arc::clone(&self.values);
        let _renewal = values.upkeep().begin(Work::Renewal);
        match values.rows().renew(self)? {
            true => values.rows().space().map(Some),
            false => Ok(None),
        }
    }
}

impl Attendant for Watch {
    fn goes_on(&mut self) -> Result<(), Fault> {
        if self.stop.load(Ordering::Acquire) {
            return Err(Fault::Closed);
        }
        if self.disk.is_short() {
            // To go on would take from the log what it has left.
            return Err(Fault::NoSpace {
                action: "renew",
                path: "the rows".into(),
            });
        }
        if let Some(pause) = self.pace.pause() {
            let space = self.values.rows().space();
            let is_awaited =
                self.disk.is_low() || space.is_ok_and(|space| is_above(space, RENEW_HASTE_PERCENT));
            self.pace
                .rest(if is_awaited { Duration::ZERO } else { pause });
        }
        Ok(())
    }

    /// Has them written again, from memory or from a peer; those from memory in one batch. Of one
    /// that the newest state has not, the deletion is on its way, or waits for a reader: then the
    /// rows are renewed when that has ended.
    fn are_bad(&mut self, rows: &[BadRow]) -> Result<(), Fault> {
        let view = self.published.view();
        let mut held = Vec::new();
        for BadRow { key, fault } in rows {
            if self.stop.load(Ordering::Acquire) {
                return Err(Fault::Closed);
            }
            let Ok(key) = RowKey::decode(key) else {
                continue;
            };
            match view.root().state.row(&key) {
                Some(RowRef::Here(row)) => {
                    let source = fault.clone();
                    held.push((key, row, ValueError::Damaged { source }));
                }
                // It finds, counts and repairs by itself.
                Some(RowRef::Evicted) => match self.values.read(view.root(), &key) {
                    Ok(_) | Err(ValueError::Superseded) => {}
                    // Nobody has it: to copy the others would be in vain.
                    Err(_) => return Err(fault.clone()),
                },
                None => {}
            }
        }
        self.values.restore(held);
        Ok(())
    }

    fn waits(&mut self) -> bool {
        if !self.in_place {
            std::thread::sleep(PACE_PAUSE_MAX);
        }
        !self.in_place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LOG_ROOM_BYTES;

    const MIB: u64 = 1 << 20;

    fn space(live_mib: u64, disk_mib: u64) -> Space {
        Space {
            live_bytes: live_mib * MIB,
            disk_bytes: disk_mib * MIB,
            ..Space::default()
        }
    }

    #[test]
    fn rows_are_renewed_when_most_of_them_is_dead_and_more_than_when_they_were_new() {
        assert!(!is_due(space(100, 170), 0));
        assert!(is_due(space(100, 171), 0));
        // They were new with as much dead as that, for what was written meanwhile.
        assert!(!is_due(space(100, 180), 40 * MIB));
        assert!(is_due(space(100, 181), 40 * MIB));
        // Most of what was alive then was deleted.
        assert!(is_due(space(10, 160), 60 * MIB));
        assert!(!is_due(space(1, 9), 0), "little is not worth it");
    }

    #[test]
    fn rows_are_not_renewed_where_they_would_fill_the_disk() {
        let disk = DiskSpace::default();
        disk.set_free_bytes(LOG_ROOM_BYTES + 200 * MIB, 200 * MIB);
        assert!(!has_room(space(100, 300), &disk));
        disk.set_free_bytes(LOG_ROOM_BYTES + 200 * MIB, 201 * MIB);
        assert!(has_room(space(100, 300), &disk));
        disk.set_free_bytes(LOG_ROOM_BYTES + 201 * MIB, 0);
        assert!(has_room(space(100, 300), &disk), "it gives more back");
    }
}
