//! ListSecrets, and the selection of a page that BatchGetSecretValue shares.

use std::cmp::Ordering;
use std::sync::Arc;

use machine::{Secret, Stamp, Uid};
use prost::Message;
use tokio::time::Instant;
use wire::secrets::v1::{Filter, ListSecretsRequest, ListSecretsResponse, SortBy, SortOrder};

use super::ask::{Answer, Ask};
use super::describe::{entry, last_accessed};
use super::filter::Filters;
use super::page::{self, ListQuery};
use super::{About, Basis, Secrets, parse, regions};
use crate::accesses::Accesses;
use crate::errors::{Reason, Refusal};
use crate::limits::PAGE_ITEMS_MAX;

/// Secrets looked at between two looks at the clock.
const LOOKS_BETWEEN_CLOCKS: usize = 256;

impl Secrets {
    pub(super) async fn list(
        &self,
        ask: Ask<ListSecretsRequest>,
    ) -> Result<Answer<ListSecretsResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let items = parse::page_items(message.max_results, PAGE_ITEMS_MAX)?;
        let selection = Selection {
            filters: Filters::parse(&message.filters)?,
            sort_by: sort_by(message.sort_by)?,
            descending: descending(message.sort_order)?,
            scheduled: message.include_planned_deletion,
        };
        let view = self.view(&call, &reading, About::Everything).await?;
        let query = selection.query(&view, "ListSecrets", &message.filters);
        let after = selection.place(&query, &message.next_token)?;
        let accesses = Arc::clone(&self.accesses);
        // A filter looks at every secret: too long for the threads that carry all calls.
        let list = move || {
            let page = selection.page(&view, &accesses, after.as_ref(), items, call.deadline)?;
            let secret_list = page
                .secrets
                .iter()
                .map(|secret| entry(&view, &accesses, secret))
                .collect();
            let next_token = page.last.map(|place| query.token(&place.encode()));
            let next_token = next_token.unwrap_or_default();
            let message = ListSecretsResponse {
                secret_list,
                next_token,
            };
            view.answer(message)
        };
        let listed = tokio::task::spawn_blocking(list).await;
        listed.map_err(|_| Refusal::internal())?
    }
}

/// Which secrets a list shows, and in which order.
pub(super) struct Selection {
    pub(super) filters: Filters,
    pub(super) sort_by: SortBy,
    pub(super) descending: bool,
    pub(super) scheduled: bool,
}

/// One page.
pub(super) struct Page<'a> {
    pub(super) secrets: Vec<&'a Arc<Secret>>,
    /// The place of the last secret, when more follow.
    pub(super) last: Option<Place>,
}

/// Where a secret stands in a list. Creation and uid decide between equals.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    key: Key,
    created: Stamp,
    uid: Uid,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Key {
    Date(u64),
    Name(String),
}

impl Selection {
    /// What the tokens of this list are bound to.
    pub(super) fn query(&self, view: &Basis, operation: &str, filters: &[Filter]) -> ListQuery {
        let cluster = view.cluster().map(|cluster| cluster.0).unwrap_or_default();
        let sort_by = self.sort_by as i32;
        let query = ListQuery::new(&cluster, operation)
            .with(&sort_by.to_be_bytes())
            .with(&[u8::from(self.descending), u8::from(self.scheduled)]);
        filters
            .iter()
            .fold(query, |query, filter| query.with(&filter.encode_to_vec()))
    }

