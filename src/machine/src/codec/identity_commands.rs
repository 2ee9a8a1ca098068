//! Commands about identities, and about the resource policies of secrets.

use crate::codec::entry::{seen, seen_rows};
use crate::codec::identity::{account, names, names_of};
use crate::codec::{DecodeError, copied, issuer, parsed, required, uid};
use crate::command::{
    Command, CreateAccount, CreateCredential, CreateIdentity, CreatePolicy, CreateProvider,
    CredentialChange, DeleteCredential, DeleteIdentity, DeletePolicy, DeleteProvider,
    DeleteResourcePolicy, ForgetRevocations, IdentityChange, PutResourcePolicy, Revoke,
    UpdateCredential, UpdateIdentity, UpdatePolicy, UpdateProvider,
};
use crate::entity::{Document, EntityName};
use crate::ids::Uid;
use crate::names::RegionName;
use crate::secret::Tag;
use crate::storage;
use crate::storage::entry::Command as Wire;
use crate::storage::update_credential::Change as WireCredentialChange;
use crate::storage::update_identity::Change as WireChange;

/// Decodes a command about identities.
pub(super) fn command(command: Wire) -> Result<Command, DecodeError> {
    Ok(match command {
        Wire::CreateAccount(create) => Command::CreateAccount(CreateAccount {
            id: account(&create.id)?,
            name: create.name,
            seen: seen(create.seen)?,
        }),
        Wire::CreateIdentity(create) => Command::CreateIdentity(create.try_into()?),
        Wire::UpdateIdentity(update) => Command::UpdateIdentity(UpdateIdentity {
            uid: uid(&update.uid)?,
            change: required("change", update.change)?.try_into()?,
            seen: seen(update.seen)?,
        }),
        Wire::DeleteIdentity(delete) => Command::DeleteIdentity(DeleteIdentity {
            uid: uid(&delete.uid)?,
            seen: seen(delete.seen)?,
        }),
        Wire::CreatePolicy(create) => Command::CreatePolicy(create.try_into()?),
        Wire::UpdatePolicy(update) => Command::UpdatePolicy(UpdatePolicy {
            uid: uid(&update.uid)?,
            document: update.document.as_deref().map(Document::new),
            description: update.description,
            seen: seen(update.seen)?,
        }),
        Wire::DeletePolicy(delete) => Command::DeletePolicy(DeletePolicy {
            uid: uid(&delete.uid)?,
            seen: seen(delete.seen)?,
        }),
        other => return proving(other),
    })
}

/// Commands about what proves an identity, about keys of sessions and resource policies.
fn proving(command: Wire) -> Result<Command, DecodeError> {
    Ok(match command {
        Wire::CreateCredential(create) => Command::CreateCredential(create.try_into()?),
        Wire::UpdateCredential(update) => Command::UpdateCredential(UpdateCredential {
            uid: uid(&update.uid)?,
            change: required("change", update.change)?.try_into()?,
            seen: seen(update.seen)?,
        }),
        Wire::DeleteCredential(delete) => Command::DeleteCredential(DeleteCredential {
            uid: uid(&delete.uid)?,
            seen: seen(delete.seen)?,
        }),
        Wire::RewrapRoot(rewrap) => Command::RewrapRoot(rewrap.try_into()?),
        Wire::RotateSessionKey(rotate) => Command::RotateSessionKey(rotate.try_into()?),
        Wire::KeepSigningKey(keep) => Command::KeepSigningKey(keep.try_into()?),
        Wire::CreateProvider(create) => Command::CreateProvider(create.try_into()?),
        Wire::UpdateProvider(update) => Command::UpdateProvider(UpdateProvider {
            uid: uid(&update.uid)?,
            audiences: update.audiences,
            keys: update.keys.as_deref().map(Document::new),
            fetched: update.fetched.as_deref().map(Document::new),
            authority: update.authority.as_deref().map(Document::new),
            seen: seen(update.seen)?,
        }),
        Wire::DeleteProvider(delete) => Command::DeleteProvider(DeleteProvider {
            uid: uid(&delete.uid)?,
            seen: seen(delete.seen)?,
        }),
        Wire::Revoke(revoke) => Command::Revoke(revoke.try_into()?),
        Wire::ForgetRevocations(_) => Command::ForgetRevocations(ForgetRevocations),
        Wire::PutResourcePolicy(put) => Command::PutResourcePolicy(PutResourcePolicy {
            uid: uid(&put.uid)?,
            document: Document::new(&put.document),
            seen: seen(put.seen)?,
        }),
        Wire::DeleteResourcePolicy(delete) => Command::DeleteResourcePolicy(DeleteResourcePolicy {
            uid: uid(&delete.uid)?,
            seen: seen(delete.seen)?,
        }),
        other => return issuer::command(other),
    })
}

