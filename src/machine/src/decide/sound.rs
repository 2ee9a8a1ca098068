//! What a row of another region must be to be kept: what `decide` would have made of it there.

use crate::decide::form;
use crate::ids::Ordinal;
use crate::limits::{
    DESCRIPTION_CHARS_MAX, LABELS_MAX, ORDINAL_MAX, REGIONS_MAX, SEAL_BYTES_MAX, STAMP_MS_MAX,
    TAGS_MAX, UNLABELLED_VERSIONS_MAX, VALUE_BYTES_MAX,
};
use crate::names::Label;
use crate::position::FeedId;
use crate::row::{Row, RowKey};
use crate::secret::Secret;

/// Says whether a row is a value that is not too long.
pub(super) fn is_value(row: &Row) -> bool {
    let Row::Version(kept) = row else {
        return false;
    };
    let bytes = kept.body().sealed.ciphertext.len();
    bytes <= VALUE_BYTES_MAX.saturating_add(SEAL_BYTES_MAX)
}

/// Says whether a row that begins an epoch is under its own key, and speaks for the region whose
/// ballot it is.
pub(super) fn is_epoch(key: &RowKey, row: &Row) -> bool {
    let Row::Epoch(kept) = row else {
        return !matches!(key, RowKey::Epoch(..));
    };
    let begun = kept.body();
    key.ordinal() == Ordinal(begun.epoch.number) && begun.primary == begun.epoch.region
}

/// Says whether a secret is one that `decide` would have made in a feed: also that its ARN shows
/// the feed's region, or it could be read in the place of another one's.
pub(super) fn is_secret(feed: &FeedId, secret: &Secret) -> bool {
    let labels = || secret.versions.iter().flat_map(|version| &version.labels);
    let currents = labels().filter(|label| label.is_current()).count();
    let mut distinct: Vec<&str> = labels().map(Label::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let ordinals = secret.versions.iter().map(|version| version.ordinal);
    let is_sorted = ordinals.clone().is_sorted_by(|a, b| a < b);
    let is_below = ordinals
        .clone()
        .all(|ordinal| ordinal < secret.next_ordinal);
    let listed = secret.versions.len();
    let due = secret.deletion.map(|deletion| deletion.due);
    let stamps = [Some(secret.created), Some(secret.changed), due];
    matches!(feed, FeedId::Home(region) if *region == secret.region)
        && currents <= 1
        && (listed == 0 || currents == 1)
        && listed <= UNLABELLED_VERSIONS_MAX.saturating_add(LABELS_MAX)
        && distinct.len() == labels().count()
        && distinct.len() <= LABELS_MAX
        && is_sorted
        && is_below
        && secret.next_ordinal.0 <= ORDINAL_MAX
        && stamps.iter().flatten().all(|stamp| stamp.0 <= STAMP_MS_MAX)
        && secret.tags.len() <= TAGS_MAX
        && secret.replicas.len() <= REGIONS_MAX
        && secret.description.chars().count() <= DESCRIPTION_CHARS_MAX
}

/// Says whether the resource policy of a secret, if it has one, is not too long.
pub(super) fn has_policy(secret: &Secret) -> bool {
    let policy = secret.policy.as_ref();
    policy.is_none_or(|policy| form::resource_policy(policy).is_ok())
}

/// Says whether a row about identities is one that `decide` would have made, but for what others
/// there are; of other rows it says nothing.
pub(super) fn is_of_identities(row: &Row) -> bool {
    let checked = match row {
        Row::Account(kept) => form::account(kept.body()),
        Row::Identity(kept) => form::identity(kept.body()),
        Row::Policy(kept) => form::policy(kept.body()),
        Row::Credential(kept) => form::credential(kept.body()),
        Row::Provider(kept) => form::provider(kept.body()),
        Row::Revocation(kept) => form::revocation(kept.body()),
        Row::SessionKey(kept) => form::session_key(kept.body()),
        _ => Ok(()),
    };
    checked.is_ok()
}
