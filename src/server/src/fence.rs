//! The last look before an answer: whether another region has taken over what it is about (R28).
//!
//! Invariant: no write to a feed, and no linearizable read of one that is led here, is answered as
//! this region's once this node has heard of a higher ballot of another region.

use std::sync::Arc;

use consensus::{Committed, Consensus, Epochs, Proposal};
use machine::{Command, Epoch, FeedId, State};
use tokio::time::Instant;

use crate::danger::{Broken, Danger};
use crate::door::Call;
use crate::errors::Refusal;

/// Knows of every ballot this node has heard of.
#[derive(Clone)]
pub struct Fence {
    consensus: Consensus,
    epochs: Arc<Epochs>,
    danger: Danger,
}

impl Fence {
    /// A look at these ballots; a broken build never looks.
    #[must_use]
    pub fn new(consensus: Consensus, epochs: Arc<Epochs>, danger: Danger) -> Self {
        Self {
            consensus,
            epochs,
            danger,
        }
    }

    /// The ballot by which another region has taken over a feed that this state says is led here.
    #[must_use]
    pub fn over(&self, seen: &State, feed: &FeedId) -> Option<Epoch> {
        let epoch = &seen.feed(feed)?.state()?.epoch;
        let is_led_here = seen.region() == Some(&epoch.region);
        let leads = is_led_here && !self.danger.is(Broken::FenceUnchecked);
        leads.then(|| self.above(&self.consensus.local_view(), feed, epoch))?
    }

    /// Proposes a command for a call, and answers what became of it unless another region has
    /// taken over since.
    ///
    /// # Errors
    /// As `Consensus::propose`, and as `pass`.
    pub async fn propose(&self, call: &Call, command: Command) -> Result<Committed, Refusal> {
        let feed = command.feed(&self.consensus.local_view());
        let proposal = Proposal {
            command,
            audit: call.audit(),
            deadline: call.deadline,
        };
        let committed = self.consensus.propose(proposal).await;
        let committed = committed
            .map_err(|error| Refusal::from(error).with_addresses(&self.consensus.local_view()))?;
        let mut written = committed.positions.iter();
        let written = written.find(|position| Some(&position.feed) == feed.as_ref());
        if let Some(written) = written {
            call.notes.position(written.clone());
        }
        match feed {
            None => Ok(committed),
            Some(feed) => self.pass(committed, &feed, call.deadline).await,
        }
    }

    /// Passes an entry on, unless another region has taken over since: what was written may be
    /// among what that one never had.
    ///
    /// # Errors
    /// `OutcomeUnknown` of a write, `NotPrimary` of one that was rejected; each names the region.
    async fn pass(
        &self,
        committed: Committed,
        feed: &FeedId,
        deadline: Instant,
    ) -> Result<Committed, Refusal> {
        let mut positions = committed.positions.iter();
        let written = positions.find(|position| position.feed == *feed);
        let Some(written) = written.filter(|_| !self.danger.is(Broken::FenceUnchecked)) else {
            return Ok(committed);
        };
        let mut view = self.consensus.local_view();
        // A node that lags may not know yet that this region is primary.
        if held(&view, feed).is_none_or(|held| *held < written.epoch) {
            view = self.consensus.view_at(committed.index, deadline).await?;
        }
        match self.above(&view, feed, &written.epoch) {
            None => Ok(committed),
            Some(epoch) => Err(match &committed.answer {
                Ok(_) => Refusal::overtaken(&epoch),
                Err(_) => Refusal::taken_over(&epoch),
            }
            .with_addresses(&view)),
        }
    }

    /// The highest ballot of another region above one of ours.
    fn above(&self, state: &State, feed: &FeedId, epoch: &Epoch) -> Option<Epoch> {
        let heard = self.epochs.fenced(state, feed);
        let held = held(state, feed).filter(|held| Some(&held.region) != state.region());
        let known = heard.into_iter().chain(held.cloned());
        known.filter(|known| known > epoch).max()
    }
}

fn held<'a>(state: &'a State, feed: &FeedId) -> Option<&'a Epoch> {
    Some(&state.feed(feed)?.state()?.epoch)
}
