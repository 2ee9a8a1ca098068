//! What the recorded process does: everything a node asks of its store, in a seeded order.

mod snapshots;

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::Log;

use crate::content::{self, Terms};
use crate::mark::{Mark, Step};
use crate::node::Node;

/// Where the recorder takes marks; one write is one mark.
struct Report(File);

struct Workload {
    node: Node,
    report: Arc<Report>,
    random: StdRng,
    /// A purge that goes on beside the next steps.
    purging: Option<JoinHandle<()>>,
    /// The log as it should be, without what is purged.
    terms: Terms,
    term: u64,
    purged: u64,
    last: u64,
    /// The last index whose append was acknowledged.
    acknowledged: Arc<AtomicU64>,
    /// What the rows hold, what of it is durable, and what the latest snapshot holds.
    applied: u64,
    checkpoint: u64,
    snapshot: u64,
}

/// Opens the store in `directory` and works on it for `steps` steps.
pub fn run(
    directory: &Path,
    keyring: &Path,
    marks: &Path,
    seed: u64,
    steps: usize,
) -> Result<(), Box<dyn Error>> {
    let report = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(marks)?;
    let mut workload = Workload::open(directory, keyring, Arc::new(Report(report)), seed)?;
    for _ in 0..steps {
        workload.step()?;
    }
    workload.end_purge();
    Ok(())
}

/// Opens the store in `directory` as a node does that starts, and says so.
pub fn reopen(directory: &Path, keyring: &Path, marks: &Path) -> Result<(), Box<dyn Error>> {
    let mut marks = File::create(marks)?;
    let node = Node::open(directory, keyring)?;
    node.rows.checkpoint()?;
    Ok(marks.write_all(b"open")?)
}

impl Report {
    fn mark(&self, mark: &Mark) {
        (&self.0).write_all(mark.to_line().as_bytes()).unwrap();
    }

    fn step<T, E>(&self, step: Step, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.mark(&Mark::Begins(step.clone()));
        let result = act()?;
        self.mark(&Mark::Done(step));
        Ok(result)
    }
}

impl Workload {
    fn open(
        directory: &Path,
        keyring: &Path,
        report: Arc<Report>,
        seed: u64,
    ) -> Result<Workload, Box<dyn Error>> {
        let node = Node::open(directory, keyring)?;
        let bounds = node.log.bounds()?;
        let index = |mark: Option<store::Mark>| mark.map_or(0, |mark| mark.index);
        let (purged, last) = (index(bounds.purged), index(bounds.last));
        let records = node.log.read(purged + 1..last + 1)?;
        let term_of = |mark: &[u8]| content::read_mark(mark).map_or(0, |(term, _)| term);
        let vote = node.log.vote()?.map_or(0, |vote| term_of(&vote));
        let mut workload = Workload {
            terms: records
                .iter()
                .map(|r| (r.index, term_of(&r.mark)))
                .collect(),
            // The next leader's term: what is appended now differs from what was lost.
            term: vote + 1,
            acknowledged: Arc::new(AtomicU64::new(last)),
            random: StdRng::seed_from_u64(seed),
            applied: 0,
            checkpoint: 0,
            snapshot: 0,
            purging: None,
            node,
            report,
            purged,
            last,
        };
        workload.restore()?;
        workload.vote()?;
        Ok(workload)
    }

