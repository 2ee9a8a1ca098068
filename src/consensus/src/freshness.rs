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
struct Said {
    ages: Vec<(FeedId, Duration)>,
    /// What the asking node must have applied.
    index: LogIndex,
}

impl Inner {
    /// What this node says as leader; none if it does not lead.
    pub(crate) fn freshness(&self) -> Option<v1::FreshnessResponse> {
        if core::leader(&self.raft) != Some(self.node) {
            return None;
        }
        let ages = self.ages.ages().into_iter().take(CLAIMS_MAX);
        let ages = ages.map(|(feed, age)| v1::FeedAge {
            feed: feed.to_string(),
            age_ms: whole_ms(age),
        });
        let ages = ages.collect();
        // After the ages: they are of no more than that.
        let index = self.published.view().index().0;
        let epochs = self.links.news();
        Some(v1::FreshnessResponse {
            ages,
            index,
            epochs,
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
            Some(node) if node == inner.node => inner.freshness().and_then(read),
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
    read(answer)
}

fn read(answer: v1::FreshnessResponse) -> Option<Said> {
    let ages = answer.ages.into_iter().take(CLAIMS_MAX);
    let ages = ages.map(|said| {
        let feed = said.feed.parse().ok()?;
        Some((feed, Duration::from_millis(said.age_ms)))
    });
    Some(Said {
        ages: ages.collect::<Option<_>>()?,
        index: LogIndex(answer.index),
    })
}
