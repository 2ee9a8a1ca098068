//! What changed between two states, secret by secret.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use machine::{
    AccountId, FeedId, JournalRow, Revision, RowKey, Scope, Secret, SecretId, State, Uid,
};
use wire::secrets::v1::SecretState;

use super::place::{Place, homes, lost};
use crate::errors::Refusal;

/// What became of a secret.
pub(super) struct Told {
    pub(super) secret: Arc<Secret>,
    pub(super) state: SecretState,
}

impl Told {
    /// A secret as it is.
    fn now(secret: &Arc<Secret>) -> Self {
        Self {
            secret: Arc::clone(secret),
            state: match secret.is_scheduled() {
                true => SecretState::ScheduledForDeletion,
                false => SecretState::Active,
            },
        }
    }

    /// A secret that is not here any more.
    fn gone(secret: Arc<Secret>) -> Self {
        Self {
            secret,
            state: SecretState::Purged,
        }
    }

    /// Whether a caller who names a secret so means this one.
    pub(super) fn is_named(&self, state: &State, account: &AccountId, id: &SecretId) -> bool {
        let secret = &self.secret;
        match id {
            SecretId::Name(name) => *name == secret.name && *account == secret.account,
            SecretId::Arn(arn) => {
                let is_here = state.knows_region(&arn.region) && arn.account == secret.account;
                let is_full = || {
                    let split = arn.split();
                    split.is_some_and(|(name, suffix)| {
                        name == secret.name && suffix == secret.arn_suffix
                    })
                };
                is_here && (is_full() || arn.whole().as_ref() == Some(&secret.name))
            }
        }
    }
}

/// The secrets that changed after a place, feed by feed in the order of their last change, and the
/// place that stands for all of it.
///
/// # Errors
/// `PositionLost`: what lies between is known neither by the journal nor by the two states.
pub(super) fn changes(
    before: &State,
    now: &State,
    after: &Place,
) -> Result<(Vec<Told>, Place), Refusal> {
    let mut all = Vec::new();
    for (feed, upto) in homes(now) {
        let from = after.revision(&feed);
        if from == upto {
            continue;
        }
        let goes_on = Place::of(before).revision(&feed) == from;
        let look = Look {
            before,
            now,
            feed: &feed,
            from,
            goes_on,
        };
        all.extend(match now.journal(&feed, from) {
            Some(rows) => look.journalled(rows)?,
            // A snapshot took its place.
            None if goes_on => look.compared(),
            None => return Err(lost(&feed, from)),
        });
    }
    Ok((all, Place::of(now)))
}

/// Whether as many secrets came and went between two states as is told: else some came without a
/// change of their feed.
pub(super) fn is_all(before: &State, now: &State, told: &[Told]) -> bool {
    let (mut came, mut went) = (0, 0);
    for uid in told.iter().map(|told| &told.secret.uid) {
        match (before.secret(uid), now.secret(uid)) {
            (None, Some(_)) => came += 1,
            (Some(_), None) => went += 1,
            _ => {}
        }
    }
    before.counts().secrets + came == now.counts().secrets + went
}

/// The secrets that are here now and were not before.
pub(super) fn filled(before: &State, now: &State) -> Vec<Told> {
    let new = secrets(now).filter(|secret| before.secret(&secret.uid).is_none());
    new.map(Told::now).collect()
}

fn secrets(state: &State) -> impl Iterator<Item = &Arc<Secret>> {
    let accounts = state.accounts();
    accounts.flat_map(|(_, account)| state.secrets(&account.id))
}

/// A look at one feed.
struct Look<'a> {
    before: &'a State,
    now: &'a State,
    feed: &'a FeedId,
    from: Revision,
    /// Whether the state before stands where the look begins: then it names what was there.
    goes_on: bool,
}

/// What the journal tells of a secret that neither state has.
#[derive(Default)]
struct Past {
    /// The secret as it was last put. Only its primary's journal has that.
    secret: Option<Arc<Secret>>,
    /// Whether it was this region's to have where the look begins; none if no change of it before
    /// is kept.
    was_ours: Option<bool>,
}

