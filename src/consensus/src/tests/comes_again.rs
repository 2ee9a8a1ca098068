//! Rows of values that go for what stands for them, and come again under the same key.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use machine::{Command, Ordinal, Row, RowKey, RowRef, Scope, State, Uid};
use store::{MemoryLog, Rows};

use super::eventually;
use super::linked::{OTHER, Remote, apply, home, linked};
use super::node::{Disk, Settings};
use super::region::{Region, value, version_id};
use super::storage::Watched;
use crate::backlog::RowChange;
use crate::residents::Residents;
use crate::view::{Era, Root};
use crate::{Keep, ValueError, View, repair};

/// Every value leaves memory as soon as it may.
const NOTHING_STAYS: Settings = Settings {
    keep: Keep {
        value_memory_bytes: 0,
        snapshot_entries: 10_000,
        log_entries: 5,
    },
    reads: crate::Reads::Lease,
    danger: crate::Danger::NONE,
    scrub_interval: Duration::ZERO,
};

/// A value that a region has a copy of, in its rows only.
struct Copied {
    region: Region,
    remote: Remote,
    rows: Arc<Watched>,
    uid: Uid,
    key: RowKey,
}

impl Copied {
    async fn new(settings: Settings) -> Copied {
        let mut remote = Remote::new(Scope::Selected);
        let uid = remote.creates(1, value(5, 3_000));
        let rows = Arc::new(Watched::default());
        let disk = Disk::with(1, Arc::new(MemoryLog::new()), Arc::<Watched>::clone(&rows));
        let region = Region::linked(&remote, disk, 1, settings).await;
        let copied = Copied {
            region,
            remote,
            rows,
            uid,
            key: RowKey::Version(uid, Ordinal(1)),
        };
        copied.follow().await;
        copied.has_left_memory().await;
        copied
    }

    async fn follow(&self) {
        self.region.follow(&self.remote, &home(OTHER)).await;
    }

    /// The region has no copy any more.
    async fn unshared(&mut self) {
        self.remote.unshares(self.uid);
        self.follow().await;
        assert!(self.view().is_withheld(&self.key));
    }

    /// The region has a copy again.
    async fn shared(&mut self) {
        self.remote.shares(self.uid);
        self.follow().await;
        self.region.fill(&self.remote).await;
        assert!(!self.view().is_withheld(&self.key));
    }

    fn view(&self) -> View {
        self.region.node(1).consensus.local_view()
    }

    async fn written(&self) {
        let backlog = &self.region.node(1).consensus.inner.backlog;
        let index = self.view().index().0;
        eventually("the rows have it", || backlog.written() >= index).await;
    }

    async fn has_left_memory(&self) {
        self.written().await;
        // Values leave memory with the next entry.
        self.region.write(1).await.expect("written");
        assert!(self.view().has_value(&self.uid, Ordinal(1)));
        assert_eq!(self.view().counts().resident_value_bytes, 0);
    }

    fn reads(&self, view: &View) -> Result<u8, ValueError> {
        let read = view.value(&self.uid, &version_id(5))?;
        Ok(read.expect("the view has it").ciphertext[0])
    }

    /// What lies under the key.
    fn row(&self) -> Option<Row> {
        let bytes = self.rows.row(&self.key.encode()).expect("readable")?;
        Some(Row::decode(&self.key, &bytes).expect("a row"))
    }

    fn is_hidden(&self) -> bool {
        self.row().is_some_and(|row| row.is_withheld())
    }
}

#[tokio::test]
async fn a_value_that_goes_stays_readable_for_views_that_began_before() {
    let mut copied = Copied::new(NOTHING_STAYS).await;
    let before = copied.view();
    copied.unshared().await;
    copied.written().await;
    assert_eq!(copied.reads(&before).expect("readable"), 5);
    let inner = Arc::clone(&copied.region.node(1).consensus.inner);
    let file = inner.snapshots.write(before.root());
    file.expect("a snapshot that was begun before");
    assert!(copied.view().secret(&copied.uid).is_none());
    drop(before);
    // Its last reader is gone: what stands for it follows, whether or not anything is written.
    eventually("it stands there", || copied.is_hidden()).await;
    let health = inner.values.health();
    assert_eq!((health.damaged, health.repaired), (0, 0));
}

