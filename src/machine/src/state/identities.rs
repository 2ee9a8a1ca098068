//! What may be asked of a state about identities. Each lookup takes time in the logarithm of how
//! many there are; where two rows have what only one should, the lower uid goes before.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdSet;

use crate::entity::{AccessKeyId, EntityKind, EntityName, IssuerUrl};
use crate::identity::{Account, Credential, Identity, Policy, Provider, Revocation, Revoked};
use crate::ids::{Ordinal, Revision, Stamp, Uid};
use crate::limits::{BOUND_URI_CHARS_MAX, FORGOTTEN_MAX};
use crate::names::AccountId;
use crate::row::{Origin, RowKey};
use crate::secret::{SealedValue, Wrap};
use crate::session::{SessionKey, SigningKey};
use crate::state::State;
use crate::state::entities::{Handle, compared};

const FIRST: Uid = Uid([0; 16]);
const LAST: Uid = Uid([u8::MAX; 16]);

impl State {
    /// Gives all accounts in the order they were added.
    pub fn accounts(&self) -> impl Iterator<Item = (Ordinal, &Arc<Account>)> {
        let accounts = self.entities.accounts.iter();
        accounts.map(|(number, kept)| (*number, &kept.body))
    }

    /// Finds an account's number, under which its row is: see [`RowKey::Account`].
    pub fn account_number(&self, account: &AccountId) -> Option<Ordinal> {
        let from = (account.clone(), Ordinal(0));
        let (id, number) = self.entities.account_ids.range(from..).next()?;
        (id == account).then_some(*number)
    }

    /// Says whether an account exists.
    pub fn has_account(&self, account: &AccountId) -> bool {
        self.account_number(account).is_some()
    }

    /// Finds a user, a group or a role.
    pub fn identity(&self, uid: &Uid) -> Option<&Arc<Identity>> {
        self.entities.identities.get(uid).map(|kept| &kept.body)
    }

    /// Finds a user, a group or a role of an account by its name, without regard to case.
    pub fn identity_named(
        &self,
        account: &AccountId,
        kind: EntityKind,
        name: &EntityName,
    ) -> Option<&Arc<Identity>> {
        self.identity(&self.uid_named(account, kind, name.as_str())?)
    }

