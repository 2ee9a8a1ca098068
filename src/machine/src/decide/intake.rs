//! Rows of another region's feed as they are kept here: with their bodies where this region is to
//! hold them, else by their commitments only. One bad row never stops a feed (R22): it is kept as
//! one whose body was not sent, and a local row says why.

use std::sync::Arc;

use crate::command::SentBody;
use crate::decide::draft::Draft;
use crate::decide::{secret, version};
use crate::ids::{Hash, Ordinal, Revision, Uid};
use crate::limits::{
    DESCRIPTION_CHARS_MAX, IMPORTED_ROW_BYTES_MAX, LABELS_MAX, MESSAGE_CHARS_MAX, ORDINAL_MAX,
    REGIONS_MAX, SEAL_BYTES_MAX, TAGS_MAX, VALUE_BYTES_MAX,
};
use crate::names::{Label, RegionName};
use crate::position::FeedId;
use crate::rejection::{Flaw, Rejection};
use crate::row::{Problem, ProblemKind, Row, RowKey};
use crate::secret::{Secret, Wrap};
use crate::state::State;

/// A decision that takes rows of one feed in, one after the other: each sees those before it.
pub(super) struct Intake<'d, 's> {
    pub(super) draft: &'d mut Draft<'s>,
    pub(super) feed: FeedId,
    /// The state as the changes so far leave it.
    pub(super) scratch: State,
    own: RegionName,
    evolved: usize,
}

/// What another region says of a row.
pub(super) struct Offer<'a> {
    pub(super) key: RowKey,
    pub(super) revision: Revision,
    pub(super) commitment: Hash,
    /// Whether this region is to hold the body.
    pub(super) is_member: bool,
    /// The row; none if it was not sent, or is not what was committed to.
    pub(super) row: Sent,
    pub(super) wrap: Option<&'a Wrap>,
    /// Why the row cannot be taken, as the proposer found.
    pub(super) problem: &'a str,
}

/// A row as it came.
pub(super) enum Sent {
    /// Without its body.
    Nothing,
    /// With a body that is not what it should be.
    Bad,
    /// As it should be.
    Row(Row),
}

impl<'d, 's> Intake<'d, 's> {
    pub(super) fn new(draft: &'d mut Draft<'s>, feed: &FeedId) -> Result<Self, Rejection> {
        let own = draft.state.region().cloned().ok_or(Rejection::NotFounded)?;
        let is_known = match feed {
            FeedId::Root => true,
            FeedId::Home(region) => draft.state.knows_region(region),
        };
        if !is_known {
            return Err(Rejection::FeedNotFound(feed.clone()));
        }
        Ok(Intake {
            scratch: draft.state.clone(),
            evolved: draft.changes().len(),
            draft,
            feed: feed.clone(),
            own,
        })
    }

    /// Shows what was decided so far to what is decided next.
    pub(super) fn sync(&mut self) {
        let Intake {
            draft,
            scratch,
            evolved,
            ..
        } = self;
        let new = draft.changes().iter().skip(*evolved);
        new.for_each(|change| scratch.evolve(change));
        *evolved = draft.changes().len();
    }

    pub(super) fn own(&self) -> &RegionName {
        &self.own
    }

    pub(super) fn broken(&self, at: Revision, flaw: Flaw) -> Rejection {
        let feed = self.feed.clone();
        Rejection::StreamBroken { feed, at, flaw }
    }

    /// Says whether a feed carries a row under that key.
    pub(super) fn carries(&self, key: &RowKey, at: Revision) -> Result<(), Rejection> {
        let is_ours = |uid: &Uid| {
            let holder = self.scratch.feed_of_secret(uid);
            let is_free = holder.is_none_or(|feed| *feed == self.feed);
            // What the first release gave out begins anyhow: nobody else may begin so.
            let others = self.scratch.feeds().filter_map(|feed| feed.state());
            let mut others = others.filter(|other| other.feed != self.feed);
            is_free && (self.feed.gives(uid) || !others.any(|other| other.feed.gives(uid)))
        };
        let is_root = self.feed == FeedId::Root;
        let flaw = match key {
            RowKey::Epoch(uid, _) | RowKey::Checkpoint(uid) => {
                (*uid != self.feed.uid()).then_some(Flaw::Foreign)
            }
            RowKey::Account(_) | RowKey::Region(_) | RowKey::Principal(_) => {
                (!is_root).then_some(Flaw::Kind)
            }
            RowKey::Secret(uid) | RowKey::Version(uid, _) | RowKey::Tombstone(uid) if !is_root => {
                (!is_ours(uid)).then_some(Flaw::Foreign)
            }
            _ => Some(Flaw::Kind),
        };
        let flaw = flaw.or((key.ordinal().0 > ORDINAL_MAX).then_some(Flaw::Kind));
        flaw.map_or(Ok(()), |flaw| Err(self.broken(at, flaw)))
    }