impl From<&CreateAccount> for storage::CreateAccount {
    fn from(create: &CreateAccount) -> storage::CreateAccount {
        storage::CreateAccount {
            id: create.id.to_string(),
            name: create.name.clone(),
            seen: seen_rows(&create.seen),
        }
    }
}

impl From<&CreateIdentity> for storage::CreateIdentity {
    fn from(create: &CreateIdentity) -> storage::CreateIdentity {
        storage::CreateIdentity {
            uid: copied(&create.uid.0),
            identity: Some(storage::Identity {
                account: create.account.to_string(),
                path: create.path.to_string(),
                name: create.name.to_string(),
                tags: create.tags.iter().map(Into::into).collect(),
                boundary: create.boundary.map(|policy| copied(&policy.0)),
                regions: names_of(&create.regions),
                ..(&create.nature).into()
            }),
            seen: seen_rows(&create.seen),
        }
    }
}

impl TryFrom<storage::CreateIdentity> for CreateIdentity {
    type Error = DecodeError;

    fn try_from(create: storage::CreateIdentity) -> Result<CreateIdentity, DecodeError> {
        let uid = uid(&create.uid)?;
        let identity = required("identity", create.identity)?.with_uid(uid)?;
        Ok(CreateIdentity {
            uid,
            account: identity.account,
            path: identity.path,
            name: identity.name,
            nature: identity.nature,
            tags: identity.tags,
            boundary: identity.boundary,
            regions: identity.regions,
            seen: seen(create.seen)?,
        })
    }
}

impl From<&UpdateIdentity> for storage::UpdateIdentity {
    fn from(update: &UpdateIdentity) -> storage::UpdateIdentity {
        storage::UpdateIdentity {
            uid: copied(&update.uid.0),
            change: Some((&update.change).into()),
            seen: seen_rows(&update.seen),
        }
    }
}

impl From<&IdentityChange> for WireChange {
    fn from(change: &IdentityChange) -> WireChange {
        let bytes = |uid: &Uid| copied(&uid.0);
        match change {
            IdentityChange::Trust(document) => WireChange::Trust(document.as_str().to_owned()),
            IdentityChange::Boundary(policy) => WireChange::Boundary(storage::BoundaryChoice {
                policy: policy.as_ref().map(bytes),
            }),
            IdentityChange::Regions(regions) => WireChange::Regions(choice(regions)),
            IdentityChange::Tag(tags) => WireChange::Tag(storage::TagChoice {
                tags: tags.iter().map(Into::into).collect(),
            }),
            IdentityChange::Untag(keys) => {
                let keys = keys.clone();
                WireChange::Untag(storage::TagKeyChoice { keys })
            }
            IdentityChange::Enabled(enabled) => WireChange::Enabled(*enabled),
            IdentityChange::SessionSecondsMax(max) => WireChange::SessionSecondsMax(*max),
            IdentityChange::Attach(policy) => WireChange::Attach(bytes(policy)),
            IdentityChange::Detach(policy) => WireChange::Detach(bytes(policy)),
            IdentityChange::PutInline(policy) => WireChange::PutInline(policy.into()),
            IdentityChange::DeleteInline(name) => WireChange::DeleteInline(name.to_string()),
            IdentityChange::Join(group) => WireChange::Join(bytes(group)),
            IdentityChange::Leave(group) => WireChange::Leave(bytes(group)),
            IdentityChange::RevokeSessions => {
                WireChange::RevokeSessions(storage::NoOutcome::default())
            }
        }
    }
}

impl TryFrom<WireChange> for IdentityChange {
    type Error = DecodeError;

