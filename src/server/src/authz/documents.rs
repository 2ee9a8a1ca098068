//! Policies as they were parsed, for as long as the row that has them stays the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use access::{Policy, PolicyKind};
use machine::{Document, Revision, RowKey, Secret, SeenAs, SeenRow, State, Uid};

use crate::limits::DOCUMENTS_MAX;

/// Which document: the row that has it, as which revision wrote it, and its place there.
type Place = (Uid, Revision, usize);

/// Parsed policies by their place.
#[derive(Debug, Default)]
pub(super) struct Documents {
    parsed: Mutex<HashMap<Place, Option<Arc<Policy>>>>,
}

/// A document that no policy can be read from. It was taken in as one, so a release that wrote it
/// knows more than this one: who has it may do nothing here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unreadable;

impl Documents {
    /// The policy of a document.
    pub(super) fn policy(
        &self,
        place: Place,
        kind: PolicyKind,
        document: &Document,
    ) -> Result<Arc<Policy>, Unreadable> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if parsed.len() >= DOCUMENTS_MAX {
            // Most of them are of rows that have changed since.
            parsed.clear();
        }
        let policy = parsed.entry(place).or_insert_with(|| {
            let policy = Policy::parse(document.as_str(), kind);
            let policy = policy.inspect_err(|error| {
                tracing::error!(uid = ?place.0, %error, "a policy that is kept cannot be read");
            });
            policy.ok().map(Arc::new)
        });
        policy.clone().ok_or(Unreadable)
    }

    /// The resource policy of a secret, with what it is called.
    pub(super) fn of_secret(
        &self,
        state: &State,
        secret: &Secret,
    ) -> Result<Option<(String, Arc<Policy>)>, Unreadable> {
        let Some(document) = &secret.policy else {
            return Ok(None);
        };
        let revision = state.revision_of(&RowKey::Secret(secret.uid));
        let place = (secret.uid, revision.unwrap_or(Revision(0)), 0);
        let policy = self.policy(place, PolicyKind::Resource, document)?;
        Ok(Some((
            format!("the resource policy of {}", secret.name),
            policy,
        )))
    }
}

/// The row with this key as it is in a state; none if there is no such row.
pub(super) fn seen(state: &State, key: RowKey) -> Option<SeenRow> {
    let seen = SeenAs::Revision(state.revision_of(&key)?);
    Some(SeenRow { key, seen })
}
