//! Identities and what belongs to them, and how each is found. The rows of another region may say
//! anything: where two have what only one should, both are listed, and the lower uid goes before.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::entity::{AccessKeyId, EntityKind};
use crate::identity::{
    Account, Credential, Identity, Policy, Proof, Provider, Revocation, Revoked,
};
use crate::ids::{Ordinal, Stamp, Uid};
use crate::names::AccountId;
use crate::row::{Kept, Row, RowKey};
use crate::secret::Wrap;
use crate::session::{SessionKey, SigningKey};
use crate::state::evolve::{Share, insert, of, remove, replace};

/// A name as it is compared: of identities and policies without regard to case.
type Name = Arc<str>;

/// All rows of identities, by uid, and what follows from them.
#[derive(Clone, Default)]
pub(super) struct Entities {
    pub(super) accounts: OrdMap<Ordinal, Arc<Kept<Account>>>,
    pub(super) identities: OrdMap<Uid, Arc<Kept<Identity>>>,
    pub(super) policies: OrdMap<Uid, Arc<Kept<Policy>>>,
    pub(super) credentials: OrdMap<Uid, Arc<Kept<Credential>>>,
    pub(super) providers: OrdMap<Uid, Arc<Kept<Provider>>>,
    pub(super) revocations: OrdMap<Uid, Arc<Kept<Revocation>>>,
    pub(super) session_keys: OrdMap<Uid, Arc<Kept<SessionKey>>>,
    /// What wraps the keys of what rows of the root feed seal: local rows.
    pub(super) wraps: OrdMap<Uid, Arc<Kept<Wrap>>>,
    /// By which this region signs sessions: a local row.
    pub(super) signing_key: Option<Arc<Kept<SigningKey>>>,
    pub(super) account_ids: OrdSet<(AccountId, Ordinal)>,
    pub(super) named: OrdSet<(AccountId, EntityKind, Name, Uid)>,
    /// How many of a kind an account has.
    pub(super) owned: OrdMap<(AccountId, EntityKind), usize>,
    /// Groups and policies with the identities that refer to them.
    pub(super) referrers: OrdSet<(Uid, Uid)>,
    pub(super) proofs: OrdSet<(Handle, Uid)>,
    /// Identities with their credentials.
    pub(super) owners: OrdSet<(Uid, Uid)>,
    pub(super) revoked: OrdSet<(Revoked, Uid)>,
    pub(super) by_end: OrdSet<(Stamp, Uid)>,
}

/// What a credential is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Handle {
    AccessKey(AccessKeyId),
    Subject(Arc<str>),
    Uri(Arc<str>),
    /// With the slash at its end, and without the star.
    UriPrefix(Arc<str>),
}

impl Handle {
    pub(super) fn of(proof: &Proof) -> Handle {
        match proof {
            Proof::AccessKey { id, .. } => Handle::AccessKey(id.clone()),
            Proof::Subject(name) => Handle::Subject(name.as_str().into()),
            Proof::Uri(uri) => Handle::Uri(uri.as_str().into()),
            Proof::UriPrefix(prefix) => {
                Handle::UriPrefix(prefix.strip_suffix('*').unwrap_or(prefix).into())
            }
        }
    }
}

/// How a name is compared.
pub(super) fn compared(kind: EntityKind, name: &str) -> Name {
    match kind {
        EntityKind::Provider => name.into(),
        _ => name.to_ascii_lowercase().into(),
    }
}

