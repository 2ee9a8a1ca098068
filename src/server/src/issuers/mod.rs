//! Issuers of tokens that accounts trust: their keys as they were parsed, and fetched where a
//! provider has none of its own.

pub mod decoy;
pub mod fetch;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use access::jwt::{Jwks, Provider as Trusted};
use machine::{Provider, Revision, RowKey, State, Uid};

use crate::limits::{ISSUERS_MAX, ISSUERS_WANTED_MAX};

/// Which key set: the row that has it, as which revision wrote it.
type Place = (Uid, Revision);

/// What is known of issuers on this node.
#[derive(Debug, Default)]
pub struct Issuers {
    parsed: Mutex<HashMap<Place, Option<Arc<Trusted>>>>,
    /// Providers of which a token named a key that is not known here.
    wanted: Mutex<BTreeSet<Uid>>,
}

impl Issuers {
    /// An issuer with the keys that its provider has; none if it has none yet that can be read.
    pub fn trusted(&self, state: &State, provider: &Provider) -> Option<Arc<Trusted>> {
        let revision = state.revision_of(&RowKey::Provider(provider.uid))?;
        let mut parsed = locked(&self.parsed);
        if parsed.len() >= ISSUERS_MAX {
            // Most of them are of rows that have changed since.
            parsed.clear();
        }
        let place = (provider.uid, revision);
        let trusted = parsed.entry(place).or_insert_with(|| {
            let jwks = Jwks::parse(provider.key_set().as_str()).ok()?;
            Some(Arc::new(Trusted {
                issuer: provider.issuer.to_string(),
                audiences: provider.audiences.clone(),
                jwks,
            }))
        });
        trusted.clone()
    }

    /// Asks for the keys of an issuer to be fetched again: a token names one that is not known.
    pub fn want(&self, provider: &Provider) {
        let mut wanted = locked(&self.wanted);
        if !provider.is_pinned() && wanted.len() < ISSUERS_WANTED_MAX {
            wanted.insert(provider.uid);
        }
    }

    /// The providers whose keys were asked for since the last look.
    pub fn take_wanted(&self) -> BTreeSet<Uid> {
        std::mem::take(&mut *locked(&self.wanted))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
