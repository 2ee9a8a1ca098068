//! Opens a node: rows and log from disk, the core, and the tasks around it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;

use machine::State;
use store::{Batch, SnapshotDir};
use tokio::sync::mpsc;
use wire::raft::v1;

use crate::apply::Machine;
use crate::backlog::Backlog;
use crate::barrier::Barrier;
use crate::clock::{Clock, Clocks, Grade};
use crate::codec::Applied;
use crate::core;
use crate::deferred::left_over;
use crate::fault::{Fault, Faults};
use crate::finish::finish_changes;
use crate::lag::watch_lag;
use crate::lease::Lease;
use crate::limits::CLOCK_WATCH_INTERVAL;
use crate::links::{Links, Peers};
use crate::log::{Floor, LogStore};
use crate::materialise::{Materialiser, applied};
use crate::membership::Members;
use crate::network::Networks;
use crate::options::Options;
use crate::peer_set::PeerSet;
use crate::promise::Promises;
use crate::propose::Proposer;
use crate::renewal::Renewals;
use crate::repair::{self, Wanted};
use crate::rounds::Rounds;
use crate::scrub;
use crate::snapshot::Snapshots;
use crate::space::{Space, watch_space};
use crate::state_rows::{LoadError, load_state};
use crate::status::LeaderHeard;
use crate::turn::Turn;
use crate::types::Raft;
use crate::upkeep::Upkeep;
use crate::values::Values;
use crate::view::{Era, Published, Root};
use crate::{Consensus, Inner, work};

/// Why a node cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings contradict each other.
    #[error("the timing is not usable: {reason}")]
    Timing {
        /// Which rule they break.
        reason: String,
    },
    /// The rows, log or snapshots could not be read.
    #[error("the store could not be read")]
    Store {
        /// The store's words.
        #[source]
        source: store::Fault,
    },
    /// The snapshots could not be read, or are another cluster's.
    #[error("the snapshots could not be opened")]
    Snapshot {
        /// The store's words.
        #[source]
        source: store::SnapshotError,
    },
    /// The rows were written by a newer release; they were left alone.
    #[error("the rows need a newer release")]
    Newer {
        /// What this one does not know.
        #[source]
        source: machine::LoadError,
    },
    /// The log begins after everything this node holds. Remove its data directory and let it join
    /// again under a new node id.
    #[error(
        "the log begins at {first_log} but rows and snapshot end at {held}: \
         remove the data directory and join again under a new node id"
    )]
    StateLost {
        /// The first index the log still has.
        first_log: u64,
        /// The last index that rows or snapshot hold.
        held: u64,
    },
    /// The log is empty, but rows or snapshot are not. Remove the data directory and let the node
    /// join again under a new node id.
    #[error(
        "the log has lost this node's vote, but rows and snapshot end at {held}: \
         remove the data directory and join again under a new node id"
    )]
    VoteLost {
        /// The last index that rows or snapshot hold.
        held: u64,
    },
    /// The log or the vote could not be given to the core.
    #[error("the log could not be opened")]
    Log {
        /// What failed.
        #[source]
        source: std::io::Error,
    },
    /// The core did not start.
    #[error("the consensus core did not start: {reason}")]
    Core {
        /// openraft's words.
        reason: String,
    },
}