    /// Gives the users, the groups or the roles of an account, by name, after one of them.
    pub fn identities_after<'a>(
        &'a self,
        account: &AccountId,
        kind: EntityKind,
        after: Option<&EntityName>,
    ) -> impl Iterator<Item = &'a Arc<Identity>> + use<'a> {
        let uids = self.uids_after(account, kind, after.map(EntityName::as_str));
        uids.filter_map(|uid| self.identity(&uid))
    }

    /// Gives the users that are in a group, by uid.
    pub fn members(&self, group: &Uid) -> impl Iterator<Item = &Arc<Identity>> + use<'_> {
        self.referrers(group)
    }

    /// Gives the identities that have a policy attached, or for their boundary, by uid.
    pub fn referrers(&self, policy: &Uid) -> impl Iterator<Item = &Arc<Identity>> + use<'_> {
        let uids = seconds(&self.entities.referrers, *policy);
        uids.filter_map(|uid| self.identity(&uid))
    }

    /// Finds a managed policy.
    pub fn policy(&self, uid: &Uid) -> Option<&Arc<Policy>> {
        self.entities.policies.get(uid).map(|kept| &kept.body)
    }

    /// Finds a managed policy of an account by its name, without regard to case.
    pub fn policy_named(&self, account: &AccountId, name: &EntityName) -> Option<&Arc<Policy>> {
        self.policy(&self.uid_named(account, EntityKind::Policy, name.as_str())?)
    }

    /// Gives the managed policies of an account, by name, after one of them.
    pub fn policies_after<'a>(
        &'a self,
        account: &AccountId,
        after: Option<&EntityName>,
    ) -> impl Iterator<Item = &'a Arc<Policy>> + use<'a> {
        let uids = self.uids_after(account, EntityKind::Policy, after.map(EntityName::as_str));
        uids.filter_map(|uid| self.policy(&uid))
    }

    /// Finds a credential.
    pub fn credential(&self, uid: &Uid) -> Option<&Arc<Credential>> {
        self.entities.credentials.get(uid).map(|kept| &kept.body)
    }

    /// Finds the credential of an access key.
    pub fn credential_of_key(&self, id: &AccessKeyId) -> Option<&Arc<Credential>> {
        self.proven(&Handle::AccessKey(id.clone()))
    }

    /// Finds the credential that is bound to a common name.
    pub fn credential_of_subject(&self, name: &str) -> Option<&Arc<Credential>> {
        self.proven(&Handle::Subject(name.into()))
    }

    /// Finds the credential that is bound to a URI: to exactly this one, else to the longest
    /// beginning of it.
    pub fn credential_of_uri(&self, uri: &str) -> Option<&Arc<Credential>> {
        if uri.len() > BOUND_URI_CHARS_MAX {
            return None;
        }
        let exact = self.proven(&Handle::Uri(uri.into()));
        exact.or_else(|| {
            let slashes = uri.rmatch_indices('/').map(|(at, _)| at.saturating_add(1));
            // Something has to follow.
            let mut prefixes = slashes.filter(|end| *end < uri.len());
            prefixes.find_map(|end| self.proven(&Handle::UriPrefix(uri.get(..end)?.into())))
        })
    }

    /// Gives the credentials of an identity, by uid.
    pub fn credentials_of(
        &self,
        identity: &Uid,
    ) -> impl Iterator<Item = &Arc<Credential>> + use<'_> {
        let uids = seconds(&self.entities.owners, *identity);
        uids.filter_map(|uid| self.credential(&uid))
    }

    /// Finds the wrapped key of what a row of the root feed seals; none where it could not be
    /// wrapped: then the access key, or the session key, cannot be used in this region.
    pub fn root_wrap(&self, uid: &Uid) -> Option<&Arc<Wrap>> {
        self.entities.wraps.get(uid).map(|kept| &kept.body)
    }

    /// Gives all these wrapped keys, by the uid of the row that seals.
    pub fn root_wraps(&self) -> impl Iterator<Item = (&Uid, &Arc<Wrap>)> {
        let wraps = self.entities.wraps.iter();
        wraps.map(|(uid, kept)| (uid, &kept.body))
    }

    /// Gives the rows of the root feed that seal something of which the key is not here, in the
    /// order of their keys.
    pub fn without_root_wrap(&self) -> impl Iterator<Item = RowKey> {
        let entities = &self.entities;
        let credentials = entities.credentials.iter();
        let access_keys = credentials.filter(|(_, kept)| kept.body.proof.is_access_key());
        let access_keys = access_keys.map(|(uid, _)| RowKey::Credential(*uid));
        let session_keys = entities.session_keys.keys();
        let all = access_keys.chain(session_keys.map(|uid| RowKey::SessionKey(*uid)));
        all.filter(|key| !entities.wraps.contains_key(&key.uid()))
    }

    /// Says whether a row of the root feed seals something of which the key is not here.
    pub fn lacks_root_wrap(&self, key: &RowKey) -> bool {
        self.sealed_in(key).is_some() && self.root_wrap(&key.uid()).is_none()
    }

    /// Finds what a row of the root feed seals.
    pub(crate) fn sealed_in(&self, key: &RowKey) -> Option<&Arc<SealedValue>> {
        match key {
            RowKey::Credential(uid) => self.credential(uid)?.proof.sealed(),
            RowKey::SessionKey(uid) => Some(&self.session_key(uid)?.sealed),
            _ => None,
        }
    }

    /// Finds a session key.
    pub fn session_key(&self, uid: &Uid) -> Option<&Arc<SessionKey>> {
        self.entities.session_keys.get(uid).map(|kept| &kept.body)
    }

    /// Gives all session keys, by uid.
    pub fn session_keys(&self) -> impl Iterator<Item = &Arc<SessionKey>> {
        self.entities.session_keys.values().map(|kept| &kept.body)
    }

    /// Finds the session key that was made last.
    pub fn newest_session_key(&self) -> Option<&Arc<SessionKey>> {
        self.session_keys().max_by_key(|key| (key.created, key.uid))
    }

    /// Finds the key by which this region signs sessions.
    pub fn signing_key(&self) -> Option<&Arc<SigningKey>> {
        let kept = self.entities.signing_key.as_ref();
        kept.map(|kept| &kept.body)
    }

    /// Finds a provider.
    pub fn provider(&self, uid: &Uid) -> Option<&Arc<Provider>> {
        self.entities.providers.get(uid).map(|kept| &kept.body)
    }

    /// Finds the provider of an account by its URL.
    pub fn provider_of(&self, account: &AccountId, issuer: &IssuerUrl) -> Option<&Arc<Provider>> {
        self.provider(&self.uid_named(account, EntityKind::Provider, issuer.as_str())?)
    }

    /// Gives the providers of an account, by URL.
    pub fn providers<'a>(
        &'a self,
        account: &AccountId,
    ) -> impl Iterator<Item = &'a Arc<Provider>> + use<'a> {
        let uids = self.uids_after(account, EntityKind::Provider, None);
        uids.filter_map(|uid| self.provider(&uid))
    }

    /// Finds the revocation of a session or of a certificate's key. It counts until it is
    /// forgotten, also once it is over.
    pub fn revocation_of(&self, what: &Revoked) -> Option<&Arc<Revocation>> {
        let from = (what.clone(), FIRST);
        let (revoked, uid) = self.entities.revoked.range(from..).next()?;
        (revoked == what).then(|| self.revocation(uid)).flatten()
    }

    /// Finds a revocation by its own uid.
    pub fn revocation(&self, uid: &Uid) -> Option<&Arc<Revocation>> {
        self.entities.revocations.get(uid).map(|kept| &kept.body)
    }

    /// Gives all revocations, the first that is over first.
    pub fn revocations(&self) -> impl Iterator<Item = &Arc<Revocation>> {
        let ends = self.entities.by_end.iter();
        ends.filter_map(|(_, uid)| self.revocation(uid))
    }

    /// Counts the identities of a kind, or what else an account has of a kind.
    pub fn entities_owned(&self, account: &AccountId, kind: EntityKind) -> usize {
        let owner = (account.clone(), kind);
        self.entities.owned.get(&owner).copied().unwrap_or_default()
    }

    /// Gives the revocations that are over, the longest over first; so many as one entry forgets.
    pub(crate) fn revocations_over(&self, now: Stamp) -> Vec<Uid> {
        let ends = self.entities.by_end.iter().take(FORGOTTEN_MAX);
        let over = ends.take_while(|(end, _)| *end <= now);
        over.map(|(_, uid)| *uid).collect()
    }

    pub(crate) fn revocation_count(&self) -> usize {
        self.entities.revocations.len()
    }

    /// Says whether anything about identities has a uid.
    pub(crate) fn has_entity(&self, uid: &Uid) -> bool {
        let entities = &self.entities;
        entities.identities.contains_key(uid)
            || entities.policies.contains_key(uid)
            || entities.credentials.contains_key(uid)
            || entities.providers.contains_key(uid)
            || entities.revocations.contains_key(uid)
            || entities.session_keys.contains_key(uid)
    }

    /// Finds the credential that presents the same.
    pub(crate) fn credential_like(
        &self,
        proof: &crate::identity::Proof,
    ) -> Option<&Arc<Credential>> {
        self.proven(&Handle::of(proof))
    }

    /// Finds the revision that last wrote a row about identities.
    pub(super) fn entity_revision(&self, key: &RowKey) -> Option<Revision> {
        let entities = &self.entities;
        let origin: &Option<Origin> = match key {
            RowKey::Account(number) => &entities.accounts.get(number)?.origin,
            RowKey::Identity(uid) => &entities.identities.get(uid)?.origin,
            RowKey::Policy(uid) => &entities.policies.get(uid)?.origin,
            RowKey::Credential(uid) => &entities.credentials.get(uid)?.origin,
            RowKey::Provider(uid) => &entities.providers.get(uid)?.origin,
            RowKey::Revocation(uid) => &entities.revocations.get(uid)?.origin,
            RowKey::SessionKey(uid) => &entities.session_keys.get(uid)?.origin,
            _ => return None,
        };
        origin.as_ref().map(|origin| origin.revision)
    }

    pub(crate) fn uid_named(
        &self,
        account: &AccountId,
        kind: EntityKind,
        name: &str,
    ) -> Option<Uid> {
        let name = compared(kind, name);
        let from = (account.clone(), kind, Arc::clone(&name), FIRST);
        let (owner, of, held, uid) = self.entities.named.range(from..).next()?;
        (owner == account && *of == kind && *held == name).then_some(*uid)
    }

    /// Gives what an account has of a kind, by name, after one of that name.
    fn uids_after<'a>(
        &'a self,
        account: &AccountId,
        kind: EntityKind,
        after: Option<&str>,
    ) -> impl Iterator<Item = Uid> + use<'a> {
        let account = account.clone();
        let from = match after {
            Some(name) => (account.clone(), kind, compared(kind, name), LAST),
            None => (account.clone(), kind, "".into(), FIRST),
        };
        let range = (Bound::Excluded(from), Bound::Unbounded);
        let named = self.entities.named.range(range);
        let own = named.take_while(move |(owner, of, ..)| *owner == account && *of == kind);
        own.map(|(.., uid)| *uid)
    }

    fn proven(&self, handle: &Handle) -> Option<&Arc<Credential>> {
        let from = (handle.clone(), FIRST);
        let (held, uid) = self.entities.proofs.range(from..).next()?;
        (held == handle).then(|| self.credential(uid)).flatten()
    }
}

/// Gives the second of all pairs that begin with one uid.
fn seconds(pairs: &OrdSet<(Uid, Uid)>, first: Uid) -> impl Iterator<Item = Uid> {
    let range = (first, FIRST)..=(first, LAST);
    pairs.range(range).map(|(_, second)| *second)
}