#[tokio::test]
async fn a_value_that_comes_again_is_neither_lost_nor_deleted_after_its_last_reader() {
    let mut copied = Copied::new(NOTHING_STAYS).await;
    let first = copied.view();
    copied.unshared().await;
    copied.written().await;
    let between = copied.view();
    copied.shared().await;
    let last = copied.view();
    copied.has_left_memory().await;
    for view in [&first, &last, &copied.view()] {
        assert_eq!(copied.reads(view).expect("readable"), 5);
    }
    // Twice, as it may be in two groups then.
    copied.unshared().await;
    copied.shared().await;
    drop((first, between));
    copied.has_left_memory().await;
    drop(last);
    copied.region.write(1).await.expect("written");
    copied.written().await;
    eventually("nothing is kept", || {
        copied.region.node(1).consensus.held().deferred_values == 0
    })
    .await;
    assert_eq!(copied.reads(&copied.view()).expect("readable"), 5);
    let Some(Row::Version(_)) = copied.row() else {
        panic!("it is not in the rows");
    };
}

#[tokio::test]
async fn a_restart_finds_what_stands_for_a_value_that_was_kept_for_readers() {
    let mut copied = Copied::new(NOTHING_STAYS).await;
    let before = copied.view();
    copied.unshared().await;
    copied.written().await;
    let hash = copied.view().node_hash();
    assert!(!copied.is_hidden(), "kept for `before`");
    let disk = copied.region.nodes.remove(&1).expect("the node").crash();
    copied.region.start(disk).await;
    copied.region.leader().await;
    assert!(copied.is_hidden());
    assert_eq!(copied.view().node_hash(), hash);
    assert_eq!(copied.rows.replaced.load(Ordering::Acquire), 0, "trusted");
    drop(before);
    copied.shared().await;
    assert_eq!(copied.reads(&copied.view()).expect("readable"), 5);
}

#[tokio::test]
async fn the_scrub_takes_a_value_that_is_kept_for_readers_for_no_damage() {
    let settings = Settings {
        scrub_interval: Duration::from_millis(20),
        ..NOTHING_STAYS
    };
    let mut copied = Copied::new(settings).await;
    let before = copied.view();
    copied.unshared().await;
    copied.written().await;
    let values = Arc::clone(&copied.region.node(1).consensus.inner.values);
    let rows = copied.rows.space().expect("its size").rows;
    let from = values.health().scrubbed;
    eventually("all rows are scrubbed, twice", || {
        values.health().scrubbed > from + 3 * rows
    })
    .await;
    // What it found goes to the rows with the next batch.
    copied.region.write(1).await.expect("written");
    copied.written().await;
    assert_eq!(values.health().damaged, 0);
    assert_eq!(copied.reads(&before).expect("readable"), 5);
}

#[tokio::test]
async fn no_peer_is_sent_what_stands_for_a_value() {
    let mut copied = Copied::new(NOTHING_STAYS).await;
    let values = Arc::clone(&copied.region.node(1).consensus.inner.values);
    let answered = |copied: &Copied| {
        let view = copied.view();
        repair::own_rows(&values, view.root(), &[copied.key]).len()
    };
    assert_eq!(answered(&copied), 1);
    let before = copied.view();
    copied.unshared().await;
    copied.written().await;
    assert_eq!(answered(&copied), 0, "though it is kept for a reader");
    drop(before);
    eventually("it stands there", || copied.is_hidden()).await;
    assert_eq!(answered(&copied), 0);
}

/// Two states that have another value under the same key, as of the entries before.
fn two_states() -> (State, State, RowKey) {
    let states = [5, 6].map(|number| {
        let mut remote = Remote::new(Scope::Selected);
        let uid = remote.creates(1, value(number, 3_000));
        (remote.state, RowKey::Version(uid, Ordinal(1)))
    });
    let [(first, key), (second, _)] = states;
    (first, second, key)
}

pub(super) fn root(state: State, index: u64) -> Arc<Root> {
    Arc::new(Root {
        state,
        applied: Some(super::storage::id(index)),
        membership: Default::default(),
        era: Era::default(),
    })
}

