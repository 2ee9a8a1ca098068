//! How old what this node has applied of other regions' feeds is (R32).
//!
//! Only the leader follows other regions, so only it knows. What it says holds for all it had
//! applied when it said so: another node that has applied as much counts on from the moment it
//! asked, which was before the answer was made. A leader that was replaced meanwhile says nothing
//! wrong: what it had applied was committed, and is as old as it says.

use std::time::Duration;

use machine::{FeedId, LogIndex, NodeId};
use tokio::time::Instant;
use wire::raft::v1;

use crate::core;
use crate::error::Unavailable;
use crate::limits::{BARRIER_ROUND_TIMEOUT, CLAIMS_MAX, RETRY_PAUSE};
use crate::links::Lane;
use crate::rounds::whole_ms;
use crate::{Consensus, Inner};

/// Knows how old the feeds of other regions are that are followed here. The server implements it
/// over what follows them; asked on the node that leads.
pub trait Ages: std::fmt::Debug + Send + Sync + 'static {
    /// Answers, for each feed that is followed and of which it is known, how long ago all that this
    /// node has applied of it by now was all there was. Must not block.
    fn ages(&self) -> Vec<(FeedId, Duration)>;
}

/// Of a node that follows no other region.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAges;

impl Ages for NoAges {
    fn ages(&self) -> Vec<(FeedId, Duration)> {
        Vec::new()
    }
}

/// What a leader says.
pub(crate) struct Said {
    ages: Vec<(FeedId, Duration)>,
    /// What the asking node must have applied.
    index: LogIndex,
}

impl Said {
    pub(crate) fn to_message(&self) -> v1::FreshnessResponse {
        let ages = self.ages.iter().take(CLAIMS_MAX);
        let ages = ages.map(|(feed, age)| v1::FeedAge {
            feed: feed.to_string(),
            age_ms: whole_ms(*age),
        });
        v1::FreshnessResponse {
            ages: ages.collect(),
            index: self.index.0,
            epochs: Vec::new(),
        }
    }

    /// What can be read of it: a leader of a later release may know feeds of another kind.
    pub(crate) fn from_message(answer: &v1::FreshnessResponse) -> Said {
        let ages = answer.ages.iter().take(CLAIMS_MAX);
        let ages = ages.filter_map(|said| {
            let feed = said.feed.parse().ok()?;
            Some((feed, Duration::from_millis(said.age_ms)))
        });
        Said {
            ages: ages.collect(),
            index: LogIndex(answer.index),
        }
    }
}

impl Inner {
    /// What this node says as leader; none if it does not lead.
    pub(crate) fn freshness(&self) -> Option<v1::FreshnessResponse> {
        if core::leader(&self.raft) != Some(self.node) {
            return None;
        }
        let ages = self.ages.ages();
        // After the ages: they are of no more than that.
        let index = self.published.view().index();
        let said = Said { ages, index };
        Some(v1::FreshnessResponse {
            epochs: self.links.news(),
            ..said.to_message()
        })
    }
}

/// Asks whoever leads, again and again within the deadline.
pub(crate) async fn ask(
    consensus: &Consensus,
    deadline: Instant,
) -> Result<Vec<(FeedId, Duration)>, Unavailable> {
    let inner = &consensus.inner;
    let mut tries = 0;
    loop {
        let asked = inner.clocks.since_boot();
        let whom = core::whom_to_ask(&inner.raft, inner.node, tries);
        let said = match whom {
            Some(node) if node == inner.node => inner.freshness().as_ref().map(Said::from_message),
            Some(node) => ask_node(inner, node, deadline).await,
            None => None,
        };
        if let Some(Said { ages, index }) = said {
            consensus.view_at(index, deadline).await?;
            let since = inner.clocks.since_boot().saturating_sub(asked);
            let ages = ages.into_iter();
            return Ok(ages.map(|(feed, age)| (feed, age + since)).collect());
        }
        if Instant::now() + RETRY_PAUSE >= deadline {
            let leader = whom.map(NodeId);
            return Err(Unavailable::NoLeader { leader });
        }
        tries += 1;
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn ask_node(inner: &Inner, node: u64, deadline: Instant) -> Option<Said> {
    let address = inner.links.address(&inner.raft, node)?;
    let mut client = inner.links.client(node, &address, Lane::Forward).ok()?;
    let request = v1::FreshnessRequest {
        origin: Some(inner.links.origin()),
    };
    let deadline = deadline.min(Instant::now() + BARRIER_ROUND_TIMEOUT);
    let answer = tokio::time::timeout_at(deadline, client.freshness(request)).await;
    let answer = answer.ok()?.ok()?.into_inner();
    inner.links.hear(node, &answer.epochs);
    Some(Said::from_message(&answer))
}

#[cfg(test)]
mod tests {
    use machine::RegionName;

    use super::*;

    #[test]
    fn a_feed_of_a_later_release_hides_no_other() {
        let home = FeedId::Home(RegionName::new("eu-west-1").unwrap());
        let said = Said {
            ages: vec![(home.clone(), Duration::from_micros(1500))],
            index: LogIndex(3),
        };
        let mut message = said.to_message();
        let later = v1::FeedAge {
            feed: "another/kind".to_owned(),
            age_ms: 1,
        };
        message.ages.insert(0, later);
        let read = Said::from_message(&message);
        assert_eq!(read.ages, [(home, Duration::from_millis(2))]);
        assert_eq!(read.index, LogIndex(3));
    }
}
