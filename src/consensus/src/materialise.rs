//! Writes rows behind apply (R12).
//!
//! One thread owns all writes to the rows. A batch holds the last state of each row and the meta
//! that says which index it reaches, so the rows are always the state of exactly one index. A value
//! row goes only when no reader is left that began before its value did, unless another value comes
//! in its place. Good copies of rows that were found bad come with the next batch, or else all rows
//! are written anew.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use machine::{Row, RowKey};
use store::Batch;
use tokio::time::Instant;

use crate::backlog::{Backlog, Install, Next, Pending};
use crate::codec::Applied;
use crate::deferred::Deferred;
use crate::fault::{Fault, Faults};
use crate::limits::{BACKLOG_LINGER, CHECKPOINT_INTERVAL, FREED_VALUES_STEP};
use crate::log::Floor;
use crate::renewal::Renewals;
use crate::space::{Retry, Space};
use crate::state_rows::rows_of;
use crate::upkeep::Work;
use crate::values::Values;
use crate::view::Root;
use crate::work;

pub(crate) struct Materialiser {
    values: Arc<Values>,
    backlog: Arc<Backlog>,
    floor: Arc<Floor>,
    space: Arc<Space>,
    faults: Faults,
    renewals: Renewals,
    /// What the rows hold.
    root: Arc<Root>,
    /// Value rows still kept for readers.
    deferred: Deferred,
    checkpointed: u64,
    checkpoint_at: Instant,
    /// The rows met a full disk: they take nothing more until they are written anew.
    starved: Option<Retry>,
    /// The state of a snapshot that met one too.
    uninstalled: Option<Install>,
}

impl Materialiser {
    /// What is published is what the rows hold durably.
    pub(crate) fn spawn(
        values: Arc<Values>,
        backlog: Arc<Backlog>,
        floor: Arc<Floor>,
        space: Arc<Space>,
        faults: Faults,
        renewals: Renewals,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        let root = Arc::clone(renewals.published().view().root());
        let materialiser = Materialiser {
            renewals,
            values,
            backlog,
            floor,
            space,
            faults,
            checkpointed: root.index(),
            root,
            deferred: Deferred::default(),
            checkpoint_at: Instant::now(),
            starved: None,
            uninstalled: None,
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
            self.backlog.gather(self.linger());
        }
    }

    async fn run_in_place(mut self) {
        while self.write_pending(Duration::ZERO) {
            self.backlog.gather_in_place(self.linger()).await;
        }
    }

    /// How long rows gather; less while values wait to be freed, some with each batch.
    fn linger(&self) -> Duration {
        match self.deferred.is_over() {
            true => BACKLOG_LINGER / 10,
            false => BACKLOG_LINGER,
        }
    }

    /// Writes what is pending, waiting so long for it; `false` once there is no more to come.
    fn write_pending(&mut self, patience: Duration) -> bool {
        if self.starved.is_some() {
            return self.go_on_with_space();
        }
        let pending = self.backlog.take(patience);
        let stop = pending.stop;
        match self.write(pending) {
            Ok(()) => !stop,
            Err(full) if full.is_no_space() => {
                tracing::warn!(fault = %full, "the rows met a full disk, they wait for space");
                self.space.set_rows_wait(true);
                self.backlog.set_starved(true);
                self.starved = Some(Retry::new());
                // What the rows lack is in the log.
                !stop
            }
            Err(source) => self.fail(source),
        }
    }

    fn fail(&self, source: store::Fault) -> bool {
        let action = "write rows";
        self.faults.raise(Fault::Rows { action, source });
        self.backlog.stop();
        false
    }

    /// Writes all rows anew once there is space: those that met a full disk take no more.
    fn go_on_with_space(&mut self) -> bool {
        if self.backlog.is_stopped() {
            return false;
        }
        self.backlog.drop_past();
        let is_due = |retry: &Retry| retry.is_due(&self.space);
        if !self.starved.as_ref().is_some_and(is_due) {
            return true;
        }
        if self.uninstalled.is_none() && !self.has_room() {
            tracing::warn!("too little space is free to write the rows anew");
            self.starved.iter_mut().for_each(Retry::later);
            return true;
        }
        let written = match self.uninstalled.take() {
            Some(install) => self.install(install),
            None => self.replace_rows(),
        };
        match written {
            Ok(()) => {
                tracing::info!("the rows have space again and were written anew");
                self.starved = None;
                self.space.set_rows_wait(false);
                self.backlog.set_starved(false);
                true
            }
            Err(full) if full.is_no_space() => {
                self.starved.iter_mut().for_each(Retry::later);
                true
            }
            Err(source) => self.fail(source),
        }
    }

    /// Whether all rows fit beside those that met the full disk. To try in vain would take from the
    /// log what it has left.
    fn has_room(&self) -> bool {
        let live = self.values.rows().space().map(|space| space.live_bytes);
        live.map_or(true, |live_bytes| self.space.has_room(live_bytes))
    }

