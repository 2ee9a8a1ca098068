use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits::VOTE_BYTES_MAX;
use crate::log::{check_follows, check_sizes, within};
use crate::{Bounds, Done, Fault, Log, Mark, Record};

/// A log that forgets everything when dropped; every append is done at once.
#[derive(Debug, Default)]
pub struct MemoryLog {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    vote: Option<Vec<u8>>,
    records: BTreeMap<u64, Record>,
    purged: Option<Mark>,
    committed: Option<Mark>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> MemoryLog {
        MemoryLog::default()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, records: Vec<Record>) -> Result<(), Fault> {
        let mut held = self.held();
        check_sizes(&records)?;
        let last = held.last().map(|last| last.index);
        let indexes = records.iter().map(|record| record.index);
        check_follows(last, held.records.is_empty(), indexes)?;
        held.records
            .extend(records.into_iter().map(|record| (record.index, record)));
        Ok(())
    }
}

impl Log for MemoryLog {
    fn vote(&self) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.held().vote.clone())
    }

    fn save_vote(&self, vote: &[u8]) -> Result<(), Fault> {
        within("a vote", vote.len(), VOTE_BYTES_MAX)?;
        self.held().vote = Some(vote.to_vec());
        Ok(())
    }

    fn append(&self, records: Vec<Record>, done: Done) {
        let pushed = self.push(records);
        done(pushed);
    }

    fn truncate_after(&self, last: Option<u64>) -> Result<(), Fault> {
        let mut held = self.held();
        match last {
            Some(last) => held.records.retain(|index, _| *index <= last),
            None => held.records.clear(),
        }
        Ok(())
    }

    fn purge(&self, upto: Mark) -> Result<(), Fault> {
        let mut held = self.held();
        held.records.retain(|index, _| *index > upto.index);
        if held
            .purged
            .as_ref()
            .is_none_or(|purged| purged.index < upto.index)
        {
            held.purged = Some(upto);
        }
        Ok(())
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<Record>, Fault> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self
            .held()
            .records
            .range(range)
            .map(|(_, record)| record.clone())
            .collect())
    }

    fn bounds(&self) -> Result<Bounds, Fault> {
        let held = self.held();
        Ok(Bounds {
            purged: held.purged.clone(),
            last: held.last(),
        })
    }

    fn save_committed(&self, committed: Option<Mark>) -> Result<(), Fault> {
        self.held().committed = committed;
        Ok(())
    }

    fn committed(&self) -> Result<Option<Mark>, Fault> {
        let held = self.held();
        let last = held.last().map(|last| last.index);
        Ok(held
            .committed
            .clone()
            .filter(|committed| Some(committed.index) <= last))
    }
}

impl Held {
    fn last(&self) -> Option<Mark> {
        let record = self
            .records
            .last_key_value()
            .map(|(_, record)| record.to_mark());
        record.or_else(|| self.purged.clone())
    }
}