    fn try_from(change: WireChange) -> Result<IdentityChange, DecodeError> {
        Ok(match change {
            WireChange::Trust(document) => IdentityChange::Trust(Document::new(&document)),
            WireChange::Boundary(choice) => {
                IdentityChange::Boundary(choice.policy.as_deref().map(uid).transpose()?)
            }
            WireChange::Regions(choice) => IdentityChange::Regions(names(&choice.regions)?),
            WireChange::Tag(choice) => {
                IdentityChange::Tag(choice.tags.into_iter().map(Tag::from).collect())
            }
            WireChange::Untag(choice) => IdentityChange::Untag(choice.keys),
            WireChange::Enabled(enabled) => IdentityChange::Enabled(enabled),
            WireChange::SessionSecondsMax(max) => IdentityChange::SessionSecondsMax(max),
            WireChange::Attach(policy) => IdentityChange::Attach(uid(&policy)?),
            WireChange::Detach(policy) => IdentityChange::Detach(uid(&policy)?),
            WireChange::PutInline(policy) => IdentityChange::PutInline(policy.try_into()?),
            WireChange::DeleteInline(name) => {
                IdentityChange::DeleteInline(parsed("name", EntityName::new(&name))?)
            }
            WireChange::Join(group) => IdentityChange::Join(uid(&group)?),
            WireChange::Leave(group) => IdentityChange::Leave(uid(&group)?),
            WireChange::RevokeSessions(_) => IdentityChange::RevokeSessions,
        })
    }
}

impl From<&DeleteIdentity> for storage::DeleteIdentity {
    fn from(delete: &DeleteIdentity) -> storage::DeleteIdentity {
        storage::DeleteIdentity {
            uid: copied(&delete.uid.0),
            seen: seen_rows(&delete.seen),
        }
    }
}

impl From<&CreatePolicy> for storage::CreatePolicy {
    fn from(create: &CreatePolicy) -> storage::CreatePolicy {
        storage::CreatePolicy {
            uid: copied(&create.uid.0),
            policy: Some(storage::ManagedPolicy {
                account: create.account.to_string(),
                path: create.path.to_string(),
                name: create.name.to_string(),
                document: create.document.as_str().to_owned(),
                description: create.description.clone(),
                ..Default::default()
            }),
            seen: seen_rows(&create.seen),
        }
    }
}

impl TryFrom<storage::CreatePolicy> for CreatePolicy {
    type Error = DecodeError;

    fn try_from(create: storage::CreatePolicy) -> Result<CreatePolicy, DecodeError> {
        let uid = uid(&create.uid)?;
        let policy = required("policy", create.policy)?.with_uid(uid)?;
        Ok(CreatePolicy {
            uid,
            account: policy.account,
            path: policy.path,
            name: policy.name,
            document: policy.document,
            description: policy.description,
            seen: seen(create.seen)?,
        })
    }
}

impl From<&UpdatePolicy> for storage::UpdatePolicy {
    fn from(update: &UpdatePolicy) -> storage::UpdatePolicy {
        let document = update.document.as_ref();
        storage::UpdatePolicy {
            uid: copied(&update.uid.0),
            document: document.map(|document| document.as_str().to_owned()),
            description: update.description.clone(),
            seen: seen_rows(&update.seen),
        }
    }
}

impl From<&DeletePolicy> for storage::DeletePolicy {
    fn from(delete: &DeletePolicy) -> storage::DeletePolicy {
        storage::DeletePolicy {
            uid: copied(&delete.uid.0),
            seen: seen_rows(&delete.seen),
        }
    }
}

impl From<&CreateCredential> for storage::CreateCredential {
    fn from(create: &CreateCredential) -> storage::CreateCredential {
        storage::CreateCredential {
            uid: copied(&create.uid.0),
            credential: Some(storage::Credential {
                identity: copied(&create.identity.0),
                proof: Some((&create.proof).into()),
                regions: names_of(&create.regions),
                ..Default::default()
            }),
            wrap: create.wrap.as_ref().map(Into::into),
            seen: seen_rows(&create.seen),
        }
    }
}

impl TryFrom<storage::CreateCredential> for CreateCredential {
    type Error = DecodeError;

    fn try_from(create: storage::CreateCredential) -> Result<CreateCredential, DecodeError> {
        let uid = uid(&create.uid)?;
        let credential = required("credential", create.credential)?.with_uid(uid)?;
        Ok(CreateCredential {
            uid,
            identity: credential.identity,
            proof: credential.proof,
            regions: credential.regions,
            wrap: create.wrap.map(TryInto::try_into).transpose()?,
            seen: seen(create.seen)?,
        })
    }
}

impl From<&UpdateCredential> for storage::UpdateCredential {
    fn from(update: &UpdateCredential) -> storage::UpdateCredential {
        let change = match &update.change {
            CredentialChange::Active(active) => WireCredentialChange::Active(*active),
            CredentialChange::Regions(regions) => WireCredentialChange::Regions(choice(regions)),
        };
        storage::UpdateCredential {
            uid: copied(&update.uid.0),
            change: Some(change),
            seen: seen_rows(&update.seen),
        }
    }
}

