//! Rows of another region's feed as they are kept here: with their bodies where this region is to
//! hold them, else by their commitments only. One bad row never stops a feed (R22): it is kept as
//! one whose body was not sent, and a local row says why.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::command::SentBody;
use crate::decide::draft::Draft;
use crate::decide::{ACCESS, form, secret, sound, version};
use crate::hash::BucketSums;
use crate::ids::{Hash, Ordinal, Revision, Uid};
use crate::limits::{
    IMPORTED_ROW_BYTES_MAX, NAMESAKES_MAX, ORDINAL_MAX, VERSIONS_KNOWN_MAX, VERSIONS_TAKEN_MAX,
};
use crate::names::RegionName;
use crate::position::FeedId;
use crate::rejection::{Flaw, Rejection};
use crate::row::{FeedCheckpoint, KeptLabel, ProblemKind, Row, RowKey};
use crate::secret::{Secret, Wrap};
use crate::state::State;

/// What is told of a secret that a region is to have a copy of and was not sent.
const UNSENT: &str = "Replication failed: the primary region has not sent the secret.";

/// A decision that takes rows of one feed in, one after the other: each sees those before it.
pub(super) struct Intake<'d, 's> {
    pub(super) draft: &'d mut Draft<'s>,
    pub(super) feed: FeedId,
    /// The state as the changes so far leave it.
    pub(super) scratch: State,
    /// Labels that moved on in this entry to versions whose values are not here.
    pub(super) moved: BTreeMap<Uid, Vec<KeptLabel>>,
    own: RegionName,
    evolved: usize,
    /// The last checkpoint that was passed, and the sums there.
    pub(super) passed: Option<(FeedCheckpoint, BucketSums)>,
    /// What the uids of the feed's secrets begin with.
    prefix: [u8; 4],
    /// What those of all other regions begin with, if this is the first one's feed.
    others_of_first: Option<Vec<[u8; 4]>>,
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
            others_of_first: others_of_first(draft.state, feed),
            draft,
            prefix: feed.prefix(),
            feed: feed.clone(),
            moved: BTreeMap::new(),
            own,
            passed: None,
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
            is_free && (uid.0.starts_with(&self.prefix) || self.is_of_first_release(uid))
        };
        let is_root = self.feed == FeedId::Root;
        let flaw = match key {
            RowKey::Epoch(uid, _) | RowKey::Checkpoint(uid) => {
                (*uid != self.feed.uid()).then_some(Flaw::Foreign)
            }
            RowKey::Account(_) | RowKey::Region(_) | RowKey::Principal(_) => {
                (!is_root).then_some(Flaw::Kind)
            }
            key if key.is_of_identities() && is_root && self.knows_identities() => {
                (!form::is_of_root(&key.uid())).then_some(Flaw::Foreign)
            }
            RowKey::Secret(uid) | RowKey::Version(uid, _) | RowKey::Tombstone(uid) if !is_root => {
                (!is_ours(uid)).then_some(Flaw::Foreign)
            }
            _ => Some(Flaw::Kind),
        };
        let flaw = flaw.or((key.ordinal().0 > ORDINAL_MAX).then_some(Flaw::Kind));
        match (flaw, key) {
            (Some(flaw), _) => Err(self.broken(at, flaw)),
            // Whoever leads the feed after this deletes in one entry what no secret counts.
            (None, RowKey::Version(uid, _))
                if self.scratch.commitment_of(key).is_none()
                    && self.scratch.knows_versions(*uid, VERSIONS_KNOWN_MAX) =>
            {
                Err(Rejection::FeedLimit(self.feed.clone()))
            }
            (None, _) => Ok(()),
        }
    }

    /// Says whether a uid is one that the first region gave out when it was alone: those begin
    /// anyhow, but never as another region's.
    fn is_of_first_release(&self, uid: &Uid) -> bool {
        let others = self.others_of_first.as_ref();
        others.is_some_and(|others| !others.iter().any(|other| uid.0.starts_with(other)))
    }

    /// Rejects if the feed holds as much as it may.
    pub(super) fn is_roomy(&self) -> Result<(), Rejection> {
        let weight = self.scratch.feed(&self.feed).map(|feed| feed.weight());
        match weight.is_some_and(|weight| weight.is_full(false)) {
            true => Err(Rejection::FeedLimit(self.feed.clone())),
            false => Ok(()),
        }
    }

    /// Finds what is to be kept of a row that is put, and notes beside it what goes with it.
    pub(super) fn keep(&mut self, offer: Offer<'_>) -> Result<Row, Rejection> {
        match offer.key {
            RowKey::Secret(uid) => Ok(self.keep_secret(uid, &offer)),
            RowKey::Version(uid, ordinal) => Ok(self.keep_version(uid, ordinal, offer)),
            // Rows that every region receives are always sent.
            key => match offer.row {
                Sent::Row(row) if !sound::is_epoch(&key, &row) => {
                    Err(self.broken(offer.revision, Flaw::Epoch))
                }
                Sent::Row(row) if self.knows_identities() && !sound::is_of_identities(&row) => {
                    Err(self.broken(offer.revision, Flaw::Malformed))
                }
                Sent::Row(row) if !row.is_withheld() => {
                    self.note_entry(&row);
                    if key.seals_as().is_some() {
                        self.keep_root_key(&key, row.sealed(), offer.wrap, offer.problem);
                    }
                    Ok(row)
                }
                _ => Err(self.broken(offer.revision, Flaw::Commitment)),
            },
        }
    }

    /// Says whether the rules in force know identities: builds without them may still be here.
    fn knows_identities(&self) -> bool {
        self.scratch.machine_version() >= Some(ACCESS)
    }

    /// Forgets what this region was told when it was new, once the directory has it.
    fn note_entry(&mut self, row: &Row) {
        if let Row::Region(kept) = row
            && self.scratch.ends_introduction(kept.body())
        {
            self.draft.delete(RowKey::Introduction);
        }
    }

    fn keep_secret(&mut self, uid: Uid, offer: &Offer<'_>) -> Row {
        let hidden = Row::hidden(&self.feed, offer.revision, offer.commitment);
        let is_detached = self.is_detached(uid, offer);
        let problem = match &offer.row {
            _ if is_detached || !offer.is_member => None,
            Sent::Row(Row::Secret(kept)) if !self.is_sound(kept.body()) => {
                Some(ProblemKind::Malformed)
            }
            Sent::Row(Row::Secret(kept)) if !self.makes_room(kept.body()) => {
                Some(ProblemKind::NameTaken)
            }
            Sent::Row(Row::Secret(kept)) => {
                self.note_labels(kept.body());
                self.note_kept(kept.body());
                self.note_listed(kept.body());
                return Row::Secret(Arc::clone(kept));
            }
            // Whoever sends it may have it no more as it was then, or not have it at all. The
            // values stay for the secret as it comes later, or is asked for: unless all secrets are
            // received, it is by this note alone that there is something to ask for.
            Sent::Nothing => {
                self.hide_name(uid);
                let is_noted = self.scratch.problem(&uid).is_some();
                if !is_noted && !self.scratch.receives_all(&self.feed) {
                    self.note_problem(uid, ProblemKind::Malformed, UNSENT);
                }
                return hidden;
            }
            Sent::Bad => {
                self.hide_name(uid);
                self.note_problem(uid, ProblemKind::Malformed, "");
                return hidden;
            }
            Sent::Row(_) => Some(ProblemKind::Malformed),
        };
        self.hide_secret(uid);
        match problem {
            Some(kind) => self.note_problem(uid, kind, ""),
            None => self.clear_problem(uid),
        }
        hidden
    }

    /// Says whether a secret is one that the rules in force would have made.
    fn is_sound(&self, secret: &Secret) -> bool {
        let has_policy = self.knows_identities();
        sound::is_secret(&self.feed, secret) && (!has_policy || sound::has_policy(secret))
    }

    /// Says whether a copy became a secret of its own. That is over when it is no copy any more.
    fn is_detached(&mut self, uid: Uid, offer: &Offer<'_>) -> bool {
        if self.scratch.detached(&uid).is_none() {
            return false;
        }
        let is_shared = match &offer.row {
            Sent::Row(Row::Secret(kept)) => kept.body().replica(&self.own).is_some(),
            _ => offer.is_member,
        };
        if !is_shared {
            self.draft.delete(RowKey::Detached(uid));
            self.sync();
        }
        is_shared
    }

    /// Finds out whether the name of a secret is free here; a secret that was to be overwritten
    /// makes it so.
    fn makes_room(&mut self, secret: &Secret) -> bool {
        let others = self.scratch.namesakes(&secret.account, &secret.name);
        if self.scratch.receives_all(&self.feed) {
            // One for each feed, and what promotions left: not as many as somebody likes to send.
            return others.filter(|other| other.uid != secret.uid).count() < NAMESAKES_MAX;
        }
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
            Sent::Row(_) if self.scratch.held_count(uid) >= VERSIONS_TAKEN_MAX => {
                Some(Err(ProblemKind::Malformed))
            }
            Sent::Row(row) => match offer.wrap {
                Some(wrap) if version::wrapped(&self.scratch, wrap).is_err() => {
                    Some(Err(ProblemKind::Key))
                }
                Some(wrap) if sound::is_value(&row) => Some(Ok((row, wrap))),
                Some(_) => Some(Err(ProblemKind::Malformed)),
                None => Some(Err(ProblemKind::Key)),
            },
        };
        match row {
            Some(Ok((row, wrap))) => {
                self.draft.put(RowKey::Wrap(uid, ordinal), wrap);
                return row;
            }
            Some(Err(kind)) => self.note_value(uid, kind, offer.problem),
            None => {}
        }
        if self.scratch.wrap_row(uid, ordinal).is_some() {
            self.draft.delete(RowKey::Wrap(uid, ordinal));
        }
        hidden
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

/// Gives what the uids of all other regions begin with, if a feed is that of the region that
/// founded the cluster.
fn others_of_first(state: &State, feed: &FeedId) -> Option<Vec<[u8; 4]>> {
    let FeedId::Home(region) = feed else {
        return None;
    };
    let others = || {
        let directory = state.directory().map(|(_, entry)| entry.as_ref());
        let names = directory.chain(state.regions()).map(|entry| &entry.name);
        let others = names.filter(|name| *name != region).cloned();
        others.map(|name| FeedId::Home(name).prefix()).collect()
    };
    state.is_first(region).then(others)
}