impl Consensus {
    /// Opens this node on its store. It neither votes nor answers before this returns.
    pub async fn open(
        options: Options,
        log: Arc<dyn store::Log>,
        rows: Arc<dyn store::Rows>,
        snapshots: SnapshotDir,
        peers: Arc<dyn Peers>,
        clock: Arc<dyn Clock>,
    ) -> Result<Consensus, OpenError> {
        let config = Arc::new(config_of(&options)?);
        let node = options.node.0;
        let (keep, waiting) = (options.keep, Arc::clone(&log));
        let turn = Turn::new(node, keep.snapshot_entries);
        let opening = move || Storage::open(log, rows, snapshots, keep.value_memory_bytes, turn);
        let mut storage = blocking(opening).await?;
        let published = Arc::clone(&storage.published);
        let (own, epochs) = (origin_of(&options), Arc::clone(&options.epochs));
        let links = Arc::new(Links::new(own, peers, published, Arc::clone(&epochs)));
        let (danger, lease) = (options.danger, options.lease());
        let clocks = Arc::new(Clocks::new(clock, danger));
        storage.machine.leave_out(danger, &clocks);
        let promises = Promises::new(Arc::clone(&clocks), storage.log.has_vote(), danger);
        let promises = Arc::new(promises);
        let lagging = Arc::<PeerSet>::default();
        let networks = Networks {
            links: Arc::clone(&links),
            clocks: Arc::clone(&clocks),
            promises: Arc::clone(&promises),
            space: Arc::clone(&storage.space),
            lagging: Arc::clone(&lagging),
        };
        let tail = storage.log.clone();
        let raft = Raft::new(node, config, networks, storage.log, storage.machine).await;
        let raft = raft.map_err(|fatal| OpenError::Core {
            reason: fatal.to_string(),
        })?;
        let lease = Lease::new(Arc::clone(&clocks), lease, danger);
        let (to, at) = (Arc::clone(&links), Arc::clone(&clocks));
        let rounds = Rounds::new(raft.clone(), to, at, promises, lease, node, danger);
        let space = storage.space;
        let members = Members::new(Arc::clone(&rounds), Arc::clone(&space), lagging);
        let heard = Arc::new(LeaderHeard::new(options.timing.election_min));
        let inner = Arc::new(Inner {
            node,
            cluster_hex: options.cluster.to_string(),
            barrier: Barrier::spawn(Arc::clone(&rounds)),
            proposer: Proposer::new(&rounds, &members, &space, &heard),
            members,
            rounds,
            heard,
            epochs,
            ages: options.ages,
            raft,
            published: storage.published,
            backlog: storage.backlog,
            snapshots: storage.snapshots,
            values: storage.values,
            links,
            clocks,
            faults: storage.faults,
            space: Arc::clone(&space),
            log: waiting,
            tail,
            stopping: AtomicBool::new(false),
            materialiser: Mutex::new(storage.materialiser),
        });
        tokio::spawn(repair::fetch_wanted(Arc::downgrade(&inner), storage.wanted));
        tokio::spawn(scrub::run(Arc::downgrade(&inner), options.scrub_interval));
        watch(&inner, space);
        Ok(Consensus { inner })
    }
}

fn config_of(options: &Options) -> Result<openraft::Config, OpenError> {
    options.config().map_err(|error| OpenError::Timing {
        reason: error.to_string(),
    })
}

fn origin_of(options: &Options) -> v1::Origin {
    v1::Origin {
        cluster: options.cluster.0.to_vec().into(),
        region: options.region.to_string(),
        node: options.node.0,
        epochs: Vec::new(),
    }
}

/// Starts the tasks that look after the node.
fn watch(inner: &Arc<Inner>, space: Arc<Space>) {
    tokio::spawn(watch_core(Arc::clone(inner)));
    tokio::spawn(finish_changes(Arc::clone(&inner.rounds)));
    tokio::spawn(watch_clock(Arc::downgrade(inner)));
    tokio::spawn(watch_space(Arc::downgrade(inner), space));
    tokio::spawn(watch_lag(Arc::downgrade(inner)));
}

/// Everything of a node that touches its store.
pub(crate) struct Storage {
    pub(crate) log: LogStore,
    pub(crate) machine: Machine,
    pub(crate) published: Arc<Published>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) values: Arc<Values>,
    /// Rows to be asked of peers.
    pub(crate) wanted: mpsc::Receiver<Wanted>,
    #[cfg(test)]
    pub(crate) floor: Arc<Floor>,
    pub(crate) faults: Faults,
    pub(crate) space: Arc<Space>,
    pub(crate) materialiser: Option<JoinHandle<()>>,
}

