//! What readers see: one immutable state, published after each applied batch.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use machine::{LogIndex, Row, RowKey, RowRef, SealedValue, State, Uid, Value, VersionId};
use tokio::sync::watch;

use crate::types::{LogId, StoredMembership};
use crate::values::Values;

/// A state as of one index of the log. Holding it costs memory, never blocks a writer, and keeps
/// every value it shows readable, unless another takes the place of its row: reading it is then
/// answered with [`ValueError::Superseded`].
#[derive(Clone)]
pub struct View {
    root: Arc<Root>,
    values: Arc<Values>,
}

/// Why a value could not be read, here or at a peer that answered.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// The row could not be read, or did not open.
    #[error("the value's row is damaged")]
    Damaged {
        /// The store's words.
        #[source]
        source: store::Fault,
    },
    /// The row does not decode.
    #[error("the value's row does not decode")]
    Malformed {
        /// The machine's words.
        #[source]
        source: machine::DecodeError,
    },
    /// The row decodes, but is not the one that the state commits to.
    #[error("the value's row is another one")]
    Other,
    /// The state names a value that the rows do not hold.
    #[error("the value's row is missing")]
    Missing,
    /// Another row took the place of the one this view was to read: read again, with a newer view.
    #[error("the view is older than the rows")]
    Superseded,
}

impl View {
    pub(crate) fn new(root: Arc<Root>, values: Arc<Values>) -> View {
        View { root, values }
    }

    /// The last applied index this view contains.
    pub fn index(&self) -> LogIndex {
        LogIndex(self.root.index())
    }

    /// Answers the sealed value of a version, from memory or else from the rows; `None` when the
    /// state has no such value.
    ///
    /// May read the disk, and ask the peers when what is there is bad: call it where blocking is
    /// allowed. A bad row is then repaired.
    pub fn value(
        &self,
        uid: &Uid,
        version: &VersionId,
    ) -> Result<Option<Arc<SealedValue>>, ValueError> {
        match self.root.state.value(uid, version) {
            None => Ok(None),
            Some(Value::Here(value)) => Ok(Some(value)),
            Some(Value::Evicted) => {
                let key = self.root.state.value_key(uid, version);
                let key = key.ok_or(ValueError::Missing)?;
                match self.values.read(&self.root, &key)? {
                    Row::Version(kept) => Ok(Some(Arc::clone(&kept.body().sealed))),
                    _ => Err(ValueError::Other),
                }
            }
        }
    }

    /// Answers a row as it is kept, from memory or else from the rows; `None` when the state has no
    /// such row. May read the disk and ask the peers, as [`View::value`] does.
    pub fn read_row(&self, key: &RowKey) -> Result<Option<Row>, ValueError> {
        match self.root.state.row(key) {
            None => Ok(None),
            Some(RowRef::Here(row)) => Ok(Some(row)),
            Some(RowRef::Evicted) => self.values.read(&self.root, key).map(Some),
        }
    }

    pub(crate) fn root(&self) -> &Arc<Root> {
        &self.root
    }
}

impl Deref for View {
    type Target = State;

    fn deref(&self) -> &State {
        &self.root.state
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View(index {})", self.root.index())
    }
}

/// A state with what openraft must know of it.
pub(crate) struct Root {
    pub(crate) state: State,
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
    /// Held so that the materialiser can tell when no reader of this age is left (R12).
    pub(crate) era: Era,
}

impl Root {
    pub(crate) fn index(&self) -> u64 {
        self.applied.map_or(0, |id| id.index)
    }
}

/// The time between two batches that take values away. A value row that is gone from the state at
/// the end of an era leaves the rows only when every root of that era and of those before it is
/// gone, or when another value comes in its place.
#[derive(Clone, Default)]
pub(crate) struct Era(Arc<()>);

impl Era {
    pub(crate) fn watch(&self) -> EraWatch {
        EraWatch(Arc::downgrade(&self.0))
    }
}

#[derive(Clone)]
pub(crate) struct EraWatch(Weak<()>);

impl EraWatch {
    pub(crate) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// The newest root and its index, for readers.
pub(crate) struct Published {
    root: ArcSwap<Root>,
    index: watch::Sender<LogIndex>,
    values: Arc<Values>,
    /// Values listed as in memory, as apply last counted them.
    residents: AtomicUsize,
}

impl Published {
    pub(crate) fn new(root: Root, values: Arc<Values>) -> Published {
        let index = LogIndex(root.index());
        Published {
            root: ArcSwap::from_pointee(root),
            index: watch::Sender::new(index),
            values,
            residents: AtomicUsize::new(0),
        }
    }

    /// Shows `root` to readers and gives back the one before, to be dropped elsewhere.
    pub(crate) fn swap(&self, root: Arc<Root>) -> Arc<Root> {
        let index = LogIndex(root.index());
        let before = self.root.swap(root);
        self.index.send_replace(index);
        before
    }

    pub(crate) fn values(&self) -> &Arc<Values> {
        &self.values
    }

    pub(crate) fn set_residents(&self, count: usize) {
        self.residents.store(count, Ordering::Relaxed);
    }

    pub(crate) fn residents(&self) -> usize {
        self.residents.load(Ordering::Relaxed)
    }

    pub(crate) fn view(&self) -> View {
        View::new(self.root.load_full(), Arc::clone(&self.values))
    }

    pub(crate) fn index(&self) -> watch::Receiver<LogIndex> {
        self.index.subscribe()
    }
}