    fn write(&mut self, mut pending: Pending) -> Result<(), store::Fault> {
        // Frees old states here, off the apply path, and before it is asked whose readers are gone.
        pending.past.clear();
        if let Some(install) = pending.install.take() {
            self.install(install)?;
        }
        for (era, keys) in pending.deferred.drain(..) {
            self.deferred.push(&era, &keys);
        }
        let has_changed = pending.root.is_some();
        if let Some(root) = pending.root.take() {
            self.root = root;
        }
        let repairs = std::mem::take(&mut pending.repairs);
        if has_changed || self.deferred.is_over() || !repairs.is_empty() {
            self.write_batch(std::mem::take(&mut pending.rows), repairs)?;
        }
        let due = self.checkpoint_at.elapsed() >= CHECKPOINT_INTERVAL;
        let asked = due || pending.checkpoint_wanted || pending.stop;
        let is_checkpoint_due = self.root.index() > self.checkpointed && asked;
        if is_checkpoint_due {
            self.checkpoint()?;
        }
        // Nothing may be written any more while one waits.
        let is_waiting = asked && self.renewals.are_waiting();
        if is_checkpoint_due || is_waiting || self.renewals.have_ended() {
            self.renewals.tend(&self.root);
        }
        Ok(())
    }

    /// Writes the changes that lead to the present root, and frees the values nobody reads.
    fn write_batch(
        &mut self,
        mut rows: BTreeMap<Vec<u8>, Next>,
        repairs: BTreeMap<RowKey, Row>,
    ) -> Result<(), store::Fault> {
        let mut batch = Batch::default();
        let mut repaired = 0;
        // A row that has changed or gone since it was found bad needs no repair. One that waits for
        // the readers of a value is not there yet.
        for (key, row) in repairs {
            let at = key.encode();
            if self.root.state.has_row(&key, &row) && !self.deferred.keeps(&at) {
                rows.entry(at).or_insert(Next::Row(row.stored().clone()));
                repaired += 1;
            }
        }
        // Not all at once, as apply waits for the batch.
        let freed_max = rows.len() + FREED_VALUES_STEP;
        let mut hidden = Vec::new();
        for (key, row) in rows {
            match row {
                Next::Row(row) => batch.puts.push((key, row.to_vec())),
                Next::Hidden(row) => hidden.push((key, row.to_vec())),
                Next::Gone => batch.deletes.push(key),
            }
        }
        if self.deferred.add_to(&mut batch, hidden, freed_max) {
            self.backlog.overwrites(self.root.index());
        }
        batch.meta = self.meta();
        match self.values.rows().write(batch) {
            Err(fault) if fault.is_damage() => self.rebuild(&fault)?,
            written => written?,
        }
        if repaired > 0 {
            self.values.has_repaired(repaired);
            tracing::info!(rows = repaired, "bad rows were written again");
        }
        self.tell_deferred();
        self.backlog.has_written(self.root.index());
        Ok(())
    }

    fn meta(&self) -> Vec<u8> {
        applied(&self.root, self.deferred.numbers()).encode()
    }

    /// Writes all rows anew, from memory, from those that can still be read, and from peers.
    fn rebuild(&mut self, why: &store::Fault) -> Result<(), store::Fault> {
        tracing::error!(fault = %why, "the rows are damaged and written anew");
        self.replace_rows()
    }

    fn replace_rows(&mut self) -> Result<(), store::Fault> {
        let rows = self.values.rows();
        let kept = self.deferred.kept().rows(rows.as_ref());
        let is_kept = |row: &store::Row| self.deferred.keeps(&row.0);
        let own = rows_of(&self.root, &self.values);
        let own = own.filter(|row| !row.as_ref().is_ok_and(is_kept));
        let mut all = own.chain(kept);
        rows.replace(&mut all, &self.meta())?;
        drop(all);
        self.tell_deferred();
        self.backlog.has_written(self.root.index());
        self.durable();
        Ok(())
    }

    fn tell_deferred(&self) {
        self.backlog.set_deferred(self.deferred.len());
    }

    fn checkpoint(&mut self) -> Result<(), store::Fault> {
        let checkpoint = self.values.upkeep().begin(Work::Checkpoint);
        self.values.rows().checkpoint()?;
        drop(checkpoint);
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
        self.root = Arc::clone(&install.root);
        self.deferred.clear();
        self.backlog.set_deferred(0);
        self.backlog.begins_install(self.root.index());
        let meta = self.meta();
        let rows = self.values.rows();
        let replaced = (install.rows)().and_then(|mut all| rows.replace(&mut *all, &meta));
        if let Err(fault) = replaced {
            self.uninstalled = Some(install);
            return Err(fault);
        }
        self.backlog.has_written(self.root.index());
        self.durable();
        // The receiver may have stopped; the rows are right all the same.
        let _ = install.done.send(());
        Ok(())
    }
}

/// What the meta of rows and snapshots says of `root`.
pub(crate) fn applied(root: &Root, deferred_rows: Range<u64>) -> Applied {
    Applied {
        log_id: root.applied,
        membership: root.membership.clone(),
        node_hash: root.state.node_hash().0.to_vec(),
        deferred: Vec::new(),
        deferred_rows,
    }
}