impl Entities {
    /// Puts a row; gives what the row before added to the hashes.
    pub(super) fn put(&mut self, key: &RowKey, row: &Row) -> Option<Share> {
        match (key, row) {
            (RowKey::Account(number), Row::Account(kept)) => {
                let before = self.delete(key);
                let id = kept.body.id.clone();
                self.account_ids.insert((id, *number));
                self.accounts.insert(*number, Arc::clone(kept));
                before
            }
            (RowKey::Identity(uid), Row::Identity(kept)) => {
                let before = self.delete(key);
                let identity = &kept.body;
                self.list(
                    &identity.account,
                    identity.kind(),
                    identity.name.as_str(),
                    *uid,
                );
                for other in identity.refers_to() {
                    self.referrers.insert((other, *uid));
                }
                self.identities.insert(*uid, Arc::clone(kept));
                before
            }
            (RowKey::Policy(uid), Row::Policy(kept)) => {
                let before = self.delete(key);
                let policy = &kept.body;
                self.list(
                    &policy.account,
                    EntityKind::Policy,
                    policy.name.as_str(),
                    *uid,
                );
                self.policies.insert(*uid, Arc::clone(kept));
                before
            }
            (RowKey::Credential(uid), Row::Credential(kept)) => {
                let before = self.delete(key);
                self.proofs.insert((Handle::of(&kept.body.proof), *uid));
                self.owners.insert((kept.body.identity, *uid));
                self.credentials.insert(*uid, Arc::clone(kept));
                before
            }
            (RowKey::Provider(uid), Row::Provider(kept)) => {
                let before = self.delete(key);
                let (kind, provider) = (EntityKind::Provider, &kept.body);
                self.list(&provider.account, kind, provider.issuer.as_str(), *uid);
                self.providers.insert(*uid, Arc::clone(kept));
                before
            }
            (RowKey::Revocation(uid), Row::Revocation(kept)) => {
                let before = self.delete(key);
                self.revoked.insert((kept.body.what.clone(), *uid));
                self.by_end.insert((kept.body.until, *uid));
                self.revocations.insert(*uid, Arc::clone(kept));
                before
            }
            (RowKey::SessionKey(uid), Row::SessionKey(kept)) => {
                insert(&mut self.session_keys, *uid, kept)
            }
            (RowKey::RootWrap(uid), Row::Wrap(kept)) => insert(&mut self.wraps, *uid, kept),
            (RowKey::SigningKey, Row::SigningKey(kept)) => replace(&mut self.signing_key, kept),
            // Key and row come from one typed constructor; a mismatch cannot be made.
            _ => None,
        }
    }

    /// Deletes a row; gives what it added to the hashes.
    pub(super) fn delete(&mut self, key: &RowKey) -> Option<Share> {
        match key {
            RowKey::Account(number) => {
                let kept = self.accounts.remove(number)?;
                self.account_ids.remove(&(kept.body.id.clone(), *number));
                Some(of(&kept))
            }
            RowKey::Identity(uid) => {
                let kept = self.identities.remove(uid)?;
                let identity = &kept.body;
                self.unlist(
                    &identity.account,
                    identity.kind(),
                    identity.name.as_str(),
                    *uid,
                );
                for other in identity.refers_to() {
                    self.referrers.remove(&(other, *uid));
                }
                Some(of(&kept))
            }
            RowKey::Policy(uid) => {
                let kept = self.policies.remove(uid)?;
                let policy = &kept.body;
                self.unlist(
                    &policy.account,
                    EntityKind::Policy,
                    policy.name.as_str(),
                    *uid,
                );
                Some(of(&kept))
            }
            RowKey::Credential(uid) => {
                let kept = self.credentials.remove(uid)?;
                self.proofs.remove(&(Handle::of(&kept.body.proof), *uid));
                self.owners.remove(&(kept.body.identity, *uid));
                Some(of(&kept))
            }
            RowKey::Provider(uid) => {
                let kept = self.providers.remove(uid)?;
                let (kind, provider) = (EntityKind::Provider, &kept.body);
                self.unlist(&provider.account, kind, provider.issuer.as_str(), *uid);
                Some(of(&kept))
            }
            RowKey::Revocation(uid) => {
                let kept = self.revocations.remove(uid)?;
                self.revoked.remove(&(kept.body.what.clone(), *uid));
                self.by_end.remove(&(kept.body.until, *uid));
                Some(of(&kept))
            }
            RowKey::SessionKey(uid) => remove(&mut self.session_keys, uid),
            RowKey::RootWrap(uid) => remove(&mut self.wraps, uid),
            RowKey::SigningKey => self.signing_key.take().map(|kept| of(&kept)),
            _ => None,
        }
    }

    fn list(&mut self, account: &AccountId, kind: EntityKind, name: &str, uid: Uid) {
        let name = compared(kind, name);
        self.named.insert((account.clone(), kind, name, uid));
        let owned = self.owned.entry((account.clone(), kind)).or_default();
        *owned = owned.saturating_add(1);
    }

    fn unlist(&mut self, account: &AccountId, kind: EntityKind, name: &str, uid: Uid) {
        let name = compared(kind, name);
        self.named.remove(&(account.clone(), kind, name, uid));
        let owner = (account.clone(), kind);
        if let Some(owned) = self.owned.get_mut(&owner) {
            *owned = owned.saturating_sub(1);
        }
        if self.owned.get(&owner) == Some(&0) {
            self.owned.remove(&owner);
        }
    }
}
