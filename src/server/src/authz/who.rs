//! Callers: which user, session or root a certificate or a token stands for, and the policies that
//! count.

mod imagined;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use access::{Attached, Context, Policy, PolicyKind, Principal};
use machine::{
    AccountId, Credential, Hash, Identity, Nature, Ordinal, RegionName, Revision, Revoked, RowKey,
    SeenAs, SeenRow, State, Tag, Uid,
};

use super::documents::{Documents, Unreadable, seen};
use super::proven::{Bearer, Certificate, Proven};
use crate::limits::CALLERS_MAX;

pub(super) use self::session::Age;
pub use self::session::revoked_before;

/// Who a caller is, as one view has it.
#[derive(Debug)]
pub struct Who {
    principal: Principal,
    account: AccountId,
    tags: Vec<Tag>,
    identity: Vec<(String, Arc<Policy>)>,
    boundary: Option<(String, Arc<Policy>)>,
    /// The policies that its session was issued with, if it was with any.
    confining: Option<Vec<(String, Arc<Policy>)>>,
    /// Where it counts; empty for everywhere.
    regions: Vec<RegionName>,
    /// What binds the certificate that it showed.
    credential: Option<Uid>,
    /// The session whose token it carries.
    session: Option<Arc<Bearer>>,
    seen: Vec<SeenRow>,
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
    /// The user or role of a session is gone.
    NoHolder,
    /// The region that issued a session is linked no more.
    NoRegion,
    /// A session is not good here and now.
    Session(access::session::Why),
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
        age: Age,
    ) -> Result<Arc<Who>, Unknown> {
        match proven {
            Proven::Certificate(shown) if is_revoked(state, &shown.public_key) => {
                return Err(Unknown::Revoked);
            }
            Proven::Certificate(_) => {}
            Proven::Session(bearer) => session::check(state, bearer, age)?,
        }
        let lock = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(proven).cloned();
        if let Some(who) = known.filter(|who| who.still_is(state)) {
            return Ok(who);
        }
        let who = Arc::new(match proven {
            Proven::Certificate(shown) => Who::find(state, documents, shown)?,
            Proven::Session(bearer) => Who::of_session(state, documents, bearer)?,
        });
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
pub fn standing(state: &State, shown: &Certificate) -> Result<(), Unknown> {
    let key = Revoked::PublicKey(Hash(shown.public_key));
    if state.revocation_of(&key).is_some() {
        return Err(Unknown::Revoked);
    }
    match state.administrator() == Some(&*shown.client) {
        true => Ok(()),
        false => bound(state, &shown.client).map(drop),
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
    if !credential.active || !counts(state, &credential.regions) {
        return Err(Unknown::CredentialOff);
    }
    let identity = state.identity(&credential.identity);
    let identity = identity.ok_or(Unknown::NoCredential)?;
    if !identity.enabled || !counts(state, &identity.regions) {
        return Err(Unknown::PrincipalOff);
    }
    Ok((credential, identity))
}

impl Who {
    fn find(state: &State, documents: &Documents, shown: &Certificate) -> Result<Self, Unknown> {
        if let Some(root) = Self::root(state, &shown.client) {
            return Ok(root);
        }
        let (credential, identity) = bound(state, &shown.client)?;
        let mut gathered = Gathered::new(state, documents);
        gathered.note(RowKey::Credential(credential.uid));
        let found = gathered.all_of(identity).map_err(|_| Unknown::Unreadable);
        let boundary = found?;
        Ok(Self {
            regions: meet(&identity.regions, &credential.regions),
            credential: Some(credential.uid),
            ..Self::acting(identity, &shown.client, gathered, boundary)
        })
    }

    /// A user, or a session of a role, with the policies that were gathered of it.
    fn acting(
        identity: &Identity,
        client: &str,
        gathered: Gathered<'_>,
        boundary: Option<(String, Arc<Policy>)>,
    ) -> Self {
        Self {
            principal: principal(identity, client),
            account: identity.account.clone(),
            tags: identity.tags.clone(),
            identity: gathered.policies,
            boundary,
            confining: None,
            regions: identity.regions.clone(),
            credential: None,
            session: None,
            seen: gathered.seen,
        }
    }

    /// The client that the cluster began with: the root of its account.
    fn root(state: &State, client: &str) -> Option<Self> {
        let account = state.account()?;
        (state.administrator() == Some(client)).then(|| Self {
            seen: seen(state, RowKey::Principal(Ordinal(1)))
                .into_iter()
                .collect(),
            ..Self::root_of(account)
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

    /// The session whose token it carries, if it does.
    pub fn session(&self) -> Option<&access::session::Session> {
        self.session.as_ref().map(|bearer| &bearer.session)
    }

    /// What binds the certificate that it showed, if it did.
    pub fn credential(&self) -> Option<Uid> {
        self.credential
    }

    /// Where it counts; empty for everywhere.
    pub fn regions(&self) -> &[RegionName] {
        &self.regions
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

    /// The policies that its session was issued with, if it was with any.
    pub(super) fn confining(&self) -> Option<Vec<Attached<'_>>> {
        let policies = self.confining.as_ref()?.iter();
        let attached = policies.map(|(name, policy)| Attached { name, policy });
        Some(attached.collect())
    }

    /// Says of a request who makes it. A tag of the session goes before one of its role.
    pub(super) fn describe(&self, context: &mut Context) {
        self.principal.describe(context);
        for tag in &self.tags {
            context.set(&format!("aws:PrincipalTag/{}", tag.key), tag.value.as_str());
        }
        if let Some(session) = self.session() {
            session.describe(context);
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

impl<'a> Gathered<'a> {
    fn new(state: &'a State, documents: &'a Documents) -> Self {
        Self {
            state,
            documents,
            policies: Vec::new(),
            seen: Vec::new(),
        }
    }
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

/// Whether what counts in these regions does in the one of a state.
fn counts(state: &State, regions: &[RegionName]) -> bool {
    regions.is_empty() || regions.iter().any(|region| Some(region) == state.region())
}

/// The regions that are in both lists, where an empty one stands for all.
pub fn meet(one: &[RegionName], other: &[RegionName]) -> Vec<RegionName> {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other.to_vec(),
        (_, true) => one.to_vec(),
        (false, false) => {
            let both = one.iter().filter(|region| other.contains(region));
            both.cloned().collect()
        }
    }
}

/// Whether the key of certificates was revoked.
fn is_revoked(state: &State, key: &[u8; 32]) -> bool {
    let key = Revoked::PublicKey(Hash(*key));
    state.revocation_of(&key).is_some()
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
