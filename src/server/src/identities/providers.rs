//! Issuers of tokens that accounts trust.

use std::sync::Arc;

use access::jwt::Jwks;
use machine::limits::{
    AUDIENCE_CHARS_MAX, AUDIENCES_MAX, KEY_SET_BYTES_MAX, PROVIDER_AUTHORITY_BYTES_MAX,
};
use machine::{
    Command, CreateProvider, DeleteProvider, Document, Entity, EntityKind, IssuerUrl, Provider,
    Seen, UpdateProvider,
};
use wire::access::v1 as api;

use super::basis::{Basis, On, none};
use super::write::Done;
use super::{Identities, arn, new_uid, parse, shown};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::issuers::fetch;
use crate::secrets::ask::{Answer, Ask};
use crate::secrets::parse::at_most;

impl Identities {
    pub(super) async fn create_provider(
        &self,
        ask: Ask<api::CreateProviderRequest>,
    ) -> Result<Answer<api::CreateProviderResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let account = parse::account("account", &message.account)?;
        let issuer = IssuerUrl::new(&message.issuer).map_err(|error| parse::invalid(&error))?;
        let audiences = audiences(message.audiences)?;
        let keys = key_set(&message.jwks)?;
        let authority = authority(&message.authority)?;
        let view = self.view_to_change(&call, &reading).await?;
        let account = view.account(account);
        let asked = Asked::of("iam:CreateOpenIDConnectProvider");
        let on = On::Named(arn::of_issuer(&account, &issuer), account.clone());
        // Whoever may not make it is not told what there is.
        view.permit(&asked, &on)?;
        if !view.has_account(&account) {
            return Err(view.refuse(none(EntityKind::Account)));
        }
        let command = Command::CreateProvider(CreateProvider {
            uid: new_uid()?,
            account,
            issuer,
            audiences,
            keys,
            authority,
            seen: Seen::default(),
        });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        let provider = Some(changed(&done)?);
        Ok(done.answer(api::CreateProviderResponse { provider }))
    }

    pub(super) async fn get_provider(
        &self,
        ask: Ask<api::GetProviderRequest>,
    ) -> Result<Answer<api::GetProviderResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let at = arn::provider_at("arn", &message.arn)?;
        let view = self.view(&call, &reading).await?;
        let asked = Asked::of("iam:GetOpenIDConnectProvider");
        let on = On::Named(message.arn, at.account.clone());
        view.permit(&asked, &on)?;
        let provider = Some(shown::provider(view.trusted(&at)?));
        view.answer(api::GetProviderResponse { provider })
    }

    pub(super) async fn list_providers(
        &self,
        ask: Ask<api::ListProvidersRequest>,
    ) -> Result<Answer<api::ListProvidersResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let account = parse::account("account", &message.account)?;
        let view = self.view(&call, &reading).await?;
        let account = view.account(account);
        let asked = Asked::of("iam:ListOpenIDConnectProviders");
        view.permit(&asked, &On::All(account.clone()))?;
        let providers = view.providers(&account);
        let providers = providers.map(|provider| shown::provider_in_list(provider));
        view.answer(api::ListProvidersResponse {
            providers: providers.collect(),
        })
    }

    pub(super) async fn update_provider(
        &self,
        ask: Ask<api::UpdateProviderRequest>,
    ) -> Result<Answer<api::UpdateProviderResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let at = arn::provider_at("arn", &message.arn)?;
        let audiences = message
            .audiences
            .map(|asked| audiences(asked.audiences))
            .transpose()?;
        let keys = message.jwks.as_deref().map(key_set).transpose()?;
        let authority = message.authority.as_deref().map(authority).transpose()?;
        let view = self.view_to_change(&call, &reading).await?;
        let asked = Asked::of("iam:UpdateOpenIDConnectProviderThumbprint");
        let on = On::Named(message.arn, at.account.clone());
        view.permit(&asked, &on)?;
        let command = Command::UpdateProvider(UpdateProvider {
            uid: view.trusted(&at)?.uid,
            audiences: audiences.unwrap_or_default(),
            keys,
            fetched: None,
            authority,
            seen: Seen::default(),
        });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        let provider = Some(changed(&done)?);
        Ok(done.answer(api::UpdateProviderResponse { provider }))
    }

    pub(super) async fn delete_provider(
        &self,
        ask: Ask<api::DeleteProviderRequest>,
    ) -> Result<Answer<api::DeleteProviderResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let at = arn::provider_at("arn", &message.arn)?;
        let view = self.view_to_change(&call, &reading).await?;
        let asked = Asked::of("iam:DeleteOpenIDConnectProvider");
        let on = On::Named(message.arn, at.account.clone());
        view.permit(&asked, &on)?;
        let (uid, seen) = (view.trusted(&at)?.uid, Seen::default());
        let command = Command::DeleteProvider(DeleteProvider { uid, seen });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        Ok(done.answer(api::DeleteProviderResponse {}))
    }
}

impl Basis {
    fn trusted(&self, at: &arn::Issued) -> Result<&Arc<Provider>, Refusal> {
        let provider = self.provider_at(at);
        provider.ok_or_else(|| self.refuse(none(EntityKind::Provider)))
    }
}

/// A provider as a change left it.
fn changed(done: &Done) -> Result<api::Provider, Refusal> {
    match &done.entity {
        Some(Entity::Provider(provider)) => Ok(shown::provider(provider)),
        _ => {
            tracing::error!("a command on a provider answered without one");
            Err(Refusal::internal())
        }
    }
}

fn audiences(asked: Vec<String>) -> Result<Vec<String>, Refusal> {
    if asked.is_empty() {
        return Err(Refusal::parameter(
            "You must provide at least one audience.",
        ));
    }
    if asked.len() > AUDIENCES_MAX {
        let constraint = format!("have length less than or equal to {AUDIENCES_MAX}");
        return Err(Refusal::constraint("audiences", &constraint));
    }
    for (index, audience) in asked.iter().enumerate() {
        at_most("audiences", audience, AUDIENCE_CHARS_MAX)?;
        let is_twice = asked.iter().take(index).any(|before| before == audience);
        if audience.is_empty() || is_twice {
            return Err(Refusal::parameter(
                "Each audience must be a text of its own.",
            ));
        }
    }
    Ok(asked)
}

/// A set of keys that tokens can be verified with.
fn key_set(text: &str) -> Result<Document, Refusal> {
    if text.len() > KEY_SET_BYTES_MAX {
        let constraint = format!("have length less than or equal to {KEY_SET_BYTES_MAX}");
        return Err(Refusal::constraint("jwks", &constraint));
    }
    if text.is_empty() {
        return Ok(Document::new(""));
    }
    let parsed = Jwks::parse(text);
    parsed.map_err(|error| {
        Refusal::parameter(format!("The keys are no JWK set that is of use: {error}."))
    })?;
    Ok(Document::new(text))
}

/// The certificates that an issuer's server chains to.
fn authority(text: &str) -> Result<Document, Refusal> {
    if text.len() > PROVIDER_AUTHORITY_BYTES_MAX {
        let constraint =
            format!("have length less than or equal to {PROVIDER_AUTHORITY_BYTES_MAX}");
        return Err(Refusal::constraint("authority", &constraint));
    }
    match text.is_empty() || fetch::is_authority(text) {
        true => Ok(Document::new(text)),
        false => Err(Refusal::parameter(
            "The authority is no certificate in PEM.",
        )),
    }
}
