//! What was acknowledged, and so what a store may answer after a power cut.

use std::collections::VecDeque;

use crate::content::Terms;
use crate::mark::{Mark, Step};

/// The marks up to a cut.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The log as acknowledged, purged records included.
    terms: Terms,
    /// What the leader has behind the end of the log, until a snapshot of it takes the log's place.
    ahead: Terms,
    /// Appends and truncations that began and are not acknowledged, in their order.
    pending: VecDeque<Step>,
    /// The acknowledged vote; then those that began. Zero is none.
    votes: Vec<u64>,
    /// The acknowledged purge; then those that began. Zero is none.
    purges: Vec<u64>,
    /// The durable state of the rows; then the later ones. Zero is none.
    rows: Vec<u64>,
    /// The latest acknowledged snapshot. Zero is none.
    snapshot: u64,
    /// The steps that are not done. Of the workload's own thread a later one is within the earlier;
    /// a purge goes on beside them.
    under_way: Vec<Step>,
}

impl Ledger {
    /// Nothing was ever acknowledged.
    pub fn new() -> Ledger {
        Ledger {
            votes: vec![0],
            purges: vec![0],
            rows: vec![0],
            ..Ledger::default()
        }
    }

    /// Exactly what a store was found to hold.
    pub fn found(&self, log: Terms, vote: u64, purged: u64, rows: u64, snapshot: u64) -> Ledger {
        let mut found = Ledger {
            terms: log,
            ahead: self.ahead.clone(),
            votes: vec![vote],
            purges: vec![purged],
            rows: vec![rows],
            snapshot,
            ..Ledger::default()
        };
        found.purged(purged);
        // Without its snapshot, what was ahead never reached this node.
        found.ahead.retain(|index, _| *index <= snapshot);
        found
    }

    /// Takes the next mark.
    pub fn take(&mut self, mark: Mark) {
        match mark {
            Mark::Begins(step) => self.begins(step),
            Mark::Done(step) => self.done(&step),
        }
    }

    fn begins(&mut self, step: Step) {
        match step {
            Step::Append { .. } => return self.pending.push_back(step),
            Step::Truncate { .. } => self.pending.push_back(step.clone()),
            Step::Vote { term } => self.votes.push(term),
            Step::Purge { upto } => self.purges.push(upto),
            Step::Rows { applied } | Step::Replace { applied } => self.rows.push(applied),
            Step::Ahead { first, count, term } => {
                self.ahead = (first..first + count).map(|index| (index, term)).collect();
            }
            Step::Checkpoint { .. } | Step::Snapshot { .. } | Step::Renew => {}
        }
        self.under_way.push(step);
    }

    fn done(&mut self, step: &Step) {
        match step {
            Step::Append { .. } | Step::Truncate { .. } => {
                let first = self.pending.pop_front();
                assert_eq!(first.as_ref(), Some(step), "acknowledged out of order");
                changes(step)
                    .into_iter()
                    .for_each(|change| change.apply(&mut self.terms));
            }
            Step::Vote { term } => self.votes = vec![*term],
            Step::Purge { upto } => {
                self.purges = vec![*upto];
                self.purged(*upto);
            }
            Step::Checkpoint { .. } | Step::Replace { .. } | Step::Renew => {
                self.rows = self.rows.split_off(self.rows.len() - 1);
            }
            Step::Snapshot { applied } => self.snapshot = *applied,
            Step::Rows { .. } | Step::Ahead { .. } => {}
        }
        self.under_way.retain(|under_way| under_way != step);
    }

    /// Takes what was ahead for the log's own, once the log begins behind it.
    fn purged(&mut self, upto: u64) {
        if self.ahead.keys().next().is_some_and(|first| *first <= upto) {
            self.terms.append(&mut self.ahead);
        }
    }

    /// The history that rows and snapshots may hold: a log that was found, and what is ahead of it.
    pub fn history(&self, log: &Terms) -> Terms {
        log.iter()
            .chain(&self.ahead)
            .map(|(index, term)| (*index, *term))
            .collect()
    }

    /// The steps that a cut here interrupts.
    pub fn under_way(&self) -> &[Step] {
        &self.under_way
    }

    /// Every log that may be found: what is acknowledged, and record by record what was to follow.
    pub fn logs(&self) -> Vec<Terms> {
        let mut log = self.terms.clone();
        let mut logs = vec![log.clone()];
        for change in self.pending.iter().flat_map(changes) {
            change.apply(&mut log);
            logs.push(log.clone());
        }
        logs
    }

    pub fn votes(&self) -> &[u64] {
        &self.votes
    }

    pub fn purges(&self) -> &[u64] {
        &self.purges
    }

    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    pub fn snapshot(&self) -> u64 {
        self.snapshot
    }
}

/// The smallest change of the log that may be found without the next one.
enum Change {
    Append(u64, u64),
    Truncate(u64),
}

impl Change {
    fn apply(&self, terms: &mut Terms) {
        match self {
            Change::Append(index, term) => {
                terms.insert(*index, *term);
            }
            Change::Truncate(last) => {
                terms.split_off(&(last + 1));
            }
        }
    }
}

fn changes(step: &Step) -> Vec<Change> {
    match step {
        Step::Append { first, count, term } => {
            let append = |index| Change::Append(index, *term);
            (*first..first + count).map(append).collect()
        }
        Step::Truncate { last } => vec![Change::Truncate(*last)],
        _ => Vec::new(),
    }
}
