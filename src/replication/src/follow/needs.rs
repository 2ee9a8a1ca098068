//! Which rows are to be asked for by their keys: those this region is to hold, and knows by their
//! commitments only. What could not be had, or not be taken, waits before it is asked for again.

use std::collections::BTreeMap;
use std::time::Duration;

use machine::{AccountId, FeedId, ProblemKind, RowKey, Secret, SecretName, State, Uid};

use crate::follow::wraps::listed;
use crate::limits::{FILL_PAUSE, FILL_ROWS_MAX, MALFORMED_PAUSE, NAMES_MAX, WAITING_ROWS_MAX};

/// What was asked for in vain.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    waiting: BTreeMap<RowKey, Wait>,
    /// Names that were taken, as far as they were seen.
    names: BTreeMap<Uid, (AccountId, SecretName)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Wait {
    again: Duration,
    /// The key its value was to be under, where that failed.
    key_name: Option<Option<String>>,
}

impl Needs {
    /// Gives rows of a feed that are to be asked for now, secrets before their values.
    pub(crate) fn next(&self, state: &State, feed: &FeedId, now: Duration) -> Vec<RowKey> {
        let is_due = |key: &RowKey| self.is_due(state, key, now);
        let problems = state.problems().map(|(uid, _)| RowKey::Secret(*uid));
        let problems = problems.filter(|key| state.is_withheld(key));
        let incomplete = state.incomplete().flat_map(|uid| state.lacking(*uid));
        let some = problems.chain(incomplete);
        let some = some.filter(|key| state.feed_of_secret(&key.uid()) == Some(feed));
        let first = RowKey::Epoch(Uid([0; 16]), Default::default());
        let all = state.withheld_from(&first);
        let all = all.filter(|(key, of)| *of == feed && state.detached(&key.uid()).is_none());
        let all = all.map(|(key, _)| *key);
        // Only where everything is received does every withheld row count.
        let all = all.take(match state.receives_all(feed) {
            true => usize::MAX,
            false => 0,
        });
        let mut wanted: Vec<RowKey> = Vec::new();
        for key in some.chain(all).filter(is_due) {
            if wanted.len() >= FILL_ROWS_MAX {
                break;
            }
            wanted.push(key);
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// Takes what was asked for: what is still not here, as a state shows, waits.
    pub(crate) fn asked(&mut self, state: &State, keys: &[RowKey], now: Duration) {
        for key in keys {
            self.waiting.remove(key);
            if !state.is_withheld(key) {
                continue;
            }
            let problem = state.problem(&key.uid()).map(|problem| problem.kind);
            let (pause, is_key) = match problem {
                Some(ProblemKind::Malformed) => (MALFORMED_PAUSE, false),
                Some(ProblemKind::Key) => (FILL_PAUSE, true),
                Some(ProblemKind::NameTaken) | None => (FILL_PAUSE, false),
            };
            let wait = Wait {
                again: now.saturating_add(pause),
                key_name: is_key.then(|| key_name(state, &key.uid())),
            };
            if self.waiting.len() >= WAITING_ROWS_MAX {
                self.forget_one();
            }
            self.waiting.insert(*key, wait);
        }
        self.names.retain(|uid, _| state.problem(uid).is_some());
    }

    /// Notes the name of a secret that came: it may be taken here.
    pub(crate) fn seen(&mut self, secret: &Secret) {
        if self.names.len() < NAMES_MAX {
            let name = (secret.account.clone(), secret.name.clone());
            self.names.insert(secret.uid, name);
        }
    }

    fn is_due(&self, state: &State, key: &RowKey, now: Duration) -> bool {
        let Some(wait) = self.waiting.get(key) else {
            return true;
        };
        let uid = key.uid();
        if let Some(failed) = &wait.key_name
            && *failed != key_name(state, &uid)
        {
            return true;
        }
        let problem = state.problem(&uid).map(|problem| problem.kind);
        match (key, problem, self.names.get(&uid)) {
            (RowKey::Secret(_), Some(ProblemKind::NameTaken), Some((account, name))) => {
                state.namesakes(account, name).next().is_none()
            }
            _ => wait.again <= now,
        }
    }

    /// Forgets the row that is asked for again soonest, for want of room.
    fn forget_one(&mut self) {
        let soonest = self.waiting.iter().min_by_key(|(_, wait)| wait.again);
        if let Some(key) = soonest.map(|(key, _)| *key) {
            self.waiting.remove(&key);
        }
    }
}

/// The key that the values of a secret are to be under in this region, as it was named.
fn key_name(state: &State, uid: &Uid) -> Option<String> {
    let secret = listed(state, uid)?;
    secret.replica(state.region()?)?.kms_key.clone()
}
