//! Ballots on their way between nodes of a region.

use machine::{Epoch, FeedId, RegionName};
use wire::raft::v1;

use crate::limits::CLAIMS_MAX;

pub(crate) fn claim((feed, epoch): (FeedId, Epoch)) -> v1::Claim {
    v1::Claim {
        feed: feed.to_string(),
        number: epoch.number,
        region: epoch.region.to_string(),
    }
}

/// None of a claim that names no feed or no region.
pub(crate) fn from_claim(claim: &v1::Claim) -> Option<(FeedId, Epoch)> {
    let feed: FeedId = claim.feed.parse().ok()?;
    let region = RegionName::new(&claim.region).ok()?;
    let number = claim.number;
    Some((feed, Epoch { number, region }))
}

/// Those that can be read: a peer of a later release may know feeds of another kind.
pub(crate) fn from_claims(claims: &[v1::Claim]) -> Vec<(FeedId, Epoch)> {
    claims
        .iter()
        .take(CLAIMS_MAX)
        .filter_map(from_claim)
        .collect()
}
