//! BatchGetSecretValue: one view for all, a refusal for each that cannot be read.

use std::sync::Arc;

use machine::{Label, SecretId, ValueKind};
use wire::secrets::v1::secret_value_entry::Value;
use wire::secrets::v1::{
    ApiError, BatchGetSecretValueRequest, BatchGetSecretValueResponse, SecretValueEntry, SortBy,
};

use super::ask::{Answer, Ask};
use super::basis::Views;
use super::filter::Filters;
use super::get::{Choice, Read, text, unwrapped};
use super::list::Selection;
use super::{About, Basis, Secrets, parse};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::limits::BATCH_ITEMS_MAX;
use crate::times::timestamp;

impl Secrets {
    pub(super) async fn batch_get(
        &self,
        ask: Ask<BatchGetSecretValueRequest>,
    ) -> Result<Answer<BatchGetSecretValueResponse>, Refusal> {
        check(&ask.message)?;
        let mut views = Views::default();
        loop {
            // What an earlier view said is said again.
            ask.call.notes.forget_items();
            let batch = match ask.message.filters.is_empty() {
                true => self.batch_of_named(&ask).await,
                false => self.batch_of_matching(&ask).await,
            };
            if !views.again(&batch) {
                return batch;
            }
        }
    }

    async fn batch_of_named(
        &self,
        ask: &Ask<BatchGetSecretValueRequest>,
    ) -> Result<Answer<BatchGetSecretValueResponse>, Refusal> {
        let named = ask.message.secret_id_list.iter();
        let named: Vec<_> = named.map(|text| (parse::secret_id(text), text)).collect();
        let ids = named.iter().filter_map(|(id, _)| id.clone().ok());
        let ids: Vec<SecretId> = ids.collect();
        let about = About::Secrets(&ids);
        let view = self.view(&ask.call, &ask.reading, about).await?;
        view.may(&Asked::of("secretsmanager:BatchGetSecretValue"))?;
        let mut reply = BatchGetSecretValueResponse::default();
        for (id, text) in named {
            view.around.notes.begin_item();
            let read = match id {
                Err(refusal) => Err(refusal),
                Ok(id) => self.read_value(&view, &id, &Choice::Current).await,
            };
            add(&mut reply, &view, text.clone(), read)?;
        }
        view.answer(reply)
    }

    async fn batch_of_matching(
        &self,
        ask: &Ask<BatchGetSecretValueRequest>,
    ) -> Result<Answer<BatchGetSecretValueResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let items = parse::page_items(message.max_results, BATCH_ITEMS_MAX)?;
        let selection = Selection {
            filters: Filters::parse(&message.filters)?,
            sort_by: SortBy::CreatedDate,
            descending: false,
            scheduled: false,
        };
        let view = self.view(call, reading, About::Everything).await?;
        view.may(&Asked::of("secretsmanager:BatchGetSecretValue"))?;
        let query = selection.query(&view, "BatchGetSecretValue", &message.filters);
        let after = selection.place(&query, &message.next_token)?;
        let (accesses, deadline) = (Arc::clone(&self.accesses), call.deadline);
        let searched = view.clone();
        let search = move || {
            let page = selection.page(&searched, &accesses, after.as_ref(), items, deadline)?;
            let uids: Vec<_> = page.secrets.iter().map(|secret| secret.uid).collect();
            let next_token = page.last.map(|place| query.token(&place.encode()));
            Ok::<_, Refusal>((uids, next_token.unwrap_or_default()))
        };
        let found = tokio::task::spawn_blocking(search).await;
        let (uids, next_token) = found.map_err(|_| Refusal::internal())??;
        let mut reply = BatchGetSecretValueResponse {
            next_token,
            ..Default::default()
        };
        for secret in uids.iter().filter_map(|uid| view.secret(uid)) {
            view.around.notes.begin_item();
            let read = match view.may_with(&Choice::Current.asked(), secret) {
                Ok(_) => self.open_version(&view, secret, &Choice::Current).await,
                Err(refusal) => Err(refusal),
            };
            add(&mut reply, &view, view.arn(secret), read)?;
        }
        view.answer(reply)
    }
}

fn check(message: &BatchGetSecretValueRequest) -> Result<(), Refusal> {
    if message.secret_id_list.is_empty() == message.filters.is_empty() {
        return Err(Refusal::parameter(
            "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
        ));
    }
    if message.secret_id_list.len() > BATCH_ITEMS_MAX {
        let constraint = format!("have length less than or equal to {BATCH_ITEMS_MAX}");
        return Err(Refusal::constraint("secretIdList", &constraint));
    }
    if message.filters.is_empty() && message.max_results.is_some() {
        return Err(Refusal::parameter(
            "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is \
             provided.",
        ));
    }
    if message.filters.is_empty() && !message.next_token.is_empty() {
        return Err(Refusal::parameter(
            "'Filters' not specified. 'Filters' must also be specified when 'NextToken' is \
             provided.",
        ));
    }
    Ok(())
}

/// Adds what was read, or why it was not.
///
/// # Errors
/// All is to be read again, from another view.
fn add(
    reply: &mut BatchGetSecretValueResponse,
    view: &Basis,
    asked: String,
    read: Result<Read<'_>, Refusal>,
) -> Result<(), Refusal> {
    match read.and_then(|read| value_entry(view, read)) {
        Ok(entry) => {
            view.around.notes.end_item(None);
            reply.secret_values.push(entry);
        }
        Err(refusal) if refusal.is_superseded() => return Err(refusal),
        Err(refusal) => {
            view.around.notes.end_item(Some(refusal.reason().name()));
            reply.errors.push(ApiError {
                secret_id: asked,
                error_code: refusal.reason().name().to_owned(),
                message: refusal.message().to_owned(),
            });
        }
    }
    Ok(())
}

fn value_entry(view: &Basis, read: Read<'_>) -> Result<SecretValueEntry, Refusal> {
    let value = match read.version.kind {
        ValueKind::String => Value::SecretString(text(read.plain)?),
        ValueKind::Binary => Value::SecretBinary(unwrapped(read.plain)),
    };
    Ok(SecretValueEntry {
        arn: view.arn(read.secret),
        name: read.secret.name.to_string(),
        version_id: read.version.id.to_string(),
        value: Some(value),
        version_stages: read.version.labels.iter().map(Label::to_string).collect(),
        created_date: Some(timestamp(read.version.created)),
    })
}
