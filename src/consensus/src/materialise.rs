//! Writes rows behind apply (R12).
//!
//! One thread owns all writes to the rows. A batch holds the last state of each row and the meta
//! that says which index it reaches, so the rows are always the state of exactly one index. A value
//! row is deleted only when no reader is left that began before its deletion; until then its key
//! stands in the meta, so that a restart neither forgets it nor takes it for state.

use std::collections::{BTreeMap, VecDeque};
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
use crate::view::{EraWatch, Root};
use crate::work;

pub(crate) struct Materialiser {
    rows: Arc<dyn Rows>,
    backlog: Arc<Backlog>,
    floor: Arc<Floor>,
    faults: Faults,
    /// What the rows hold.
    root: Arc<Root>,
    /// Value rows still kept for readers, oldest first.
    deferred: VecDeque<(EraWatch, Vec<Vec<u8>>)>,
    checkpointed: u64,
    checkpoint_at: Instant,
}

impl Materialiser {
    /// `root` is what the rows hold durably.
    pub(crate) fn spawn(
        rows: Arc<dyn Rows>,
        backlog: Arc<Backlog>,
        floor: Arc<Floor>,
        faults: Faults,
        root: &Arc<Root>,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        let materialiser = Materialiser {
            rows,
            backlog,
            floor,
            faults,
            root: Arc::clone(root),
            deferred: VecDeque::new(),
            checkpointed: root.index(),
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
        // Frees old states here, off the apply path, and before it is asked whose readers are gone.
        pending.past.clear();
        if let Some(install) = pending.install.take() {
            self.install(install)?;
        }
        self.deferred.extend(pending.deferred.drain(..));
        let has_changed = pending.root.is_some();
        if let Some(root) = pending.root.take() {
            self.root = root;
        }
        if has_changed || self.frees_values() {
            self.write_batch(std::mem::take(&mut pending.rows))?;
        }
        let due = self.checkpoint_at.elapsed() >= CHECKPOINT_INTERVAL;
        let asked = due || pending.checkpoint_wanted || pending.stop;
        if self.root.index() > self.checkpointed && asked {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Whether the last reader of a deleted value has ended.
    fn frees_values(&self) -> bool {
        let oldest = self.deferred.front();
        oldest.is_some_and(|(era, _)| era.is_over())
    }

    /// Writes the changes that lead to the present root, and frees the values nobody reads.
    fn write_batch(
        &mut self,
        rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
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
        while self.frees_values() {
            let ended = self.deferred.pop_front();
            batch
                .deletes
                .extend(ended.into_iter().flat_map(|(_, keys)| keys));
        }
        let deferred = self
            .deferred
            .iter()
            .flat_map(|(_, keys)| keys.iter().cloned());
        batch.meta = applied(&self.root, deferred.collect()).encode();
        self.rows.write(batch)?;
        self.backlog.has_written(self.root.index());
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), store::Fault> {
        self.rows.checkpoint()?;
        self.durable();
        Ok(())
    }

    fn durable(&mut self) {
        self.checkpointed = self.root.index();
        self.checkpoint_at = Instant::now();
        self.floor.raise_rows(self.checkpointed);
        self.backlog.is_durable(self.checkpointed);
    }

    /// Puts the rows of a snapshot in the place of all others, in one step and block by block.
    fn install(&mut self, install: Install) -> Result<(), store::Fault> {
        self.root = install.root;
        self.deferred.clear();
        let meta = applied(&self.root, Vec::new()).encode();
        self.rows.replace(&mut *(install.rows)()?, &meta)?;
        self.backlog.has_written(self.root.index());
        self.durable();
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
