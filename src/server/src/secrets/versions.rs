//! ListSecretVersionIds.

use consensus::View;
use machine::{Label, Ordinal, Secret, Version};
use wire::secrets::v1::{
    ListSecretVersionIdsRequest, ListSecretVersionIdsResponse, SecretVersionsListEntry,
};

use super::ask::{Answer, Ask};
use super::describe::{midnight, version_accessed};
use super::page::{self, ListQuery};
use super::{About, Secrets, parse};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::limits::PAGE_ITEMS_MAX;
use crate::times::timestamp;

/// What the service calls the default key in this one list.
const DEFAULT_KEY: &str = "DefaultEncryptionKey";

impl Secrets {
    pub(super) async fn list_versions(
        &self,
        ask: Ask<ListSecretVersionIdsRequest>,
    ) -> Result<Answer<ListSecretVersionIdsResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let items = parse::page_items(message.max_results, PAGE_ITEMS_MAX)?;
        let about = About::Secrets(std::slice::from_ref(&id));
        let view = self.view(&call, &reading, about).await?;
        let secret = view.find(&Asked::of("secretsmanager:ListSecretVersionIds"), &id)?;
        let cluster = view.cluster().map(|cluster| cluster.0).unwrap_or_default();
        let query = ListQuery::new(&cluster, "ListSecretVersionIds")
            .with(&secret.uid.0)
            .with(&[u8::from(message.include_deprecated)]);
        let after = after(&query, &message.next_token)?;
        let shown = |version: &&Version| {
            let is_labelled = !version.labels.is_empty();
            (message.include_deprecated || is_labelled)
                && after.is_none_or(|after| version.ordinal > after)
        };
        let mut rest = secret.versions.iter().filter(shown);
        let page: Vec<&Version> = rest.by_ref().take(items).collect();
        let last = page.last().filter(|_| rest.next().is_some());
        let message = ListSecretVersionIdsResponse {
            versions: page
                .iter()
                .map(|version| self.entry(&view, secret, version))
                .collect(),
            next_token: last
                .map(|version| query.token(&version.ordinal.0.to_be_bytes()))
                .unwrap_or_default(),
            arn: view.arn(secret),
            name: secret.name.to_string(),
        };
        view.answer(message)
    }

    fn entry(&self, view: &View, secret: &Secret, version: &Version) -> SecretVersionsListEntry {
        let accessed = version_accessed(view, &self.accesses, secret, version);
        let key = view.wrap(&secret.uid, &version.id).map(|wrap| wrap.key_id);
        let default = view.default_key().map(|key| key.id);
        SecretVersionsListEntry {
            version_id: version.id.to_string(),
            version_stages: version.labels.iter().map(Label::to_string).collect(),
            last_accessed_date: accessed.map(midnight),
            created_date: Some(timestamp(version.created)),
            kms_key_ids: key
                .map(|key| match Some(key) == default {
                    true => DEFAULT_KEY.to_owned(),
                    false => key.to_string(),
                })
                .into_iter()
                .collect(),
        }
    }
}

fn after(query: &ListQuery, token: &str) -> Result<Option<Ordinal>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let place = query.place(token)?;
    let ordinal = place.as_slice().try_into().map_err(|_| page::invalid())?;
    Ok(Some(Ordinal(u64::from_be_bytes(ordinal))))
}
