//! A simulated disk: what was not synced may be lost, and syncs are slow or fail.
//!
//! It keeps the contract of `store::Log` and `store::Rows`; that the real ones keep it at every
//! power cut is what `tests/power` shows. Snapshot files are real ones.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::{
    Attendant, Batch, Bounds, Cipher, CipherFault, Done, Fault, Log, Mark, MemoryRows, Place,
    Record, Row, RowScan, Rows, Space,
};

/// The log of one node. It outlives the process.
pub struct SimLog {
    held: Mutex<Held>,
    /// A broken build: says durable before it is.
    acknowledges_early: bool,
}

struct Held {
    rng: StdRng,
    now: Duration,
    sync: Sync,
    durable: Durable,
    /// Appended, readable, not yet synced; in order.
    unsynced: VecDeque<Unsynced>,
    /// What failed syncs were to write, in order: the disk may have it or not.
    doubtful: Vec<Record>,
    failed: Option<Fault>,
}

/// How long a sync takes, and whether the next one fails.
#[derive(Debug, Clone, Copy)]
pub struct Sync {
    pub min: Duration,
    pub max: Duration,
    pub fails: bool,
}

impl Default for Sync {
    fn default() -> Sync {
        Sync {
            min: Duration::from_micros(200),
            max: Duration::from_millis(6),
            fails: false,
        }
    }
}

#[derive(Default)]
struct Durable {
    vote: Option<Vec<u8>>,
    records: BTreeMap<u64, Record>,
    purged: Option<Mark>,
    committed: Option<Mark>,
}

struct Unsynced {
    due: Duration,
    records: Vec<Record>,
    done: Option<Done>,
}

/// What ends a process, and with it what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Some of what it had appended may have reached the disk.
    Crash,
    /// Nothing that was not synced is left.
    PowerCut,
}

impl SimLog {
    pub fn new(seed: u64, acknowledges_early: bool) -> SimLog {
        SimLog {
            held: Mutex::new(Held {
                rng: StdRng::seed_from_u64(seed ^ 0x6469_736b),
                now: Duration::ZERO,
                sync: Sync::default(),
                durable: Durable::default(),
                unsynced: VecDeque::new(),
                doubtful: Vec::new(),
                failed: None,
            }),
            acknowledges_early,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, sync: Sync) {
        self.held().sync = sync;
    }

    /// Whether a sync has failed since the process began.
    pub fn has_failed(&self) -> bool {
        self.held().failed.is_some()
    }

    /// Ends the syncs that are due.
    pub fn advance(&self, now: Duration) {
        loop {
            let mut held = self.held();
            held.now = now;
            if held.unsynced.front().is_none_or(|first| first.due > now) {
                return;
            }
            let result = held.sync_first();
            drop(held);
            run(result);
        }
    }

    /// Loses what the end of the process, or of its power, loses.
    pub fn end(&self, end: End) {
        let mut held = self.held();
        let mut records = std::mem::take(&mut held.doubtful);
        let mut lost = std::mem::take(&mut held.unsynced);
        for unsynced in &mut lost {
            records.append(&mut unsynced.records);
        }
        let kept = match end {
            End::Crash => held.rng.random_range(0..=records.len()),
            End::PowerCut => 0,
        };
        records.truncate(kept);
        held.durable.extend(records);
        held.failed = None;
        held.sync = Sync::default();
        drop(held);
        drop(lost);
    }

    /// Syncs everything, as each call does that is durable on return.
    fn synced(&self) -> Result<MutexGuard<'_, Held>, Fault> {
        loop {
            let mut held = self.held();
            if let Some(fault) = &held.failed {
                return Err(fault.clone());
            }
            if held.unsynced.is_empty() {
                if held.sync.fails {
                    return Err(held.fail());
                }
                return Ok(held);
            }
            let result = held.sync_first();
            drop(held);
            run(result);
        }
    }
}

type Ended = Option<(Option<Done>, Result<(), Fault>)>;

fn run(ended: Ended) {
    if let Some((Some(done), result)) = ended {
        done(result);
    }
}

impl Held {
    fn sync_first(&mut self) -> Ended {
        let first = self.unsynced.pop_front()?;
        if let Some(fault) = self.failed.clone() {
            self.doubtful.extend(first.records);
            return Some((first.done, Err(fault)));
        }
        if self.sync.fails {
            let fault = self.fail();
            self.doubtful.extend(first.records);
            return Some((first.done, Err(fault)));
        }
        self.durable.extend(first.records);
        Some((first.done, Ok(())))
    }

    fn fail(&mut self) -> Fault {
        let fault = Fault::Io {
            action: "sync",
            path: "simulated".into(),
            source: Arc::new(std::io::Error::other("simulated input/output error")),
        };
        self.failed = Some(fault.clone());
        fault
    }

    fn last(&self) -> Option<Mark> {
        let unsynced = self.unsynced.iter().rev();
        let newest = unsynced.flat_map(|unsynced| unsynced.records.last()).next();
        let durable = || self.durable.records.values().next_back();
        let record = newest.or_else(durable).map(Record::to_mark);
        record.or_else(|| self.durable.purged.clone())
    }
}