    /// Finds what is to be kept of a row that is put, and notes beside it what goes with it.
    pub(super) fn keep(&mut self, offer: Offer<'_>) -> Result<Row, Rejection> {
        match offer.key {
            RowKey::Secret(uid) => Ok(self.keep_secret(uid, offer)),
            RowKey::Version(uid, ordinal) => Ok(self.keep_version(uid, ordinal, offer)),
            // Rows that every region receives are always sent.
            _ => match offer.row {
                Sent::Row(row) if !row.is_withheld() => Ok(row),
                _ => Err(self.broken(offer.revision, Flaw::Commitment)),
            },
        }
    }

    fn keep_secret(&mut self, uid: Uid, offer: Offer<'_>) -> Row {
        let hidden = Row::hidden(&self.feed, offer.revision, offer.commitment);
        let is_wanted = offer.is_member && self.scratch.detached(&uid).is_none();
        let row = match offer.row {
            _ if !is_wanted => None,
            Sent::Nothing => None,
            Sent::Row(row) => match secret_of(&row) {
                Some(secret) if !is_sound(&secret) => Some(Err(ProblemKind::Malformed)),
                Some(secret) if !self.makes_room(&secret) => Some(Err(ProblemKind::NameTaken)),
                Some(_) => Some(Ok(row)),
                None => Some(Err(ProblemKind::Malformed)),
            },
            Sent::Bad => Some(Err(ProblemKind::Malformed)),
        };
        match row {
            Some(Ok(row)) => {
                self.clear_problem(uid);
                row
            }
            Some(Err(kind)) => {
                self.hide_secret(uid);
                self.note_problem(uid, kind, "");
                hidden
            }
            None => {
                self.hide_secret(uid);
                self.clear_problem(uid);
                hidden
            }
        }
    }

    /// Finds out whether the name of a secret is free here; a secret that was to be overwritten
    /// makes it so.
    fn makes_room(&mut self, secret: &Secret) -> bool {
        if self.scratch.receives_all(&self.feed) {
            return true;
        }
        let others = self.scratch.namesakes(&secret.account, &secret.name);
        let others: Vec<Arc<Secret>> = others
            .filter(|other| other.uid != secret.uid)
            .cloned()
            .collect();
        let forces = secret.replica(&self.own).is_some_and(|told| told.force);
        let home = FeedId::Home(self.own.clone());
        let gives_way = |other: &Arc<Secret>| {
            let is_local = secret::any(&self.scratch, &other.uid);
            is_local.is_ok_and(|(feed, _)| feed == home) && other.replicas.is_empty()
        };
        if others.is_empty() {
            return true;
        }
        if !forces || !others.iter().all(gives_way) {
            return false;
        }
        for other in &others {
            secret::erase(self.draft, &home, other);
        }
        self.sync();
        true
    }

    fn keep_version(&mut self, uid: Uid, ordinal: Ordinal, offer: Offer<'_>) -> Row {
        let hidden = Row::hidden(&self.feed, offer.revision, offer.commitment);
        let is_wanted = offer.is_member && self.scratch.detached(&uid).is_none();
        let row = match offer.row {
            _ if !is_wanted => None,
            Sent::Nothing => None,
            Sent::Bad => Some(Err(ProblemKind::Malformed)),
            Sent::Row(_) if !offer.problem.is_empty() => Some(Err(ProblemKind::Key)),
            Sent::Row(row) => match offer.wrap {
                Some(wrap) if version::wrapped(&self.scratch, wrap).is_err() => {
                    Some(Err(ProblemKind::Key))
                }
                Some(wrap) if is_value(&row) => Some(Ok((row, wrap))),
                Some(_) => Some(Err(ProblemKind::Malformed)),
                None => Some(Err(ProblemKind::Key)),
            },
        };
        match row {
            Some(Ok((row, wrap))) => {
                self.draft.put(RowKey::Wrap(uid, ordinal), wrap);
                return row;
            }
            Some(Err(kind)) => self.note_problem(uid, kind, offer.problem),
            None => {}
        }
        if self.scratch.wrap_row(uid, ordinal).is_some() {
            self.draft.delete(RowKey::Wrap(uid, ordinal));
        }
        hidden
    }

    /// Drops the bodies of a secret's rows, and what is only of use with them.
    pub(super) fn hide_secret(&mut self, uid: Uid) {
        hide_versions(self.draft, &self.scratch, uid);
        self.sync();
    }

