//! I4: nodes of a region that have applied the same index have the same hash, and all regions have
//! the same hash of a feed at the same place of the same history.

use std::collections::BTreeMap;

use consensus::View;
use machine::{FeedId, Hash};

use crate::violation::{Violation, violation};

pub const NAME: &str = "I4 the same history gives the same state";

#[derive(Default)]
pub struct Hashes {
    /// By region and index, with the host that was seen there first.
    nodes: BTreeMap<(u64, u64), (u64, Hash)>,
    /// By feed and chain hash.
    feeds: BTreeMap<(FeedId, Hash), (u64, Hash)>,
}

impl Hashes {
    /// Takes the state of a node.
    pub fn see(&mut self, region: u64, host: u64, view: &View) -> Result<(), Violation> {
        let (index, hash) = (view.index().0, view.node_hash());
        let (first, known) = *self.nodes.entry((region, index)).or_insert((host, hash));
        if known != hash {
            let how = format!("node {host} differs from node {first} at index {index}");
            return Err(violation(NAME, how));
        }
        for feed in view.feeds() {
            let Some(state) = feed.state() else {
                continue;
            };
            let (place, hash) = ((state.feed.clone(), state.chain), feed.hash());
            let (first, known) = *self.feeds.entry(place).or_insert((host, hash));
            if known != hash {
                let (feed, revision) = (&state.feed, state.revision);
                let how = format!("feed {feed} on {host} is not that of {first} at {revision}");
                return Err(violation(NAME, how));
            }
        }
        Ok(())
    }
}
