//! Pages of lists: how long they are, and where the next one begins.

use machine::State;

use crate::errors::Refusal;
use crate::limits::{ENTITY_PAGE_ITEMS_DEFAULT, ENTITY_PAGE_ITEMS_MAX};
use crate::secrets::page::{self, ListQuery};
use crate::secrets::parse;

/// What the tokens of a list are bound to: the call, and what it asks for but the page.
pub(super) fn query(state: &State, operation: &str, parts: &[&[u8]]) -> ListQuery {
    let cluster = state.cluster().map(|cluster| cluster.0).unwrap_or_default();
    let query = ListQuery::new(&cluster, operation);
    parts.iter().fold(query, |query, part| query.with(part))
}

/// How many items a page may hold.
pub(super) fn items(asked: Option<i32>) -> Result<usize, Refusal> {
    let default = i32::try_from(ENTITY_PAGE_ITEMS_DEFAULT).unwrap_or(i32::MAX);
    parse::page_items(asked.or(Some(default)), ENTITY_PAGE_ITEMS_MAX)
}

/// What a token stands for, read from its place; none for the first page.
pub(super) fn after<T>(
    query: &ListQuery,
    token: &str,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let place = query.place(token)?;
    read(&place).map(Some).ok_or_else(page::invalid)
}

/// The text that a place is.
pub(super) fn text(place: &[u8]) -> Option<&str> {
    std::str::from_utf8(place).ok()
}
