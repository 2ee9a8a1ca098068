//! Nodes that have much to apply yet do not lead.
//!
//! A log is received and synced faster than it is applied, and elections look at the log only. But
//! a leader answers no write, and no read, before it has applied what is committed: one that was
//! away and has just got minutes of entries would keep the region waiting for minutes. So it does
//! not stand for election, takes no leadership that is handed to it, and says so in its answers. It
//! votes. What it waits for is only what it knows to be committed, which it can apply without a
//! leader: nobody waits for ever.

use std::sync::Weak;
use std::sync::atomic::Ordering;

use crate::Inner;
use crate::core;
use crate::limits::{LAG_BYTES_MAX, LAG_ENTRIES_MAX, LAG_WATCH_INTERVAL};

/// Whether this node has much to apply of what it knows to be committed: many entries, or large
/// ones.
pub(crate) fn is_behind(inner: &Inner) -> bool {
    let (applied, committed) = core::metrics(&inner.raft, |metrics| {
        let committed = metrics.cluster_committed.max(metrics.local_committed);
        let committed = committed.map_or(0, |id| id.index);
        // What it has yet to receive keeps it from being elected as it is.
        let committed = committed.min(metrics.last_log_index.unwrap_or(0));
        let applied = metrics.last_applied.map_or(0, |id| id.index);
        (applied, committed)
    });
    let entries = committed.saturating_sub(applied);
    entries > LAG_ENTRIES_MAX
        || entries > 0 && inner.tail.bytes_between(applied, committed) > LAG_BYTES_MAX
}

/// Lets the node stand for election while it has little to apply.
pub(crate) async fn watch_lag(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(LAG_WATCH_INTERVAL).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        if inner.stopping.load(Ordering::Acquire) {
            return;
        }
        inner.raft.runtime_config().elect(!is_behind(&inner));
    }
}
