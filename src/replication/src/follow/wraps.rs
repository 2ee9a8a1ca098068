//! Bodies from another region, made ready for the machine: the data key of each version is taken
//! out of the stream's key and wrapped by a key of this region (R1). What the machine can find out
//! by itself is left to it; only whether a key wraps is found out here.

use std::collections::BTreeMap;
use std::sync::Arc;

use machine::limits::MESSAGE_CHARS_MAX;
use machine::{
    FeedId, Hash, ImportChanges, ImportedChange, RegionName, Revision, Row, RowKey, RowRef, Secret,
    SentBody, StagedRow, State, StoredVersion, Uid, VersionId, Wrap,
};

use crate::codec::{ReceivedBody, ReceivedRow};
use crate::follow::Following;
use crate::follow::failed::Failed;
use crate::follow::incoming::Incoming;
use crate::follow::key::StreamKey;
use crate::follow::lane::Batch;
use crate::options::Keys;
use crate::work;

/// What a caller sees of a value whose key did not come.
const KEY_NOT_SENT: &str = "Replication failed: the primary region could not send the value's key.";

/// Makes what came of one feed ready, as of one state.
pub(crate) struct Wraps<'a> {
    pub(crate) keys: &'a dyn Keys,
    pub(crate) state: &'a State,
    pub(crate) own: &'a RegionName,
    pub(crate) feed: &'a FeedId,
    pub(crate) key: &'a StreamKey,
}

/// Secrets whose rows came with, or soon after, the versions.
#[derive(Debug, Default)]
pub(crate) struct Named {
    secrets: BTreeMap<Uid, Arc<Secret>>,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) key: RowKey,
    pub(crate) revision: Revision,
    pub(crate) commitment: Hash,
}

impl Place {
    /// Where a row that came says it stands.
    pub(crate) fn of(row: &ReceivedRow) -> Place {
        Place {
            key: row.key,
            revision: row.revision,
            commitment: row.commitment,
        }
    }
}

impl Named {
    /// Notes a secret whose values are to be under another key than the default one.
    pub(crate) fn note(&mut self, own: &RegionName, row: &Row) {
        let Row::Secret(kept) = row else {
            return;
        };
        let replica = kept.body().replica(own);
        if replica.is_some_and(|replica| replica.kms_key.is_some()) {
            let secret = Arc::clone(kept.body());
            self.secrets.insert(secret.uid, secret);
        }
    }
}

impl Following {
    /// Makes what came of a feed ready, where it may block. Fails if that shows that the two ends
    /// have not the same key: then nothing of it is of use.
    pub(crate) async fn ready<T: Send + 'static>(
        self: &Arc<Self>,
        feed: &FeedId,
        key: &Arc<StreamKey>,
        make: impl FnOnce(&Wraps<'_>) -> T + Send + 'static,
    ) -> Result<T, Failed> {
        let (view, context) = (self.view(), Arc::clone(&self.context));
        let (feed, stream_key) = (feed.clone(), Arc::clone(key));
        let made = work::run(move || {
            make(&Wraps {
                keys: context.options.keys.as_ref(),
                state: &view,
                own: &context.options.region,
                feed: &feed,
                key: &stream_key,
            })
        });
        // It panicked, which ends the process, or the runtime stops.
        let made = made.await.map_err(Failed::lost)?;
        key.check()?;
        Ok(made)
    }
}