    /// Takes up the rows where they are, or those of the latest snapshot if that is ahead of them.
    fn restore(&mut self) -> Result<(), Box<dyn Error>> {
        let index = |meta: &[u8]| content::read_mark(meta).map_or(0, |(_, index)| index);
        if let Some(meta) = self.node.rows.meta()? {
            self.applied = index(&meta);
            self.checkpoint = self.applied;
        }
        let Some(latest) = self.node.snapshots.latest()? else {
            return Ok(());
        };
        let meta = self.node.snapshots.read(&latest)?.meta().to_vec();
        self.snapshot = index(&meta);
        if self.applied < self.snapshot.min(self.purged) || self.snapshot > self.last {
            self.replace_from_snapshot()?;
        }
        if self.snapshot > self.last {
            // The power went while a snapshot from the leader was put in the log's place.
            let term = content::read_mark(&meta).map_or(0, |(term, _)| term);
            self.begin_log_after(self.snapshot, term)?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        match self.random.random_range(0..100) {
            0..52 => self.append(),
            52..70 => self.write_rows()?,
            70..74 => self.vote()?,
            74..78 => self.truncate()?,
            78..83 => self.checkpoint()?,
            83..89 => self.write_snapshot()?,
            89..95 => self.purge(),
            95 => self.node.log.save_committed(self.committed())?,
            96..98 => self.renew()?,
            98 => self.install()?,
            99 if self.snapshot > 0 && self.snapshot >= self.checkpoint => {
                self.replace_from_snapshot()?;
            }
            _ => self.wait(),
        }
        Ok(())
    }

    fn append(&mut self) {
        let (first, term) = (self.last + 1, self.term);
        let count = self.random.random_range(1..=6);
        let records = (first..first + count)
            .map(|index| content::record(index, term))
            .collect();
        self.terms
            .extend((first..first + count).map(|index| (index, term)));
        self.last += count;
        let step = Step::Append { first, count, term };
        self.report.mark(&Mark::Begins(step.clone()));
        let (report, acknowledged) = (Arc::clone(&self.report), Arc::clone(&self.acknowledged));
        let done = move |result: Result<(), store::Fault>| {
            result.unwrap();
            report.mark(&Mark::Done(step));
            acknowledged.store(first + count - 1, Ordering::SeqCst);
        };
        self.node.log.append(records, Box::new(done));
    }

    /// Waits for every append, by a vote that changes nothing.
    fn wait(&mut self) {
        let vote = content::mark(0, self.term).id;
        self.node.log.save_vote(&vote).unwrap();
    }

    fn vote(&mut self) -> Result<(), store::Fault> {
        self.term += 1;
        let term = self.term;
        let vote = content::mark(0, term).id;
        self.report
            .step(Step::Vote { term }, || self.node.log.save_vote(&vote))
    }

    /// Drops what was never applied, neither to the rows nor to a snapshot.
    fn truncate(&mut self) -> Result<(), store::Fault> {
        let kept = self.applied.max(self.snapshot);
        let last = self.random.random_range(kept..=self.last);
        if last == self.last {
            return Ok(());
        }
        let step = Step::Truncate { last };
        self.report.step(step, || {
            self.node.log.truncate_after((last > 0).then_some(last))
        })?;
        self.terms.split_off(&(last + 1));
        self.last = last;
        self.acknowledged.store(last, Ordering::SeqCst);
        self.vote()
    }

    /// Purges up to what a durable snapshot and durable rows both hold, beside whatever comes next.
    fn purge(&mut self) {
        self.end_purge();
        let floor = self.snapshot.min(self.checkpoint);
        if floor <= self.purged {
            return;
        }
        let upto = self.random.random_range(self.purged + 1..=floor);
        let (step, mark) = (Step::Purge { upto }, content::mark(upto, self.terms[&upto]));
        self.report.mark(&Mark::Begins(step.clone()));
        let (report, log) = (Arc::clone(&self.report), Arc::clone(&self.node.log));
        self.purging = Some(std::thread::spawn(move || {
            log.purge(mark).unwrap();
            report.mark(&Mark::Done(step));
        }));
        self.purged = upto;
        self.terms = self.terms.split_off(&(upto + 1));
    }

    /// Waits for the purge under way.
    fn end_purge(&mut self) {
        if let Some(purging) = self.purging.take() {
            purging.join().unwrap();
        }
    }

    /// Only what is acknowledged is applied, and only what is applied is never truncated.
    fn write_rows(&mut self) -> Result<(), store::Fault> {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        if acknowledged <= self.applied {
            return Ok(());
        }
        let upto = self.random.random_range(self.applied + 1..=acknowledged);
        let batch = content::batch(&self.terms, self.applied, upto);
        self.report
            .step(Step::Rows { applied: upto }, || self.node.rows.write(batch))?;
        self.applied = upto;
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), store::Fault> {
        let step = Step::Checkpoint {
            applied: self.applied,
        };
        self.report.step(step, || self.node.rows.checkpoint())?;
        self.checkpoint = self.applied;
        Ok(())
    }

    fn committed(&self) -> Option<store::Mark> {
        let index = self.acknowledged.load(Ordering::SeqCst);
        self.terms
            .get(&index)
            .map(|term| content::mark(index, *term))
    }
}
