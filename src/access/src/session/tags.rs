//! Session tags, within the bounds of IAM.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::context::Context;
use crate::limits::{SESSION_TAG_KEY_CHARS_MAX, SESSION_TAG_VALUE_CHARS_MAX, SESSION_TAGS_MAX};

/// One session tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The key: 1 to [`SESSION_TAG_KEY_CHARS_MAX`] letters, digits, spaces and `_.:/=+-@`, and no
    /// `aws:` at its head.
    pub key: String,
    /// The value: up to [`SESSION_TAG_VALUE_CHARS_MAX`] such characters.
    pub value: String,
    /// Whether sessions that are made from this one have it too.
    pub transitive: bool,
}

/// The tags of a session: at most [`SESSION_TAGS_MAX`], of different keys without regard to case,
/// in the order of their keys in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(Vec<Tag>);

/// Why tags cannot be those of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TagError {
    /// There are too many.
    #[error("{found} session tags are too many, {SESSION_TAGS_MAX} are the limit")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// A key has other characters than it may have, or too many or none.
    #[error(
        "the key of a session tag has 1 to {SESSION_TAG_KEY_CHARS_MAX} letters, digits, spaces \
         and _.:/=+-@"
    )]
    Key,
    /// A value has other characters than it may have, or too many.
    #[error(
        "the value of a session tag has up to {SESSION_TAG_VALUE_CHARS_MAX} letters, digits, \
         spaces and _.:/=+-@"
    )]
    Value,
    /// A key begins as those of AWS do.
    #[error("the key of a session tag may not begin with aws:, choose another one")]
    Reserved,
    /// A key stands twice.
    #[error("two session tags have the same key, but for case: keep one of them")]
    Twice,
    /// A key is said to be transitive, and no tag has it.
    #[error("a transitive tag key is the key of no session tag: add the tag, or remove the key")]
    Transitive,
    /// A tag would replace a transitive one of the session that this one is made from.
    #[error("a session tag has the key of a transitive one, which cannot be replaced: remove it")]
    Inherited,
}

impl Tags {
    /// Takes tags, in any order.
    pub fn new(mut tags: Vec<Tag>) -> Result<Tags, TagError> {
        if tags.len() > SESSION_TAGS_MAX {
            return Err(TagError::TooMany { found: tags.len() });
        }
        let mut keys = BTreeSet::new();
        for Tag { key, value, .. } in &tags {
            if key.is_empty() || !is_text(key, SESSION_TAG_KEY_CHARS_MAX) {
                return Err(TagError::Key);
            }
            if !is_text(value, SESSION_TAG_VALUE_CHARS_MAX) {
                return Err(TagError::Value);
            }
            let lowered = key.to_lowercase();
            if lowered.starts_with("aws:") {
                return Err(TagError::Reserved);
            }
            if !keys.insert(lowered) {
                return Err(TagError::Twice);
            }
        }
        tags.sort_by_cached_key(|tag| tag.key.to_lowercase());
        Ok(Tags(tags))
    }

    /// Makes the tags of a session that is made from one with these tags: the transitive ones, and
    /// `added`, which may not replace them.
    pub fn chained(&self, added: Tags) -> Result<Tags, TagError> {
        let inherited: Vec<&Tag> = self.0.iter().filter(|tag| tag.transitive).collect();
        let is_inherited = |tag: &Tag| {
            let key = tag.key.to_lowercase();
            inherited
                .iter()
                .any(|other| other.key.to_lowercase() == key)
        };
        if added.0.iter().any(is_inherited) {
            return Err(TagError::Inherited);
        }
        let mut tags: Vec<Tag> = inherited.into_iter().cloned().collect();
        tags.extend(added.0);
        Tags::new(tags)
    }

    /// Shows the tags.
    pub fn as_slice(&self) -> &[Tag] {
        &self.0
    }

    /// Sets the keys of a request for a session with these tags: `aws:RequestTag/…`,
    /// `aws:TagKeys` and `sts:TransitiveTagKeys`. Without tags, sets none.
    pub fn describe_request(&self, context: &mut Context) {
        if self.0.is_empty() {
            return;
        }
        for tag in &self.0 {
            context.set(&format!("aws:RequestTag/{}", tag.key), tag.value.as_str());
        }
        context.set_many("aws:TagKeys", self.0.iter().map(|tag| tag.key.as_str()));
        let transitive = self.0.iter().filter(|tag| tag.transitive);
        context.set_many(
            "sts:TransitiveTagKeys",
            transitive.map(|tag| tag.key.as_str()),
        );
    }

    /// Sets the keys of a session that has these tags: `aws:PrincipalTag/…`.
    pub fn describe_principal(&self, context: &mut Context) {
        for tag in &self.0 {
            context.set(&format!("aws:PrincipalTag/{}", tag.key), tag.value.as_str());
        }
    }
}

/// Letters, digits and spaces of any script, and some signs. Marks that Unicode counts as
/// alphabetic are letters here: no script is without its vowels.
fn is_text(text: &str, chars_max: usize) -> bool {
    let is_space = |c: char| c.is_whitespace() && !c.is_control();
    let is_allowed = |c: char| c.is_alphanumeric() || is_space(c) || "_.:/=+-@".contains(c);
    // A character has four bytes at most, so that the count is bounded.
    text.len() <= chars_max * 4 && text.chars().count() <= chars_max && text.chars().all(is_allowed)
}
