//! Snapshots: written from a clone of the state while writes go on, sent and received as files.
//!
//! Invariants kept here: the log's floor rises to a snapshot only once its file was synced and
//! read back; a snapshot is done only when a checkpoint of the rows reaches it too, so that losing
//! either the rows or the file loses nothing; a received file counts only once it was installed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use machine::State;
use openraft::RaftSnapshotBuilder;
use store::{SnapshotDir, SnapshotError};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use wire::raft::v1;

use crate::apply::SnapshotOf;
use crate::backlog::{Backlog, RowSource};
use crate::codec::Applied;
use crate::fault::{Fault, Faults};
use crate::limits::{SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOTS_KEPT, SPACE_WATCH_INTERVAL};
use crate::log::Floor;
use crate::materialise::applied;
use crate::space::{Retry, Space};
use crate::state_rows::{load_state, rows_of};
use crate::types::{SnapshotMeta, TypeConfig};
use crate::upkeep::{Rewriting, Upkeep, Work};
use crate::values::Values;
use crate::view::{Published, Root};
use crate::work;

/// The snapshot files of one node.
pub(crate) struct Snapshots {
    dir: SnapshotDir,
    published: Arc<Published>,
    values: Arc<Values>,
    backlog: Arc<Backlog>,
    floor: Arc<Floor>,
    space: Arc<Space>,
    faults: Faults,
    current: Mutex<Option<SnapshotFile>>,
    /// Whether somebody asked for a new one.
    wanted: AtomicBool,
    asked_again: AtomicBool,
    /// When the one that met a full disk is tried again.
    retry: Mutex<Option<Retry>>,
}

/// A snapshot file and what it contains. Clones share the file.
#[derive(Clone)]
pub struct SnapshotFile {
    file: store::SnapshotFile,
    applied: Arc<Applied>,
}

