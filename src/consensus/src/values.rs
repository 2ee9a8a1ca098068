//! Stored rows: read and checked against the state, and had from a peer when they are bad (R12).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use machine::{Row, RowKey, State};
use store::Rows;
use tokio::sync::{mpsc, oneshot};

use crate::backlog::Backlog;
use crate::limits::FETCHES_MAX;
use crate::pace::Pace;
use crate::repair::Wanted;
use crate::upkeep::Upkeep;
use crate::view::{Root, ValueError};
use crate::work;

/// The rows of one node behind the states that readers hold.
pub(crate) struct Values {
    rows: Arc<dyn Rows>,
    backlog: Arc<Backlog>,
    peers: mpsc::Sender<Wanted>,
    /// Where work is done in place nobody can wait for a peer.
    in_place: bool,
    counts: Counts,
    upkeep: Arc<Upkeep>,
}

/// What was found and done about stored rows since the node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowHealth {
    /// Rows checked by the scrub.
    pub scrubbed: u64,
    /// Reads of a row that was missing, damaged or another one.
    pub damaged: u64,
    /// Bad rows written again from memory or from a peer's copy.
    pub repaired: u64,
    /// Bad rows of which no peer that answered had a good copy.
    pub unrepaired: u64,
    /// Times the rows were renewed to give back dead space.
    pub renewed: u64,
}

#[derive(Default)]
struct Counts {
    scrubbed: AtomicU64,
    damaged: AtomicU64,
    repaired: AtomicU64,
    unrepaired: AtomicU64,
    renewed: AtomicU64,
}

impl Values {
    /// The rows that are wanted from peers come out of the receiver; without it there are no peers.
    pub(crate) fn new(
        rows: Arc<dyn Rows>,
        backlog: Arc<Backlog>,
        upkeep: Arc<Upkeep>,
    ) -> (Values, mpsc::Receiver<Wanted>) {
        let (peers, wanted) = mpsc::channel(FETCHES_MAX);
        let values = Values {
            rows,
            backlog,
            peers,
            in_place: work::is_in_place(),
            counts: Counts::default(),
            upkeep,
        };
        (values, wanted)
    }

    /// For a snapshot that is written from these rows, or their renewal.
    pub(crate) fn pace(&self) -> Pace {
        Pace::new(self.in_place)
    }

    pub(crate) fn rows(&self) -> &Arc<dyn Rows> {
        &self.rows
    }

    pub(crate) fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }

    /// Reads a value's row of `root`, from a peer if it is bad here; the good copy then goes to the
    /// rows. [`ValueError::Superseded`] if another row has taken its place since. Blocks.
    pub(crate) fn read(&self, root: &Arc<Root>, key: &RowKey) -> Result<Row, ValueError> {
        let bad = match self.own(&root.state, key) {
            Ok(row) => return Ok(row),
            Err(bad) => bad,
        };
        if self.backlog.is_superseded(root.index()) {
            return Err(ValueError::Superseded);
        }
        self.found_bad(key, &bad);
        match self.fetch(root, *key) {
            Some(row) => {
                self.backlog.repair(vec![(*key, row.clone())]);
                Ok(row)
            }
            None => {
                count(&self.counts.unrepaired, 1);
                Err(bad)
            }
        }
    }

    /// Reads a row as it lies here, and checks that it is the one of `state`.
    pub(crate) fn own(&self, state: &State, key: &RowKey) -> Result<Row, ValueError> {
        let bytes = self.rows.row(&key.encode());
        let bytes = bytes.map_err(|source| ValueError::Damaged { source })?;
        let bytes = bytes.ok_or(ValueError::Missing)?;
        let row = Row::decode(key, &bytes).map_err(|source| ValueError::Malformed { source })?;
        if state.has_row(key, &row) {
            Ok(row)
        } else {
            Err(ValueError::Other)
        }
    }

    /// Takes the good copies of rows that memory holds and the rows do not, for one batch.
    pub(crate) fn restore(&self, rows: impl IntoIterator<Item = (RowKey, Row, ValueError)>) {
        let good = rows.into_iter().map(|(key, row, bad)| {
            self.found_bad(&key, &bad);
            (key, row)
        });
        self.backlog.repair(good.collect());
    }

    /// Takes the good copy of a row that the rows may have yet to be given, which is no damage.
    pub(crate) fn offer(&self, key: RowKey, row: Row) {
        self.backlog.repair(vec![(key, row)]);
    }

    fn fetch(&self, root: &Arc<Root>, key: RowKey) -> Option<Row> {
        if self.in_place {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        let root = Arc::clone(root);
        let wanted = Wanted { key, root, answer };
        self.peers.blocking_send(wanted).ok()?;
        answered.blocking_recv().ok()
    }

    fn found_bad(&self, key: &RowKey, bad: &ValueError) {
        count(&self.counts.damaged, 1);
        let cause = std::error::Error::source(bad).map(ToString::to_string);
        tracing::warn!(kind = key.kind(), error = %bad, cause, "a stored row is bad");
    }

    pub(crate) fn has_scrubbed(&self, rows: u64) {
        count(&self.counts.scrubbed, rows);
    }

    pub(crate) fn has_repaired(&self, rows: u64) {
        count(&self.counts.repaired, rows);
    }

    pub(crate) fn has_renewed(&self) {
        count(&self.counts.renewed, 1);
    }

    pub(crate) fn health(&self) -> RowHealth {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RowHealth {
            scrubbed: read(&self.counts.scrubbed),
            damaged: read(&self.counts.damaged),
            repaired: read(&self.counts.repaired),
            unrepaired: read(&self.counts.unrepaired),
            renewed: read(&self.counts.renewed),
        }
    }
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
