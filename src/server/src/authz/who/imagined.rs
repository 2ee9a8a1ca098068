//! Callers that are thought of, to say what they might do: nothing is done in their name.

use std::sync::Arc;

use access::{Policy, Principal};
use machine::{AccountId, Identity, State};

use super::{Gathered, Who};
use crate::authz::documents::{Documents, Unreadable};

/// The name of a session that is thought of.
const SESSION: &str = "imagined";

impl Who {
    /// Who a user, or a session of a role, is in a state.
    pub(in crate::authz) fn imagined(
        state: &State,
        documents: &Documents,
        identity: &Identity,
    ) -> Result<Self, Unreadable> {
        let mut gathered = Gathered::new(state, documents);
        let boundary = gathered.all_of(identity)?;
        Ok(Self::acting(identity, SESSION, gathered, boundary))
    }

    /// The root of an account, whoever that is.
    #[must_use]
    pub fn root_of(account: &AccountId) -> Self {
        Self {
            principal: Principal::Root {
                account: account.to_string(),
            },
            account: account.clone(),
            tags: Vec::new(),
            identity: Vec::new(),
            boundary: None,
            confining: None,
            regions: Vec::new(),
            credential: None,
            session: None,
            seen: Vec::new(),
        }
    }

    /// Who it is to another account: a root is the root of that one, too. What makes it what it is
    /// stays the same.
    #[must_use]
    pub fn root_in(&self, account: &AccountId) -> Option<Self> {
        matches!(self.principal, Principal::Root { .. }).then(|| Self {
            seen: self.seen.clone(),
            ..Self::root_of(account)
        })
    }

    /// The same with more policies, each with what it is called.
    #[must_use]
    pub fn with_policies(mut self, more: impl IntoIterator<Item = (String, Arc<Policy>)>) -> Self {
        self.identity.extend(more);
        self
    }
}
