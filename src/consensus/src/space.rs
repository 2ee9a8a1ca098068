//! What a node does while its disk, or a peer's, lacks space.
//!
//! It hands leadership over to a voter that has space, and stamps no entry but those that give some
//! back. As follower it goes on for as long as the disk lets it: the log waits for space and
//! acknowledges nothing meanwhile, a snapshot is tried again, and rows that met a full disk are
//! written anew. Nothing stops, and nothing that was acknowledged depends on what could not be
//! written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{
    LOG_ROOM_BYTES, SPACE_HAND_OVER_INTERVAL, SPACE_RETRY_PAUSES, SPACE_WATCH_INTERVAL,
    TRANSFER_TIMEOUT,
};
use crate::peer_set::PeerSet;
use crate::{Consensus, Inner};

/// Who lacks space.
#[derive(Debug)]
pub(crate) struct Space {
    /// Less is free than the node may go down to, as it was told.
    is_low: AtomicBool,
    /// What is free, as it was told, and what of it is above that.
    free_bytes: AtomicU64,
    spare_bytes: AtomicU64,
    /// The rows met a full disk and are not yet written anew.
    rows_wait: AtomicBool,
    /// The peers that lacked space when they last answered.
    pub(crate) peers: PeerSet,
}

impl Default for Space {
    /// As much space as is wanted, until something else is told.
    fn default() -> Space {
        Space {
            is_low: AtomicBool::default(),
            free_bytes: AtomicU64::new(u64::MAX),
            spare_bytes: AtomicU64::new(u64::MAX),
            rows_wait: AtomicBool::default(),
            peers: PeerSet::default(),
        }
    }
}

impl Space {
    pub(crate) fn set_free_bytes(&self, free_bytes: u64, spare_bytes: u64) {
        self.free_bytes.store(free_bytes, Ordering::Release);
        self.spare_bytes.store(spare_bytes, Ordering::Release);
    }

    /// What is free, down to the last byte.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Acquire)
    }

    /// What may be written without getting low on space.
    pub(crate) fn spare_bytes(&self) -> u64 {
        self.spare_bytes.load(Ordering::Acquire)
    }

    /// Answers what was known before.
    pub(crate) fn set_low(&self, is_low: bool) -> bool {
        self.is_low.swap(is_low, Ordering::AcqRel)
    }

    /// Whether so many bytes may be written by what gives back more in the end, as a snapshot does
    /// behind which the log is purged: it may take some of what is kept free for the log.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let left_bytes = self.free_bytes().saturating_sub(bytes);
        self.spare_bytes() > bytes || left_bytes > LOG_ROOM_BYTES
    }

    /// Whether nothing but the log may be written.
    pub(crate) fn is_short(&self) -> bool {
        self.is_low() && !self.has_room(0)
    }

    /// Whether less is free than should be: what needs much of it had better wait.
    pub(crate) fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Acquire)
    }

    pub(crate) fn set_rows_wait(&self, rows_wait: bool) {
        self.rows_wait.store(rows_wait, Ordering::Release);
    }

    pub(crate) fn do_rows_wait(&self) -> bool {
        self.rows_wait.load(Ordering::Acquire)
    }

    /// Whether this node should not lead for want of space.
    pub(crate) fn is_lacking(&self) -> bool {
        self.is_low() || self.do_rows_wait()
    }
}

/// When to try again what met a full disk: after a longer pause each time, and not while space is
/// known to be low.
#[derive(Debug)]
pub(crate) struct Retry {
    at: Instant,
    pause: Duration,
}

impl Retry {
    pub(crate) fn new() -> Retry {
        let (first, _) = SPACE_RETRY_PAUSES;
        Retry {
            at: Instant::now() + first,
            pause: first,
        }
    }

    pub(crate) fn is_due(&self, space: &Space) -> bool {
        self.has_waited() && !space.is_low()
    }

    pub(crate) fn has_waited(&self) -> bool {
        Instant::now() >= self.at
    }

    /// It failed again.
    pub(crate) fn later(&mut self) {
        let (_, longest) = SPACE_RETRY_PAUSES;
        self.pause = (self.pause * 2).min(longest);
        self.at = Instant::now() + self.pause;
    }
}

/// Hands leadership over while this node lacks space and another voter does not. Not at once again:
/// the new leader may be about to lack it too.
pub(crate) async fn watch_space(inner: Weak<Inner>, space: Arc<Space>) {
    let mut not_before = Instant::now();
    loop {
        tokio::time::sleep(SPACE_WATCH_INTERVAL).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        if inner.stopping.load(Ordering::Acquire) {
            return;
        }
        if inner.snapshots.is_to_be_asked() {
            // It had to wait for space, or for a renewal of the rows; the core asks only once for
            // many entries. One that waits for its log does not answer.
            let trigger = inner.raft.trigger();
            let asked = tokio::time::timeout(SPACE_WATCH_INTERVAL, trigger.snapshot());
            let _late = asked.await;
        }
        if !space.is_lacking() || Instant::now() < not_before {
            continue;
        }
        let Some(heir) = inner.members.heir_with_space() else {
            continue;
        };
        not_before = Instant::now() + SPACE_HAND_OVER_INTERVAL;
        tracing::info!(heir, "leadership is handed over for want of disk space");
        let consensus = Consensus { inner };
        // A core that waits for its log does not answer.
        let limit = TRANSFER_TIMEOUT * 2;
        let handed_over = tokio::time::timeout(limit, consensus.hand_over_to(heir)).await;
        if handed_over.is_err() {
            tracing::warn!(heir, "leadership was not handed over in time");
        }
    }
}