    /// The place a token stands for; none for the first page.
    pub(super) fn place(&self, query: &ListQuery, token: &str) -> Result<Option<Place>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let place = query.place(token)?;
        Place::decode(self.sort_by, &place)
            .map(Some)
            .ok_or_else(page::invalid)
    }

    /// The first secrets after a place.
    ///
    /// # Errors
    /// `RequestTimeout`: nobody waits for the page any more.
    pub(super) fn page<'a>(
        &self,
        view: &'a Basis,
        accesses: &Accesses,
        after: Option<&Place>,
        items: usize,
        deadline: Instant,
    ) -> Result<Page<'a>, Refusal> {
        let order = |one: &Place, other: &Place| match self.descending {
            false => one.cmp(other),
            true => other.cmp(one),
        };
        // One more than asked for tells whether another page follows.
        let wanted = items + 1;
        let sees = view.sees();
        let is_sorted = self.sort_by == SortBy::CreatedDate && !self.descending;
        let mut found: Vec<(Place, &Arc<Secret>)> = Vec::new();
        let account = view.who.account();
        // In the order of creation the page begins at its place; else all are looked at.
        let skip = after
            .filter(|_| is_sorted)
            .map(|after| (after.created, after.uid));
        for (looked_at, secret) in view.secrets_after(account, skip).enumerate() {
            if looked_at.is_multiple_of(LOOKS_BETWEEN_CLOCKS) && Instant::now() >= deadline {
                return Err(Refusal::new(Reason::RequestTimeout, "The deadline passed."));
            }
            if secret.is_scheduled() && !self.scheduled {
                continue;
            }
            let place = self.place_of(view, accesses, secret);
            let is_after = after.is_none_or(|after| order(after, &place) == Ordering::Less);
            let primary = || regions::primary(view, secret);
            if !is_after || !self.filters.pass(secret, primary) || !sees.shows(secret) {
                continue;
            }
            found.push((place, secret));
            if is_sorted && found.len() == wanted {
                break;
            }
            if found.len() >= wanted.saturating_mul(8) {
                found.select_nth_unstable_by(items, |one, other| order(&one.0, &other.0));
                found.truncate(wanted);
            }
        }
        if found.is_empty() && after.is_none() && !self.filters.are_any() {
            sees.something()?;
        }
        found.sort_unstable_by(|one, other| order(&one.0, &other.0));
        let more = found.len() > items;
        found.truncate(items);
        let last = found
            .last()
            .filter(|_| more)
            .map(|(place, _)| place.clone());
        Ok(Page {
            secrets: found.into_iter().map(|(_, secret)| secret).collect(),
            last,
        })
    }

    fn place_of(&self, view: &Basis, accesses: &Accesses, secret: &Secret) -> Place {
        let key = match self.sort_by {
            SortBy::Unspecified | SortBy::CreatedDate => Key::Date(secret.created.0),
            SortBy::LastChangedDate => Key::Date(secret.changed.0),
            SortBy::LastAccessedDate => {
                Key::Date(last_accessed(view, accesses, secret).map_or(0, u64::from))
            }
            SortBy::Name => Key::Name(secret.name.to_string()),
        };
        Place {
            key,
            created: secret.created,
            uid: secret.uid,
        }
    }
}

impl Place {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&self.uid.0);
        bytes.extend_from_slice(&self.created.0.to_be_bytes());
        match &self.key {
            Key::Date(date) => bytes.extend_from_slice(&date.to_be_bytes()),
            Key::Name(name) => bytes.extend_from_slice(name.as_bytes()),
        }
        bytes
    }

    fn decode(sort_by: SortBy, bytes: &[u8]) -> Option<Self> {
        let (uid, rest) = bytes.split_first_chunk::<16>()?;
        let (created, key) = rest.split_first_chunk::<8>()?;
        let key = match sort_by {
            SortBy::Name => Key::Name(std::str::from_utf8(key).ok()?.to_owned()),
            _ => Key::Date(u64::from_be_bytes(key.try_into().ok()?)),
        };
        Some(Self {
            key,
            created: Stamp(u64::from_be_bytes(*created)),
            uid: Uid(*uid),
        })
    }
}

fn sort_by(value: i32) -> Result<SortBy, Refusal> {
    match SortBy::try_from(value) {
        Ok(SortBy::Unspecified) => Ok(SortBy::CreatedDate),
        Ok(sort_by) => Ok(sort_by),
        Err(_) => Err(Refusal::constraint(
            "sortBy",
            "satisfy enum value set: [created-date, last-accessed-date, last-changed-date, name]",
        )),
    }
}

fn descending(value: i32) -> Result<bool, Refusal> {
    match SortOrder::try_from(value) {
        Ok(order) => Ok(order == SortOrder::Desc),
        Err(_) => Err(Refusal::constraint(
            "sortOrder",
            "satisfy enum value set: [asc, desc]",
        )),
    }
}
