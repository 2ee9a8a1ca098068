//! Regions that are linked to each other.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use consensus::Keep;
use machine::{Cursor, FeedId, Introduction, ReplicaState, Scope, Uid};

use crate::support::copy::start;
use crate::support::region::{Served, entry, version_id};
use crate::support::{NORTH, SOUTH, WEST, eventually, home, name};

/// The founder, and west, which was linked to it just now.
pub async fn pair(scope: Scope) -> (Served, Served) {
    let north = Served::founder(NORTH).await;
    north.pipes.is_told_of.store(true, Ordering::Relaxed);
    let west = beside(&north, WEST, scope).await;
    (north, west)
}

/// A region that was linked to another one just now.
pub async fn beside(north: &Served, region: &str, scope: Scope) -> Served {
    // A region is linked by one that can be reached.
    eventually("north is in the directory", || {
        let view = north.state();
        let north = view.linked(&name(NORTH));
        north.is_some_and(|entry| !entry.nodes.is_empty())
    })
    .await;
    north.link(region, scope).await;
    let mut regions = vec![entry(NORTH, Scope::Founder), entry(region, scope)];
    if region == SOUTH {
        regions.insert(1, entry(WEST, Scope::All));
    }
    let introduction = Introduction {
        regions,
        home_exists: false,
    };
    Served::found(&north.pipes, region, Keep::default(), Some(introduction)).await
}

pub fn stands(region: &Served, feed: &FeedId) -> Cursor {
    let view = region.state();
    view.feed(feed).map_or_else(start, |held| held.cursor())
}

/// Waits until a region has all that another one has of a feed.
pub async fn caught_up(region: &Served, with: &Served, feed: &FeedId) {
    eventually("the region has caught up", || {
        let wanted = stands(with, feed);
        wanted.epoch.is_some() && stands(region, feed) == wanted
    })
    .await;
    let hash = |region: &Served| region.state().feed(feed).map(machine::Feed::hash);
    assert_eq!(hash(region), hash(with), "equal positions, equal hashes");
}

/// What north says of a region's copy.
pub fn said(north: &Served, uid: &Uid, region: &str) -> Option<(ReplicaState, String)> {
    let view = north.state();
    let status = view.replica_status(uid, &name(region))?;
    Some((status.state, status.message.clone()))
}

/// Waits until north says something of west's copy.
pub async fn is_said(north: &Served, uid: &Uid, state: ReplicaState) {
    eventually("the copy is reported", || {
        said(north, uid, WEST).map(|(state, _)| state) == Some(state)
    })
    .await;
}

pub fn north_home() -> FeedId {
    home(NORTH)
}

/// Whether a region has a version of a secret, with its key.
pub fn has(region: &Served, uid: &Uid, number: u8) -> bool {
    let (view, version) = (region.state(), version_id(number));
    let is_here = matches!(view.value(uid, &version), Ok(Some(_)));
    is_here && view.wrap(uid, &version).is_some()
}

/// Waits until what the directory says of regions is true, so that nobody writes to it any more.
pub async fn settled(north: &Served, regions: &[&str]) {
    eventually("all entries are renewed", || {
        let view = north.state();
        let is_true = |region: &&str| {
            let entry = view.linked(&name(region));
            let mut authorities = entry.into_iter().flat_map(|entry| &entry.authorities);
            authorities.any(|der| *der != Bytes::from_static(b"authority"))
        };
        regions.iter().all(is_true)
    })
    .await;
}
