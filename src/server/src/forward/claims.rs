//! Ballots in messages to other regions and from them (R28).

use consensus::Epochs;
use machine::{Epoch, FeedId, State};
use wire::replication::v1 as api;

use crate::limits::CLAIMS_MAX;

/// The ballots this node tells.
pub(super) fn of(claims: &[(FeedId, Epoch)]) -> Vec<api::Claim> {
    let claims = claims.iter().map(|(feed, epoch)| api::Claim {
        feed: feed.to_string(),
        number: epoch.number,
        region: epoch.region.to_string(),
    });
    claims.collect()
}

/// Takes the ballots of a message; one that cannot be read says nothing.
pub(super) fn hear(epochs: &Epochs, state: &State, origin: Option<&api::Origin>) {
    let told = origin.into_iter().flat_map(|origin| &origin.epochs);
    let claims = told.take(CLAIMS_MAX).filter_map(|claim| {
        let epoch = Epoch {
            number: claim.number,
            region: claim.region.parse().ok()?,
        };
        Some((claim.feed.parse().ok()?, epoch))
    });
    let claims: Vec<(FeedId, Epoch)> = claims.collect();
    epochs.hear(state, &claims);
}
