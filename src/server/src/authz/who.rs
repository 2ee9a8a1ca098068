//! Callers: which user, session or root a certificate stands for, and the policies that count.

mod imagined;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use access::{Attached, Context, Policy, PolicyKind, Principal};
use machine::{
    AccountId, Credential, Hash, Identity, Nature, Ordinal, Revision, Revoked, RowKey, SeenAs,
    SeenRow, State, Tag,
};

use super::documents::{Documents, Unreadable, seen};
use crate::limits::CALLERS_MAX;

/// Who a caller is, as one view has it.
#[derive(Debug)]
pub struct Who {
    principal: Principal,
    account: AccountId,
    tags: Vec<Tag>,
    identity: Vec<(String, Arc<Policy>)>,
    boundary: Option<(String, Arc<Policy>)>,
    seen: Vec<SeenRow>,
}

/// What a caller has proved.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Proven {
    /// The name of the client in its certificate.
    pub client: Arc<str>,
    /// SHA-256 of the certificate's public key.
    pub public_key: [u8; 32],
}

/// The caller is nobody here. Why is for the audit, not for the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unknown {
    /// No credential has that name.
    NoCredential,
    /// The credential does not count, at all or in this region.
    CredentialOff,
    /// The user or role may do nothing, at all or in this region.
    PrincipalOff,
    /// The certificate was revoked.
    Revoked,
    /// A policy of the caller cannot be read.
    Unreadable,
}

/// Callers as they were found, for as long as all rows that make them stay the same.
#[derive(Debug, Default)]
pub(super) struct Callers {
    found: Mutex<HashMap<Proven, Arc<Who>>>,
}

impl Callers {
    /// Finds who a caller is.
    pub(super) fn who(
        &self,
        state: &State,
        documents: &Documents,
        proven: &Proven,
    ) -> Result<Arc<Who>, Unknown> {
        let key = Revoked::PublicKey(Hash(proven.public_key));
        if state.revocation_of(&key).is_some() {
            return Err(Unknown::Revoked);
        }
        let lock = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(proven).cloned();
        if let Some(who) = known.filter(|who| who.still_is(state)) {
            return Ok(who);
        }
        let who = Arc::new(Who::find(state, documents, proven)?);
        let mut found = lock();
        if found.len() >= CALLERS_MAX {
            found.clear();
        }
        found.insert(proven.clone(), Arc::clone(&who));
        Ok(who)
    }
}

/// Whether a certificate stands for somebody who may call here at all.
///
/// # Errors
/// Why it does not.
pub fn standing(state: &State, proven: &Proven) -> Result<(), Unknown> {
    let key = Revoked::PublicKey(Hash(proven.public_key));
    if state.revocation_of(&key).is_some() {
        return Err(Unknown::Revoked);
    }
    match state.administrator() == Some(&*proven.client) {
        true => Ok(()),
        false => bound(state, &proven.client).map(drop),
    }
}

/// The credential that a client's name is bound by, and the user or role it stands for, both in
/// force in this region.
fn bound<'a>(
    state: &'a State,
    client: &str,
) -> Result<(&'a Arc<Credential>, &'a Arc<Identity>), Unknown> {
    let credential = state.credential_of_subject(client);
    let credential = credential.ok_or(Unknown::NoCredential)?;
    let own = state.region();
    let counts = |regions: &[machine::RegionName]| {
        regions.is_empty() || regions.iter().any(|region| Some(region) == own)
    };
    if !credential.active || !counts(&credential.regions) {
        return Err(Unknown::CredentialOff);
    }
    let identity = state.identity(&credential.identity);
    let identity = identity.ok_or(Unknown::NoCredential)?;
    if !identity.enabled || !counts(&identity.regions) {
        return Err(Unknown::PrincipalOff);
    }
    Ok((credential, identity))
}

impl Who {
    fn find(state: &State, documents: &Documents, proven: &Proven) -> Result<Self, Unknown> {
        if let Some(root) = Self::root(state, &proven.client) {
            return Ok(root);
        }
        let (credential, identity) = bound(state, &proven.client)?;
        let mut gathered = Gathered {
            state,
            documents,
            policies: Vec::new(),
            seen: Vec::new(),
        };
        gathered.note(RowKey::Credential(credential.uid));
        let found = gathered.all_of(identity).map_err(|_| Unknown::Unreadable);
        let boundary = found?;
        Ok(Self {
            principal: principal(identity, &proven.client),
            account: identity.account.clone(),
            tags: identity.tags.clone(),
            identity: gathered.policies,
            boundary,
            seen: gathered.seen,
        })
    }