impl Storage {
    /// Loads the rows and starts the materialiser. Blocks.
    pub(crate) fn open(
        log: Arc<dyn store::Log>,
        rows: Arc<dyn store::Rows>,
        snapshots: SnapshotDir,
        value_memory_bytes: u64,
        turn: Turn,
    ) -> Result<Storage, OpenError> {
        let (faults, space) = (Faults::new(), Arc::<Space>::default());
        let floor = Arc::new(Floor::new());
        let (root, is_trusted) = load(rows.as_ref(), value_memory_bytes)?;
        let index = root.index();
        // What a killed process left in the page cache must be on disk before the log may lose it.
        rows.checkpoint()
            .map_err(|source| OpenError::Store { source })?;
        floor.raise_rows(index);
        let backlog = Arc::new(Backlog::new(index));
        let upkeep = Arc::<Upkeep>::default();
        let timer = Arc::clone(&upkeep);
        let (values, wanted) = Values::new(rows, Arc::clone(&backlog), timer);
        let values = Arc::new(values);
        let published = Arc::new(Published::new(root, Arc::clone(&values)));
        let snapshots = Snapshots::open(
            snapshots,
            Arc::clone(&published),
            Arc::clone(&backlog),
            Arc::clone(&floor),
            Arc::clone(&space),
            faults.clone(),
        );
        let snapshots = Arc::new(snapshots.map_err(|source| OpenError::Snapshot { source })?);
        check_reach(log.as_ref(), &snapshots, index)?;
        let begin = begin(log.as_ref(), index).map_err(|source| OpenError::Store { source })?;
        snapshots.forget_below(begin);
        if !is_trusted {
            clear(values.rows().as_ref())?;
        }
        let log = LogStore::open(log, Arc::clone(&floor), upkeep, faults.clone());
        let log = log.map_err(|source| OpenError::Log { source })?;
        let machine = Machine::new(
            Arc::clone(&published),
            Arc::clone(&backlog),
            Arc::clone(&snapshots),
            faults.clone(),
            value_memory_bytes,
            turn,
        );
        let materialiser = Materialiser::spawn(
            Arc::clone(&values),
            Arc::clone(&backlog),
            Arc::clone(&floor),
            Arc::clone(&space),
            faults.clone(),
            Renewals::new(&values, &published, &space, turn),
        );
        Ok(Storage {
            log,
            machine,
            published,
            backlog,
            snapshots,
            values,
            wanted,
            #[cfg(test)]
            floor,
            faults,
            space,
            materialiser: materialiser.map_err(|source| OpenError::Log { source })?,
        })
    }
}

/// The state of the rows, and whether they are to be trusted. If they do not add up the state is
/// empty: snapshot and log then give it.
fn load(rows: &dyn store::Rows, value_memory_bytes: u64) -> Result<(Root, bool), OpenError> {
    let store = |source| OpenError::Store { source };
    let Some(meta) = rows.meta().map_err(store)? else {
        return Ok((empty(), true));
    };
    let mut applied = match Applied::decode(&meta) {
        Ok(applied) => applied,
        Err(error) => return Ok(distrusted(&error)),
    };
    let deferred = std::mem::take(&mut applied.deferred);
    let numbers = std::mem::take(&mut applied.deferred_rows);
    let mut left = left_over(rows, numbers).map_err(store)?;
    left.deletes.extend(deferred);
    if left != Batch::default() {
        left.meta = applied.encode();
        rows.write(left).map_err(store)?;
    }
    let state = match load_state(rows.scan(), &applied.node_hash, value_memory_bytes) {
        Ok(state) => state,
        Err(LoadError::NoState(source)) if source.needs_newer_build() => {
            return Err(OpenError::Newer { source });
        }
        Err(error) => return Ok(distrusted(&error)),
    };
    let root = Root {
        state,
        applied: applied.log_id,
        membership: applied.membership,
        era: Era::default(),
    };
    Ok((root, true))
}

