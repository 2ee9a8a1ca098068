//! Checks every stored row now and then, slowly, before somebody needs it (R12).
//!
//! A row is good when its checksum and its seal are, and a value's row also when it is the one that
//! the state commits to. A bad one is written again, from memory or from a peer's copy.

use std::sync::{Arc, Weak};
use std::time::Duration;

use machine::{Row, RowKey, RowRef};

use crate::Inner;
use crate::limits::SCRUB_ROWS;
use crate::values::Values;
use crate::view::{Published, Root, ValueError};
use crate::work;

/// Scrubs until the node is gone; every row once in `interval`.
pub(crate) async fn run(inner: Weak<Inner>, interval: Duration) {
    if interval.is_zero() {
        return;
    }
    let mut last = None;
    loop {
        let Some(pause) = inner.upgrade().map(|inner| pause(&inner, interval)) else {
            return;
        };
        tokio::time::sleep(pause).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let root = Arc::clone(inner.published.view().root());
        let (values, published) = (Arc::clone(&inner.values), Arc::clone(&inner.published));
        inner.backlog.written_at(root.index()).await;
        drop(inner);
        let step = move || step(&values, &published, &root, last);
        last = match work::run(step).await {
            Ok(last) => last,
            Err(_stopped) => return,
        };
    }
}

/// The share of the interval that one step has.
fn pause(inner: &Inner, interval: Duration) -> Duration {
    let space = inner.values.rows().space();
    let rows = space.map_or(0, |space| space.rows);
    let steps = rows.div_ceil(SCRUB_ROWS as u64).max(1);
    interval / u32::try_from(steps).unwrap_or(u32::MAX)
}

/// Checks the rows behind `after`; answers the last one, or `None` at the end.
fn step(
    values: &Values,
    published: &Published,
    root: &Arc<Root>,
    after: Option<RowKey>,
) -> Option<RowKey> {
    let rows = root.state.rows();
    let rows = rows.skip_while(|(key, _)| Some(*key) <= after);
    let (mut checked, mut last) = (0, None);
    for (key, row) in rows.take(SCRUB_ROWS) {
        match row {
            // It finds, counts and repairs by itself.
            RowRef::Evicted => drop(values.read(root, &key)),
            RowRef::Here(row) => check(values, published, key, row),
        }
        checked += 1;
        last = Some(key);
    }
    values.has_scrubbed(checked);
    last.filter(|_| checked as usize == SCRUB_ROWS)
}

/// Checks a row that memory has too. One that has changed since is on its way to the rows, and one
/// that stands for a value may wait for the readers of that value.
fn check(values: &Values, published: &Published, key: RowKey, row: Row) {
    let bad = match values.rows().row(&key.encode()) {
        Ok(Some(bytes)) if bytes == row.encode() => return,
        Ok(Some(_)) => ValueError::Other,
        Ok(None) => ValueError::Missing,
        Err(source) => ValueError::Damaged { source },
    };
    let is_present = published.view().root().state.has_row(&key, &row);
    let may_wait = row.is_withheld() && matches!(bad, ValueError::Other);
    match is_present {
        true if may_wait => values.offer(key, row),
        true => values.restore([(key, row, bad)]),
        false => {}
    }
}
