//! Applies committed entries to the machine, and gives openraft its state machine.
//!
//! A batch is applied to the state in memory, published to readers, handed to the materialiser, and
//! only then answered: whoever has an answer also finds it in the next view.

use std::io;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use machine::{Applied, Command, Entry, LogIndex, Ordinal, Row, RowKey, State, Uid};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use tokio::time::Instant;

use crate::backlog::{Backlog, RowChange};
use crate::clock::Clocks;
use crate::danger::{Broken, Danger};
use crate::fault::{Fault, Faults};
use crate::limits::{
    APPLY_BYTES_MAX, APPLY_ENTRIES_MAX, APPLY_TOLD, ENTRY_BYTES_LONG, ENTRY_BYTES_USUAL,
    SNAPSHOT_SMALL_BYTES, SNAPSHOT_WAIT_FACTOR,
};
use crate::residents::Residents;
use crate::snapshot::{SnapshotBuilder, SnapshotFile, Snapshots};
use crate::turn::Turn;
use crate::types::{
    Answered, LogEntry, LogId, Proposed, Reply, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::upkeep::Work;
use crate::view::{Era, Published, Root};
use crate::work;

/// One region's machine on one node. openraft's state machine task owns it.
pub struct Machine {
    state: State,
    applied: Option<LogId>,
    membership: StoredMembership,
    era: Era,
    residents: Residents,
    published: Arc<Published>,
    backlog: Arc<Backlog>,
    snapshots: Arc<Snapshots>,
    /// Bytes of the entries that no snapshot holds yet.
    unsnapped_bytes: u64,
    turn: Turn,
    faults: Faults,
    /// Nothing, but in a build that is broken on purpose.
    own_clock: Option<Arc<Clocks>>,
    /// What a build that is broken on purpose leaves out.
    danger: Danger,
}

/// What a batch has changed so far.
#[derive(Default)]
struct Unpublished {
    changes: Vec<RowChange>,
    replies: Vec<(ApplyResponder<TypeConfig>, Reply)>,
    entries: usize,
    bytes: usize,
    takes_values: bool,
    /// What readers are shown meanwhile.
    shown: Option<Arc<Root>>,
}

impl Unpublished {
    fn push(&mut self, change: RowChange) {
        self.bytes += change.bytes();
        self.changes.push(change);
    }
}

impl Machine {
    /// Starts from what is published: the state of the rows, or nothing.
    pub(crate) fn new(
        published: Arc<Published>,
        backlog: Arc<Backlog>,
        snapshots: Arc<Snapshots>,
        faults: Faults,
        value_memory_bytes: u64,
        turn: Turn,
    ) -> Machine {
        let view = published.view();
        let root = view.root();
        let unsnapped = root.index().saturating_sub(snapshots.index());
        let mut machine = Machine {
            state: root.state.clone(),
            applied: root.applied,
            membership: root.membership.clone(),
            era: root.era.clone(),
            residents: Residents::new(value_memory_bytes),
            published,
            backlog,
            snapshots,
            unsnapped_bytes: unsnapped.saturating_mul(ENTRY_BYTES_USUAL),
            turn,
            faults,
            own_clock: None,
            danger: Danger::NONE,
        };
        machine.residents.load(&machine.state, root.index());
        machine.evict();
        // What was evicted must not live on in what readers see.
        let root = machine.root();
        machine.published.swap(root);
        machine
    }

    /// A broken build: entries are applied without what it leaves out, or by the node's own clock.
    pub(crate) fn leave_out(&mut self, danger: Danger, clock: &Arc<Clocks>) {
        let is_own = danger.is(Broken::AppliesByOwnClock);
        self.own_clock = is_own.then(|| Arc::clone(clock));
        self.danger = danger;
    }

    fn apply_one(&mut self, entry: LogEntry, batch: &mut Unpublished) -> Result<Reply, io::Error> {
        let id = entry.log_id;
        let reply = match entry.payload {
            EntryPayload::Blank => Reply(None),
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(id), membership);
                Reply(None)
            }
            EntryPayload::Normal(Proposed(bytes)) => {
                self.unsnapped_bytes += bytes.len() as u64;
                let mut entry = Entry::decode(&bytes).map_err(|source| {
                    self.faults.raise(Fault::UnknownCommand {
                        index: id.index,
                        source: Arc::new(source),
                    })
                })?;
                if let Some(clock) = &self.own_clock {
                    entry.stamp = clock.now();
                }
                let index = LogIndex(id.index);
                let applied = match takes_long(&entry.command, bytes.len()) {
                    true => work::beside_others(|| self.apply(index, &entry)),
                    false => self.apply(index, &entry),
                };
                for change in applied.changes {
                    self.note(change.key, change.row, id.index, batch);
                }
                Reply(Some(Answered {
                    answer: applied.answer,
                    positions: applied.positions,
                }))
            }
        };
        self.applied = Some(id);
        batch.entries += 1;
        Ok(reply)
    }

    fn apply(&mut self, index: LogIndex, entry: &Entry) -> Applied {
        match self.danger.is(Broken::ImportUnchecked) {
            true => machine::danger_apply_wherever_it_stands(&mut self.state, index, entry),
            false => machine::apply(&mut self.state, index, entry),
        }
    }

    fn note(&mut self, key: RowKey, row: Option<Row>, index: u64, batch: &mut Unpublished) {
        let at = key.encode();
        match (key, row) {
            (RowKey::Version(uid, ordinal), row) => {
                self.note_value((uid, ordinal), at, row, index, batch);
            }
            (_, Some(row)) => batch.push(RowChange::Put(at, row.stored().clone())),
            (_, None) => batch.push(RowChange::Delete(at)),
        }
    }

    /// A value may come, go for good, or go for a row that stands for it; and come again.
    fn note_value(
        &mut self,
        (uid, ordinal): (Uid, Ordinal),
        at: Vec<u8>,
        row: Option<Row>,
        index: u64,
        batch: &mut Unpublished,
    ) {
        let published = || Arc::clone(self.published.view().root());
        let shown = batch.shown.get_or_insert_with(published);
        // Readers want no value from the rows that none of them was shown.
        let is_wanted = shown.state.has_value(&uid, ordinal);
        if is_wanted {
            batch.takes_values = true;
            batch.push(RowChange::DeleteValue(at.clone()));
        }
        match row {
            Some(row) if row.is_withheld() => {
                batch.push(RowChange::PutHidden(at, row.stored().clone()));
            }
            Some(row) => {
                self.residents.add(uid, ordinal, index, &self.state);
                batch.push(RowChange::Put(at, row.stored().clone()));
            }
            None if is_wanted => {}
            None => batch.push(RowChange::Delete(at)),
        }
    }

    fn publish(&mut self, mut batch: Unpublished) {
        if batch.entries == 0 {
            return;
        }
        // Whoever lets go of it last frees it.
        batch.shown = None;
        let over = self.era.watch();
        if batch.takes_values {
            self.era = Era::default();
        }
        self.evict();
        let root = self.root();
        let past = self.published.swap(Arc::clone(&root));
        self.backlog.push(batch.changes, over, root, past);
        for (responder, reply) in batch.replies {
            responder.send(reply);
        }
    }

    /// Waits until the backlog has room.
    async fn room(&self) {
        if self.backlog.is_short_of_room() {
            let _wait = self.snapshots.upkeep().begin(Work::Wait);
            self.backlog.room().await;
        }
    }

    fn root(&self) -> Arc<Root> {
        Arc::new(Root {
            state: self.state.clone(),
            applied: self.applied,
            membership: self.membership.clone(),
            era: self.era.clone(),
        })
    }

    fn evict(&mut self) {
        let written = self.backlog.written();
        self.residents.evict(&mut self.state, written);
        self.published.set_residents(self.residents.count());
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        self.room().await;
        let begun = Instant::now();
        let mut batch = Unpublished::default();
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let reply = self.apply_one(entry, &mut batch)?;
            if let Some(responder) = responder {
                batch.replies.push((responder, reply));
            }
            if batch.entries >= APPLY_ENTRIES_MAX || batch.bytes >= APPLY_BYTES_MAX {
                self.publish(std::mem::take(&mut batch));
                self.room().await;
            }
        }
        self.publish(batch);
        if begun.elapsed() > APPLY_TOLD {
            let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            tracing::debug!(work = "apply", took_us, "work on the store ended");
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        let wanted = self.snapshots.take_wanted() || force;
        let index = self.applied.map_or(0, |id| id.index);
        let bytes = self.snapshots.current_bytes();
        let is_others_turn = || {
            may_wait(bytes, self.unsnapped_bytes)
                && !self.snapshots.lack_space()
                && !self.turn.is_at(index, &self.membership)
        };
        // The core asks again after as many entries as a turn has.
        if !wanted && (is_early(bytes, self.unsnapped_bytes) || is_others_turn()) {
            return None;
        }
        if self.applied.is_some() && index == self.snapshots.index() && !force {
            return None;
        }
        // A builder holds the state as it is, and with it every value that is deleted meanwhile: it
        // is made only when it need not wait, or would not be asked for again.
        let rewriting = self.snapshots.may_write();
        if rewriting.is_none() && !force {
            // The core would ask by itself only after many entries.
            match wanted {
                true => self.snapshots.want(),
                false => self.snapshots.ask_again(),
            }
            return None;
        }
        self.unsnapped_bytes = 0;
        let (root, snapshots) = (self.root(), Arc::clone(&self.snapshots));
        Some(SnapshotBuilder::new(root, snapshots, rewriting))
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        self.unsnapped_bytes = 0;
        SnapshotBuilder::new(self.root(), Arc::clone(&self.snapshots), None)
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        let snapshots = Arc::clone(&self.snapshots);
        let _install = snapshots.upkeep().begin(Work::Install);
        let budget = self.residents.budget_bytes();
        let (state, applied) = self.snapshots.load(snapshot.clone(), budget).await?;
        self.state = state;
        self.applied = applied.log_id;
        self.membership = applied.membership.clone();
        self.era = Era::default();
        let index = self.applied.map_or(0, |id| id.index);
        self.residents.load(&self.state, index);
        let root = self.root();
        let rows = self.snapshots.source(&snapshot);
        let installed = self.backlog.install(Arc::clone(&root), rows);
        // An error here means the materialiser stopped, and has raised its fault.
        installed.await.map_err(io::Error::other)?;
        // Not before: the values that are not in memory are read from these rows.
        self.backlog.retire(self.published.swap(root));
        self.snapshots.accept(snapshot).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf>, io::Error> {
        Ok(self.snapshots.current())
    }
}