    /// The client that the cluster began with: the root of its account.
    fn root(state: &State, client: &str) -> Option<Self> {
        let account = state.account()?;
        (state.administrator() == Some(client)).then(|| Self {
            principal: Principal::Root {
                account: account.to_string(),
            },
            account: account.clone(),
            tags: Vec::new(),
            identity: Vec::new(),
            boundary: None,
            seen: seen(state, RowKey::Principal(Ordinal(1)))
                .into_iter()
                .collect(),
        })
    }

    fn still_is(&self, state: &State) -> bool {
        self.seen.iter().all(|row| match row.seen {
            SeenAs::Revision(revision) => state.revision_of(&row.key) == Some(revision),
            SeenAs::Grounds(_) => false,
        })
    }

    /// Who it is to policies.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The account whose names it means.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The rows that make it what it is.
    pub(super) fn seen(&self) -> &[SeenRow] {
        &self.seen
    }

    pub(super) fn policies(&self) -> Vec<Attached<'_>> {
        let identity = self.identity.iter();
        identity
            .map(|(name, policy)| Attached { name, policy })
            .collect()
    }

    pub(super) fn boundary(&self) -> Option<Attached<'_>> {
        let (name, policy) = self.boundary.as_ref()?;
        Some(Attached { name, policy })
    }

    /// Says of a request who makes it.
    pub(super) fn describe(&self, context: &mut Context) {
        self.principal.describe(context);
        for tag in &self.tags {
            context.set(&format!("aws:PrincipalTag/{}", tag.key), tag.value.as_str());
        }
    }
}

/// Policies as they are gathered, and the rows they are from.
struct Gathered<'a> {
    state: &'a State,
    documents: &'a Documents,
    policies: Vec<(String, Arc<Policy>)>,
    seen: Vec<SeenRow>,
}

impl Gathered<'_> {
    fn note(&mut self, key: RowKey) -> Revision {
        let row = seen(self.state, key);
        let revision = self.state.revision_of(&key).unwrap_or(Revision(0));
        self.seen.extend(row);
        revision
    }

    /// Gathers what a user or role has, with the groups of a user; gives its boundary.
    fn all_of(&mut self, identity: &Identity) -> Result<Option<(String, Arc<Policy>)>, Unreadable> {
        self.of(identity)?;
        for group in identity.groups() {
            if let Some(group) = self.state.identity(group) {
                self.of(group)?;
            }
        }
        match &identity.boundary {
            None => Ok(None),
            Some(boundary) => match self.state.policy(boundary) {
                Some(boundary) => self.managed(boundary, PolicyKind::Boundary).map(Some),
                // One that is a boundary is not deleted: whoever lacks it is not let past it.
                None => Err(Unreadable),
            },
        }
    }

    fn of(&mut self, identity: &Identity) -> Result<(), Unreadable> {
        let revision = self.note(RowKey::Identity(identity.uid));
        let whose = format!("{} of {}", kind(identity), identity.name.as_str());
        for (index, inline) in identity.inline.iter().enumerate() {
            let place = (identity.uid, revision, index);
            let policy = self
                .documents
                .policy(place, PolicyKind::Identity, &inline.document)?;
            let name = format!("inline policy {} of {whose}", inline.name.as_str());
            self.policies.push((name, policy));
        }
        for attached in &identity.attached {
            let Some(policy) = self.state.policy(attached) else {
                return Err(Unreadable);
            };
            let named = self.managed(policy, PolicyKind::Identity)?;
            self.policies.push(named);
        }
        Ok(())
    }

    fn managed(
        &mut self,
        policy: &machine::Policy,
        kind: PolicyKind,
    ) -> Result<(String, Arc<Policy>), Unreadable> {
        let revision = self.note(RowKey::Policy(policy.uid));
        // A boundary is parsed as one, which may be the same document.
        let place = (
            policy.uid,
            revision,
            usize::from(kind == PolicyKind::Boundary),
        );
        let parsed = self.documents.policy(place, kind, &policy.document)?;
        Ok((format!("policy/{}", policy.name.as_str()), parsed))
    }
}

fn kind(identity: &Identity) -> &'static str {
    match identity.nature {
        Nature::User { .. } => "user",
        Nature::Group => "group",
        Nature::Role { .. } => "role",
    }
}

/// Who a user or role is to policies. A client whose certificate stands for a role is a session of
/// it that bears the client's name.
fn principal(identity: &Identity, client: &str) -> Principal {
    let account = identity.account.to_string();
    let path = identity.path.as_str();
    let name = identity.name.as_str();
    match identity.nature {
        Nature::Role { .. } => Principal::Session {
            role: format!("arn:aws:iam::{account}:role{path}{name}"),
            arn: format!("arn:aws:sts::{account}:assumed-role/{name}/{client}"),
            id: format!("{}:{client}", identity.uid),
            account,
        },
        Nature::User { .. } | Nature::Group => Principal::User {
            arn: format!("arn:aws:iam::{account}:user{path}{name}"),
            id: identity.uid.to_string(),
            account,
        },
    }
}
