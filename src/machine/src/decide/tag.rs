//! Tags.

use std::collections::BTreeSet;

use crate::answer::Outcome;
use crate::command::{TagResource, UntagResource};
use crate::decide::draft::Draft;
use crate::decide::{bounded, roomy, secret, unmoved};
use crate::limits::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX};
use crate::rejection::{Field, Rejection};
use crate::secret::{Secret, Tag};

pub(super) fn tag(draft: &mut Draft<'_>, tag: &TagResource) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &tag.seen)?;
    let (feed, before) = secret::live(draft.state, &tag.uid)?;
    roomy(draft.state, &feed)?;
    checked(&tag.tags)?;
    if tag.tags.is_empty() {
        return Ok(Outcome::Secret {
            secret: before,
            version: None,
            unchanged: true,
        });
    }
    let mut after = Secret::clone(&before);
    for tag in &tag.tags {
        match after.tags.iter_mut().find(|held| held.key == tag.key) {
            Some(held) => held.value.clone_from(&tag.value),
            None => after.tags.push(tag.clone()),
        }
    }
    if after.tags.len() > TAGS_MAX {
        return Err(Rejection::TagLimit);
    }
    after.tagged = true;
    after.changed = draft.stamp;
    secret::stored(draft, &feed, after, None)
}

pub(super) fn untag(draft: &mut Draft<'_>, untag: &UntagResource) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &untag.seen)?;
    let (feed, before) = secret::live(draft.state, &untag.uid)?;
    bounded(Field::Tags, untag.keys.len(), TAGS_MAX)?;
    let mut after = Secret::clone(&before);
    after.tags.retain(|tag| !untag.keys.contains(&tag.key));
    if after == *before {
        return Ok(Outcome::Secret {
            secret: before,
            version: None,
            unchanged: true,
        });
    }
    after.changed = draft.stamp;
    secret::stored(draft, &feed, after, None)
}

/// Checks the tags of a request.
pub(super) fn checked(tags: &[Tag]) -> Result<(), Rejection> {
    if tags.len() > TAGS_MAX {
        return Err(Rejection::TagLimit);
    }
    let mut keys = BTreeSet::new();
    for tag in tags {
        let (key, value) = (tag.key.chars().count(), tag.value.chars().count());
        let is_long = key > TAG_KEY_CHARS_MAX || value > TAG_VALUE_CHARS_MAX;
        let is_plain = tag.key.chars().chain(tag.value.chars()).all(is_allowed);
        if key == 0 || is_long || !is_plain {
            return Err(Rejection::TagInvalid);
        }
        if tag.key.starts_with("aws:") {
            return Err(Rejection::TagReserved);
        }
        if !keys.insert(&tag.key) {
            return Err(Rejection::TagDuplicate);
        }
    }
    Ok(())
}

/// AWS allows letters, separators and numbers of any script, and `_.:/=+-@`.
fn is_allowed(char: char) -> bool {
    let is_separator = char.is_whitespace() && !char.is_control();
    char.is_alphanumeric() || is_separator || "_.:/=+-@".contains(char)
}