fn distrusted(reason: &dyn std::error::Error) -> (Root, bool) {
    tracing::error!(
        %reason,
        "the rows do not add up, rebuilding from snapshot and log"
    );
    (empty(), false)
}

/// Takes all rows away, in one step: what is replayed over them would leave some that no longer
/// belong to the state.
fn clear(rows: &dyn store::Rows) -> Result<(), OpenError> {
    let meta = applied(&empty(), 0..0).encode();
    rows.replace(&mut std::iter::empty(), &meta)
        .map_err(|source| OpenError::Store { source })
}

fn empty() -> Root {
    Root {
        state: State::new(),
        applied: None,
        membership: Default::default(),
        era: Era::default(),
    }
}

/// Refuses to start when neither rows nor snapshot reach the beginning of the log.
fn check_reach(
    log: &dyn store::Log,
    snapshots: &Snapshots,
    rows_index: u64,
) -> Result<(), OpenError> {
    let bounds = log.bounds().map_err(|source| OpenError::Store { source })?;
    let held = rows_index.max(snapshots.index());
    let vote = log.vote().map_err(|source| OpenError::Store { source })?;
    match bounds.purged {
        Some(purged) if purged.index > held => Err(OpenError::StateLost {
            first_log: purged.index + 1,
            held,
        }),
        // Whoever holds entries has followed a leader: it could vote twice, or against a promise.
        _ if held > 0 && vote.is_none() => Err(OpenError::VoteLost { held }),
        _ => Ok(()),
    }
}

/// The index behind which the log goes on. Rows that are durable beyond a log that lost its end
/// supersede all of it: what they hold was committed by others.
fn begin(log: &dyn store::Log, rows_index: u64) -> Result<u64, store::Fault> {
    let bounds = log.bounds()?;
    let purged = bounds.purged.map_or(0, |mark| mark.index);
    let last = bounds.last.map_or(purged, |mark| mark.index);
    Ok(if rows_index > last {
        rows_index
    } else {
        purged
    })
}

/// Raises a fault when the core stops by itself.
async fn watch_core(inner: Arc<Inner>) {
    // A closed channel means the core is gone, with or without a last word.
    let _ = core::until(&inner.raft, |metrics| metrics.running_state.is_err()).await;
    if inner.stopping.load(Ordering::Acquire) {
        return;
    }
    let state = core::metrics(&inner.raft, |metrics| metrics.running_state.clone());
    let reason = state
        .err()
        .map_or_else(String::new, |fatal| fatal.to_string());
    inner.faults.raise(Fault::Core { reason });
}

/// Hands leadership over when this node's clock is off (R10).
async fn watch_clock(inner: Weak<Inner>) {
    let (mut off_before, mut stays_off) = (false, false);
    loop {
        tokio::time::sleep(CLOCK_WATCH_INTERVAL).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        if inner.stopping.load(Ordering::Acquire) {
            return;
        }
        let off = inner.clocks.grade() > Grade::Right;
        // Twice in a row: one late answer is no skew.
        let is_sure = off && off_before;
        off_before = off;
        if !is_sure || core::leader(&inner.raft) != Some(inner.node) {
            stays_off = false;
            continue;
        }
        let distance = inner.clocks.distance();
        if let Some(heir) = inner.members.heir_with_better_clock() {
            tracing::warn!(?distance, heir, "clock is off, handing leadership over");
            Consensus { inner }.hand_over_to(heir).await;
        } else if !std::mem::replace(&mut stays_off, true) {
            tracing::warn!(
                ?distance,
                "clock is off, and no node with a better one could lead"
            );
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    match work::run(work).await {
        Ok(result) => result,
        Err(stopped) => Err(OpenError::Core {
            reason: stopped.to_string(),
        }),
    }
}
