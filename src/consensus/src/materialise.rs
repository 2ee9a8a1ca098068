//! Writes rows behind apply (R12).
//!
//! One thread owns all writes to the rows. A batch holds the last state of each row and the meta
//! that says which index it reaches, so the rows are always the state of exactly one index. A value
//! row is deleted only when no reader is left that began before its deletion; until then its key
//! stands in the meta, so that a restart neither forgets it nor takes it for state.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use store::{Batch, Rows};
use tokio::time::Instant;

use crate::backlog::{Backlog, Install, Pending};
use crate::codec::Applied;
use crate::fault::{Fault, Faults};
use crate::limits::{BACKLOG_LINGER, CHECKPOINT_INTERVAL};
use crate::log::Floor;
use crate::snapshot::rows_of;
use crate::view::{EraWatch, Root};
use crate::work;

pub(crate) struct Materialiser {
    rows: Arc<dyn Rows>,
    backlog: Arc<Backlog>,
    floor: Arc<Floor>,
    faults: Faults,
    /// Value rows still kept for readers, oldest first.
    deferred: VecDeque<(EraWatch, Vec<Vec<u8>>)>,
    /// What the last batch said of the rows; not its root, which would be a reader itself.
    applied: Applied,
    written: u64,
    checkpointed: u64,
    checkpoint_at: Instant,
}

impl Materialiser {
    /// `index` is what the rows hold durably.
    pub(crate) fn spawn(
        rows: Arc<dyn Rows>,
        backlog: Arc<Backlog>,
        floor: Arc<Floor>,
        faults: Faults,
        index: u64,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        let materialiser = Materialiser {
            rows,
            backlog,
            floor,
            faults,
            deferred: VecDeque::new(),
            applied: Applied::default(),
            written: index,
            checkpointed: index,
            checkpoint_at: Instant::now(),
        };
        if work::is_in_place() {
            tokio::spawn(materialiser.run_in_place());
            return Ok(None);
        }
        std::thread::Builder::new()
            .name("materialise".to_owned())
            .spawn(move || materialiser.run())
            .map(Some)
    }

    fn run(mut self) {
        while self.write_pending(CHECKPOINT_INTERVAL) {
            // Rows that change often are written once for all their changes in this time.
            std::thread::sleep(BACKLOG_LINGER);
        }
    }

    async fn run_in_place(mut self) {
        while self.write_pending(Duration::ZERO) {
            tokio::time::sleep(BACKLOG_LINGER).await;
        }
    }

    /// Writes what is pending, waiting so long for it; `false` once there is no more to come.
    fn write_pending(&mut self, patience: Duration) -> bool {
        let pending = self.backlog.take(patience);
        let stop = pending.stop;
        if let Err(source) = self.write(pending) {
            let action = "write rows";
            self.faults.raise(Fault::Rows { action, source });
            self.backlog.stop();
            return false;
        }
        !stop
    }

    fn write(&mut self, mut pending: Pending) -> Result<(), store::Fault> {
        if let Some(install) = pending.install.take() {
            self.install(install)?;
        }
        self.deferred
            .append(&mut pending.deferred.drain(..).collect());
        if let Some(root) = pending.root.take() {
            self.write_batch(std::mem::take(&mut pending.rows), &root)?;
            pending.past.push(root);
        } else if self.deferred.front().is_some_and(|(era, _)| era.is_over()) {
            self.write_deletes(Batch::default())?;
        }
        // Frees old states here, off the apply path.
        let (stop, wanted) = (pending.stop, pending.checkpoint_wanted);
        drop(pending);
        let due = self.checkpoint_at.elapsed() >= CHECKPOINT_INTERVAL;
        if self.written > self.checkpointed && (due || wanted || stop) {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn write_batch(
        &mut self,
        rows: std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        root: &Root,
    ) -> Result<(), store::Fault> {
        let mut batch = Batch::default();
        for (_, keys) in &mut self.deferred {
            keys.retain(|key| !matches!(rows.get(key), Some(Some(_))));
        }
        for (key, row) in rows {
            match row {
                Some(row) => batch.puts.push((key, row)),
                None => batch.deletes.push(key),
            }
        }
        self.applied = applied(root, Vec::new());
        self.write_deletes(batch)?;
        self.written = root.index();
        self.backlog.has_written(self.written);
        Ok(())
    }

    /// Writes a batch and deletes with it the value rows whose last reader is gone.
    fn write_deletes(&mut self, mut batch: Batch) -> Result<(), store::Fault> {
        while let Some((_, keys)) = self.deferred.pop_front_if(|(era, _)| era.is_over()) {
            batch.deletes.extend(keys);
        }
        let kept = self.deferred.iter();
        self.applied.deferred = kept.flat_map(|(_, keys)| keys.iter().cloned()).collect();
        batch.meta = self.applied.encode();
        self.rows.write(batch)
    }

    fn checkpoint(&mut self) -> Result<(), store::Fault> {
        self.rows.checkpoint()?;
        self.durable(self.written);
        Ok(())
    }

    fn durable(&mut self, index: u64) {
        self.checkpointed = index;
        self.checkpoint_at = Instant::now();
        self.floor.raise_rows(index);
        self.backlog.is_durable(index);
    }

    fn install(&mut self, install: Install) -> Result<(), store::Fault> {
        let root = &install.root;
        self.deferred.clear();
        self.applied = applied(root, Vec::new());
        let meta = self.applied.encode();
        self.rows
            .replace(&mut rows_of(root, self.rows.as_ref()), &meta)?;
        self.written = root.index();
        self.backlog.has_written(self.written);
        self.durable(self.written);
        // The receiver may have stopped; the rows are right all the same.
        let _ = install.done.send(());
        Ok(())
    }
}

/// What the meta of rows and snapshots says of `root`.
pub(crate) fn applied(root: &Root, deferred: Vec<Vec<u8>>) -> Applied {
    Applied {
        log_id: root.applied,
        membership: root.membership.clone(),
        node_hash: root.state.node_hash().0.to_vec(),
        deferred,
    }
}
