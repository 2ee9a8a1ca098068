//! Steps with snapshots: written, received, put in the place of rows and log.

use std::error::Error;
use std::sync::atomic::Ordering;

use rand::RngExt;
use store::{Attendant, BadRow, Fault, Log};

use super::Workload;
use crate::content::{self, Table};
use crate::mark::{Mark, Step};

/// Does something before each step of a renewal.
struct Between<F>(F);

impl<F: FnMut() -> Result<(), Fault>> Attendant for Between<F> {
    fn goes_on(&mut self) -> Result<(), Fault> {
        (self.0)()
    }

    fn are_bad(&mut self, rows: &[BadRow]) -> Result<(), Fault> {
        ().are_bad(rows)
    }

    fn waits(&mut self) -> bool {
        false
    }
}

impl Workload {
    pub(super) fn write_snapshot(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(meta) = self.node.rows.meta()? else {
            return Ok(());
        };
        // Rows that a cut took back are behind the latest snapshot until the log is applied again;
        // a node writes none from there.
        if self.applied < self.snapshot {
            return Ok(());
        }
        let id = format!("at-{}", self.applied);
        let step = Step::Snapshot {
            applied: self.applied,
        };
        let rows = &self.node.rows;
        let file = self.report.step(step.clone(), || {
            self.node.snapshots.write(&id, &meta, rows.scan())
        })?;
        self.snapshot = self.applied;
        if self.random.random() {
            // The same file once more, as from a peer.
            self.report.step(step, || {
                let mut receiving = self.node.snapshots.receive(&id)?;
                loop {
                    let chunk = file.chunk(receiving.received_bytes(), 10_000)?;
                    if chunk.is_empty() {
                        break receiving.finish();
                    }
                    receiving.push(&chunk)?;
                }
            })?;
        }
        let index = |meta: &[u8]| content::read_mark(meta).map(|(_, index)| index);
        Ok(self.node.snapshots.remove_old(2, index)?)
    }

    /// Builds the rows anew while a batch is written, as a node does to give back space.
    pub(super) fn renew(&mut self) -> Result<(), store::Fault> {
        if self.node.rows.meta()?.is_none() {
            return Ok(());
        }
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let upto = self
            .random
            .random_range(self.applied..=acknowledged.max(self.applied));
        let mut batch =
            (upto > self.applied).then(|| content::batch(&self.terms, self.applied, upto));
        let (rows, report) = (&self.node.rows, &self.report);
        // Before one of the four steps: rows, packs, and that there are no more of each.
        let (before, mut step) = (self.random.random_range(0..4), 0);
        let mut between = Between(|| {
            if step == before
                && let Some(batch) = batch.take()
            {
                report.step(Step::Rows { applied: upto }, || rows.write(batch))?;
            }
            step += 1;
            Ok(())
        });
        let renewed = report.step(Step::Renew, || {
            rows.begin_renewal()?;
            rows.renew(&mut between)
        })?;
        assert!(renewed, "nobody gave the renewal up");
        if batch.is_none() {
            self.applied = upto;
        }
        self.checkpoint = self.applied;
        Ok(())
    }

    pub(super) fn replace_from_snapshot(&mut self) -> Result<(), Box<dyn Error>> {
        let latest = self
            .node
            .snapshots
            .latest()?
            .ok_or("there is no snapshot")?;
        let mut rows = self.node.snapshots.read(&latest)?;
        let meta = rows.meta().to_vec();
        let step = Step::Replace {
            applied: self.snapshot,
        };
        let mut rows = std::iter::from_fn(|| rows.next().map(|row| row.map_err(into_fault)));
        self.report
            .step(step, || self.node.rows.replace(&mut rows, &meta))?;
        self.applied = self.snapshot;
        self.checkpoint = self.snapshot;
        Ok(())
    }

    /// Takes a snapshot from a leader that is ahead of this log, as a node does that was away long.
    pub(super) fn install(&mut self) -> Result<(), Box<dyn Error>> {
        self.wait();
        let (first, count, term) = (self.last + 1, self.random.random_range(1..20), self.term);
        let upto = self.last + count;
        self.report
            .mark(&Mark::Begins(Step::Ahead { first, count, term }));
        self.terms.extend((first..=upto).map(|index| (index, term)));
        let mut table: Table = self.node.rows.scan().collect::<Result<_, _>>()?;
        for (index, term) in self.terms.range(self.applied + 1..) {
            content::apply(&mut table, *index, *term);
        }
        let (id, meta) = (format!("at-{upto}"), content::mark(upto, term).id);
        let step = Step::Snapshot { applied: upto };
        let write = || {
            self.node
                .snapshots
                .write(&id, &meta, table.into_iter().map(Ok))
        };
        self.report.step(step, write)?;
        self.snapshot = upto;
        self.replace_from_snapshot()?;
        Ok(self.begin_log_after(upto, term)?)
    }

    pub(super) fn begin_log_after(&mut self, upto: u64, term: u64) -> Result<(), store::Fault> {
        self.end_purge();
        let mark = content::mark(upto, term);
        self.report
            .step(Step::Purge { upto }, || self.node.log.purge(mark))?;
        self.acknowledged.store(upto, Ordering::SeqCst);
        (self.purged, self.last) = (upto, upto);
        self.terms.clear();
        Ok(())
    }
}

fn into_fault(error: store::SnapshotError) -> store::Fault {
    match error {
        store::SnapshotError::Fault(fault) => fault,
        other => panic!("a verified snapshot is not readable: {other}"),
    }
}