impl Durable {
    fn extend(&mut self, records: Vec<Record>) {
        let indexed = records.into_iter().map(|record| (record.index, record));
        self.records.extend(indexed);
    }
}

impl Log for SimLog {
    fn vote(&self) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.held().durable.vote.clone())
    }

    fn save_vote(&self, vote: &[u8]) -> Result<(), Fault> {
        self.synced()?.durable.vote = Some(vote.to_vec());
        Ok(())
    }

    fn append(&self, records: Vec<Record>, done: Done) {
        let mut held = self.held();
        if let Some(fault) = held.failed.clone() {
            drop(held);
            return done(Err(fault));
        }
        let last = held.last().map(|last| last.index);
        let first = records.first().map(|record| record.index);
        assert!(
            last.is_none() || first.is_none() || first == last.map(|last| last + 1),
            "an append at {first:?} after {last:?}"
        );
        let Sync { min, max, .. } = held.sync;
        let mut due = held.now + held.rng.random_range(min..=max);
        if self.acknowledges_early {
            // Nobody waits for it any more: the page cache is written back when it suits.
            due += Duration::from_millis(100);
        }
        let due = held.unsynced.back().map_or(due, |last| due.max(last.due));
        let (now, later) = if self.acknowledges_early {
            (Some(done), None)
        } else {
            (None, Some(done))
        };
        held.unsynced.push_back(Unsynced {
            due,
            records,
            done: later,
        });
        drop(held);
        if let Some(done) = now {
            done(Ok(()));
        }
    }

    fn truncate_after(&self, last: Option<u64>) -> Result<(), Fault> {
        let mut held = self.synced()?;
        match last {
            Some(last) => held.durable.records.retain(|index, _| *index <= last),
            None => held.durable.records.clear(),
        }
        Ok(())
    }

    fn purge(&self, upto: Mark) -> Result<(), Fault> {
        let mut held = self.synced()?;
        held.durable.records.retain(|index, _| *index > upto.index);
        let purged = held.durable.purged.as_ref();
        if purged.is_none_or(|purged| purged.index < upto.index) {
            held.durable.purged = Some(upto);
        }
        Ok(())
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<Record>, Fault> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.held();
        let durable = held.durable.records.range(range.clone());
        let mut records: Vec<Record> = durable.map(|(_, record)| record.clone()).collect();
        let unsynced = held.unsynced.iter().flat_map(|unsynced| &unsynced.records);
        records.extend(
            unsynced
                .filter(|record| range.contains(&record.index))
                .cloned(),
        );
        Ok(records)
    }

    fn bounds(&self) -> Result<Bounds, Fault> {
        let held = self.held();
        Ok(Bounds {
            purged: held.durable.purged.clone(),
            last: held.last(),
        })
    }

    fn save_committed(&self, committed: Option<Mark>) -> Result<(), Fault> {
        self.held().durable.committed = committed;
        Ok(())
    }

    fn committed(&self) -> Result<Option<Mark>, Fault> {
        let held = self.held();
        let last = held.last().map(|last| last.index);
        let committed = held.durable.committed.clone();
        Ok(committed.filter(|committed| Some(committed.index) <= last))
    }
}

/// The rows of one node: a power cut may take them back to their last checkpoint.
#[derive(Default)]
pub struct SimRows {
    rows: MemoryRows,
    checkpoint: Mutex<(Vec<Row>, Option<Vec<u8>>)>,
}

impl SimRows {
    /// Goes back to the last checkpoint.
    pub fn lose(&self) {
        let kept = self
            .checkpoint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (rows, meta) = kept.clone();
        drop(kept);
        let meta = meta.unwrap_or_default();
        let replaced = self.rows.replace(&mut rows.into_iter().map(Ok), &meta);
        replaced.expect("rows in memory");
    }

    fn keep(&self) -> Result<Option<Vec<u8>>, Fault> {
        let rows = self.rows.scan().collect::<Result<Vec<Row>, Fault>>()?;
        let meta = self.rows.meta()?;
        let mut kept = self
            .checkpoint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = (rows, meta.clone());
        Ok(meta)
    }
}

impl Rows for SimRows {
    fn write(&self, batch: Batch) -> Result<(), Fault> {
        self.rows.write(batch)
    }

    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.rows.row(key)
    }

    fn scan(&self) -> RowScan<'_> {
        self.rows.scan()
    }

    fn meta(&self) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.rows.meta()?.filter(|meta| !meta.is_empty()))
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.keep()
    }

    fn replace(
        &self,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault> {
        self.rows.replace(rows, meta)?;
        self.keep().map(drop)
    }

    fn begin_renewal(&self) -> Result<(), Fault> {
        self.rows.begin_renewal()
    }

    fn renew(&self, attendant: &mut dyn Attendant) -> Result<bool, Fault> {
        self.rows.renew(attendant)
    }

    fn space(&self) -> Result<Space, Fault> {
        self.rows.space()
    }
}

/// The simulated disk is watched for loss, not for what stands on it.
pub struct Plain;

impl Cipher for Plain {
    fn seal(&self, _: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(plain.to_vec())
    }

    fn open(&self, _: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(sealed.to_vec())
    }

    fn is_current(&self, _: &[u8]) -> bool {
        true
    }
}
