//! Changes of a user, a group or a role, as the API wants them.

use std::time::Duration;

use client::access::v1::{
    InlinePolicy, Regions, Tag, TagKeys, Tags, update_principal_request::Change,
};

use crate::arguments::principal::{
    Boundary, PutPolicy, RegionChoice, RegionsNamed, TagNamed, UntagNamed,
};
use crate::document::DocumentError;

pub fn put_policy(put: &PutPolicy) -> Result<Change, DocumentError> {
    Ok(Change::PutInlinePolicy(InlinePolicy {
        name: put.policy.clone(),
        document: put.document.read()?,
    }))
}

pub fn boundary(boundary: &Boundary) -> Change {
    Change::PermissionsBoundary(boundary.policy.clone().unwrap_or_default())
}

pub fn tag(tag: &TagNamed) -> Change {
    let tags = tags(&tag.tags);
    Change::Tag(Tags { tags })
}

pub fn untag(untag: &UntagNamed) -> Change {
    let keys = untag.keys.clone();
    Change::Untag(TagKeys { keys })
}

pub fn regions(regions: &RegionsNamed) -> Change {
    Change::Regions(chosen(&regions.choice))
}

/// Where something is to count; without names everywhere.
pub fn chosen(choice: &RegionChoice) -> Regions {
    let names = choice.regions.clone();
    Regions { names }
}

/// Tags as the API wants them.
pub fn tags(pairs: &[(String, String)]) -> Vec<Tag> {
    let tag = |(key, value): &(String, String)| Tag {
        key: key.clone(),
        value: value.clone(),
    };
    pairs.iter().map(tag).collect()
}

/// A time as the API wants it, to the second.
pub fn seconds(time: Duration) -> client::Duration {
    client::Duration {
        seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        nanos: 0,
    }
}