/// Whether others should not wait for an entry: it brings much, or looks at all rows of a feed. A
/// leader whose worker is not free for so long would be given up.
fn takes_long(command: &Command, bytes: usize) -> bool {
    let looks_at_all = matches!(
        command,
        Command::ActivateSnapshot(_) | Command::MendBucket(_)
    );
    looks_at_all || bytes >= ENTRY_BYTES_LONG
}

/// A large state is written again only once that much was written to the log: else the snapshots
/// of a region that holds more than it changes would be most of its work.
fn is_early(snapshot_bytes: u64, unsnapped_bytes: u64) -> bool {
    is_large(snapshot_bytes) && unsnapped_bytes < snapshot_bytes
}

/// A large state waits for this node's turn, but not until the log has become much more than it.
fn may_wait(snapshot_bytes: u64, unsnapped_bytes: u64) -> bool {
    let logged_max = snapshot_bytes.saturating_mul(SNAPSHOT_WAIT_FACTOR);
    is_large(snapshot_bytes) && unsnapped_bytes < logged_max
}

fn is_large(snapshot_bytes: u64) -> bool {
    snapshot_bytes > SNAPSHOT_SMALL_BYTES
}

pub(crate) type SnapshotOf = openraft::type_config::alias::SnapshotOf<TypeConfig, SnapshotFile>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_written_again_only_once_as_much_was_logged() {
        let large = 10 * SNAPSHOT_SMALL_BYTES;
        assert!(is_early(large, large - 1));
        assert!(!is_early(large, large));
        assert!(!is_early(SNAPSHOT_SMALL_BYTES, 0), "a small one is cheap");
    }

    #[test]
    fn a_large_state_waits_for_its_turn_only_until_more_than_twice_as_much_was_logged() {
        let large = 10 * SNAPSHOT_SMALL_BYTES;
        assert!(may_wait(large, 2 * large - 1));
        assert!(!may_wait(large, 2 * large));
        assert!(!may_wait(SNAPSHOT_SMALL_BYTES, 0), "a small one is cheap");
    }
}
