//! Access keys, and what binds certificates.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use machine::limits::{BOUND_URI_CHARS_MAX, IDENTITY_CHARS_MAX};
use machine::{
    AccessKeyId, Command, CreateCredential, Credential, CredentialChange, DeleteCredential, Entity,
    EntityKind, Proof, Seen, Uid, UpdateCredential,
};
use wire::access::v1 as api;
use wire::access::v1::certificate_binding::Match;
use wire::access::v1::update_credential_request::Change;
use zeroize::Zeroizing;

use super::basis::{Basis, On, none};
use super::parse::Named;
use super::write::Done;
use super::{Identities, new_uid, parse, shown};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::limits::{ACCESS_KEY_DIGITS, ACCESS_KEY_SECRET_BYTES};
use crate::secrets::ask::{Answer, Ask};
use crate::secrets::parse::at_most;

/// The letters of an access key's id behind its first four: 32 of them, so that each byte gives one
/// evenly.
const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Identities {
    pub(super) async fn create_credential(
        &self,
        ask: Ask<api::CreateCredentialRequest>,
    ) -> Result<Answer<api::CreateCredentialResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let named = Named::of(message.principal)?.that_acts()?;
        let regions = parse::regions(&message.regions)?;
        let binding = message.certificate.map(proof).transpose()?;
        if binding.is_none() && named.kind == EntityKind::Role {
            return Err(Refusal::parameter("Only a user has access keys."));
        }
        let view = self.view_to_change(&call, &reading).await?;
        let action = match &binding {
            Some(_) => "strongroom:BindCertificate",
            None => "iam:CreateAccessKey",
        };
        let asked = Asked::of(action);
        let identity = view.principal(&named, &asked)?.uid;
        let on = On::Identity(identity);
        view.permit(&asked, &on)?;
        let uid = new_uid()?;
        let mut secret = Zeroizing::new(String::new());
        let (proof, wrap) = match binding {
            Some(proof) => (proof, None),
            None => {
                secret = new_secret()?;
                let sealed = self.vault.seal_access_key(&view, &uid, secret.as_bytes())?;
                let (sealed, wrap) = sealed;
                (
                    Proof::AccessKey {
                        id: new_id()?,
                        sealed,
                    },
                    Some(wrap),
                )
            }
        };
        let command = Command::CreateCredential(CreateCredential {
            uid,
            identity,
            proof,
            regions,
            wrap,
            seen: Seen::default(),
        });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        let credential = Some(changed(&done)?);
        let secret_access_key = std::mem::take(&mut *secret);
        Ok(done.answer(api::CreateCredentialResponse {
            credential,
            secret_access_key,
        }))
    }

    pub(super) async fn list_credentials(
        &self,
        ask: Ask<api::ListCredentialsRequest>,
    ) -> Result<Answer<api::ListCredentialsResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let named = Named::of(message.principal)?.that_acts()?;
        let view = self.view(&call, &reading).await?;
        let asked = Asked::of("iam:ListAccessKeys");
        let identity = view.principal(&named, &asked)?.uid;
        view.permit(&asked, &On::Identity(identity))?;
        let mut credentials: Vec<&Arc<Credential>> = view.credentials_of(&identity).collect();
        credentials.sort_by_key(|credential| (credential.created, credential.uid));
        let credentials = credentials.into_iter();
        let credentials = credentials.map(|credential| shown::credential(credential));
        view.answer(api::ListCredentialsResponse {
            credentials: credentials.collect(),
        })
    }

    pub(super) async fn update_credential(
        &self,
        ask: Ask<api::UpdateCredentialRequest>,
    ) -> Result<Answer<api::UpdateCredentialResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = Id::of(&message.id)?;
        let change = match message.change {
            None => return Err(Refusal::parameter("You must provide a change.")),
            Some(Change::Active(active)) => CredentialChange::Active(active),
            Some(Change::Regions(regions)) => {
                CredentialChange::Regions(parse::regions(&regions.names)?)
            }
        };
        let view = self.view_to_change(&call, &reading).await?;
        let asked = Asked::of("iam:UpdateAccessKey");
        let credential = view.credential_that_is_meant(&id, &asked)?;
        let on = On::Identity(credential.identity);
        let command = Command::UpdateCredential(UpdateCredential {
            uid: credential.uid,
            change,
            seen: Seen::default(),
        });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        let credential = Some(changed(&done)?);
        Ok(done.answer(api::UpdateCredentialResponse { credential }))
    }

    pub(super) async fn delete_credential(
        &self,
        ask: Ask<api::DeleteCredentialRequest>,
    ) -> Result<Answer<api::DeleteCredentialResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = Id::of(&message.id)?;
        let view = self.view_to_change(&call, &reading).await?;
        let asked = Asked::of("iam:DeleteAccessKey");
        let credential = view.credential_that_is_meant(&id, &asked)?;
        let on = On::Identity(credential.identity);
        let (uid, seen) = (credential.uid, Seen::default());
        let command = Command::DeleteCredential(DeleteCredential { uid, seen });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        Ok(done.answer(api::DeleteCredentialResponse {}))
    }
}