#[tokio::test]
async fn a_view_that_meets_another_value_under_its_key_is_told_to_read_again() {
    let disk = Disk::memory(1);
    let storage = super::storage::open(&disk);
    let (mut first, second, key) = two_states();
    let stored = |state: &State| match state.row(&key) {
        Some(RowRef::Here(row)) => row.stored().clone(),
        _ => panic!("not in memory"),
    };
    let RowKey::Version(uid, ordinal) = key else {
        panic!("no value");
    };
    let rows_of = |state: &State| -> Vec<RowChange> {
        let rows = state.rows().map(|(key, row)| match row {
            RowRef::Here(row) => RowChange::Put(key.encode(), row.stored().clone()),
            RowRef::Evicted => panic!("not in memory"),
        });
        rows.collect()
    };
    let put = rows_of(&first);
    let again = vec![
        RowChange::DeleteValue(key.encode()),
        RowChange::Put(key.encode(), stored(&second)),
    ];
    let others = rows_of(&second);
    assert!(first.evict_value(uid, ordinal) > 0);
    let (older, newer) = (root(first, 5), root(second, 9));
    let backlog = &storage.backlog;
    let over = older.era.watch();
    backlog.push(put, over.clone(), Arc::clone(&older), root(State::new(), 0));
    backlog.written_at(5).await;
    let read = |root: &Arc<Root>| storage.values.read(root, &key).map(drop);
    read(&older).expect("its own");
    let changes = others.into_iter().chain(again);
    backlog.push(
        changes.collect(),
        over,
        Arc::clone(&newer),
        Arc::clone(&older),
    );
    backlog.written_at(9).await;
    read(&newer).expect("its own");
    let told = read(&older);
    assert!(matches!(told, Err(ValueError::Superseded)), "{told:?}");
    assert_eq!(storage.values.health().damaged, 0);
    // A snapshot that was begun with it is written of what the state is by then.
    storage.published.swap(Arc::clone(&newer));
    let written = storage.snapshots.build(older, None).await;
    let fault = storage.faults.subscribe().borrow().clone();
    assert!(fault.is_none(), "{fault:?}");
    let written = written.expect("written");
    assert_eq!(written.index(), 9);
    storage.backlog.stop();
}

/// A state that follows the other region, without a node.
fn follower(remote: &Remote) -> State {
    let mut state = State::new();
    apply(&mut state, 1, 1, Command::Found(linked(Scope::Selected)));
    follow(&mut state, 2, remote);
    state
}

fn follow(state: &mut State, index: u64, remote: &Remote) {
    let changes = remote.changes(&home(OTHER), state);
    apply(state, index, 2, Command::ImportChanges(changes));
}

#[test]
fn a_value_that_came_again_stays_in_memory_until_the_rows_have_it_again() {
    let mut remote = Remote::new(Scope::Selected);
    let uid = remote.creates(1, value(5, 3_000));
    let mut state = follower(&remote);
    let mut residents = Residents::new(0);
    residents.add(uid, Ordinal(1), 2, &state);
    remote.unshares(uid);
    follow(&mut state, 3, &remote);
    assert_eq!(state.counts().resident_value_bytes, 0);
    remote.shares(uid);
    follow(&mut state, 4, &remote);
    let rows = remote.rows(&state);
    apply(&mut state, 5, 3, Command::FillRows(rows));
    residents.add(uid, Ordinal(1), 5, &state);
    residents.evict(&mut state, 4);
    assert!(state.is_resident(&uid, Ordinal(1)), "the rows have it not");
    residents.evict(&mut state, 5);
    assert!(!state.is_resident(&uid, Ordinal(1)));
    assert_eq!(
        (state.counts().resident_value_bytes, residents.count()),
        (0, 0)
    );
}

#[test]
fn a_value_whose_secret_is_not_here_leaves_memory_too() {
    let mut remote = Remote::new(Scope::Selected);
    let uid = remote.creates(1, value(5, 3_000));
    let mut state = State::new();
    apply(&mut state, 1, 1, Command::Found(linked(Scope::Selected)));
    let mut changes = remote.changes(&home(OTHER), &state);
    // The secret comes after its version.
    changes.changes.truncate(2);
    apply(&mut state, 2, 2, Command::ImportChanges(changes));
    assert!(state.secret(&uid).is_none());
    assert!(state.is_resident(&uid, Ordinal(1)));
    let mut residents = Residents::new(0);
    residents.add(uid, Ordinal(1), 2, &state);
    residents.evict(&mut state, 2);
    assert!(!state.is_resident(&uid, Ordinal(1)));
}

#[test]
fn what_stands_for_a_value_is_not_counted_among_those_in_memory() {
    let mut remote = Remote::new(Scope::Selected);
    let uid = remote.creates(1, value(5, 3_000));
    remote.unshares(uid);
    let state = follower(&remote);
    assert!(state.is_withheld(&RowKey::Version(uid, Ordinal(1))));
    let mut residents = Residents::new(0);
    residents.load(&state, 2);
    residents.add(uid, Ordinal(1), 2, &state);
    assert_eq!(residents.count(), 0);
}