    /// Notes why a secret is not kept, or not whole.
    pub(super) fn note_problem(&mut self, uid: Uid, kind: ProblemKind, words: &str) {
        let words = match kind {
            _ if !words.is_empty() => words,
            ProblemKind::NameTaken => {
                "Replication failed: Secret name simple conflict in this region."
            }
            ProblemKind::Key => "Replication failed: the KMS key can't be used in this region.",
            ProblemKind::Malformed => "Replication failed: the secret could not be read.",
        };
        let message: String = words.chars().take(MESSAGE_CHARS_MAX).collect();
        let known = self.scratch.problem(&uid);
        let is_known = known.is_some_and(|known| known.kind == kind && known.message == message);
        if !is_known {
            let since = self.draft.stamp;
            let problem = Problem {
                kind,
                message,
                since,
            };
            self.draft.put(RowKey::Problem(uid), &problem);
            self.sync();
        }
    }

    pub(super) fn clear_problem(&mut self, uid: Uid) {
        if self.scratch.problem(&uid).is_some() {
            self.draft.delete(RowKey::Problem(uid));
            self.sync();
        }
    }

    /// Deletes what this region keeps beside a row of a feed.
    pub(super) fn forget_beside(&mut self, key: &RowKey) {
        match *key {
            RowKey::Version(uid, ordinal) if self.scratch.wrap_row(uid, ordinal).is_some() => {
                self.draft.delete(RowKey::Wrap(uid, ordinal));
            }
            RowKey::Secret(uid) => {
                if self.scratch.access(&uid).is_some() {
                    self.draft.delete(RowKey::Access(uid));
                }
                if self.scratch.detached(&uid).is_some() {
                    self.draft.delete(RowKey::Detached(uid));
                }
                let statuses: Vec<RowKey> = self.scratch.replica_keys(uid).collect();
                statuses.into_iter().for_each(|key| self.draft.delete(key));
                self.clear_problem(uid);
            }
            _ => {}
        }
        self.sync();
    }
}

/// Drops the bodies of a secret's versions, and what is only of use with them.
pub(super) fn hide_versions(draft: &mut Draft<'_>, state: &State, uid: Uid) {
    let Some(feed) = state.feed_of_secret(&uid).cloned() else {
        return;
    };
    for (ordinal, revision, commitment) in state.held_versions(uid) {
        let row = Row::hidden(&feed, revision, commitment);
        draft.replace(RowKey::Version(uid, ordinal), Some(row));
        if state.wrap_row(uid, ordinal).is_some() {
            draft.delete(RowKey::Wrap(uid, ordinal));
        }
    }
    if state.access(&uid).is_some() {
        draft.delete(RowKey::Access(uid));
    }
}

impl Sent {
    /// Takes a body as it came: it must be what was committed to, and a row of its kind.
    pub(super) fn body(
        key: &RowKey,
        feed: &FeedId,
        revision: Revision,
        commitment: Hash,
        body: Option<&SentBody>,
    ) -> Sent {
        let Some(body) = body else {
            return Sent::Nothing;
        };
        if body.bytes.len() > IMPORTED_ROW_BYTES_MAX {
            return Sent::Bad;
        }
        let row = Row::framed(key, feed, revision, commitment, &body.blind, &body.bytes);
        row.map_or(Sent::Bad, Sent::Row)
    }

    /// Takes a row of a snapshot.
    pub(super) fn row(row: &Row) -> Sent {
        match row {
            Row::Withheld(_) => Sent::Nothing,
            row => Sent::Row(row.clone()),
        }
    }
}

fn secret_of(row: &Row) -> Option<Secret> {
    match row {
        Row::Secret(kept) => Some(Secret::clone(kept.body())),
        _ => None,
    }
}

fn is_value(row: &Row) -> bool {
    let Row::Version(kept) = row else {
        return false;
    };
    let bytes = kept.body().sealed.ciphertext.len();
    bytes <= VALUE_BYTES_MAX.saturating_add(SEAL_BYTES_MAX) && kept.body().description.is_some()
}

/// Says whether a secret is one that `decide` would have made.
fn is_sound(secret: &Secret) -> bool {
    let labels = || secret.versions.iter().flat_map(|version| &version.labels);
    let currents = labels().filter(|label| label.is_current()).count();
    let mut distinct: Vec<&str> = labels().map(Label::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let ordinals = secret.versions.iter().map(|version| version.ordinal);
    let is_sorted = ordinals.clone().is_sorted_by(|a, b| a < b);
    let is_below = ordinals
        .clone()
        .all(|ordinal| ordinal < secret.next_ordinal);
    let listed = secret.versions.len();
    currents <= 1
        && (listed == 0 || currents == 1)
        && distinct.len() == labels().count()
        && distinct.len() <= LABELS_MAX
        && is_sorted
        && is_below
        && secret.next_ordinal.0 <= ORDINAL_MAX
        && secret.tags.len() <= TAGS_MAX
        && secret.replicas.len() <= REGIONS_MAX
        && secret.description.chars().count() <= DESCRIPTION_CHARS_MAX
}