impl Look<'_> {
    fn journalled<'r>(
        &self,
        rows: impl Iterator<Item = &'r JournalRow>,
    ) -> Result<Vec<Told>, Refusal> {
        let mut last: BTreeMap<Uid, Revision> = BTreeMap::new();
        for row in rows {
            let header = &row.header;
            if header.kind == RowKey::Secret(header.uid).kind() {
                last.insert(header.uid, header.revision);
            }
        }
        let is_known =
            |uid: &Uid| self.now.secret(uid).is_some() || self.before.secret(uid).is_some();
        let unknown = last.keys().filter(|uid| !is_known(uid)).copied();
        let mut past = self.past(&unknown.collect());
        let mut by_revision: Vec<(Revision, Told)> = Vec::new();
        for (uid, revision) in last {
            let past = past.remove(&uid).unwrap_or_default();
            if let Some(told) = self.told(&uid, past)? {
                by_revision.push((revision, told));
            }
        }
        by_revision.sort_by_key(|(revision, _)| *revision);
        Ok(by_revision.into_iter().map(|(_, told)| told).collect())
    }

    fn told(&self, uid: &Uid, past: Past) -> Result<Option<Told>, Refusal> {
        if let Some(secret) = self.now.secret(uid) {
            return Ok(Some(Told::now(secret)));
        }
        if self.now.detached(uid).is_some() {
            // It goes on as a secret of this region.
            return Ok(None);
        }
        let known = self.before.secret(uid).cloned().or(past.secret);
        match known {
            Some(secret) => Ok(Some(Told::gone(secret))),
            None if self.goes_on || !self.may_have_been_here(past.was_ours) => Ok(None),
            // Its name is gone with it: only a list tells.
            None => Err(lost(self.feed, self.from)),
        }
    }

    /// Whether a secret may have been here where the look begins.
    fn may_have_been_here(&self, was_ours: Option<bool>) -> bool {
        let own = self.now.region();
        let entry = own.and_then(|own| self.now.linked(own));
        // What it did not have before its scope grew came without a change.
        let has_all = entry.is_some_and(|entry| entry.scope == Scope::All);
        was_ours.map_or(self.first() > Revision(1), |was_ours| was_ours || has_all)
    }

    /// What the journal tells of secrets: one walk, however many they are.
    fn past(&self, uids: &BTreeSet<Uid>) -> BTreeMap<Uid, Past> {
        let mut past: BTreeMap<Uid, Past> = BTreeMap::new();
        if uids.is_empty() {
            return past;
        }
        let from = match self.goes_on {
            true => self.from,
            false => Revision(self.first().0.saturating_sub(1)),
        };
        let rows = self.now.journal(self.feed, from);
        for row in rows.into_iter().flatten() {
            let header = &row.header;
            let is_asked = header.kind == RowKey::Secret(header.uid).kind();
            if !is_asked || !uids.contains(&header.uid) {
                continue;
            }
            let past = past.entry(header.uid).or_default();
            if let Some(secret) = row.secret() {
                past.secret = Some(Arc::new(secret));
            }
            if header.revision <= self.from {
                let own = self.now.region();
                past.was_ours = Some(own.is_some_and(|own| header.members.contains(own)));
            }
        }
        past
    }

    /// The first revision the journal holds.
    fn first(&self) -> Revision {
        let feed = self.now.feed(self.feed).and_then(machine::Feed::state);
        feed.map(|state| state.journal_first).unwrap_or_default()
    }

    /// What differs between the two states, which a snapshot lies between.
    fn compared(&self) -> Vec<Told> {
        let is_of =
            |state: &State, secret: &Secret| state.feed_of_secret(&secret.uid) == Some(self.feed);
        let now = secrets(self.now).filter(|secret| is_of(self.now, secret));
        let changed = now.filter(|secret| {
            let before = self.before.secret(&secret.uid);
            before.is_none_or(|before| before != *secret)
        });
        let before = secrets(self.before).filter(|secret| is_of(self.before, secret));
        let gone = before.filter(|secret| self.now.secret(&secret.uid).is_none());
        let changed = changed.map(Told::now);
        changed.chain(gone.cloned().map(Told::gone)).collect()
    }
}

#[cfg(test)]
mod tests;