impl TryFrom<WireCredentialChange> for CredentialChange {
    type Error = DecodeError;

    fn try_from(change: WireCredentialChange) -> Result<CredentialChange, DecodeError> {
        Ok(match change {
            WireCredentialChange::Active(active) => CredentialChange::Active(active),
            WireCredentialChange::Regions(choice) => {
                CredentialChange::Regions(names(&choice.regions)?)
            }
        })
    }
}

impl From<&DeleteCredential> for storage::DeleteCredential {
    fn from(delete: &DeleteCredential) -> storage::DeleteCredential {
        storage::DeleteCredential {
            uid: copied(&delete.uid.0),
            seen: seen_rows(&delete.seen),
        }
    }
}

impl From<&CreateProvider> for storage::CreateProvider {
    fn from(create: &CreateProvider) -> storage::CreateProvider {
        storage::CreateProvider {
            uid: copied(&create.uid.0),
            provider: Some(storage::Provider {
                account: create.account.to_string(),
                issuer: create.issuer.to_string(),
                audiences: create.audiences.clone(),
                keys: create.keys.as_str().to_owned(),
                authority: create.authority.as_str().to_owned(),
                ..Default::default()
            }),
            seen: seen_rows(&create.seen),
        }
    }
}

impl TryFrom<storage::CreateProvider> for CreateProvider {
    type Error = DecodeError;

    fn try_from(create: storage::CreateProvider) -> Result<CreateProvider, DecodeError> {
        let uid = uid(&create.uid)?;
        let provider = required("provider", create.provider)?.with_uid(uid)?;
        Ok(CreateProvider {
            uid,
            account: provider.account,
            issuer: provider.issuer,
            audiences: provider.audiences,
            keys: provider.keys,
            authority: provider.authority,
            seen: seen(create.seen)?,
        })
    }
}

impl From<&UpdateProvider> for storage::UpdateProvider {
    fn from(update: &UpdateProvider) -> storage::UpdateProvider {
        let text = |document: &Option<Document>| {
            let document = document.as_ref();
            document.map(|document| document.as_str().to_owned())
        };
        storage::UpdateProvider {
            uid: copied(&update.uid.0),
            audiences: update.audiences.clone(),
            keys: text(&update.keys),
            seen: seen_rows(&update.seen),
            fetched: text(&update.fetched),
            authority: text(&update.authority),
        }
    }
}

impl From<&DeleteProvider> for storage::DeleteProvider {
    fn from(delete: &DeleteProvider) -> storage::DeleteProvider {
        storage::DeleteProvider {
            uid: copied(&delete.uid.0),
            seen: seen_rows(&delete.seen),
        }
    }
}

impl From<&Revoke> for storage::Revoke {
    fn from(revoke: &Revoke) -> storage::Revoke {
        storage::Revoke {
            uid: copied(&revoke.uid.0),
            revocation: Some(storage::Revocation {
                what: Some((&revoke.what).into()),
                reason: revoke.reason.clone(),
                until_ms: revoke.until.0,
                ..Default::default()
            }),
            seen: seen_rows(&revoke.seen),
        }
    }
}

impl TryFrom<storage::Revoke> for Revoke {
    type Error = DecodeError;

    fn try_from(revoke: storage::Revoke) -> Result<Revoke, DecodeError> {
        let uid = uid(&revoke.uid)?;
        let revocation = required("revocation", revoke.revocation)?.with_uid(uid)?;
        Ok(Revoke {
            uid,
            what: revocation.what,
            reason: revocation.reason,
            until: revocation.until,
            seen: seen(revoke.seen)?,
        })
    }
}

impl From<&PutResourcePolicy> for storage::PutResourcePolicy {
    fn from(put: &PutResourcePolicy) -> storage::PutResourcePolicy {
        storage::PutResourcePolicy {
            uid: copied(&put.uid.0),
            document: put.document.as_str().to_owned(),
            seen: seen_rows(&put.seen),
        }
    }
}

impl From<&DeleteResourcePolicy> for storage::DeleteResourcePolicy {
    fn from(delete: &DeleteResourcePolicy) -> storage::DeleteResourcePolicy {
        storage::DeleteResourcePolicy {
            uid: copied(&delete.uid.0),
            seen: seen_rows(&delete.seen),
        }
    }
}

fn choice(regions: &[RegionName]) -> storage::RegionChoice {
    storage::RegionChoice {
        regions: names_of(regions),
    }
}