/// How a request names a credential.
enum Id {
    Key(AccessKeyId),
    Binding(Uid),
}

impl Id {
    fn of(text: &str) -> Result<Self, Refusal> {
        if let Ok(id) = AccessKeyId::new(text) {
            return Ok(Self::Key(id));
        }
        let uid = (text.len() == 32)
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten();
        let uid = uid.ok_or_else(|| Refusal::constraint("id", "be the id of a credential"))?;
        Ok(Self::Binding(Uid(uid.to_be_bytes())))
    }
}

impl Basis {
    /// Finds a credential. Who may not do this to any is not told whether this one is there.
    fn credential_that_is_meant(
        &self,
        id: &Id,
        asked: &Asked,
    ) -> Result<&Arc<Credential>, Refusal> {
        let found = match id {
            Id::Key(id) => self.view.credential_of_key(id),
            Id::Binding(uid) => self.view.credential(uid),
        };
        // An access key is named by its own id only.
        let found = found.filter(|found| found.proof.is_access_key() == matches!(id, Id::Key(_)));
        match found {
            Some(found) => Ok(found),
            None => {
                self.permit(asked, &On::All(self.account(None)))?;
                Err(self.refuse(none(EntityKind::Credential)))
            }
        }
    }
}

/// A credential as a change left it.
fn changed(done: &Done) -> Result<api::Credential, Refusal> {
    match &done.entity {
        Some(Entity::Credential(credential)) => Ok(shown::credential(credential)),
        _ => {
            tracing::error!("a command on a credential answered without one");
            Err(Refusal::internal())
        }
    }
}

/// What a binding of certificates takes.
fn proof(asked: api::CertificateBinding) -> Result<Proof, Refusal> {
    let matches = asked.r#match;
    match matches.ok_or_else(|| Refusal::parameter("You must provide which certificates."))? {
        Match::Subject(name) => {
            at_most("certificate.subject", &name, IDENTITY_CHARS_MAX)?;
            Ok(Proof::Subject(name))
        }
        Match::Uri(uri) => {
            at_most("certificate.uri", &uri, BOUND_URI_CHARS_MAX)?;
            match uri.ends_with("/*") {
                true => Ok(Proof::UriPrefix(uri)),
                false => Ok(Proof::Uri(uri)),
            }
        }
    }
}

/// A new secret of an access key: 40 characters, as AWS's are.
fn new_secret() -> Result<Zeroizing<String>, Refusal> {
    let mut bytes = Zeroizing::new([0; ACCESS_KEY_SECRET_BYTES]);
    random(&mut *bytes)?;
    Ok(Zeroizing::new(STANDARD.encode(bytes.as_slice())))
}

/// A new id of an access key.
fn new_id() -> Result<AccessKeyId, Refusal> {
    let mut bytes = [0; ACCESS_KEY_DIGITS];
    random(&mut bytes)?;
    let digit = |byte: u8| DIGITS.get(usize::from(byte & 31)).copied().map(char::from);
    let digits = bytes.into_iter().filter_map(digit);
    let id: String = "AKIA".chars().chain(digits).collect();
    AccessKeyId::new(&id).map_err(|error| {
        tracing::error!(%error, "a new access key has no id");
        Refusal::internal()
    })
}

fn random(bytes: &mut [u8]) -> Result<(), Refusal> {
    getrandom::fill(bytes).map_err(|error| {
        tracing::error!(%error, "the system gives no random bytes");
        Refusal::internal()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{new_id, new_secret};

    #[test]
    fn an_access_key_has_twenty_characters_and_its_secret_forty() {
        let ids: BTreeSet<String> = (0..100).map(|_| new_id().unwrap().to_string()).collect();
        assert_eq!(ids.len(), 100);
        let secrets: BTreeSet<String> = (0..100)
            .map(|_| new_secret().unwrap().to_string())
            .collect();
        assert_eq!(secrets.len(), 100);
        assert!(
            ids.iter()
                .all(|id| id.len() == 20 && id.starts_with("AKIA"))
        );
        let is_digit = |b: u8| b.is_ascii_alphanumeric() || b"+/".contains(&b);
        assert!(
            secrets
                .iter()
                .all(|secret| secret.len() == 40 && secret.bytes().all(is_digit))
        );
    }
}