impl Snapshots {
    /// Looks for the newest file. `rows_index` is what the rows hold: a file beyond non-empty rows
    /// was received but never installed, or written but never finished, and is removed.
    pub(crate) fn open(
        dir: SnapshotDir,
        published: Arc<Published>,
        backlog: Arc<Backlog>,
        floor: Arc<Floor>,
        space: Arc<Space>,
        faults: Faults,
    ) -> Result<Snapshots, SnapshotError> {
        let rows_index = backlog.written();
        let mut newest: Option<SnapshotFile> = None;
        for file in dir.list()? {
            let file = match describe(&dir, file.clone()) {
                Ok(file) => file,
                Err(error @ SnapshotError::Format { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(id = file.id(), %error, "a damaged snapshot is removed");
                    dir.remove(&file)?;
                    continue;
                }
            };
            if rows_index > 0 && file.index() > rows_index {
                tracing::info!(
                    id = file.id(),
                    "a snapshot that was never installed is removed"
                );
                dir.remove(&file.file)?;
            } else if newest
                .as_ref()
                .is_none_or(|newest| newest.index() < file.index())
            {
                newest = Some(file);
            }
        }
        Ok(Snapshots {
            dir,
            values: Arc::clone(published.values()),
            published,
            backlog,
            floor,
            space,
            faults,
            current: Mutex::new(newest),
            wanted: AtomicBool::new(false),
            asked_again: AtomicBool::new(false),
            retry: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<SnapshotFile>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn upkeep(&self) -> &Upkeep {
        self.values.upkeep()
    }

    /// The last index the newest snapshot holds.
    pub(crate) fn index(&self) -> u64 {
        self.lock().as_ref().map_or(0, SnapshotFile::index)
    }

    /// Takes no file that ends below `index` as the current one: nobody can go on from it, and
    /// the core, which finds none, writes one at its start.
    pub(crate) fn forget_below(&self, index: u64) {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|file| file.index() < index) {
            *current = None;
        }
    }

    /// The next chance to write a snapshot shall be taken.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    /// The core shall ask again soon: one could not be written just now.
    pub(crate) fn ask_again(&self) {
        self.asked_again.store(true, Ordering::Release);
    }

    /// Whether the core is to ask now.
    pub(crate) fn is_to_be_asked(&self) -> bool {
        self.wanted.load(Ordering::Acquire) || self.asked_again.load(Ordering::Acquire)
    }

    /// The core asks: whether one was wanted since it last did.
    pub(crate) fn take_wanted(&self) -> bool {
        self.asked_again.store(false, Ordering::Release);
        self.wanted.swap(false, Ordering::AcqRel)
    }

    /// Whether less space is free than should be: a snapshot, behind which the log is purged, waits
    /// for nobody then.
    pub(crate) fn lack_space(&self) -> bool {
        self.space.is_low()
    }

    /// The size of the newest snapshot's file.
    pub(crate) fn current_bytes(&self) -> u64 {
        let current = self.lock();
        current
            .as_ref()
            .map_or(0, |current| current.file.size_bytes())
    }

    pub(crate) fn current(&self) -> Option<SnapshotOf> {
        self.lock().clone().map(SnapshotFile::into_snapshot)
    }

    /// Takes the right to write a snapshot, if there is room for it and nobody writes all rows now.
    pub(crate) fn may_write(&self) -> Option<Rewriting> {
        let has_waited = self.retry().as_ref().is_none_or(Retry::has_waited);
        let may = has_waited && self.has_room();
        may.then(|| self.upkeep().try_rewriting()).flatten()
    }

    fn retry(&self) -> MutexGuard<'_, Option<Retry>> {
        self.retry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn met_full_disk(&self) {
        match &mut *self.retry() {
            Some(retry) => retry.later(),
            none => *none = Some(Retry::new()),
        }
    }

    /// Whether a snapshot is likely to fit.
    fn has_room(&self) -> bool {
        let live = self.values.rows().space().map(|space| space.live_bytes);
        let bytes = live.unwrap_or_default().max(self.current_bytes());
        self.space.has_room(bytes.saturating_add(bytes / 4))
    }

    /// Writes a file from `root` and makes the rows durable that far.
    pub(crate) async fn build(
        self: &Arc<Self>,
        root: Arc<Root>,
        rewriting: Option<Rewriting>,
    ) -> Result<SnapshotFile, io::Error> {
        let file = self.write_with_space(root, rewriting).await?;
        if !self.backlog.durable_at(file.index()).await {
            return Err(io::Error::other("the rows are closed"));
        }
        self.accept(file.clone()).await?;
        Ok(file)
    }

    /// Writes a file; again and again for as long as the disk is full.
    async fn write_with_space(
        self: &Arc<Self>,
        mut root: Arc<Root>,
        mut rewriting: Option<Rewriting>,
    ) -> Result<SnapshotFile, io::Error> {
        loop {
            let index = root.index();
            let (this, lent) = (Arc::clone(self), Arc::clone(&root));
            if rewriting.is_none() {
                rewriting = self.upkeep().rewriting().await;
            }
            let written = work::run(move || this.write(&lent)).await;
            drop(rewriting.take());
            match written.map_err(io::Error::other)? {
                Ok(file) => {
                    *self.retry() = None;
                    // Who wanted one while it was written has it.
                    self.take_wanted();
                    return Ok(file);
                }
                Err(_) if self.backlog.is_stopped() => return Err(stops()),
                // A newer one comes from a peer, and values of this state are gone.
                Err(_superseded) if self.backlog.is_replaced(index) => {
                    while self.index() <= index {
                        self.goes_on()?;
                        tokio::time::sleep(SPACE_WATCH_INTERVAL).await;
                    }
                    return self.present();
                }
                // A value of this state was written over: once more, of what the state is now.
                Err(_superseded) if self.backlog.is_superseded(index) => {
                    root = Arc::clone(self.published.view().root());
                    continue;
                }
                Err(error) if lacks_space(&error) => {
                    tracing::warn!(%error, "no space for a snapshot, it is tried again");
                    self.met_full_disk();
                    self.want();
                    // Later, and from what the state is then: this one would keep every value that
                    // is deleted meanwhile. Only who has none at all needs one from now.
                    if self.index() > 0 {
                        return self.present();
                    }
                }
                Err(error) => return Err(self.fail("write a snapshot", error)),
            }
            while !self
                .retry()
                .as_ref()
                .is_none_or(|at| at.is_due(&self.space))
            {
                self.goes_on()?;
                tokio::time::sleep(SPACE_WATCH_INTERVAL).await;
            }
        }
    }

    fn goes_on(&self) -> Result<(), io::Error> {
        match self.backlog.is_stopped() {
            true => Err(stops()),
            false => Ok(()),
        }
    }

    fn present(&self) -> Result<SnapshotFile, io::Error> {
        let present = self.lock().clone();
        present.ok_or_else(|| io::Error::other("the snapshot is gone"))
    }

    pub(crate) fn write(&self, root: &Arc<Root>) -> Result<SnapshotFile, SnapshotError> {
        let _snapshot = self.values.upkeep().begin(Work::Snapshot);
        let applied = applied(root, 0..0);
        let id = applied.log_id.map_or_else(
            || "empty".to_owned(),
            |id| {
                format!(
                    "{}-{}-{}",
                    id.leader_id.term, id.leader_id.node_id, id.index
                )
            },
        );
        let mut pace = self.values.pace();
        let rows = rows_of(root, &self.values).map(|row| {
            if let Some(pause) = pace.pause() {
                pace.rest(self.rest_of(pause)?);
            }
            row
        });
        let file = self.dir.write(&id, &applied.encode(), rows)?;
        Ok(SnapshotFile {
            file,
            applied: Arc::new(applied),
        })
    }

    /// How much of a pause is kept to: nothing where others wait for the snapshot, because the log
    /// is purged behind it, or values are kept for it. [`store::Fault::Closed`] if this node stops.
    pub(crate) fn rest_of(&self, pause: Duration) -> Result<Duration, store::Fault> {
        if self.backlog.is_stopped() {
            return Err(store::Fault::Closed);
        }
        let is_awaited = self.space.is_low() || self.backlog.keeps_many_values();
        Ok(if is_awaited { Duration::ZERO } else { pause })
    }

    /// Takes a file that is verified, and whose state the rows hold durably, as the current one.
    pub(crate) async fn accept(self: &Arc<Self>, file: SnapshotFile) -> Result<(), io::Error> {
        self.floor.raise_snapshot(file.index());
        // A slow build must not hide what was installed meanwhile.
        if self.index() <= file.index() {
            *self.lock() = Some(file);
        }
        let (dir, newest) = (self.dir.clone(), self.index());
        // What came beyond the current one is still to be installed.
        let order = move |meta: &[u8]| index_of(meta).filter(|index| *index <= newest);
        let removing = move || dir.remove_old(SNAPSHOTS_KEPT, order);
        let removed = work::run(removing).await;
        removed
            .map_err(io::Error::other)?
            .map_err(|error| self.fail("remove old snapshots", error))
    }

    /// Reads the state of a file, checks its hash, and keeps at most so many bytes of values: the
    /// others are to be read from the rows, once those are the file's.
    pub(crate) async fn load(
        &self,
        file: SnapshotFile,
        value_memory_bytes: u64,
    ) -> Result<(State, Arc<Applied>), io::Error> {
        let dir = self.dir.clone();
        let loaded = work::run(move || {
            let reader = dir.read(&file.file)?;
            let state = load_state(reader, &file.applied.node_hash, value_memory_bytes);
            Ok::<_, SnapshotError>(state.map(|state| (state, file.applied)))
        });
        let loaded = loaded.await.map_err(io::Error::other)?;
        let state = loaded.map_err(|error| self.fail("read a snapshot", error))?;
        state.map_err(|error| self.fail("load a snapshot", error))
    }

    /// The rows of a file, for the materialiser: one block of them is in memory at a time.
    pub(crate) fn source(&self, file: &SnapshotFile) -> RowSource {
        let (dir, file) = (self.dir.clone(), file.file.clone());
        Box::new(move || {
            let reader = dir.read(&file)?;
            Ok(Box::new(reader.map(|row| row.map_err(store::Fault::from))))
        })
    }

    /// Takes a peer's file, piece by piece, and verifies it whole.
    pub(crate) async fn receive(
        self: &Arc<Self>,
        id: &str,
        mut messages: Streaming<v1::InstallSnapshotRequest>,
    ) -> Result<SnapshotOf, Status> {
        let (dir, id) = (self.dir.clone(), id.to_owned());
        let mut receiving = self.receiving(move || dir.receive(&id)).await?;
        while let Some(message) = messages.message().await? {
            let push = move || {
                receiving.push(&message.chunk)?;
                Ok(receiving)
            };
            receiving = self.receiving(push).await?;
        }
        // A sender that vanished leaves a file without its end, which does not verify.
        let dir = self.dir.clone();
        let finish = move || describe(&dir, receiving.finish()?);
        Ok(self.receiving(finish).await?.into_snapshot())
    }

    /// Does one step of receiving a file.
    async fn receiving<T: Send + 'static>(
        &self,
        step: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, Status> {
        match work::run(step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if lacks_space(&error) => {
                Err(Status::resource_exhausted("no space for a snapshot"))
            }
            Ok(Err(SnapshotError::Fault(fault))) => {
                self.fail("receive a snapshot", fault);
                Err(Status::internal("the snapshot could not be stored"))
            }
            Ok(Err(refused)) => Err(Status::invalid_argument(chain(&refused))),
            Err(stopped) => Err(Status::internal(stopped.to_string())),
        }
    }

    fn fail<E>(&self, action: &'static str, error: E) -> io::Error
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let source = Arc::new(error);
        self.faults.raise(Fault::Snapshot { action, source })
    }
}

impl SnapshotFile {
    pub(crate) fn id(&self) -> &str {
        self.file.id()
    }

    pub(crate) fn index(&self) -> u64 {
        self.applied.log_id.map_or(0, |id| id.index)
    }

    fn into_snapshot(self) -> SnapshotOf {
        let meta = SnapshotMeta {
            last_log_id: self.applied.log_id,
            last_membership: self.applied.membership.clone(),
        };
        SnapshotOf {
            meta,
            snapshot: self,
        }
    }

    /// Sends the file in pieces; stops when the receiver does, or when the file cannot be read.
    pub(crate) async fn send(
        self,
        head: v1::SnapshotHead,
        pieces: mpsc::Sender<v1::InstallSnapshotRequest>,
    ) {
        let first = v1::InstallSnapshotRequest {
            head: Some(head),
            chunk: bytes::Bytes::new(),
        };
        let mut sent = pieces.send(first).await;
        let mut offset = 0;
        while sent.is_ok() {
            let file = self.file.clone();
            let reading = work::run(move || file.chunk(offset, SNAPSHOT_CHUNK_BYTES_MAX));
            let chunk = match reading.await {
                Ok(Ok(chunk)) if chunk.is_empty() => return,
                Ok(Ok(chunk)) => chunk,
                Ok(Err(fault)) => {
                    tracing::warn!(id = self.id(), %fault, "a snapshot could not be read");
                    return;
                }
                Err(_stopping) => return,
            };
            offset += chunk.len() as u64;
            let piece = v1::InstallSnapshotRequest {
                head: None,
                chunk: chunk.into(),
            };
            sent = pieces.send(piece).await;
        }
    }
}

/// Writes one snapshot from the state as it was when the builder was made.
pub struct SnapshotBuilder {
    /// There until it is dropped.
    root: Option<Arc<Root>>,
    snapshots: Arc<Snapshots>,
    rewriting: Option<Rewriting>,
}

impl SnapshotBuilder {
    pub(crate) fn new(
        root: Arc<Root>,
        snapshots: Arc<Snapshots>,
        rewriting: Option<Rewriting>,
    ) -> SnapshotBuilder {
        SnapshotBuilder {
            root: Some(root),
            snapshots,
            rewriting,
        }
    }
}

impl Drop for SnapshotBuilder {
    fn drop(&mut self) {
        // All that has changed since is freed with it: not by a worker of the runtime.
        if let Some(root) = self.root.take() {
            self.snapshots.backlog.retire(root);
        }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf, io::Error> {
        let root = self.root.clone();
        let root = root.ok_or_else(|| io::Error::other("the builder is gone"))?;
        let file = self.snapshots.build(root, self.rewriting.take()).await?;
        Ok(file.into_snapshot())
    }
}

fn describe(dir: &SnapshotDir, file: store::SnapshotFile) -> Result<SnapshotFile, SnapshotError> {
    let reader = dir.read(&file)?;
    let applied = Applied::decode(reader.meta()).map_err(|_malformed| {
        SnapshotError::from(store::Fault::Damaged {
            what: store::Block::Meta,
        })
    })?;
    Ok(SnapshotFile {
        file,
        applied: Arc::new(applied),
    })
}

fn index_of(meta: &[u8]) -> Option<u64> {
    let applied = Applied::decode(meta).ok()?;
    Some(applied.log_id.map_or(0, |id| id.index))
}

fn stops() -> io::Error {
    io::Error::other("this node stops without a snapshot")
}

fn lacks_space(error: &SnapshotError) -> bool {
    matches!(error, SnapshotError::Fault(fault) if fault.is_no_space())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
