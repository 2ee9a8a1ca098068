//! Which rows are to be asked for by their keys: those this region is to hold, and knows by their
//! commitments only, and access keys whose secret's key is not here. They are asked for pass by
//! pass, in the order of the keys; a pass that left some out is made again ever later.

use std::collections::BTreeSet;
use std::time::Duration;

use machine::{FeedId, RowKey, State, Uid};

use crate::follow::backoff::Backoff;
use crate::limits::{FILL_PAUSE_MAX, FILL_PAUSE_MIN, FILL_ROWS_MAX};

/// How far a feed has been looked through.
#[derive(Debug)]
pub(crate) struct Pass {
    /// The last key that was asked for; none between two passes.
    after: Option<RowKey>,
    /// Whether something that was asked for did not come.
    has_left: bool,
    /// The next pass begins then.
    begins: Duration,
    backoff: Backoff,
}

impl Default for Pass {
    fn default() -> Pass {
        Pass {
            after: None,
            has_left: false,
            begins: Duration::ZERO,
            backoff: Backoff::new(FILL_PAUSE_MIN, FILL_PAUSE_MAX),
        }
    }
}

impl Pass {
    /// Whether it is time for a pass.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.begins <= now
    }

    /// Gives the rows that are to be asked for now; none between two passes.
    pub(crate) fn next(&mut self, state: &State, feed: &FeedId, now: Duration) -> Vec<RowKey> {
        if !self.is_due(now) {
            return Vec::new();
        }
        let keys = missing(state, feed, self.after);
        if keys.is_empty() {
            if !self.has_left {
                self.backoff.reset();
            }
            self.pause(now);
        }
        keys
    }

    /// Takes that rows were asked for, and what is here now.
    pub(crate) fn asked(&mut self, state: &State, keys: &[RowKey]) {
        self.after = keys.last().copied().or(self.after);
        let is_left = |key: &RowKey| state.is_withheld(key) || lacks_its_key(state, key);
        self.has_left |= keys.iter().any(is_left);
    }

    /// Begins the next pass a while later.
    pub(crate) fn pause(&mut self, now: Duration) {
        let pause = self.backoff.pause();
        self.restart(now.saturating_add(pause));
    }

    /// Looks through all of the feed from then on.
    pub(crate) fn restart(&mut self, at: Duration) {
        (self.after, self.has_left, self.begins) = (None, false, at);
    }
}

/// Gives the next rows of a feed that are missing, in the order of the keys: secrets before their
/// values.
fn missing(state: &State, feed: &FeedId, after: Option<RowKey>) -> Vec<RowKey> {
    let is_new = |key: &RowKey| after.is_none_or(|after| *key > after);
    if *feed == FeedId::Root {
        let lacking = state
            .credentials_without_wrap()
            .map(|uid| RowKey::Credential(*uid));
        let lacking = lacking.filter(is_new).take(FILL_ROWS_MAX);
        let mut rows: BTreeSet<RowKey> = lacking.collect();
        rows.extend(withheld(state, feed, after));
        return rows.into_iter().take(FILL_ROWS_MAX).collect();
    }
    if state.receives_all(feed) {
        return withheld(state, feed, after);
    }
    let refused = state.problems().map(|(uid, _)| uid);
    let hidden = refused
        .chain(state.incomplete())
        .map(|uid| RowKey::Secret(*uid));
    let hidden: BTreeSet<RowKey> = hidden.filter(|key| state.is_withheld(key)).collect();
    let rows = state.incomplete().flat_map(|uid| state.lacking(*uid));
    let values = rows.filter(RowKey::is_immutable);
    let some = hidden.into_iter().chain(values).filter(is_new);
    let some = some.filter(|key| state.feed_of_secret(&key.uid()) == Some(feed));
    some.take(FILL_ROWS_MAX).collect()
}

/// Gives the next rows of a feed whose bodies are not here, in the order of the keys.
fn withheld(state: &State, feed: &FeedId, after: Option<RowKey>) -> Vec<RowKey> {
    let first = RowKey::Epoch(Uid([0; 16]), Default::default());
    let from = after.unwrap_or(first);
    let all = state.withheld_from(&from);
    let all = all.filter(|(key, of)| *of == feed && state.detached(&key.uid()).is_none());
    let all = all.map(|(key, _)| *key);
    let all = all.filter(|key| after.is_none_or(|after| *key > after));
    all.take(FILL_ROWS_MAX).collect()
}

/// Whether a row is one of an access key that cannot be used here.
pub(crate) fn lacks_its_key(state: &State, key: &RowKey) -> bool {
    let RowKey::Credential(uid) = key else {
        return false;
    };
    let credential = state.credential(uid);
    let is_access_key = credential.is_some_and(|credential| credential.proof.is_access_key());
    is_access_key && state.credential_wrap(uid).is_none()
}

/// Gives the values of some secrets that are missing of a feed.
pub(crate) fn values<'s>(
    state: &'s State,
    feed: &'s FeedId,
    uids: impl Iterator<Item = &'s Uid> + 's,
) -> impl Iterator<Item = RowKey> + 's {
    let uids = uids.filter(|uid| state.feed_of_secret(uid) == Some(feed));
    let uids = uids.filter(|uid| state.is_incomplete(uid));
    uids.flat_map(|uid| state.lacking(*uid))
}