impl Wraps<'_> {
    /// Makes the command that imports a batch.
    pub(crate) fn import(&self, batch: &Batch) -> ImportChanges {
        let mut named = Named::default();
        for change in batch.changes.iter().chain(&batch.ahead) {
            if let Some(secret) = self.secret_of(change) {
                named.secrets.insert(secret.uid, secret);
            }
        }
        let changes = batch.changes.iter().map(|change| ImportedChange {
            header: change.bytes.clone(),
            body: self
                .wanted(change)
                .map(|body| self.sent(place(change), body, &named)),
        });
        ImportChanges {
            feed: batch.feed.clone(),
            after: batch.after.clone(),
            changes: changes.collect(),
        }
    }

    /// Finds the first change of a batch whose body this region is to have, and that came with
    /// another one than its header commits to.
    pub(crate) fn spoilt(&self, batch: &Batch) -> Option<Revision> {
        let is_spoilt = |change: &&Arc<Incoming>| {
            let came = self.wanted(change);
            came.is_some_and(|body| self.row(&place(change), body).is_none())
        };
        let spoilt = batch.changes.iter().find(is_spoilt)?;
        Some(spoilt.header.revision)
    }

    /// Finds the secrets of a batch that are shared with this region anew, or otherwise than
    /// before.
    pub(crate) fn shared_anew(&self, batch: &Batch) -> Vec<Uid> {
        let of = |secret: &Secret| secret.replica(self.own).cloned();
        let (mut known, mut anew) = (BTreeMap::new(), Vec::new());
        for change in &batch.changes {
            let RowKey::Secret(uid) = change.key else {
                continue;
            };
            let before = known.remove(&uid);
            let before =
                before.unwrap_or_else(|| listed(self.state, &uid).and_then(|secret| of(&secret)));
            let now = self.secret_of(change).and_then(|secret| of(&secret));
            if now.is_some() && now != before {
                anew.push(uid);
            }
            known.insert(uid, now);
        }
        anew
    }

    /// Makes a row of a snapshot; one whose body is not what was committed to is kept without.
    pub(crate) fn staged(&self, row: &ReceivedRow, named: &Named) -> StagedRow {
        let place = Place::of(row);
        let framed = row.body.as_ref().filter(|_| !self.is_here(&place));
        let made = framed.and_then(|body| self.row(&place, body).map(|row| (row, body)));
        let Some((made, body)) = made else {
            return self.hidden(&place);
        };
        let (wrap, problem) = match &made {
            Row::Version(kept) => self.wrap(&place, kept.body(), body, named),
            made => self.wrap_of_root(&row.key, made, body),
        };
        StagedRow {
            key: row.key,
            row: made,
            wrap,
            problem,
        }
    }

    /// Makes a body ready that came for the row at a place.
    pub(crate) fn sent(&self, place: Place, body: &ReceivedBody, named: &Named) -> SentBody {
        let (wrap, problem) = match self.row(&place, body) {
            Some(Row::Version(kept)) => self.wrap(&place, kept.body(), body, named),
            Some(made) => self.wrap_of_root(&place.key, &made, body),
            // What is not what was committed to is for the machine to say.
            None => (None, String::new()),
        };
        SentBody {
            blind: body.framed.blind,
            bytes: body.framed.bytes.clone(),
            wrap,
            problem,
        }
    }

    fn hidden(&self, place: &Place) -> StagedRow {
        StagedRow {
            key: place.key,
            row: Row::hidden(self.feed, place.revision, place.commitment),
            wrap: None,
            problem: String::new(),
        }
    }

    /// Gives the body of a change if this region is to have it. Another one is not even written
    /// to its log.
    fn wanted<'c>(&self, change: &'c Incoming) -> Option<&'c ReceivedBody> {
        let is_listed = change.header.members.contains(self.own);
        let is_member = is_listed || self.state.receives_all(self.feed);
        let is_wanted = match change.key {
            RowKey::Secret(_) => is_member,
            // Of a copy that is a secret of its own only the row tells whether it still is one.
            RowKey::Version(uid, _) => is_member && self.state.detached(&uid).is_none(),
            _ => true,
        };
        change.body.as_ref().filter(|_| is_wanted)
    }

    /// Whether a value is here as it is in the snapshot: it stays where it is.
    fn is_here(&self, place: &Place) -> bool {
        let is_held = self.state.commitment_of(&place.key) == Some(place.commitment);
        place.key.is_immutable() && is_held && !self.state.is_withheld(&place.key)
    }

    fn secret_of(&self, change: &Incoming) -> Option<Arc<Secret>> {
        let RowKey::Secret(_) = change.key else {
            return None;
        };
        match self.row(&place(change), change.body.as_ref()?)? {
            Row::Secret(kept) => Some(Arc::clone(kept.body())),
            _ => None,
        }
    }

    /// Puts a row together, if its body is what was committed to.
    pub(crate) fn row(&self, place: &Place, body: &ReceivedBody) -> Option<Row> {
        let Place {
            key,
            revision,
            commitment,
        } = *place;
        Row::received(&key, self.feed, revision, commitment, Some(&body.framed)).ok()
    }

    /// Wraps the key of a version, or says in words why not.
    fn wrap(
        &self,
        place: &Place,
        version: &StoredVersion,
        body: &ReceivedBody,
        named: &Named,
    ) -> (Option<Wrap>, String) {
        let uid = place.key.uid();
        let came = named.secrets.get(&uid).cloned();
        let secret = came.or_else(|| listed(self.state, &uid));
        let Some(id) = version_id(place, version, secret.as_deref()) else {
            // A version that nothing names: the machine does not take it.
            return (None, String::new());
        };
        let replica = secret.as_ref().and_then(|secret| secret.replica(self.own));
        let key_name = replica.and_then(|replica| replica.kms_key.as_deref());
        self.take(key_name, (&uid, &id), &body.wrapped_dek)
    }

    /// Wraps the key of what a row of the root feed seals under the default key, or says in words
    /// why not. Most rows seal nothing.
    fn wrap_of_root(&self, key: &RowKey, row: &Row, body: &ReceivedBody) -> (Option<Wrap>, String) {
        match (key.seals_as(), row.sealed()) {
            (Some(version), Some(_)) => self.take(None, (&key.uid(), &version), &body.wrapped_dek),
            _ => (None, String::new()),
        }
    }

    fn take(
        &self,
        key_name: Option<&str>,
        of: (&Uid, &VersionId),
        wrapped: &[u8],
    ) -> (Option<Wrap>, String) {
        if wrapped.is_empty() {
            return (None, KEY_NOT_SENT.to_owned());
        }
        match self.key.take(self.keys, self.state, key_name, of, wrapped) {
            Ok(wrap) => (Some(wrap), String::new()),
            Err(reason) => (None, reason),
        }
    }
}

fn place(change: &Incoming) -> Place {
    Place {
        key: change.key,
        revision: change.header.revision,
        commitment: change.header.commitment,
    }
}

/// Finds a secret as its own row lists it, without putting its other versions together.
pub(crate) fn listed(state: &State, uid: &Uid) -> Option<Arc<Secret>> {
    match state.row(&RowKey::Secret(*uid))? {
        RowRef::Here(Row::Secret(kept)) => Some(Arc::clone(kept.body())),
        _ => None,
    }
}

/// A reason as it may be kept; never an empty one.
pub(crate) fn short(reason: &str) -> String {
    match reason.is_empty() {
        true => "Replication failed: the KMS key can't be used in this region.".to_owned(),
        false => reason.chars().take(MESSAGE_CHARS_MAX).collect(),
    }
}

/// Rows of the first release are named by their secret only.
fn version_id(
    place: &Place,
    version: &StoredVersion,
    secret: Option<&Secret>,
) -> Option<VersionId> {
    if let Some(description) = &version.description {
        return Some(description.id.clone());
    }
    let ordinal = place.key.ordinal();
    let versions = secret.into_iter().flat_map(|secret| &secret.versions);
    let mut known = versions.filter(|known| known.ordinal == ordinal);
    known.next().map(|known| known.id.clone())
}
